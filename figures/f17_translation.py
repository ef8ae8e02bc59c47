"""F17, translation: a moved digit gives moved maps; only training keeps the answer constant.

    python figures/f17_translation.py --show

Watch the maps while a 9 moves to the right, one pixel a frame: they show the same strokes at other positions. This is
equivariance. If the digit moves by 4 pixels, C1 moves by 4, S2 and C3 by 2 and S4 by 1, and nothing else changes, which the
script checks; for other distances the maps after a pooling also change a little. C5 has separate weights for each position in
S4, so the units of C5 and F6 change. An output that does not change is invariance, and pooling gives only a little of it:
the network trained on unchanged digits answers 9 from −2 to 3 pixels. The network with these maps was trained on digits moved
by up to 5 pixels and answers 9 from −8 to 9, until the 9 is cut off. The curves are from ``f17_moved_digits``, which trains
both networks. Each map has its own colour scale. Source: lecture rows D11, F17, C8 and C10 (SOURCES.md), after LeCun's
animation.
"""

import canvas
import numpy as np
from feature_maps import Demonstration

STRIDES = {"C1": 1, "S2": 2, "C3": 2, "S4": 4}  # pixels of the input between neighbouring pixels of a map


def draw():
    """Draw a frame for each shift."""
    demonstration = Demonstration("shift")
    _check_equivariance(demonstration.stages)
    title = "A moved digit gives moved maps"
    frames = [demonstration.frame(right, title, _notes(right)) for right in demonstration.steps]
    return canvas.Animation(frames, [1200, *[450] * (len(frames) - 2), 1200])


def _notes(right):
    """Return how far the digit has moved, in pixels of each stage."""
    shifts = {name: right / S for name, S in {"input": 1, **STRIDES}.items()}
    return {name: f"{shift:+g} px".replace("-", "−") if shift else "0 px" for name, shift in shifts.items()}


def _check_equivariance(stages):
    """Raise AssertionError unless 4 pixels only move all maps by whole pixels."""
    for name, S in STRIDES.items():
        steps = 4 // S
        for right in (-4, 0):
            assert np.allclose(stages[right + 4][name][:, steps:], stages[right][name][:, :-steps])


if __name__ == "__main__":
    canvas.main(draw)
