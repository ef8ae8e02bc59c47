"""Local response normalisation as a layer."""

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
def test_local_response_norm_keeps_every_promise(layer, shape, train):
    assert_layer(layer(), shape, train)


def test_it_computes_what_its_arguments_say():
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
def test_what_does_not_fit_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        nn.LocalResponseNorm(**arguments)


def test_repr_names_what_is_not_alexnets():
    assert repr(nn.LocalResponseNorm()) == "LocalResponseNorm(5)"
    assert repr(nn.LocalResponseNorm(3, k=1, divide_by_size=True)) == "LocalResponseNorm(3, k 1, divided by size)"
