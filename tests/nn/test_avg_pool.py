"""Tests of average pooling layers: shapes and gradients, in training and in inference."""

import pytest

from layer_evidence import assert_layer
from refconv import nn


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.AvgPool2D((2, 3)), (5, 7, 2)),
        (lambda: nn.AvgPool2D((3, 2), stride=(1, 2), padding=((1, 0), (0, 1)), count_include_pad=True), (4, 5, 3)),
        (lambda: nn.AvgPool2D(2, stride=1, data_format="channels_first"), (3, 5, 4)),
        (lambda: nn.AvgPool1D(3, stride=2, padding=1), (8, 3)),
        (lambda: nn.AvgPool2D((2, 3), stride=1, padding=1, dilation=(3, 2)), (7, 6, 2)),
        (lambda: nn.GlobalAvgPool2D(), (4, 5, 3)),
        (lambda: nn.GlobalAvgPool2D(data_format="channels_first"), (2, 4, 5)),
        (lambda: nn.GlobalAvgPool1D(), (8, 3)),
    ],
)
def test_average_pooling_satisfies_the_requirements_of_layers(layer, shape, train):
    assert_layer(layer(), shape, train)


def test_invalid_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="kernel_size must be an integer or 2 integers"):
        nn.AvgPool2D((2, 2, 2))
    with pytest.raises(ValueError, match="data_format"):
        nn.GlobalAvgPool2D(data_format="NHWC")
    with pytest.raises(ValueError, match=r"GlobalAvgPool2D\(\) must be an image"):
        nn.GlobalAvgPool2D().output_shape((8, 3))
    with pytest.raises(ValueError, match="input_size must be at least 1"):
        nn.GlobalAvgPool2D().output_shape((0, 8, 3))


def test_repr_shows_the_stride_only_if_it_differs_from_the_kernel_size():
    assert repr(nn.AvgPool2D(2)) == "AvgPool2D(2×2)"
    assert repr(nn.AvgPool1D(3, stride=2)) == "AvgPool1D(3, stride 2)"
    assert repr(nn.AvgPool1D(3, dilation=2)) == "AvgPool1D(3, dilation 2)"
