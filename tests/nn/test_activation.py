"""Tests of activation layers: shapes, gradients and arguments."""

from fractions import Fraction

import numpy as np
import pytest

from layer_evidence import assert_layer, random_input
from refconv import nn
from refconv._config import config


@pytest.mark.parametrize(
    "layer", [nn.ReLU, nn.ReLU6, lambda: nn.LeakyReLU(0.3), lambda: nn.ELU(0.7), nn.Sigmoid, nn.Tanh, nn.Softmax]
)
def test_activation_layers_satisfy_the_requirements_of_layers(layer):
    assert_layer(layer(), (3, 4))


def test_relu6_is_cut_off_at_6():
    x = 8 * random_input((40,))
    assert (x > 6).any()
    y, backward = nn.ReLU6().forward(x)
    np.testing.assert_array_equal(y, np.clip(x, 0, 6))
    np.testing.assert_array_equal(backward(np.ones_like(x)), (x > 0) & (x < 6))


def test_slope_and_alpha_are_passed_to_the_operator():
    x = random_input((4,))
    np.testing.assert_allclose(nn.LeakyReLU(0.3)(x), np.where(x > 0, x, 0.3 * x), rtol=1e-12)
    np.testing.assert_allclose(nn.ELU(0.7)(x), np.where(x > 0, x, 0.7 * np.expm1(x)), rtol=1e-12)


@pytest.mark.parametrize(("layer", "name"), [(nn.LeakyReLU, "slope"), (nn.ELU, "alpha")])
def test_an_invalid_slope_or_alpha_is_refused_by_the_constructor(layer, name):
    for value in ("x", None, True, [0.1], np.ones(3), np.array(0.1)):
        with pytest.raises(TypeError, match=f"{name} must be a number, got "):
            layer(value)
    for value in (np.nan, -np.inf):
        with pytest.raises(ValueError, match=f"{name} must be finite, got {value}"):
            layer(value)


def test_layers_compute_exactly_with_fractions_and_symbols():
    sympy = pytest.importorskip("sympy")
    a = sympy.Symbol("a")
    with config(engine="reference"):
        assert nn.LeakyReLU(Fraction(1, 10))(np.array([[Fraction(-3)]], object))[0, 0] == Fraction(-3, 10)
        assert nn.ELU(a)(np.array([[sympy.Integer(-2)]], object))[0, 0] == a * (sympy.exp(-2) - 1)
