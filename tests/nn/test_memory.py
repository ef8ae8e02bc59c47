"""Tests of the memory of activations against numbers counted by hand."""

import pytest

from refconv import nn

X = 6 * 5 * 2


def conv(filters):
    """Return a convolution that keeps the size of the image and has this number of filters."""
    return nn.Conv2D(filters, 3, padding="same")


@pytest.mark.parametrize(
    ("layer", "total", "peak"),
    [
        (conv(3), 90, X + 90),
        (nn.Identity(), 0, X),
        (nn.Sequential(conv(3), nn.ReLU(), nn.Dropout(0.5)), 180, 180),
        (nn.Sequential(conv(3), nn.Flatten(), nn.Dense(7)), 97, X + 90),
        (nn.Sum(conv(2), nn.Identity()), 60 + 60, 3 * X),  # both inputs and the sum
        (nn.Concat(conv(3), conv(4)), 90 + 120 + 210, 90 + 120 + 210),
        # The 3 channels of the first branch are kept while the second branch computes 8 channels from 9.
        (nn.Concat(conv(3), nn.Sequential(conv(9), conv(8), conv(1))), 90 + 270 + 240 + 30 + 120, 90 + 270 + 240),
        (nn.Sum(nn.Sequential(conv(9), conv(2)), nn.Identity()), 270 + 60 + 60, X + 270 + 60),
        (nn.StochasticDepth(conv(3), 0.5), 90, X + 90),
        (nn.DropPath(nn.Sequential(nn.Fractal(conv(4), 1))), 120, X + 120),
        # Three layers and one join. At the peak, the outputs of both columns and their mean exist.
        (nn.Fractal(conv(4), 2), 4 * 120, 3 * 120),
        (nn.Heads(nn.Sequential(a=conv(3), b=conv(4)), a=conv(9)), 90 + 120 + 270, 90 + 120),
    ],
    ids=repr,
)
def test_activations_match_the_count_by_hand(layer, total, peak):
    assert layer.all_activations((6, 5, 2)) == total
    assert layer.peak_activations((6, 5, 2)) == peak
