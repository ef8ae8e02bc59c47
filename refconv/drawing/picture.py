"""Diagram of an architecture: its parts, and their layout on a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import refconv.nn as nn
from refconv._arguments import choice
from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.drawing import flow, ushape, volumes
from refconv.drawing.style import INK, Axes, Block, Point, content_of
from refconv.nn.description import by, short_name
from refconv.nn.layer import Layer
from refconv.typing import Shape

__all__ = ["architecture_picture", "blocks"]

Band = Callable[[Axes], None]  # function that draws one of the drawings on a page

PAGE = 13.0  # width of a slide in inches
MARGIN, HEAD = 0.35, 0.95  # distance between drawings and height of the title, in inches
LARGEST, SMALLEST = 1.5, 0.8  # largest scale of volumes, and smallest scale of drawings that are placed side by side


def architecture_picture(model: Layer, shape: Shape, title: str, *, block: str | None = None, form: str = "png") -> bytes:
    """Draw a network as a PNG or SVG file.

    The outputs of its stages are drawn as volumes, and one block of each kind as boxes and arrows.

    Parameters
    ----------
    model : Layer
        The network; it need not be built.
    shape : tuple of int
        Shape of one input, without the batch axis.
    title : str
        Title of the page.
    block : str, optional
        Dotted name of an inner layer, as printed by :func:`refconv.summary`. Only this layer is drawn.
    form : str
        "png" or "svg".

    Returns
    -------
    bytes
        Content of the file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If ``block`` or ``form`` is unknown, or a layer does not accept its input.

    Source: lecture rows F4 and F9 (SOURCES.md).
    """
    choice("form", form, ("png", "svg"))
    need("matplotlib", "train", "drawing an architecture")
    network = model.inference_layer
    specs = (spec for _, layer, at in network.distinct_layers(shape) for spec in layer.specs(at).values())
    weights = sum(math.prod(spec.shape) for spec in specs if spec.trainable)  # includes frozen parameters
    count = f"{weights:,} parameters, {network.multiply_adds(shape):,} multiply-adds"
    if block is not None:
        layer, at = _find(model, shape, block)
        bands = [partial(flow.beside, blocks=[(block, layer, at)])]
        count = by(at) + " → " + by(layer.output_shape(at))
    elif levels := ushape.levels(model, shape):
        bands = [partial(ushape.draw, all_levels=levels)]
    else:
        bands = [partial(volumes.draw, all_volumes=volumes.volumes(model, shape))]
        if drawn_blocks := blocks(model, shape):
            bands.append(partial(flow.beside, blocks=drawn_blocks))
    return _page(bands, title, count, form)


def blocks(model: Layer, shape: Shape) -> list[Block]:
    """Return one block of each kind, in order, until the width of the page is full."""
    first_of_kind: dict[tuple[Any, ...], Block] = {}
    for name, layer, at in volumes.stages(model, shape):
        for inner_name, inner, inner_at in _units(name, layer, at):
            if _is_block(inner):
                first_of_kind.setdefault(_structure(inner), (inner_name, inner, inner_at))
    total_width = 0.0
    fitting: list[Block] = []
    for block in first_of_kind.values():
        total_width += flow.node(block[1]).width + 1.0
        if not fitting or total_width * SMALLEST < PAGE:
            fitting.append(block)
    return fitting


def _units(name: str, layer: Layer, shape: Shape) -> list[Block]:
    """Return the inner layers of a stage if all are named like blocks, else the stage itself."""
    inside = list(layer.children(shape))
    if inside and all(inner.startswith(("block", "layer")) for inner, _, _ in inside):
        return [(f"{name}.{inner}", block, at) for inner, block, at in inside]
    return [(name, layer, shape)]


def _is_block(layer: Layer) -> bool:
    """Return True if a layer is not a simple chain: it has branches or a depthwise convolution."""
    inside = [inner for _, inner in layer.named_layers()]
    branching = layer.wiring in ("branches", "columns") or isinstance(layer, nn.DepthwiseConv2D)
    return branching or (layer.wiring == "box" and bool(inside)) or any(_is_block(inner) for inner in inside)


def _structure(layer: Layer) -> tuple[Any, ...]:
    """Return the classes and kernel sizes of the layers, which are equal for blocks of one kind."""
    inside = [inner for _, inner in layer.named_layers()]
    if inside:
        return type(layer).__name__, *(_structure(inner) for inner in inside)
    window = getattr(layer, "window", None)
    return type(layer).__name__, window and window.kernel


def _find(model: Layer, shape: Shape, name: str) -> tuple[Layer, Shape]:
    known = {dotted: (layer, at) for dotted, layer, at in model.distinct_layers(shape)}
    name = next((dotted for dotted in known if short_name(dotted) == name), name)  # summary prints the short name
    name = next((full for full in (name, f"trunk.{name}", f"network.{name}") if full in known), name)
    if name not in known:
        near = [dotted for dotted in known if dotted.startswith(name.partition(".")[0])][:6]
        hint = f", such as {', '.join(near)}" if near else ""
        raise ArgumentValueError(f"block must be the dotted name of a layer of the network{hint}, got {name!r}")
    return known[name]


def _page(bands: Sequence[Band], title: str, count: str, form: str) -> bytes:
    """Place the drawings side by side if they fit, else below each other."""
    figures = need("matplotlib.figure", "train", "drawing an architecture")
    available, extents = PAGE - 2 * MARGIN, [_extent(figures, band) for band in bands]
    total_width = sum(width for width, _ in extents) + MARGIN * (len(bands) - 1)
    side_by_side = len(bands) > 1 and available / total_width > SMALLEST
    scales = [min(1.0, available / total_width) if side_by_side else min(LARGEST, available / width) for width, _ in extents]
    if not side_by_side:
        scales[1:] = [min(1.0, scale) for scale in scales[1:]]  # blocks are not enlarged, only volumes are
    boxes = [(width * scale, high * scale) for (width, high), scale in zip(extents, scales, strict=True)]
    highest = max(h for _, h in boxes) if side_by_side else sum(h for _, h in boxes) + MARGIN * (len(boxes) - 1)
    height = HEAD + MARGIN + highest
    figure = figures.Figure(figsize=(PAGE, height), dpi=110, layout="none")  # the positions are computed below
    figure.text(0.5, 1 - 0.3 / height, title, ha="center", va="center", fontsize=16, weight="bold", color=INK)
    figure.text(0.5, 1 - 0.62 / height, count, ha="center", va="center", fontsize=10.5, color=INK)
    gap = (PAGE - sum(w for w, _ in boxes)) / (len(boxes) + 1)
    x, top = gap, height - HEAD
    for band, (width, high), scale in zip(bands, boxes, scales, strict=True):
        place = (x, top - highest / 2 - high / 2) if side_by_side else ((PAGE - width) / 2, top - high)
        axes = figure.add_axes([place[0] / PAGE, place[1] / height, width / PAGE, high / height])
        _draw_scaled(axes, band, scale)
        x += width + gap
        top = top if side_by_side else top - high - MARGIN
    return content_of(figure, form)


def _draw_scaled(axes: Axes, band: Band, scale: float) -> None:
    """Draw a band and scale its text by the same factor as its lines."""
    band(axes)
    for text in axes.texts:
        text.set_fontsize(text.get_fontsize() * scale)
    axes.set_aspect("equal")
    axes.axis("off")


def _extent(figures: Any, band: Band) -> Point:
    """Return the size of a drawing, measured by drawing it."""
    axes = figures.Figure().add_subplot()
    band(axes)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return right - left, high - low
