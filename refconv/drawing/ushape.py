"""Diagrams of encoder-decoder networks as a U, with the encoder at the left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import refconv.nn as nn
from refconv.drawing.style import COLOURS, INK, Axes, Point
from refconv.models.sizes import SizedSequential
from refconv.nn.description import by
from refconv.nn.layer import Layer
from refconv.typing import Shape

__all__ = ["Level", "draw", "levels"]

# All lengths are in inches.
STEP = 1.75  # distance from one level to the next
HIGHEST, THICKEST = 1.2, 0.5  # largest height and thickness of a bar
PITCH = 0.42  # distance between bars
LEAST_SHIFT = 0.9  # smallest horizontal shift of a level from the level above
ACROSS, DOWN, UP = "#888888", "#D55E00", "#0072B2"


class Level(NamedTuple):
    """Level of the U: shapes in the encoder, shapes in the decoder, and their connection."""

    down: tuple[tuple[int, ...], ...]
    up: tuple[tuple[int, ...], ...]
    across: str


def levels(model: Layer, shape: Shape) -> list[Level]:
    """Return the levels from top to bottom.

    The list is empty if the network is not a U-Net or an hourglass of :mod:`refconv.models`.
    """
    if not isinstance(model, SizedSequential) or next(iter(model.layers)) not in ("u", "hourglass"):
        return []
    (name, inner, at), *rest = model.children(shape)
    read = _of_unet if name == "u" else _of_hourglass
    top, *below = read(inner, at)
    return [top._replace(up=(*top.up, rest[-1][1].output_shape(rest[-1][2]))), *below]


def _of_unet(u: Layer, shape: Shape) -> list[Level]:
    """Return the levels of a U-Net.

    It contains a smaller U-Net between its pooling and its transposed convolution.
    """
    parts = {name: (layer, at) for name, layer, at in u.children(shape)}
    if "join" not in parts:
        convs, at = parts["convs"]
        return [Level((shape, *_output_shapes(convs, at)), (), "")]
    (down, at), (join, joined), (up, up_at) = parts["down"], parts["join"], parts["up"]
    branches = dict(join.named_layers())
    across, below = branches["across"], dict(branches["below"].named_layers())
    pooled = below["pool"].output_shape(joined)
    connection = "crop and copy" if isinstance(across, nn.Crop2D) else "copy"
    level = Level((shape, *_output_shapes(down, at)), (up_at, *_output_shapes(up, up_at)), connection)
    return [level, *_of_unet(below["u"], pooled)]


def _of_hourglass(hourglass: Layer, shape: Shape) -> list[Level]:
    """Return the levels of an hourglass, whose convolutions halve the size by their stride."""
    (_, join, at), *rest = hourglass.children(shape)
    branches = dict(join.named_layers()) if isinstance(join, nn.Concat) else {}
    through = branches.get("through", join)
    connection = f"1×1 conv, {branches['across'].output_shape(at)[-1]}" if branches else ""
    inside = {name: (layer, where) for name, layer, where in through.children(at)}
    shapes = tuple(layer.output_shape(where) for name, layer, where in rest if name != "norm")
    level = Level((shape,), (join.output_shape(at), *shapes), connection)
    if "inner" in inside:
        inner, where = inside["inner"]
        return [level, *_of_hourglass(inner, where)]
    conv, where = inside["conv"]
    return [level, Level((where, conv.output_shape(where)), (), "")]


def _output_shapes(chain: Layer, shape: Shape) -> tuple[Shape, ...]:
    return tuple(layer.output_shape(at) for _, layer, at in chain.children(shape))


def draw(axes: Axes, all_levels: list[Level]) -> None:
    """Draw the levels below each other, each between the encoder and decoder of the level above."""
    largest = max(n for level in all_levels for shape in level.down for n in shape[:2])
    most = max(shape[-1] for level in all_levels for shape in (*level.down, *level.up))
    downs = _places([level.down for level in all_levels], most)
    ups = _places([level.up for level in reversed(all_levels[:-1])], most, first=downs[-1][-1])[::-1]
    for k, level in enumerate(all_levels):
        y = -k * STEP
        _bars(axes, level.down, downs[k], y, largest, most)
        if k + 1 == len(all_levels):
            break
        _bars(axes, level.up, ups[k], y, largest, most)
        below = y - STEP
        end, next_up = downs[k][-1], (ups[k + 1] if k + 2 < len(all_levels) else downs[k + 1])[-1]
        arrow_start, arrow_end = (
            y - _height(level.down[-1], largest) / 2 - 0.24,
            below + _height(all_levels[k + 1].down[0], largest) / 2 + 0.26,
        )
        _arrow(axes, (end, arrow_start), (downs[k + 1][0], arrow_end), DOWN)
        last = (all_levels[k + 1].up or all_levels[k + 1].down)[-1]
        high = below + _height(last, largest) / 2 + 0.26
        _arrow(axes, (next_up, high), (ups[k][0], y - _height(level.up[0], largest) / 2 - 0.24), UP)
        if level.across:
            left, right = end + _width(level.down[-1], most) / 2 + 0.08, ups[k][0] - _width(level.up[0], most) / 2 - 0.08
            _arrow(axes, (left, y), (right, y), ACROSS)
            if right - left > 1:
                axes.text((left + right) / 2, y + 0.06, level.across, ha="center", va="bottom", fontsize=8.5, color=ACROSS)
    _legend(axes, downs[0][0], -(len(all_levels) - 1) * STEP)
    axes.set_xlim(-0.5, max(row[-1] for row in [*ups, *downs]) + 0.5)
    axes.set_ylim(-STEP * (len(all_levels) - 1) - 0.75, HIGHEST / 2 + 0.35)


def _places(rows: Sequence[Sequence[Shape]], most: int, first: float | None = None) -> list[list[float]]:
    """Return the middles of all bars.

    A row starts below the last bar of the row above, or further to the right.
    """
    places: list[list[float]] = []
    for shapes in rows:
        x = (first or 0.0) if not places else max(places[-1][-1], places[-1][0] + (LEAST_SHIFT if len(shapes) == 1 else 0))
        row = [x]
        for before, shape in pairwise(shapes):
            row.append(row[-1] + (_width(before, most) + _width(shape, most)) / 2 + PITCH)
        places.append(row)
    return places


def _bars(axes: Axes, shapes: Sequence[Shape], middles: list[float], y: float, largest: int, most: int) -> None:
    """Draw bars side by side with arrows between them."""
    from matplotlib.patches import Rectangle

    for k, (shape, x) in enumerate(zip(shapes, middles, strict=True)):
        width, height = _width(shape, most), _height(shape, largest)
        corner = x - width / 2, y - height / 2
        axes.add_patch(Rectangle(corner, width, height, facecolor=COLOURS["conv"], edgecolor=INK, linewidth=0.8))
        axes.text(x, y + height / 2 + 0.04, str(shape[-1]), ha="center", va="bottom", fontsize=8.5, color=INK)
        axes.text(x, y - height / 2 - 0.05, by(shape[:2]), ha="center", va="top", fontsize=6.5, color=INK)
        if k:
            start = middles[k - 1] + _width(shapes[k - 1], most) / 2 + 0.05
            _arrow(axes, (start, y), (x - width / 2 - 0.05, y), INK)


def _legend(axes: Axes, x: float, y: float) -> None:
    lines = ((INK, "convolution"), (DOWN, "half the size"), (UP, "twice the size"), (ACROSS, "across"))
    for k, (colour, text) in enumerate(lines):
        at = y + 0.25 * (3 - k) - 0.3
        _arrow(axes, (x, at), (x + 0.45, at), colour)
        axes.text(x + 0.55, at, text, ha="left", va="center", fontsize=9, color=INK)


def _height(shape: Shape, largest: int) -> float:
    return HIGHEST * math.sqrt(shape[0] / largest)


def _width(shape: Shape, most: int) -> float:
    return 0.05 + THICKEST * math.sqrt(shape[-1] / most)


def _arrow(axes: Axes, start: Point, end: Point, colour: str) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style)
