"""Diagrams of chains of layers, in which volumes represent the outputs.

The height of a volume shows the image size, and its thickness shows the number of channels.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from refconv.drawing.style import INK, Axes, Block, colour, follows
from refconv.nn.description import by
from refconv.nn.layer import Layer, is_channels_first
from refconv.typing import Shape

__all__ = ["Volume", "draw", "volumes"]

SLANT = 0.3  # slant of the edges in depth, to the right and up, as a fraction of their length
HIGHEST, THICKEST = 2.2, 0.75  # largest height and thickness of a volume, in inches
LETTER = 0.074  # width of a letter in inches


class Volume(NamedTuple):
    """Output of a stage: its shape, the category of its layer, and the text below it."""

    shape: tuple[int, ...]
    category: str
    text: str
    channels_first: bool = False

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of an image, length of a signal; empty for a vector."""
        return self.shape[1:] if self.channels_first else self.shape[:-1]

    @property
    def channels(self) -> int:
        return self.shape[0 if self.channels_first else -1]


def volumes(model: Layer, shape: Shape) -> list[Volume]:
    """Return the input, and the output of each layer or block directly in the network.

    Layers that are drawn as part of another layer, such as an activation, are left out.
    """
    channels_first, heads = is_channels_first(model), getattr(model, "heads", ())
    result = [Volume(tuple(shape), "input", "input", channels_first)]
    for name, layer, at in stages(model, shape):
        if follows(layer) or layer.wiring == "line":
            continue
        inside = [*layer.named_layers()]
        category = block_category(layer, at) if inside else layer.category
        text = _block_text(name, inside) if inside else layer.caption()
        text = f"{text}, with a head" if name in heads else text
        result.append(Volume(tuple(layer.output_shape(at)), category, text, channels_first))
    return result


def stages(model: Layer, shape: Shape) -> list[Block]:
    """Return names, layers and input shapes of the layers directly in a network.

    If the network is a single layer, it is the only stage.
    """
    if model.inference_layer is not model:
        return stages(model.inference_layer, shape)
    return list(model.children(shape)) or [(type(model).__name__, model, tuple(shape))]


def block_category(layer: Layer, shape: Shape) -> str:
    """Return the category of the inner layers with the most multiply-adds."""
    multiply_adds: dict[str, int] = {}
    for _, inner, at in layer.distinct_layers(shape):
        if not [*inner.named_layers()]:
            multiply_adds[inner.category] = multiply_adds.get(inner.category, 0) + inner.multiply_adds(at)
    return max(multiply_adds, key=lambda category: multiply_adds[category])


def _block_text(name: str, inside: list[tuple[str, Layer]]) -> str:
    blocks = [inner for inner, _ in inside if inner.startswith(("block", "layer"))]
    return f"{name}: {len(blocks)} {blocks[0].rstrip('0123456789')}s" if len(blocks) > 1 else name


def draw(axes: Axes, all_volumes: list[Volume]) -> None:
    """Draw volumes from left to right, with their sizes above and their text below."""
    largest = max(max(v.size, default=1) for v in all_volumes)
    most = max((v.channels for v in all_volumes if v.size), default=1)
    longest = max((v.channels for v in all_volumes if not v.size), default=1)
    x = low = high = 0.0
    before: Shape = ()
    for volume in all_volumes:
        height, width, thick = _extent(volume, largest, most, longest)
        slant = SLANT * width
        _cuboid(axes, x, height, thick, slant, colour(volume.category))
        if volume.shape != before:
            axes.text(x + (thick + slant) / 2, height / 2 + slant + 0.08, by(volume.shape), **_upright("bottom"))
            high = max(high, height / 2 + slant + 0.1 + LETTER * len(by(volume.shape)))
        axes.text(x + thick / 2, -height / 2 - 0.08, volume.text, **_upright("top"))
        low = min(low, -height / 2 - 0.1 - LETTER * len(volume.text))
        x, before = x + max(thick + 0.75 * slant + 0.1, 0.28), volume.shape
    axes.set_xlim(-0.3, x + 0.3)
    axes.set_ylim(low, high)


def _upright(vertical: str) -> dict[str, Any]:
    return {"rotation": 90, "ha": "center", "va": vertical, "fontsize": 8, "color": INK}


def _extent(volume: Volume, largest: int, most: int, longest: int) -> tuple[float, float, float]:
    """Return height, depth and thickness on a root scale, so that small volumes remain visible."""
    if not volume.size:
        return 0.5 + 1.5 * math.log(volume.channels + 1) / math.log(longest + 1), 0.12, 0.12
    high, depth = (HIGHEST * (n / largest) ** 0.55 for n in (*volume.size, 1)[:2])  # a signal is one pixel deep
    return high, depth, 0.04 + THICKEST * (volume.channels / most) ** 0.6


def _cuboid(axes: Axes, x: float, height: float, thick: float, slant: float, fill: str) -> None:
    """Draw the front in the full colour, the top lighter and the side darker."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Polygon

    low, high = -height / 2, height / 2
    front = [(x, low), (x + thick, low), (x + thick, high), (x, high)]
    top = [(x, high), (x + thick, high), (x + thick + slant, high + slant), (x + slant, high + slant)]
    side = [(x + thick, low), (x + thick + slant, low + slant), (x + thick + slant, high + slant), (x + thick, high)]
    for corners, shade in ((top, 1.06), (side, 0.88), (front, 1.0)):
        face = [min(1, part * shade) for part in to_rgb(fill)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=face, edgecolor=INK, linewidth=0.7, joinstyle="round"))
