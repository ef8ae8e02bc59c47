"""F4: on its way through LeNet-5 the image gets smaller, and there are more and more of it.

    python figures/f04_volumes.py --show

Each sheet is a map, in true proportion: a pixel has the same size everywhere. The marked pixel of a stage is computed
from the marked window before it, of all the maps there. Sizes, weights and multiply-adds are those of
``models.lenet()``: most of the work is in the convolutions, most of the weights are where the dense layers begin.
Source: F4, M2.
"""

from math import prod

import canvas
from matplotlib.patches import Polygon, Rectangle

from refconv import models
from refconv.analysis.summary import rows
from refconv.drawing.style import COLOURS

SHAPE = models.input_shape("lenet")
PIXEL, UNIT = 0.043, 0.018  # inches: the side of a pixel, and what one unit of a dense layer is high
STEPS = {1: 0.0, 6: 0.068, 16: 0.038}  # from a map to the next, by how many there are
GAPS = (0.0, 0.33, 0.38, 0.38, 0.42, 0.5, 0.56, 0.56)  # before each stage
MIDDLE, HEAD, FOOT, LINE = 2.75, 4.3, 1.15, 0.31
LINES = ("size", "values", "weights", "multiply-adds")


def stages():
    """The input and what changes its shape: (caption, category, output shape, weights, multiply-adds)."""
    model, before = models.lenet(), SHAPE
    found = [("input", "input", SHAPE, None, None)]
    for row in rows(model, SHAPE):
        layer = model.layers[row.name]
        if row.output != before and row.parameters + row.multiply_adds + (layer.category == "pool"):
            found.append((layer.caption(), layer.category, row.output, row.parameters, row.multiply_adds))
        before = row.output
    return found


def draw():
    """The stages from left to right, and their numbers below."""
    figure = canvas.canvas("LeNet-5: the images get smaller, and there are more of them")
    axes = figure.add_subplot()
    axes.set(xlim=(-1.25, 9.3), ylim=(-0.1, 4.75), aspect="equal")
    axes.set_axis_off()
    x, places, found = 0.0, [], stages()
    for (said, colour, shape, weights, products), gap in zip(found, GAPS, strict=True):
        place = (_sheets if len(shape) == 3 else _column)(axes, x + gap, shape, COLOURS[colour])
        middle = (place[0] + place[1]) / 2
        axes.text(
            middle, HEAD, said.partition(",")[0].replace(" ", "\n", 1), fontsize=12, ha="center", va="center", weight="bold"
        )
        numbers = [
            "×".join(map(str, shape)),
            f"{prod(shape):,}",
            *("–" if n is None else f"{n:,}" for n in (weights, products)),
        ]
        for k, number in enumerate(numbers):
            axes.text(middle, FOOT - LINE * k, number, fontsize=11, ha="center", va="center")
        places.append((*place, shape))
        x = place[1]
    for k, word in enumerate(LINES):
        axes.text(-1.2, FOOT - LINE * k, word, fontsize=11, color=canvas.GREY, va="center")
    for (_, colour, *_), before, after in zip(found[1:], places, places[1:], strict=False):
        if colour == "dense":
            _everything(axes, before, after)
        else:
            _window(axes, before, after, 2 if colour == "pool" else 5)
    return figure


def _sheets(axes, x, shape, colour):
    """All maps, the first in front; returns where they end: left, right, bottom, top."""
    size, step = PIXEL * shape[0], STEPS[shape[2]]
    whole = size + step * (shape[2] - 1)
    low = MIDDLE - whole / 2
    for k in reversed(range(shape[2])):
        corner = x + step * k, low + step * k
        axes.add_patch(Rectangle(corner, size, size, facecolor=colour, edgecolor=canvas.INK, linewidth=0.6))
    return x, x + whole, low, low + whole


def _column(axes, x, shape, colour):
    """The units of a dense layer; returns where it ends."""
    low = MIDDLE - UNIT * shape[0] / 2
    axes.add_patch(Rectangle((x, low), 0.16, UNIT * shape[0], facecolor=colour, edgecolor=canvas.INK, linewidth=0.6))
    return x, x + 0.16, low, low + UNIT * shape[0]


def _window(axes, before, after, kernel):
    """A window, the pixel that is computed from it, and lines between their corners."""
    rows_before, rows_after = before[-1][0], after[-1][0]
    stride, pixel = 2 if kernel == 2 else 1, (rows_after // 2 - 1, rows_after // 2)
    start = _square(axes, before, rows_before, [stride * n for n in pixel], kernel)
    end = _square(axes, after, rows_after, pixel, 1)
    for top in (0, 1):
        height = [start[1] + top * PIXEL * kernel, end[1] + top * PIXEL]
        axes.plot([start[0] + PIXEL * kernel, end[0]], height, color=canvas.ORANGE, linewidth=1.1, zorder=4)


def _square(axes, place, height, first, size):
    """Pixels of the map in front; returns their lower left corner."""
    corner = place[0] + PIXEL * first[1], place[2] + PIXEL * (height - first[0] - size)
    axes.add_patch(Rectangle(corner, PIXEL * size, PIXEL * size, facecolor=canvas.ORANGE, edgecolor="none", zorder=4))
    return corner


def _everything(axes, before, after):
    """From all that is before to each unit."""
    (_, right, low, high, _), (left, _, bottom, top, _) = before, after
    fan = [(right, low), (left, bottom), (left, top), (right, high)]
    axes.add_patch(Polygon(fan, facecolor=canvas.PALE, edgecolor="none", zorder=0))


if __name__ == "__main__":
    canvas.main(draw)
