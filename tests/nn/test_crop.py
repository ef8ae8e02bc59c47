"""Tests of Crop2D and PadChannels: outputs and gradients."""

import numpy as np
import pytest

from layer_evidence import assert_layer, random_input
from refconv import nn


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Crop2D(1), (4, 5, 2)),
        (lambda: nn.Crop2D(((1, 0), (2, 1))), (3, 5, 2)),
        (lambda: nn.Crop2D((0, 1), data_format="channels_first"), (3, 2, 5)),
        (lambda: nn.PadChannels(5), (2, 3, 4)),
        (lambda: nn.PadChannels(4), (4,)),
    ],
)
def test_crop_and_pad_channels_satisfy_the_requirements_of_layers(layer, shape, train):
    assert_layer(layer(), shape, train)


def test_a_crop_is_a_slice_and_the_inverse_of_padding():
    x = random_input((6, 5, 2))
    np.testing.assert_array_equal(nn.Crop2D(((1, 2), (0, 3)))(x), x[:, 1:4, 0:2])
    margin = ((2, 1), (3, 0))
    np.testing.assert_array_equal(nn.Crop2D(margin)(nn.Pad2D(margin)(x)), x)


def test_new_channels_are_zero_and_come_last():
    x = random_input((3, 2, 2))
    y = nn.PadChannels(5)(x)
    np.testing.assert_array_equal(y[..., :2], x)
    assert not y[..., 2:].any()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Crop2D(2).output_shape((4, 5, 1)), ValueError, "must be larger than its margins, got shape"),
        (lambda: nn.Crop2D(2)(np.ones((1, 4, 5, 1))), ValueError, "must be larger than its margins"),
        (lambda: nn.Crop2D("same"), TypeError, "padding must be numbers"),
        (lambda: nn.Crop2D(1, data_format="last"), ValueError, "data_format must be"),
        (lambda: nn.PadChannels(0), ValueError, "channels must be at least 1"),
        (lambda: nn.PadChannels(2)(np.ones((1, 3))), ValueError, "must have at most 2 channels"),
    ],
)
def test_invalid_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
