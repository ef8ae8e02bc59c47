"""Tests of the dense layer and Flatten: shapes, counts and gradients."""

import numpy as np
import pytest

from layer_evidence import assert_layer
from refconv import nn


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Dense(4), (5,)),
        (lambda: nn.Dense(3, bias=False), (2,)),
        (lambda: nn.Flatten(), (2, 3, 4)),
        (lambda: nn.Sequential(nn.Flatten(), nn.Dense(4)), (2, 3, 1)),
    ],
)
def test_dense_and_flatten_satisfy_the_requirements_of_layers(layer, shape):
    assert_layer(layer(), shape)


def test_flatten_keeps_the_order_in_memory():
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    assert (nn.Flatten()(x) == x.reshape(2, 12)).all()


def test_the_error_about_an_image_recommends_flatten():
    with pytest.raises(ValueError, match=r"the input of Dense\(4\) must have one axis, got shape \(5, 5, 2\): add Flatten"):
        nn.Dense(4).output_shape((5, 5, 2))
    with pytest.raises(ValueError, match="units must be at least 1"):
        nn.Dense(0)


@pytest.mark.parametrize("method", [nn.Dense.output_shape, nn.Dense.count_parameters, nn.Dense.multiply_adds, nn.Dense.build])
def test_an_empty_input_is_refused(method):
    for shape in ((0,), (-4,)):
        with pytest.raises(ValueError, match=rf"the input of Dense\(3\) must be at least 1, got \({shape[0]},\)"):
            method(nn.Dense(3), shape)
    with pytest.raises(TypeError, match=r"the input of Dense\(3\) must be integers, got \(2.5,\)"):
        method(nn.Dense(3), (2.5,))


@pytest.mark.parametrize("bias", ["x", None, 1, 0.0, np.ones(2)])
def test_bias_must_be_true_or_false(bias):
    with pytest.raises(TypeError, match="bias must be True or False, got "):
        nn.Dense(3, bias=bias)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda **options: nn.Dense(3, **options), (5,)),
        (lambda **options: nn.Conv1D(4, 3, **options), (7, 2)),
        (lambda **options: nn.Conv2D(4, (3, 2), **options), (6, 5, 3)),
        (lambda **options: nn.ConvTranspose2D(4, (3, 2), **options), (6, 5, 3)),
        (lambda **options: nn.SeparableConv2D(4, (3, 2), **options), (6, 5, 3)),
    ],
)
def test_initializer_none_is_the_default(make, shape):
    default, none = make(), make(initializer=None)
    default.build(shape, rng=0)
    none.build(shape, rng=0)
    for name, parameter in default.parameters.items():
        np.testing.assert_array_equal(none.parameters[name].value, parameter.value)
