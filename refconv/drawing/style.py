"""Colours, sizes and file formats that all diagrams share."""

from __future__ import annotations

import io
from typing import Any

from refconv._optional import need
from refconv.nn.layer import Layer
from refconv.typing import Shape

__all__ = ["COLOURS", "INK", "PALETTE", "Axes", "Block", "Point", "colour", "content_of", "follows"]

Axes = Any  # a matplotlib.axes.Axes; matplotlib is optional and has no type annotations
Point = tuple[float, float]
Block = tuple[str, Layer, Shape]  # name, layer, input shape

INK = "#222222"

# Colours of Okabe and Ito for curves and marks, distinguishable with colour blindness: blue, orange, green, purple, sky
# and yellow.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

# Fill colours by category of the layer. They are light, because the text is dark. Blue and orange are distinguishable with
# colour blindness.
COLOURS = {
    "input": "#DDDDDD",
    "conv": "#A6CEE3",
    "pool": "#FDBF6F",
    "dense": "#B2DF8A",
    "norm": "#F2E6FF",
    "up": "#CAB2D6",
    "other": "#F0F0F0",
}
FOLLOWERS = ("norm", "activation", "dropout")


def colour(category: str) -> str:
    """Return the fill colour for a category of layers, by default the colour of "other"."""
    return COLOURS.get(category, COLOURS["other"])


def follows(layer: Layer) -> bool:
    """Return True if a layer is drawn as part of the layer before it.

    This applies to normalisations, activations and dropout.
    """
    return layer.category in FOLLOWERS


def content_of(figure: Any, form: str) -> bytes:
    """Return the content of a PNG or SVG file.

    Text in an SVG is stored as text, not as outlines, and two runs give the same file.
    """
    content = io.BytesIO()
    matplotlib = need("matplotlib", "train", "drawing a picture")
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "refconv"}):
        figure.savefig(content, format=form, metadata={"Date": None} if form == "svg" else None, facecolor="white")
    return content.getvalue()
