"""Activation layers: the shape stays, the gradients are right."""

import numpy as np
import pytest

from layer_evidence import assert_layer, random_input
from refconv import nn


@pytest.mark.parametrize("layer", [nn.ReLU, lambda: nn.LeakyReLU(0.3), lambda: nn.ELU(0.7), nn.Sigmoid, nn.Tanh, nn.Softmax])
def test_activation_layers_keep_every_promise(layer):
    assert_layer(layer(), (3, 4))


def test_slope_and_alpha_reach_the_operator():
    x = random_input((4,))
    np.testing.assert_allclose(nn.LeakyReLU(0.3)(x), np.where(x > 0, x, 0.3 * x), rtol=1e-12)
    np.testing.assert_allclose(nn.ELU(0.7)(x), np.where(x > 0, x, 0.7 * np.expm1(x)), rtol=1e-12)
