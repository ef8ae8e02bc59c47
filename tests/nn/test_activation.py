"""Activation layers: the shape stays, the gradients are right."""

from fractions import Fraction

import numpy as np
import pytest

from layer_evidence import assert_layer, random_input
from refconv import nn
from refconv._config import config


@pytest.mark.parametrize("layer", [nn.ReLU, lambda: nn.LeakyReLU(0.3), lambda: nn.ELU(0.7), nn.Sigmoid, nn.Tanh, nn.Softmax])
def test_activation_layers_keep_every_promise(layer):
    assert_layer(layer(), (3, 4))


def test_slope_and_alpha_reach_the_operator():
    x = random_input((4,))
    np.testing.assert_allclose(nn.LeakyReLU(0.3)(x), np.where(x > 0, x, 0.3 * x), rtol=1e-12)
    np.testing.assert_allclose(nn.ELU(0.7)(x), np.where(x > 0, x, 0.7 * np.expm1(x)), rtol=1e-12)


@pytest.mark.parametrize(("layer", "name"), [(nn.LeakyReLU, "slope"), (nn.ELU, "alpha")])
def test_what_is_no_number_is_refused_when_the_layer_is_made(layer, name):
    for value in ("x", None, True, [0.1], np.ones(3), np.array(0.1)):
        with pytest.raises(TypeError, match=f"{name} must be a number, got "):
            layer(value)
    for value in (np.nan, -np.inf):
        with pytest.raises(ValueError, match=f"{name} must be finite, got {value}"):
            layer(value)


def test_fractions_and_symbols_stay_exact():
    sympy = pytest.importorskip("sympy")
    a = sympy.Symbol("a")
    with config(engine="reference"):
        assert nn.LeakyReLU(Fraction(1, 10))(np.array([[Fraction(-3)]], object))[0, 0] == Fraction(-3, 10)
        assert nn.ELU(a)(np.array([[sympy.Integer(-2)]], object))[0, 0] == a * (sympy.exp(-2) - 1)
