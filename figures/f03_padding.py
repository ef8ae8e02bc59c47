"""F3, padding: each ring of zeros around the image adds a ring of outputs.

    python figures/f03_padding.py --show

A 3×3 filter has only two positions in an image of 3×4 pixels ("valid"). With one ring of zeros the output is as large as
the image ("same"); with two rings every window that touches a pixel is used ("full"). Padding adds outputs at the edge and
does not change the others. Grey cells with dashed edges are padding. Source: lecture rows F3 and A9 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import SIZE, Sliding, draw_step, filled
from cells import board
from matplotlib.patches import Rectangle

from refconv import Window

PADDINGS = {"valid": "no zeros", "same": "one ring", "full": "two rings"}
COLOURS = ("#DEDFF5", "#FCEFC7", "#F3DCE9")
OUTPUT = (14.4, 1.2)


def draw():
    """Draw all windows of "full" padding, starting with those that need the fewest zeros."""
    rng = np.random.default_rng(2)
    x, w = rng.integers(0, 5, (3, 4)).astype(float), rng.integers(-1, 3, (3, 3)).astype(float)
    slides = {padding: Sliding(x, w, Window((3, 3), padding=padding)) for padding in PADDINGS}
    full = slides["full"]
    ring = np.full(full.y.shape, 2)
    for number, padding in enumerate(reversed(PADDINGS)):
        inner = full.y[number : 5 - number, number : 6 - number]
        assert np.array_equal(slides[padding].y, inner)
        ring[number : 5 - number, number : 6 - number] = 2 - number

    frames, milliseconds, done = [], [], []
    for pixel in sorted(np.ndindex(ring.shape), key=lambda pixel: ring[pixel]):
        first_of_ring = not done or ring[done[-1]] < ring[pixel]
        done.append(pixel)
        frames.append(_frame(full, slides, ring, done))
        milliseconds.append(1600 if first_of_ring else 900)
    return canvas.Animation(frames, [*milliseconds[:-1], 4000])


def _frame(full, slides, ring, done):
    figure = canvas.canvas("Each ring of zeros adds a ring of outputs")
    axes = board(figure, 20.4, 10.7)
    now = done[-1]
    rings = int(ring[now])
    draw_step(axes, full, now, (0, 1.2), (9.7, 1.2), pads=((rings, rings), (rings, rings)))
    colours = {pixel: COLOURS[ring[pixel]] for pixel in done}
    filled(axes, full.y, OUTPUT, done, now=now, colours=colours, label="output")
    for number, (padding, zeros) in enumerate(PADDINGS.items()):
        if number <= rings:
            top = 7.1 + 1.2 * number
            patch = dict(facecolor=COLOURS[number], edgecolor=canvas.GREY, linewidth=0.8)
            axes.add_patch(Rectangle((OUTPUT[0], top), 0.8, 0.8, **patch))
            rows, columns = slides[padding].y.shape
            axes.text(OUTPUT[0] + 1.1, top + 0.42, f"{padding}, {zeros}: {rows}×{columns}", va="center", fontsize=SIZE - 1)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
