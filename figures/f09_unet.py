"""F9: U-Net has a contracting and an expanding path; skip connections keep the details.

    python figures/f09_unet.py --show

The contracting path finds what is in the image, the expanding path finds where. The numbers above a bar are channels, the
numbers below it pixels. The output of a level on the left is cropped to the size on the right and concatenated along the
channels. The paper's convolutions have no padding: each makes the image two pixels smaller, so 388² of 572² pixels get a
class. Source: lecture rows F9 and M16 (SOURCES.md).
"""

import math
from itertools import pairwise

import canvas
from matplotlib.patches import Rectangle

from refconv import models
from refconv.drawing.style import COLOURS
from refconv.drawing.ushape import levels

PITCH, STEP = 0.48, 0.98  # inches: distance between bars, distance between levels
HIGHEST, THICKEST = 0.5, 0.2  # inches, of a bar
ARROWS = {
    "convolution": canvas.INK,
    "max pooling": canvas.ORANGE,
    "transposed convolution": canvas.BLUE,
    "crop and copy": canvas.GREY,
}


def draw():
    """Draw each level as a row, below the end of the contracting part of the level above."""
    shape = models.input_shape("unet")
    rows = levels(models.unet(), shape)
    weights = models.unet().count_parameters(shape) / 1e6
    figure = canvas.canvas(f"U-Net: down to find what, up to find where ({weights:.0f} million weights)")
    axes = figure.add_subplot(aspect="equal")
    axes.set_axis_off()
    places = _places(rows)
    for k, (level, (down, up)) in enumerate(zip(rows, places, strict=True)):
        for shapes, columns in ((level.down, down), (level.up, up)):
            _row(axes, shapes, columns, -STEP * k)
        if up:
            _arrow(axes, (down[-1] + 0.18, -STEP * k), (up[0] - 0.2, -STEP * k), "crop and copy")
            _between(axes, (down[-1], level.down[-1]), k, (places[k + 1][0][0], rows[k + 1].down[0]), "max pooling")
            last = (rows[k + 1].up or rows[k + 1].down)[-1]
            _between(axes, (up[0], level.up[0]), k, (up[0], last), "transposed convolution")
    axes.set(xlim=(-0.3, places[0][1][-1] + 0.3), ylim=(-STEP * (len(rows) - 1) - 0.36, HIGHEST / 2 + 0.22))
    right = places[0][1][-1] + 0.2
    axes.text(right, -STEP * (len(rows) - 1), "above a bar: channels\nbelow: pixels", fontsize=11, ha="right", va="center")
    for k, kind in enumerate(ARROWS):
        y = -STEP * (len(rows) - 1) + 0.25 * (len(ARROWS) - 1 - k) - 0.25
        _arrow(axes, (-0.2, y), (0.25, y), kind)
        axes.text(0.35, y, kind, fontsize=11, va="center")
    return figure


def _places(rows):
    """Return the centres of all bars of each level: contracting path, expanding path."""
    first, downs = 0.0, []
    for level in rows:
        downs.append([first + PITCH * k for k in range(len(level.down))])
        first = downs[-1][-1]
    ups = [[]]
    for level in reversed(rows[:-1]):
        ups.insert(0, [first + PITCH * k for k in range(len(level.up))])
        first = ups[0][2]  # the class scores at the very end do not go up
    return list(zip(downs, ups, strict=True))


def _row(axes, shapes, columns, y):
    """Draw bars with their channels and sizes, and arrows between them."""
    for shape, x in zip(shapes, columns, strict=True):
        wide, high = 0.05 + THICKEST * math.sqrt(shape[2] / 1024), _height(shape)
        corner = x - wide / 2, y - high / 2
        axes.add_patch(Rectangle(corner, wide, high, facecolor=COLOURS["conv"], edgecolor=canvas.INK, linewidth=0.8))
        axes.text(x, y + high / 2 + 0.03, str(shape[2]), ha="center", va="bottom", fontsize=11)
        axes.text(x, y - high / 2 - 0.05, f"{shape[0]}²", ha="center", va="top", fontsize=10, color=canvas.GREY)
    for x, following in pairwise(columns):
        _arrow(axes, (x + 0.145, y), (following - 0.145, y), "convolution")


def _between(axes, upper, k, lower, kind):
    """Draw an arrow between two levels, down for pooling, else up."""
    (x, above), (_, below) = upper, lower
    top = -STEP * k - _height(above) / 2 - 0.21
    bottom = -STEP * (k + 1) + _height(below) / 2 + 0.215
    _arrow(axes, *(((x, top), (x, bottom)) if "pooling" in kind else ((x, bottom), (x, top))), kind)


def _height(shape):
    return HIGHEST * math.sqrt(shape[0] / 572)


def _arrow(axes, start, end, kind):
    style = {"arrowstyle": "-|>", "color": ARROWS[kind], "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style)


if __name__ == "__main__":
    canvas.main(draw)
