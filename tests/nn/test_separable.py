"""Tests of depthwise and separable layers: shapes, counts and gradients."""

import numpy as np
import pytest

from layer_evidence import assert_layer, built, random_input
from refconv import nn
from refconv.ops.separable import depthwise_conv2d, separable_conv2d


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.DepthwiseConv2D((3, 2)), (5, 6, 2)),
        (lambda: nn.DepthwiseConv2D((2, 3), 2, stride=(2, 1), padding="same", bias=False), (5, 4, 3)),
        (lambda: nn.DepthwiseConv2D(2, 3, dilation=(1, 2), padding=((0, 1), (2, 1)), data_format="channels_first"), (2, 4, 5)),
        (lambda: nn.SeparableConv2D(4, (3, 2)), (5, 6, 2)),
        (lambda: nn.SeparableConv2D(2, (2, 3), 2, stride=(2, 1), padding="same", bias=False), (5, 4, 3)),
        (lambda: nn.SeparableConv2D(5, 2, 3, dilation=(1, 2), data_format="channels_first"), (2, 4, 5)),
    ],
)
def test_separable_layers_satisfy_the_requirements_of_layers(layer, shape):
    assert_layer(layer(), shape)


def test_the_layers_compute_the_operators():
    x, options = random_input((5, 6, 3)), {"stride": 2, "padding": "same"}
    layer = built(nn.DepthwiseConv2D((3, 2), 2, **options), (5, 6, 3))
    assert (layer(x) == depthwise_conv2d(x, layer.parameters["w"].value, layer.parameters["b"].value, **options)).all()
    layer = built(nn.SeparableConv2D(4, (3, 2), 2, **options), (5, 6, 3))
    kernels = [layer.parameters[name].value for name in ("depthwise", "pointwise", "b")]
    assert (layer(x) == separable_conv2d(x, *kernels, **options)).all()


def test_multiply_adds_count_each_product_of_the_formula():
    shape = (28, 31, 6)
    depthwise = nn.DepthwiseConv2D((3, 5), 2, stride=2, padding="same")
    assert depthwise.multiply_adds(shape) == 14 * 16 * 12 * 15
    assert depthwise.count_parameters(shape) == 3 * 5 * 12 + 12
    layer = nn.SeparableConv2D(16, (3, 5), 2, stride=2, padding="same")
    assert layer.multiply_adds(shape) == 14 * 16 * (12 * 15 + 12 * 16)
    assert layer.count_parameters(shape) == 3 * 5 * 12 + 12 * 16 + 16


@pytest.mark.parametrize("layer", [nn.DepthwiseConv2D(3, 2, bias=False), nn.SeparableConv2D(30, 3, 2, bias=False)])
def test_initial_weights_follow_the_rule_of_he(layer):
    # The variance of the layer's output is twice the mean square of its input, the output of a ReLU.
    x = np.maximum(np.random.default_rng(0).standard_normal((8, 12, 12, 40)), 0)
    layer.build(x.shape[1:], rng=1, dtype=np.float64)
    assert 0.8 < np.mean(layer(x) ** 2) / (2 * np.mean(x**2)) < 1.25


def test_an_initializer_of_the_user_initialises_both_kernels():
    layer = nn.SeparableConv2D(4, 2, initializer=lambda rng, shape: np.full(shape, 7))
    layer.build((3, 3, 2))
    for name in ("depthwise", "pointwise"):
        assert (layer.parameters[name].value == 7).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.DepthwiseConv2D(3, 0), ValueError, "multiplier must be at least 1"),
        (lambda: nn.DepthwiseConv2D(3, groups=2), TypeError, "DepthwiseConv2D has no argument groups=2"),
        (lambda: nn.SeparableConv2D(3, 3, groups=2), TypeError, "SeparableConv2D has no argument groups=2"),
        (lambda: nn.SeparableConv2D(0, 3), ValueError, "filters must be at least 1"),
        (lambda: nn.SeparableConv2D(4, 3, multiplier=1.5), TypeError, "multiplier must be an integer"),
        (lambda: nn.DepthwiseConv2D(3).output_shape((5, 5)), ValueError, "must be an image"),
        (lambda: nn.SeparableConv2D(4, 3).output_shape((2, 5, 1)), ValueError, "at least as large as the kernel"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_repr_shows_the_arguments_that_differ_from_their_defaults():
    assert repr(nn.DepthwiseConv2D((5, 3))) == "DepthwiseConv2D(5×3)"
    assert repr(nn.DepthwiseConv2D(5, 2, stride=2)) == "DepthwiseConv2D(5×5, multiplier 2, stride 2×2)"
    assert repr(nn.SeparableConv2D(6, 3, 2, padding="same")) == "SeparableConv2D(6, 3×3, multiplier 2, padding same)"
