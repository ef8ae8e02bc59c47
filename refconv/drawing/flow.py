"""Diagrams of blocks: boxes and arrows from top to bottom, with branches and joins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from refconv._arguments import choice
from refconv.drawing.style import INK, Axes, Block, Point, colour, follows
from refconv.nn.description import by
from refconv.nn.fractal import Fractal
from refconv.nn.layer import Layer

__all__ = ["Node", "beside", "draw", "node"]

# All lengths are in inches.
LINE = 0.27  # height of a line of text
LETTER = 0.092  # width of a letter
GAP = 0.3  # distance between consecutive boxes
BRANCH_GAP = 0.28  # distance between parallel branches
JOIN = 0.18  # half the height of a join
MOST_LINES = 7  # number of lines in the box of a layer whose inner layers are listed


@dataclass
class Node:
    """Piece of a diagram, which may consist of smaller pieces.

    Its ``parts`` are below each other in a chain, and side by side in branches.

    Its input and output are on a vertical axis; ``left`` and ``right`` are the distances from the axis to its sides.
    """

    left: float
    right: float
    height: float
    text: list[str] = field(default_factory=list)
    category: str = ""
    parts: list[Node] = field(default_factory=list)
    join: str = ""  # text at the join of branches
    dashed: str = ""  # text of a dashed frame around the piece
    columns: Fractal | None = None  # a fractal, whose only part is the box of one layer

    @property
    def width(self) -> float:
        return self.left + self.right

    @property
    def parts_at_once(self) -> bool:
        """Flag that is True if the piece starts with a fork."""
        return bool(self.join or self.columns) or (bool(self.parts) and not self.dashed and self.parts[0].parts_at_once)


def node(layer: Layer) -> Node:
    """Return the piece for a layer and its inner layers, according to its ``wiring``."""
    choice(f"wiring of {type(layer).__name__}", layer.wiring, tuple(WIRINGS))
    return WIRINGS[layer.wiring](layer)


def _inside(layer: Layer) -> list[Layer]:
    return [inner for _, inner in layer.named_layers()]


def _of_box(layer: Layer) -> Node:
    """Return a box with the caption of a layer.

    The connections of its inner layers are unknown, so the inner layers are listed below the caption.
    """
    lines = [layer.caption(), *(inner.caption() for inner in _inside(layer))]
    return _box(lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], "…"], layer.category)


def _of_line(layer: Layer) -> Node:
    return Node(0.12, 0.12, 0)


def _of_chain(layer: Layer) -> Node:
    return _chain(_merged(_flattened(layer))) if _inside(layer) else _of_line(layer)


def _of_branches(layer: Layer) -> Node:
    return _branches([node(inner) for inner in _inside(layer)], layer.caption())


def _of_frame(layer: Layer) -> Node:
    inside = node(_inside(layer)[0])
    return Node(inside.left + 0.2, inside.right + 0.2, inside.height + 0.5, parts=[inside], dashed=layer.caption())


def _flattened(layer: Layer) -> list[Layer]:
    """Return the layers of nested chains as one list."""
    return [inner for part in _inside(layer) for inner in _flattened(part)] if layer.wiring == "chain" else [layer]


def _merged(layers: list[Layer]) -> list[Node]:
    """Return boxes for layers.

    A layer that is drawn as part of the previous one is written as a second line in its box.
    """
    boxes: list[Node] = []
    for layer in layers:
        if follows(layer) and boxes and boxes[-1].text:
            lines = boxes[-1].text
            lines = [*lines[:-1], f"{lines[-1]}, {layer.caption()}"] if len(lines) > 1 else [*lines, layer.caption()]
            boxes[-1] = _box(lines, boxes[-1].category)
        elif layer.wiring != "line":
            boxes.append(node(layer))
    return boxes


def beside(axes: Axes, blocks: Sequence[Block]) -> None:
    """Draw blocks side by side, each with its name, input shape and output shape."""
    nodes = [node(layer) for _, layer, _ in blocks]
    x = 0.0
    for (name, layer, at), piece in zip(blocks, nodes, strict=True):
        left, right = max(piece.left, 1.0), max(piece.right, 1.0)
        axis = x + left
        axes.text(axis, 0.75, name, ha="center", va="bottom", fontsize=11, weight="bold", color=INK)
        axes.text(axis, 0.5, by(at), ha="center", va="center", fontsize=9, color=INK)
        connect(axes, piece, (axis, 0.38), (axis, 0))
        end = draw(axes, piece, axis, 0)
        arrow(axes, (axis, end), (axis, end - 0.3))
        axes.text(axis, end - 0.45, by(layer.output_shape(at)), ha="center", va="center", fontsize=9, color=INK)
        x += left + right + 0.7
    axes.set_xlim(-0.1, x - 0.6)
    axes.set_ylim(-max(piece.height for piece in nodes) - 0.65, 1.05)


def _box(lines: Sequence[str], category: str) -> Node:
    half = (max(len(line) for line in lines) * LETTER + 0.25) / 2
    return Node(half, half, len(lines) * LINE + 0.13, list(lines), category)


def _chain(parts: list[Node]) -> Node:
    if len(parts) == 1:
        return parts[0]
    height = sum(part.height for part in parts) + GAP * (len(parts) - 1)
    return Node(max(part.left for part in parts), max(part.right for part in parts), height, parts=parts)


def _branches(parts: list[Node], join: str) -> Node:
    """Return parallel branches with a join.

    The axis of a sum goes through its first branch, so that the shortcut is at its side. Other axes are in the middle.
    """
    width = sum(part.width for part in parts) + BRANCH_GAP * (len(parts) - 1)
    left = parts[0].left if join == "+" else width / 2
    return Node(left, width - left, max(part.height for part in parts) + 2 * (GAP + JOIN), parts=parts, join=join)


def draw(axes: Axes, piece: Node, x: float, top: float) -> float:
    """Draw a piece along the axis at x, downwards from ``top``, and return its lower end."""
    if piece.dashed:
        return _draw_dashed(axes, piece, x, top)
    if piece.columns:
        return _draw_fractal(axes, piece, piece.columns, x, top)
    if piece.join:
        return _draw_branches(axes, piece, x, top)
    if piece.parts:
        for k, part in enumerate(piece.parts):
            if k:
                connect(axes, part, (x, top), (x, top - GAP))
                top -= GAP
            top = draw(axes, part, x, top)
        return top
    if piece.text:
        _draw_box(axes, piece, x, top)
    return top - piece.height


def connect(axes: Axes, following: Node, start: Point, end: Point) -> None:
    """Draw an arrow to the next piece, or a line if the next piece starts with a fork."""
    if following.parts_at_once:
        line(axes, [start, end])
    else:
        arrow(axes, start, end)


def _draw_box(axes: Axes, piece: Node, x: float, top: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = x - piece.left, top - piece.height
    style = "round,pad=0,rounding_size=0.06"
    patch_options: dict[str, Any] = {"facecolor": colour(piece.category), "edgecolor": INK, "linewidth": 0.8}
    axes.add_patch(FancyBboxPatch(corner, piece.width, piece.height, style, **patch_options))
    axes.text(x, top - piece.height / 2, "\n".join(piece.text), ha="center", va="center", fontsize=9, color=INK)


def _draw_dashed(axes: Axes, piece: Node, x: float, top: float) -> float:
    from matplotlib.patches import Rectangle

    left = x - piece.left
    axes.add_patch(Rectangle((left, top - piece.height), piece.width, piece.height, fill=False, ls="--", ec=INK, lw=0.8))
    axes.text(left + 0.05, top - 0.04, piece.dashed, ha="left", va="top", fontsize=7.5, color=INK)
    inside = piece.parts[0]
    line(axes, [(x, top), (x, top - 0.25)])
    end = draw(axes, inside, x, top - 0.25)
    line(axes, [(x, end), (x, top - piece.height)])
    return top - piece.height


def _draw_branches(axes: Axes, piece: Node, x: float, top: float) -> float:
    """Draw branches, with lines from a fork to the branches and from their ends to the join."""
    fork, at = top - GAP / 2, x - piece.left
    bottom = top - piece.height
    centre = bottom + JOIN
    half = JOIN if piece.join == "+" else max(0.6, min(piece.width * 0.3, 2.4))
    line(axes, [(x, top), (x, fork)])
    for part in piece.parts:
        at += part.left
        line(axes, [(x, fork), (at, fork)])
        start = top - GAP if part.height else fork
        if part.height:
            connect(axes, part, (at, fork), (at, start))
        end = draw(axes, part, at, start)
        if abs(at - x) < half:
            arrow(axes, (at, end), (at, centre + JOIN))
        else:
            line(axes, [(at, end), (at, centre)])
            arrow(axes, (at, centre), (x + (half if at > x else -half), centre))
        at += part.right + BRANCH_GAP
    _draw_join(axes, piece.join, x, centre, 2 * half)
    return bottom


def _draw_join(axes: Axes, join: str, x: float, centre: float, width: float) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    options: dict[str, Any] = {"facecolor": "white", "edgecolor": INK, "linewidth": 1.0, "zorder": 3}
    if join == "+":
        axes.add_patch(Circle((x, centre), JOIN, **options))
    else:
        style = "round,pad=0,rounding_size=0.12"
        axes.add_patch(FancyBboxPatch((x - width / 2, centre - JOIN), width, 2 * JOIN, style, **options))
    axes.text(x, centre, join, ha="center", va="center", fontsize=13 if join == "+" else 8.5, color=INK, zorder=4)


def line(axes: Axes, points: Sequence[Point]) -> None:
    """Draw a line through points."""
    axes.plot(*zip(*points, strict=True), color=INK, linewidth=1.0, solid_capstyle="round", solid_joinstyle="round")


def arrow(axes: Axes, start: Point, end: Point) -> None:
    """Draw an arrow."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0})


