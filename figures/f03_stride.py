"""F3, stride: stride 2 keeps every second window and never computes the others.

    python figures/f03_stride.py --show

A 3×3 filter on an image of 5×7 pixels: with stride 1 the window moves by one pixel, with stride 2 by two, along the rows
and down the columns. For a large image this leaves a quarter of the outputs, here 6 of 15. The remaining sums are the same;
they are also marked in the output of stride 1. Source: lecture rows F3, A7 and A9 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import SIZE, Sliding, draw_step, filled
from cells import board

from refconv import Window

STRIDES = (1, 2)
KEPT = "#FCEFC7"
OUTPUTS = ((13.4, 1.2), (13.4, 5.9))
FORMULAS_TOP = 7.1


def draw():
    """Draw all windows with stride 1, then all windows with stride 2."""
    rng = np.random.default_rng(35)
    x, w = rng.integers(0, 5, (5, 7)).astype(float), rng.integers(-1, 3, (3, 3)).astype(float)
    slides = [Sliding(x, w, Window((3, 3), stride=S)) for S in STRIDES]
    assert np.array_equal(slides[1].y, slides[0].y[::2, ::2])

    frames, milliseconds, done = [], [], ([], [])
    for number, sliding in enumerate(slides):
        for pixel in np.ndindex(sliding.y.shape):
            done[number].append(pixel)
            frames.append(_frame(slides, number, done))
            milliseconds.append(900 if number == 0 else 1300)
    return canvas.Animation(frames, [*milliseconds[:-1], 4000])


def _frame(slides, number, done):
    figure = canvas.canvas("Stride 2 keeps every second window in each direction")
    axes = board(figure, 18.4, 10.7)
    now = done[number][-1]
    draw_step(axes, slides[number], now, (0, 1.2), (8.6, 1.2))
    kept = {(2 * i, 2 * j): KEPT for i, j in done[1]}, dict.fromkeys(done[1], KEPT)
    for k, S in enumerate(STRIDES):
        if k <= number:
            marked = now if k == number else None
            filled(axes, slides[k].y, OUTPUTS[k], done[k], now=marked, colours=kept[k], label=f"stride {S}")
    axes.text(0, FORMULAS_TOP + 0.5, f"stride {STRIDES[number]}", va="center", fontsize=SIZE + 1)
    for axis, name in enumerate(("rows", "columns")):
        n, k, S = slides[number].x.shape[axis], slides[number].window.kernel[axis], STRIDES[number]
        formula = f"⌊({n} − {k}) / {S}⌋ + 1 = {slides[number].y.shape[axis]} {name}"
        axes.text(0, FORMULAS_TOP + 1.5 + axis, formula, va="center", fontsize=SIZE - 1)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
