"""Dense layer and Flatten: shapes, counts and gradients."""

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
def test_dense_and_flatten_keep_every_promise(layer, shape):
    assert_layer(layer(), shape)


def test_flatten_keeps_the_order_in_memory():
    x = np.arange(24.0).reshape(2, 3, 2, 2)
    assert (nn.Flatten()(x) == x.reshape(2, 12)).all()


def test_an_image_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"Dense\(4\) takes one axis of numbers, but got shape \(5, 5, 2\): put Flatten"):
        nn.Dense(4).output_shape((5, 5, 2))
    with pytest.raises(ValueError, match="units must be at least 1"):
        nn.Dense(0)
