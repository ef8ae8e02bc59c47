"""F9: U-Net goes down to see what is there and up again to say where; the way across keeps what the way down loses.

    python figures/f09_unet.py --show

Above each bar stand its channels, below it its size in pixels. What comes across is cropped to what comes up and
stands beside it in the channels. The paper's convolutions have no padding: each makes the image two pixels smaller,
so of 572² pixels 388² get a class. Source: F9, M16.
"""

import math
from itertools import pairwise

import canvas
from matplotlib.patches import Rectangle

from refconv import models
from refconv.drawing.style import COLOURS
from refconv.drawing.ushape import levels

PITCH, STEP = 0.48, 0.98  # inches: from a bar to the next, and from a level to the next
HIGHEST, THICKEST = 0.5, 0.2
ARROWS = {
    "convolution": canvas.INK,
    "max pooling": canvas.ORANGE,
    "transposed convolution": canvas.BLUE,
    "crop and copy": canvas.GREY,
}


def draw():
    """Each level a row; each begins below the end of the one above, and ends below its beginning."""
    shape = models.input_shape("unet")
    found = levels(models.unet(), shape)
    weights = models.unet().count_parameters(shape) / 1e6
    figure = canvas.canvas(f"U-Net: down to see what is there, up to say where ({weights:.0f} million weights)")
    axes = figure.add_subplot(aspect="equal")
    axes.set_axis_off()
    places = _places(found)
    for k, (level, (down, up)) in enumerate(zip(found, places, strict=True)):
        for shapes, columns in ((level.down, down), (level.up, up)):
            _row(axes, shapes, columns, -STEP * k)
        if up:
            _arrow(axes, (down[-1] + 0.18, -STEP * k), (up[0] - 0.2, -STEP * k), "crop and copy")
            _between(axes, (down[-1], level.down[-1]), k, (places[k + 1][0][0], found[k + 1].down[0]), "max pooling")
            last = (found[k + 1].up or found[k + 1].down)[-1]
            _between(axes, (up[0], level.up[0]), k, (up[0], last), "transposed convolution")
    axes.set(xlim=(-0.3, places[0][1][-1] + 0.3), ylim=(-STEP * (len(found) - 1) - 0.36, HIGHEST / 2 + 0.22))
    right = places[0][1][-1] + 0.2
    axes.text(right, -STEP * (len(found) - 1), "above a bar: channels\nbelow: pixels", fontsize=11, ha="right", va="center")
    for k, kind in enumerate(ARROWS):
        y = -STEP * (len(found) - 1) + 0.25 * (len(ARROWS) - 1 - k) - 0.25
        _arrow(axes, (-0.2, y), (0.25, y), kind)
        axes.text(0.35, y, kind, fontsize=11, va="center")
    return figure


def _places(found):
    """The middles of all bars of each level, down and up."""
    first, downs = 0.0, []
    for level in found:
        downs.append([first + PITCH * k for k in range(len(level.down))])
        first = downs[-1][-1]
    ups = [[]]
    for level in reversed(found[:-1]):
        ups.insert(0, [first + PITCH * k for k in range(len(level.up))])
        first = ups[0][2]  # of the scores at the very end nothing goes up
    return list(zip(downs, ups, strict=True))


def _row(axes, shapes, columns, y):
    """Bars with their channels and sizes, and arrows in between."""
    for shape, x in zip(shapes, columns, strict=True):
        wide, high = 0.05 + THICKEST * math.sqrt(shape[2] / 1024), _height(shape)
        corner = x - wide / 2, y - high / 2
        axes.add_patch(Rectangle(corner, wide, high, facecolor=COLOURS["conv"], edgecolor=canvas.INK, linewidth=0.8))
        axes.text(x, y + high / 2 + 0.03, str(shape[2]), ha="center", va="bottom", fontsize=11)
        axes.text(x, y - high / 2 - 0.05, f"{shape[0]}²", ha="center", va="top", fontsize=10, color=canvas.GREY)
    for x, following in pairwise(columns):
        _arrow(axes, (x + 0.145, y), (following - 0.145, y), "convolution")


def _between(axes, upper, k, lower, kind):
    """Between two levels: down, or up."""
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
