"""Tests of receptive fields against the input pixels on which an output pixel depends."""

import numpy as np
import pytest

from layer_evidence import built
from refconv import geometry, nn
from refconv.analysis.receptive_field import receptive_field


def measured_span(layer, shape):
    """Return the span of the input pixels on which the middle pixel of the output depends."""
    built(layer, shape)
    x = np.random.default_rng(0).uniform(1, 2, (1, *shape))
    y, backward = layer.forward(x)
    dy = np.zeros_like(y)
    dy[0, y.shape[1] // 2, y.shape[2] // 2] = np.random.default_rng(1).uniform(1, 2, y.shape[-1])
    dx = abs(backward(dy)[0]).sum(-1)
    return tuple((int(hit.min()), int(hit.max())) for hit in np.nonzero(dx))


def mean(kernel, **arguments):
    """Return average pooling; unlike the maximum, it depends on every pixel of the window."""
    return nn.AvgPool2D(kernel, **arguments)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2D(3, (3, 2), stride=(1, 2), padding="same"),
        nn.Conv2D(3, 3, dilation=(2, 1), padding=((1, 2), (0, 1))),
        nn.DepthwiseConv2D((2, 3), 2, stride=2),
        nn.SeparableConv2D(4, 3, stride=(2, 1), padding="same_lower"),
        nn.ConvTranspose2D(2, (2, 3), stride=2),
        nn.ConvTranspose2D(2, 3, stride=(2, 3), padding="same"),
        nn.ConvTranspose2D(2, 5, stride=2, padding=1),
        mean((2, 3), stride=2),
        nn.Pad2D(((2, 0), (1, 3))),
        nn.Crop2D(((2, 1), (0, 3))),
        nn.Upsample2D((2, 3)),
        nn.Sequential(nn.Upsample2D((2, 3), mode="bilinear"), nn.Crop2D(((1, 0), (0, 0)))),
        nn.Sum(nn.Conv2D(2, (1, 3), padding="same"), nn.Conv2D(2, (3, 1), padding=((0, 2), (0, 0)))),
        nn.Concat(nn.Identity(), nn.Sequential(mean(2), nn.Conv2D(2, 3, padding=1), nn.ConvTranspose2D(3, 2, stride=2))),
        nn.Fractal(nn.Conv2D(2, 3, padding="same"), 3),
        nn.StochasticDepth(nn.Conv2D(2, 3), 1.0),
        nn.Sequential(mean(3, stride=2, padding=1), nn.Conv2D(3, 3), nn.Conv2D(2, (2, 3), stride=2)),
    ],
    ids=repr,
)
def test_the_receptive_field_is_the_span_of_pixels_that_change_the_output(layer):
    shape = (14, 18, 2)
    measured = measured_span(layer, shape)
    middle = tuple((n // 2, n // 2) for n in layer.output_shape(shape)[:-1])
    assert layer.input_span(shape, middle) == measured
    assert receptive_field(layer, shape) == tuple(high - low + 1 for low, high in measured)


def test_the_receptive_field_of_a_sequence_matches_the_geometry():
    layers = [nn.Conv2D(4, 7, stride=2, padding=3), nn.MaxPool2D(3, stride=2), nn.Conv2D(2, (3, 5), dilation=2)]
    assert receptive_field(nn.Sequential(*layers), (96, 90, 3)) == geometry.receptive_field([m.window for m in layers])


def test_global_means_and_dense_layers_see_the_complete_input():
    assert receptive_field(nn.Sequential(nn.Conv2D(4, 3), nn.GlobalAvgPool2D(), nn.Dense(5)), (9, 8, 3)) is None
    assert receptive_field(nn.Sequential(nn.Flatten(), nn.Dense(5)), (9, 8, 3)) is None


class Mirror(nn.Layer):
    """Layer without a rule for its receptive field."""

    def output_shape(self, shape):
        return shape

    def forward(self, x, train=True):
        return x[:, ::-1], lambda dy, want_dx=True: dy[:, ::-1]


class MirrorWithRule(Mirror):
    def input_span(self, shape, span):
        (low, high), columns = span
        return (shape[0] - 1 - high, shape[0] - 1 - low), columns


def test_a_layer_without_a_rule_may_depend_on_the_complete_input():
    layers = nn.Sequential(nn.Conv2D(2, 3), Mirror(), nn.Conv2D(2, 3))
    assert receptive_field(layers, (9, 8, 3)) is None
    layers = nn.Sequential(nn.Conv2D(2, 3), MirrorWithRule(), nn.Conv2D(2, 3))
    assert receptive_field(layers, (9, 8, 3)) == (5, 5)


def test_input_span_follows_a_layer_that_mirrors_pixels():
    shape = (15, 8, 2)
    layers = nn.Sequential(nn.Crop2D(((4, 0), (0, 0))), MirrorWithRule(), nn.Crop2D(((0, 6), (0, 0))))
    assert layers.input_span(shape, ((2, 2), (4, 4))) == measured_span(layers, shape) == ((12, 12), (4, 4))


def test_channels_first_has_the_same_receptive_field():
    def net(data_format):
        up = nn.ConvTranspose2D(3, (2, 3), stride=(2, 3), data_format=data_format)
        return nn.Sequential(nn.Conv2D(4, (3, 5), stride=2, data_format=data_format), up)

    assert receptive_field(net("channels_first"), (3, 14, 27)) == receptive_field(net("channels_last"), (14, 27, 3))
    assert receptive_field(nn.MaxPool1D(3, data_format="channels_first"), (5, 17)) == (3,)
