"""Tests of max pooling layers: shapes and gradients, in training and in inference."""

import numpy as np
import pytest

from layer_evidence import assert_layer, random_input
from refconv import nn


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.MaxPool2D((2, 3)), (5, 7, 2)),
        (lambda: nn.MaxPool2D((3, 2), stride=(1, 2), padding=((1, 0), (0, 1))), (4, 5, 3)),
        (lambda: nn.MaxPool2D(2, dilation=2, stride=1, data_format="channels_first"), (3, 5, 4)),
        (lambda: nn.MaxPool2D(2, ceil_mode=True), (5, 7, 2)),
        (lambda: nn.MaxPool1D(3, stride=2), (8, 3)),
        (lambda: nn.GlobalMaxPool2D(), (4, 5, 3)),
        (lambda: nn.GlobalMaxPool2D(data_format="channels_first"), (2, 4, 5)),
        (lambda: nn.GlobalMaxPool1D(), (8, 3)),
    ],
)
def test_max_pooling_satisfies_the_requirements_of_layers(layer, shape, train):
    assert_layer(layer(), shape, train)


def test_invalid_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="kernel_size must be an integer or 2 integers"):
        nn.MaxPool2D((2, 2, 2))
    with pytest.raises(ValueError, match="data_format"):
        nn.MaxPool2D(2, data_format="NHWC")


def test_output_shape_requires_a_pixel_in_each_window():
    with pytest.raises(ValueError, match="only padding at -2 on axis 1"):
        nn.MaxPool2D(2, padding=(0, 2)).output_shape((5, 7, 3))
    assert nn.MaxPool2D((7, 9), ceil_mode=True).output_shape((5, 7, 3)) == (1, 1, 3)


def test_the_global_maximum_is_over_all_positions():
    x = random_input((4, 5, 3))
    np.testing.assert_array_equal(nn.GlobalMaxPool2D()(x), x.max((1, 2)))
    np.testing.assert_array_equal(nn.GlobalMaxPool2D(data_format="channels_first")(x), x.max((2, 3)))


def test_repr_shows_the_arguments_that_differ_from_their_defaults():
    assert repr(nn.MaxPool2D(2)) == "MaxPool2D(2×2)"
    assert repr(nn.MaxPool2D(3, dilation=2, ceil_mode=True)) == "MaxPool2D(3×3, dilation 2×2, ceil mode)"
