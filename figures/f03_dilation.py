"""F3, dilation: the same nine weights, spread out, see a wider part of the image.

    python figures/f03_dilation.py --show

A 3×3 filter on an image of 7×7 pixels. Dilation D is the distance between the pixels that neighbouring weights read, so the
window spans 3, 5 and 7 pixels with D = 1, 2 and 3, always with nine products. With dilation 1, the ordinary convolution,
only the middle window is shown. Source: lecture rows F3 and C4 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import SIZE, Sliding, draw_step, filled
from cells import board

from refconv import Window

OUTPUTS = {1: (13.4, 1.2), 2: (13.4, 7.5), 3: (17.4, 7.5)}


def draw():
    """Draw the middle window with dilation 1 and all windows with dilations 2 and 3."""
    rng = np.random.default_rng(3)
    x, w = rng.integers(0, 5, (7, 7)).astype(float), rng.integers(-1, 3, (3, 3)).astype(float)
    slides = {D: Sliding(x, w, Window((3, 3), dilation=D)) for D in OUTPUTS}

    steps = [(1, (2, 2)), *((2, pixel) for pixel in np.ndindex(slides[2].y.shape)), (3, (0, 0))]
    frames = [_frame(slides, steps[: number + 1]) for number in range(len(steps))]
    return canvas.Animation(frames, [2500, *[1300] * (len(steps) - 2), 4000])


def _frame(slides, steps):
    figure = canvas.canvas("Dilation: the same nine weights see a wider part of the image")
    axes = board(figure, 18.6, 10.9)
    dilation, now = steps[-1]
    sliding = slides[dilation]
    draw_step(axes, sliding, now, (0, 1.2), (8.6, 1.2))
    for D, at in OUTPUTS.items():
        done = [pixel for other, pixel in steps if other == D] if D > 1 else list(np.ndindex(slides[1].y.shape))
        if done:
            filled(axes, slides[D].y, at, done, now=now if dilation == D else None, label=f"D = {D}")
    span = sliding.window.span[0]
    axes.text(0, 9.1, f"dilation D = {dilation}", va="center", fontsize=SIZE + 1)
    axes.text(0, 10.1, f"spans (3 − 1)·{dilation} + 1 = {span} pixels", va="center", fontsize=SIZE - 1)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