def _of_columns(layer: Fractal) -> Node:
    """Return the columns of a fractal block, the deepest one at the right.

    A bar is drawn wherever several columns end together.
    """
    box = node(next(iter(layer.layers.values())))
    half = (layer.columns * box.width + (layer.columns - 1) * BRANCH_GAP) / 2
    return Node(half, half, layer.rows * (box.height + 2 * (GAP + JOIN)), parts=[box], columns=layer)


WIRINGS: dict[str, Callable[[Any], Node]] = {
    "box": _of_box,
    "line": _of_line,
    "chain": _of_chain,
    "branches": _of_branches,
    "frame": _of_frame,
    "columns": _of_columns,
}


def _draw_fractal(axes: Axes, piece: Node, layer: Fractal, x: float, top: float) -> float:
    (box,) = piece.parts
    pitch, at = (
        piece.height / layer.rows,
        [x - piece.left + box.left + c * (box.width + BRANCH_GAP) for c in range(layer.columns)],
    )
    line(axes, [(at[0], top), (at[-1], top)])
    for row in layer.every_row():
        ending, join = layer.ending(row), top - row * pitch + JOIN
        for c in ending:
            start = top - (row - layer.spans[c]) * pitch
            middle = (start + join + JOIN + box.height) / 2
            arrow(axes, (at[c], start), (at[c], middle))
            end = draw(axes, box, at[c], middle)
            line(axes, [(at[c], end), (at[c], top - row * pitch)])
        if len(ending) > 1:
            _draw_join(axes, "mean", (at[ending[0]] + at[ending[-1]]) / 2, join, at[ending[-1]] - at[ending[0]] + 0.5)
    return top - piece.height
