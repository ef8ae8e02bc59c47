"""Tests of convolution layers: shapes, counts and gradients."""

import pytest

from layer_evidence import assert_layer, built, random_input
from refconv import nn, ops


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Conv2D(4, (3, 2)), (5, 6, 2)),
        (lambda: nn.Conv2D(6, (2, 3), stride=(2, 1), padding="same", groups=2), (5, 4, 4)),
        (lambda: nn.Conv2D(3, 2, dilation=(1, 2), padding=((0, 1), (2, 1)), bias=False), (4, 5, 2)),
        (lambda: nn.Conv2D(4, (3, 2), stride=2, groups=2, data_format="channels_first"), (4, 6, 5)),
        (lambda: nn.Conv1D(4, 3, stride=2, padding="full", groups=2), (7, 6)),
        (lambda: nn.Conv1D(3, 2, dilation=2, data_format="channels_first"), (2, 6)),
    ],
)
def test_conv_layers_satisfy_the_requirements_of_layers(layer, shape):
    assert_layer(layer(), shape)


def test_the_layer_computes_the_operator():
    layer = built(nn.Conv2D(4, (3, 2), stride=2, padding="same", groups=2), (5, 6, 4))
    x = random_input((5, 6, 4))
    expected = ops.conv.conv2d(x, layer.parameters["w"].value, layer.parameters["b"].value, stride=2, padding="same", groups=2)
    assert (layer(x) == expected).all()


def test_multiply_adds_count_each_product_of_the_formula():
    # 14·16 pixels × 16 outputs × 3·5·(6 / 2) products.
    layer = nn.Conv2D(16, (3, 5), stride=2, padding="same", groups=2)
    assert layer.multiply_adds((28, 31, 6)) == 14 * 16 * 16 * 45
    assert layer.count_parameters((28, 31, 6)) == 3 * 5 * 3 * 16 + 16
    assert nn.Conv1D(5, 4).multiply_adds((9, 2)) == 6 * 5 * 8


def test_counting_allocates_nothing():
    # The weights would take 4 TB.
    layer = nn.Conv2D(10**6, 1)
    assert layer.count_parameters((1, 1, 10**6)) == 10**12 + 10**6
    assert layer.output_shape((1, 1, 10**6)) == (1, 1, 10**6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2D(0, 3), "filters must be at least 1"),
        (lambda: nn.Conv2D(4, 3, padding="some"), "padding must be 'valid', 'same'"),
        (lambda: nn.Conv2D(4, (3, 3, 3)), "kernel_size must be an integer or 2 integers"),
        (lambda: nn.Conv2D(4, 3, groups=3), "groups must divide the 4 filters, got 3"),
        (lambda: nn.Conv2D(4, 3, groups=2).output_shape((5, 5, 3)), "groups must divide the 3 inputs, got 2"),
        (lambda: nn.Conv2D(4, 3).output_shape((5, 5)), r"must be an image .*, got shape \(5, 5\)"),
        (lambda: nn.Conv2D(4, 3).output_shape((2, 5, 1)), "at least as large as the kernel"),
        (lambda: nn.Conv2D(4, 3, data_format="NHWC"), "data_format must be 'channels_last' or 'channels_first'"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_repr_shows_the_arguments_that_differ_from_their_defaults():
    assert repr(nn.Conv2D(6, (5, 3))) == "Conv2D(6, 5×3)"
    assert repr(nn.Conv2D(6, 5, stride=2, padding="same", dilation=3, groups=2)) == (
        "Conv2D(6, 5×5, stride 2×2, padding same, dilation 3×3, groups 2)"
    )


@pytest.mark.parametrize(
    "layer", [lambda **k: nn.Conv2D(4, 3, **k), lambda **k: nn.ConvTranspose1D(4, 3, **k), lambda **k: nn.Dense(4, **k)]
)
def test_the_constructor_checks_bias_and_initializer(layer):
    with pytest.raises(TypeError, match="bias must be True or False, got 'x'"):
        layer(bias="x")
    with pytest.raises(TypeError, match="initializer must be a function of rng and shape, got 3"):
        layer(initializer=3)
