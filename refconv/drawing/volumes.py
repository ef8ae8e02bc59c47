"""A chain of layers as volumes: each what a layer makes, as high and deep as the image, and as thick as it has channels."""

from __future__ import annotations

import math
from typing import NamedTuple

from refconv import nn
from refconv.drawing.style import COLOURS, INK, kind, size, words

__all__ = ["Volume", "draw", "volumes"]

LEAN = 0.3  # an edge that goes away from us leans by this much of its length, to the right and up
HIGHEST, THICKEST = 2.2, 0.75  # of all volumes, in inches; so are all sizes here
LETTER = 0.074
SILENT = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.Dropout, nn.Flatten, nn.LocalResponseNorm, nn.BatchNorm)


class Volume(NamedTuple):
    """What a stage makes: its shape, its colour, and what stands below it."""

    shape: tuple[int, ...]
    colour: str
    text: str

    @property
    def channels(self):
        return self.shape[-1]


def volumes(model, shape) -> list[Volume]:
    """The input, and what each layer or block directly in the network makes; layers that keep the shape are left out."""
    found, heads = [Volume(tuple(shape), "input", "input")], getattr(model, "heads", ())
    for name, layer, at in stages(model, shape):
        if isinstance(layer, SILENT):
            continue
        inside = [*layer.named_layers()]
        colour, text = (block_kind(layer, at), _block_words(name, inside)) if inside else (kind(layer), words(layer))
        found.append(Volume(layer.output_shape(at), colour, f"{text}, with a head" if name in heads else text))
    return found


def stages(model, shape):
    """Names, layers and shapes directly in a network; of one with heads or drop-path, in the network itself."""
    if isinstance(model, nn.Heads | nn.DropPath):
        _, inner, at = next(iter(model.children(shape)))
        return stages(inner, at)
    return list(model.children(shape))


def block_kind(layer, shape):
    """A block has the colour of what it computes most in."""
    products = {}
    for _, inner, at in layer.distinct_layers(shape):
        if not [*inner.named_layers()]:
            products[kind(inner)] = products.get(kind(inner), 0) + inner.multiply_adds(at)
    return max(products, key=products.get)


def _block_words(name, inside):
    blocks = [inner for inner, _ in inside if inner.startswith(("block", "layer"))]
    return f"{name}: {len(blocks)} {blocks[0].rstrip('0123456789')}s" if len(blocks) > 1 else name


def draw(axes, found: list[Volume]) -> None:
    """Draw volumes from left to right, with their sizes above and their words below."""
    largest = max(max(v.shape[:-1], default=1) for v in found)
    most = max(v.channels for v in found if v.shape[:-1])
    longest = max([v.channels for v in found if not v.shape[:-1]], default=1)
    x, before, low, high = 0.0, None, 0.0, 0.0
    for volume in found:
        height, width, thick = _extent(volume, largest, most, longest)
        lean = LEAN * width
        _cuboid(axes, x, height, thick, lean, COLOURS[volume.colour])
        if volume.shape != before:
            axes.text(x + (thick + lean) / 2, height / 2 + lean + 0.08, size(volume.shape), **_upright("bottom"))
            high = max(high, height / 2 + lean + 0.1 + LETTER * len(size(volume.shape)))
        axes.text(x + thick / 2, -height / 2 - 0.08, volume.text, **_upright("top"))
        low = min(low, -height / 2 - 0.1 - LETTER * len(volume.text))
        x, before = x + max(thick + 0.75 * lean + 0.1, 0.28), volume.shape
    axes.set_xlim(-0.3, x + 0.3)
    axes.set_ylim(low, high)


def _upright(vertical):
    return {"rotation": 90, "ha": "center", "va": vertical, "fontsize": 8, "color": INK}


def _extent(volume, largest, most, longest):
    """Height, depth and thickness; roots of the true ones, or the small would be lost beside the large."""
    if not volume.shape[:-1]:
        return 0.5 + 1.5 * math.log(volume.channels + 1) / math.log(longest + 1), 0.12, 0.12
    high, wide = (HIGHEST * (n / largest) ** 0.55 for n in volume.shape[:2])
    return high, wide, 0.04 + THICKEST * (volume.channels / most) ** 0.6


def _cuboid(axes, x, height, thick, lean, colour):
    """Front, top and side; the front in the full colour, the others lighter and darker."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Polygon

    low, high = -height / 2, height / 2
    front = [(x, low), (x + thick, low), (x + thick, high), (x, high)]
    top = [(x, high), (x + thick, high), (x + thick + lean, high + lean), (x + lean, high + lean)]
    side = [(x + thick, low), (x + thick + lean, low + lean), (x + thick + lean, high + lean), (x + thick, high)]
    for corners, shade in ((top, 1.06), (side, 0.88), (front, 1.0)):
        face = [min(1, part * shade) for part in to_rgb(colour)]
        axes.add_patch(Polygon(corners, closed=True, facecolor=face, edgecolor=INK, linewidth=0.7, joinstyle="round"))
