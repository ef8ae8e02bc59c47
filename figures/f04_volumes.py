"""F4: through LeNet-5 the feature maps get smaller and their number grows.

    python figures/f04_volumes.py --show

Each sheet is a feature map, drawn to scale: a pixel has the same size everywhere. The marked pixel of a stage is computed
from the marked window in every map of the previous stage. Sizes, weights and multiply-adds come from ``models.lenet()``:
most multiply-adds are in the convolutions, most weights in the first dense layer. Source: lecture rows F4 and M2 (SOURCES.md).
"""

from math import prod

import canvas
from matplotlib.patches import Polygon, Rectangle

from refconv import models
from refconv.analysis.summary import rows
from refconv.drawing.style import COLOURS

SHAPE = models.input_shape("lenet")
PIXEL, UNIT = 0.043, 0.018  # inches: side of a pixel, height of one unit of a dense layer
STEPS = {1: 0.0, 6: 0.068, 16: 0.038}  # inches from a map to the next, for each number of maps
GAPS = (0.0, 0.33, 0.38, 0.38, 0.42, 0.5, 0.56, 0.56)  # inches before each stage
MIDDLE, HEAD, FOOT, LINE = 2.75, 4.3, 1.15, 0.31
LINES = ("size", "values", "weights", "multiply-adds")


def stages():
    """Return what is drawn: (caption, category, output shape, weights, multiply-adds) per stage."""
    model, before = models.lenet(), SHAPE
    drawn = [("input", "input", SHAPE, None, None)]
    for row in rows(model, SHAPE):
        layer = model.layers[row.name]
        if row.output != before and row.parameters + row.multiply_adds + (layer.category == "pool"):
            drawn.append((layer.caption(), layer.category, row.output, row.parameters, row.multiply_adds))
        before = row.output
    return drawn


def draw():
    """Draw the stages from left to right, with their sizes and counts below."""
    figure = canvas.canvas("LeNet-5: the feature maps get smaller, and their number grows")
    axes = figure.add_subplot()
    axes.set(xlim=(-1.25, 9.3), ylim=(-0.1, 4.75), aspect="equal")
    axes.set_axis_off()
    x, places, drawn = 0.0, [], stages()
    for (caption, colour, shape, weights, products), gap in zip(drawn, GAPS, strict=True):
        place = (_sheets if len(shape) == 3 else _column)(axes, x + gap, shape, COLOURS[colour])
        middle = (place[0] + place[1]) / 2
        axes.text(
            middle, HEAD, caption.partition(",")[0].replace(" ", "\n", 1), fontsize=12, ha="center", va="center", weight="bold"
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
    for (_, colour, *_), before, after in zip(drawn[1:], places, places[1:], strict=False):
        if colour == "dense":
            _dense_connections(axes, before, after)
        else:
            _window(axes, before, after, 2 if colour == "pool" else 5)
    return figure


def _sheets(axes, x, shape, colour):
    """Draw all maps, the first in front; return their bounds (left, right, bottom, top)."""
    size, step = PIXEL * shape[0], STEPS[shape[2]]
    extent = size + step * (shape[2] - 1)
    low = MIDDLE - extent / 2
    for k in reversed(range(shape[2])):
        corner = x + step * k, low + step * k
        axes.add_patch(Rectangle(corner, size, size, facecolor=colour, edgecolor=canvas.INK, linewidth=0.6))
    return x, x + extent, low, low + extent


def _column(axes, x, shape, colour):
    """Draw the units of a dense layer; return their bounds (left, right, bottom, top)."""
    low = MIDDLE - UNIT * shape[0] / 2
    axes.add_patch(Rectangle((x, low), 0.16, UNIT * shape[0], facecolor=colour, edgecolor=canvas.INK, linewidth=0.6))
    return x, x + 0.16, low, low + UNIT * shape[0]


def _window(axes, before, after, kernel):
    """Draw a window, the pixel computed from it, and lines between their corners."""
    rows_before, rows_after = before[-1][0], after[-1][0]
    stride, pixel = 2 if kernel == 2 else 1, (rows_after // 2 - 1, rows_after // 2)
    start = _square(axes, before, rows_before, [stride * n for n in pixel], kernel)
    end = _square(axes, after, rows_after, pixel, 1)
    for top in (0, 1):
        height = [start[1] + top * PIXEL * kernel, end[1] + top * PIXEL]
        axes.plot([start[0] + PIXEL * kernel, end[0]], height, color=canvas.ORANGE, linewidth=1.1, zorder=4)


def _square(axes, place, height, first, size):
    """Draw pixels of the front map; return their lower left corner."""
    corner = place[0] + PIXEL * first[1], place[2] + PIXEL * (height - first[0] - size)
    axes.add_patch(Rectangle(corner, PIXEL * size, PIXEL * size, facecolor=canvas.ORANGE, edgecolor="none", zorder=4))
    return corner


def _dense_connections(axes, before, after):
    """Draw the connections from all inputs to each unit of a dense layer."""
    (_, right, low, high, _), (left, _, bottom, top, _) = before, after
    fan = [(right, low), (left, bottom), (left, top), (right, high)]
    axes.add_patch(Polygon(fan, facecolor=canvas.PALE, edgecolor="none", zorder=0))


if __name__ == "__main__":
    canvas.main(draw)
