"""Tests of the padding, upsampling and adaptive pooling layers."""

import pytest

from layer_evidence import assert_layer, random_input
from refconv import nn
from refconv.ops.resize import adaptive_avg_pool2d, pad, upsample2d


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Pad2D(2), (3, 4, 2)),
        (lambda: nn.Pad2D(((1, 0), (2, 3)), mode="reflect"), (3, 5, 2)),
        (lambda: nn.Pad2D((0, 2), mode="edge", data_format="channels_first"), (2, 3, 4)),
        (lambda: nn.Upsample2D(2), (3, 4, 2)),
        (lambda: nn.Upsample2D((2, 3), mode="bilinear"), (3, 2, 4)),
        (lambda: nn.Upsample2D((3, 1), mode="bilinear", data_format="channels_first"), (2, 3, 4)),
        (lambda: nn.AdaptiveAvgPool2D((2, 3)), (3, 5, 2)),
        (lambda: nn.AdaptiveAvgPool2D((5, 2), data_format="channels_first"), (2, 3, 4)),
    ],
)
def test_resizing_layers_satisfy_the_requirements_of_layers(layer, shape):
    assert_layer(layer(), shape)
    assert layer().multiply_adds(shape) == 0


def test_the_layers_compute_the_operators():
    x = random_input((3, 5, 2))
    pads = ((1, 0), (2, 3))
    assert (nn.Pad2D(pads, mode="reflect")(x) == pad(x, pads, mode="reflect")).all()
    assert (nn.Upsample2D((2, 3), mode="bilinear")(x) == upsample2d(x, (2, 3), mode="bilinear")).all()
    assert (nn.AdaptiveAvgPool2D((2, 3))(x) == adaptive_avg_pool2d(x, (2, 3))).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Pad2D(-1), "padding must be at least 0"),
        (lambda: nn.Pad2D(1, mode="wrap"), "mode must be 'zeros', 'reflect' or 'edge'"),
        (lambda: nn.Pad2D(3, mode="reflect").output_shape((3, 4, 2)), r"3 \+ 3 on axis 0 of 3 pixels"),
        (lambda: nn.Pad2D(3).output_shape((3, 4)), "must be an image"),
        (lambda: nn.Pad2D(1, data_format="NHWC"), "data_format must be"),
        (lambda: nn.Upsample2D(0), "scale must be at least 1"),
        (lambda: nn.Upsample2D(2, mode="cubic"), "mode must be 'nearest' or 'bilinear'"),
        (lambda: nn.Upsample2D(2, data_format="NHWC"), "data_format must be"),
        (lambda: nn.AdaptiveAvgPool2D(0), "output_size must be at least 1"),
        (lambda: nn.AdaptiveAvgPool2D(2).output_shape((3, 4)), "must be an image"),
        (lambda: nn.AdaptiveAvgPool2D(2, data_format="NHWC"), "data_format must be"),
        (lambda: nn.Upsample2D(2**16).output_shape((3, 4, 1)), "scale must give an output of at most"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_backward_without_want_dx_returns_none():
    x = random_input((3, 5, 2))
    for layer in (nn.Pad2D(1), nn.Upsample2D(2), nn.AdaptiveAvgPool2D(2)):
        y, backward = layer.forward(x)
        assert backward(y, want_dx=False) is None


def test_repr_shows_padding_scale_and_mode():
    assert repr(nn.Pad2D(((1, 0), (2, 3)), mode="edge")) == "Pad2D(1 + 0 × 2 + 3, edge)"
    assert repr(nn.Upsample2D((2, 3))) == "Upsample2D(2×3, nearest)"
    assert repr(nn.AdaptiveAvgPool2D((2, 3))) == "AdaptiveAvgPool2D(2×3)"
