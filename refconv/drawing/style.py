"""Colours, words and sizes that all pictures share."""

from refconv import models, nn
from refconv.nn.conv import _Conv
from refconv.nn.pool import GlobalPool, Pool

__all__ = ["COLOURS", "INK", "PALETTE", "kind", "size", "words"]

INK = "#222222"

# Okabe and Ito's colours for curves and marks, which the colour-blind can tell apart: blue, orange, green, purple, sky and
# yellow.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

# Light fills with dark ink on them; blue and orange differ for the colour-blind as well.
COLOURS = {
    "input": "#DDDDDD",
    "conv": "#A6CEE3",
    "pool": "#FDBF6F",
    "dense": "#B2DF8A",
    "norm": "#F2E6FF",
    "up": "#CAB2D6",
    "other": "#F0F0F0",
}


def kind(layer) -> str:
    """Which colour a layer has."""
    if isinstance(layer, nn.ConvTranspose2D | nn.Upsample2D):
        return "up"
    if isinstance(layer, _Conv | models.SCells):
        return "conv"
    if isinstance(layer, Pool | GlobalPool | models.CCells):
        return "pool"
    if isinstance(layer, nn.Dense):
        return "dense"
    return "norm" if isinstance(layer, nn.LocalResponseNorm | nn.BatchNorm) else "other"


def words(layer) -> str:
    """What stands in a layer's box.

    >>> words(nn.Conv2D(64, (3, 5), stride=2)), words(nn.MaxPool2D(3, stride=2)), words(nn.BatchNorm())
    ('3×5 conv, 64, /2', '3×3 max pool, /2', 'BN')
    """
    if isinstance(layer, nn.ConvTranspose2D):
        return f"{_window(layer)} up-conv, {layer.filters}"
    if isinstance(layer, nn.DepthwiseConv2D):
        return f"{_window(layer)} depthwise{_stride(layer)}"
    if isinstance(layer, nn.SeparableConv2D):
        return f"{_window(layer)} separable, {layer.filters}{_stride(layer)}"
    if isinstance(layer, _Conv):
        groups = f", {layer.groups} groups" if layer.groups > 1 else ""
        return f"{_window(layer)} conv, {layer.filters}{_stride(layer)}{groups}"
    if isinstance(layer, Pool):
        if layer.window.kernel == (1, 1):
            return f"every {layer.window.stride[0]}nd pixel"
        return f"{_window(layer)} {'max' if isinstance(layer, nn.MaxPool2D) else 'mean'} pool{_stride(layer)}"
    if isinstance(layer, models.SCells | models.CCells):
        return f"{_window(layer)} {'S' if isinstance(layer, models.SCells) else 'C'}-cells{_stride(layer)}"
    return _other_words(layer)


def _other_words(layer):
    plain = {
        nn.BatchNorm: "BN",
        nn.LocalResponseNorm: "response norm",
        nn.GlobalAvgPool2D: "mean of all pixels",
        nn.Crop2D: "crop",
        nn.Pad2D: "mirror the border",
    }
    for cls, text in plain.items():
        if isinstance(layer, cls):
            return text
    if isinstance(layer, nn.Dense):
        return f"dense, {layer.units}"
    if isinstance(layer, nn.Dropout):
        return f"dropout {layer.rate:g}"
    if isinstance(layer, nn.PadChannels):
        return f"zeros up to {layer.channels} channels"
    if isinstance(layer, nn.Upsample2D):
        return f"×{layer.scale[0]} {layer.mode}"
    if isinstance(layer, nn.Select):
        return f"channels {', '.join(map(str, layer.channels))}"
    return type(layer).__name__.replace("Leaky", "leaky ")


def size(shape) -> str:
    """A shape, with thin spaces so that it stays one word."""
    return "×".join(map(str, shape))


def _window(layer):
    return "×".join(map(str, layer.window.kernel))


def _stride(layer):
    stride = layer.window.stride
    if set(stride) == {1}:
        return ""
    return f", /{stride[0]}" if stride[0] == stride[1] else f", /{stride[0]}×{stride[1]}"
