"""Memory of activations, counted by hand."""

import pytest

from refconv import nn

X = 6 * 5 * 2


def conv(filters):
    """As many pixels as before, and so many channels."""
    return nn.Conv2D(filters, 3, padding="same")


@pytest.mark.parametrize(
    ("layer", "everything", "at_once"),
    [
        (conv(3), 90, X + 90),
        (nn.Identity(), 0, X),
        (nn.Sequential(conv(3), nn.ReLU(), nn.Dropout(0.5)), 180, 180),
        (nn.Sequential(conv(3), nn.Flatten(), nn.Dense(7)), 97, X + 90),
        (nn.Sum(conv(2), nn.Identity()), 60 + 60, 3 * X),  # the sum needs both, and a place for itself
        (nn.Concat(conv(3), conv(4)), 90 + 120 + 210, 90 + 120 + 210),
        # The first branch's 3 channels wait while the second is at its widest, from 9 to 8 channels.
        (nn.Concat(conv(3), nn.Sequential(conv(9), conv(8), conv(1))), 90 + 270 + 240 + 30 + 120, 90 + 270 + 240),
        (nn.Sum(nn.Sequential(conv(9), conv(2)), nn.Identity()), 270 + 60 + 60, X + 270 + 60),
        (nn.StochasticDepth(conv(3), 0.5), 90, X + 90),
        (nn.DropPath(nn.Sequential(nn.Fractal(conv(4), 1))), 120, X + 120),
        # Three layers and one join. The short column's value waits, or the deep one's; then both and their mean.
        (nn.Fractal(conv(4), 2), 4 * 120, 3 * 120),
        (nn.Heads(nn.Sequential(a=conv(3), b=conv(4)), a=conv(9)), 90 + 120 + 270, 90 + 120),
    ],
    ids=repr,
)
def test_by_hand(layer, everything, at_once):
    assert layer.all_activations((6, 5, 2)) == everything
    assert layer.peak_activations((6, 5, 2)) == at_once
