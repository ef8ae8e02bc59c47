"""Tests of the local response normalisation layer."""

import numpy as np
import pytest

from layer_evidence import assert_layer, random_input
from refconv import nn
from refconv.ops.response_norm import local_response_norm


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.LocalResponseNorm(), (4, 3, 7)),
        (lambda: nn.LocalResponseNorm(4, 0.3, 0.6, 1.5, divide_by_size=True), (5,)),
        (lambda: nn.LocalResponseNorm(2, 0.5, data_format="channels_first"), (6, 4, 3)),
    ],
)
def test_local_response_norm_satisfies_the_requirements_of_layers(layer, shape, train):
    assert_layer(layer(), shape, train)


def test_the_layer_passes_its_arguments_to_the_operator():
    x = random_input((6, 4, 3))
    layer = nn.LocalResponseNorm(4, 0.3, 0.6, 1.5, divide_by_size=True, data_format="channels_first")
    expected = local_response_norm(x, 4, 0.3, 0.6, 1.5, divide_by_size=True, data_format="channels_first")
    np.testing.assert_array_equal(layer(x), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be at least 1, got 0"),
        ({"alpha": -1}, "alpha must be at least 0, got -1"),
        ({"alpha": float("nan")}, "alpha must be finite, got nan"),
        ({"k": 0}, "k must be above 0, got 0"),
        ({"data_format": "NHWC"}, "data_format"),
    ],
)
def test_invalid_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.LocalResponseNorm(**arguments)


def test_repr_shows_the_arguments_that_differ_from_those_of_alexnet():
    assert repr(nn.LocalResponseNorm()) == "LocalResponseNorm(5)"
    assert repr(nn.LocalResponseNorm(3, k=1, divide_by_size=True)) == "LocalResponseNorm(3, k 1, divided by size)"
