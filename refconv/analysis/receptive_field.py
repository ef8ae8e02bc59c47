"""What an output pixel sees of the input, layer by layer, from the output back."""

from __future__ import annotations

from functools import singledispatch

from refconv.models import cells
from refconv.nn import (
    activation,
    branches,
    channels,
    combinators,
    conv_transpose,
    crop,
    dense,
    dropout,
    fractal,
    heads,
    norm,
    pool,
    resize,
    response_norm,
    transfer,
)
from refconv.nn.conv import _Conv
from refconv.nn.layer import Layer, split_shape

__all__ = ["receptive_field", "seen"]

Span = tuple[tuple[int, int], ...]  # first and last pixel, along each axis


def receptive_field(layer: Layer, shape) -> tuple[int, ...] | None:
    r"""Size of the part of the input that the output's middle pixel sees, padding counted as if it were image.

    Where ways of different length lead to a pixel, what it sees is what they see together, and the rectangle around it is
    meant. For a chain of windows this is :func:`refconv.receptive_field`; layers that make images larger, and all
    combinators, have their rules here.

    Parameters
    ----------
    layer : Layer
        A layer or a network.
    shape : tuple of int
        One input, without the batch.

    Returns
    -------
    tuple of int, or None
        Pixels along each axis; None if the output sees all of the input, or has no pixels. A user's layer counts as
        seeing all of its input, unless ``seen.register`` has a rule for its class.

    Examples
    --------
    >>> from refconv import nn
    >>> block = nn.Sum(nn.Sequential(nn.Conv2D(4, 3, padding=1), nn.Conv2D(4, (3, 1), padding=(1, 0))), nn.Identity())
    >>> receptive_field(block, (14, 15, 4)), receptive_field(nn.GlobalAvgPool2D(), (14, 15, 4))
    ((5, 3), None)

    Source: C4, B7.
    """
    output = layer.output_shape(shape)
    span = seen(layer, tuple(shape), middle(output)) if output[:-1] else None
    return None if span is None else tuple(last - first + 1 for first, last in span)


def middle(shape) -> Span:
    """The middle pixel of an image of this shape."""
    return tuple((n // 2, n // 2) for n in shape[:-1])


def around(spans) -> Span | None:
    """The smallest rectangle that holds all of these."""
    spans = [*spans]
    if None in spans:
        return None
    return tuple((min(low for low, _ in axis), max(high for _, high in axis)) for axis in zip(*spans, strict=True))


@singledispatch
def seen(layer: Layer, shape, span: Span) -> Span | None:
    """Return the span of input pixels that affect the output pixels of this span; None if it is the whole input.

    This is the rule of layers that have no other: an output pixel may depend on any input pixel. ``seen.register`` takes a
    tighter one.
    """
    return None


@seen.register(activation._Elementwise)
@seen.register(channels.PadChannels)
@seen.register(combinators.Identity)
@seen.register(channels.Select)
@seen.register(dropout.Dropout)
@seen.register(norm.BatchNorm)
@seen.register(response_norm.LocalResponseNorm)
def _its_own_pixel(layer, shape, span):
    return span


@seen.register(dense.Dense)
@seen.register(dense.Flatten)
@seen.register(pool.GlobalPool)
def _everything(layer, shape, span):
    return None


@seen.register(_Conv)
@seen.register(pool.Pool)
@seen.register(cells.SCells)
@seen.register(cells.CCells)
def _window(layer, shape, span):
    """Tap m of output i reads input i·S + m·D − p."""
    size, _ = split_shape(layer, shape)
    window = layer.window
    axes = zip(span, window.stride, window.span, window.pads(size), strict=True)
    return tuple((low * S - p, high * S - p + reach - 1) for (low, high), S, reach, (p, _) in axes)


@seen.register(conv_transpose._ConvTranspose)
def _transposed(layer, shape, span):
    """The other way round: input i reaches outputs i·S + m·D − p."""
    size, _ = split_shape(layer, layer.output_shape(shape))
    window = layer.window
    axes = zip(span, window.stride, window.span, window.pads(size), strict=True)
    return tuple((-((reach - 1 - p - low) // S), (high + p) // S) for (low, high), S, reach, (p, _) in axes)


@seen.register(resize.Pad2D)
def _framed(layer, shape, span):
    return tuple((low - before, high - before) for (low, high), (before, _) in zip(span, layer.window.padding, strict=True))


@seen.register(crop.Crop2D)
def _cropped(layer, shape, span):
    return tuple((low + before, high + before) for (low, high), (before, _) in zip(span, layer.window.padding, strict=True))


@seen.register(resize.Upsample2D)
def _upsampled(layer, shape, span):
    """The nearest pixel, or the two around: their centres lie at (2i + 1 − S) / 2S."""
    if layer.mode == "nearest":
        return tuple((low // S, high // S) for (low, high), S in zip(span, layer.scale, strict=True))
    places = (((2 * low + 1 - S, 2 * high + 1 - S), 2 * S) for (low, high), S in zip(span, layer.scale, strict=True))
    return tuple((low // unit, -(-high // unit)) for (low, high), unit in places)


@seen.register(combinators.Sequential)
def _one_after_the_other(layer, shape, span):
    for _, inner, at in reversed([*layer.children(shape)]):
        span = None if span is None else seen(inner, at, span)
    return span


@seen.register(branches.Branches)
def _side_by_side(layer, shape, span):
    return around(seen(inner, at, span) for _, inner, at in layer.children(shape))


@seen.register(combinators.StochasticDepth)
@seen.register(transfer.Frozen)
@seen.register(fractal.DropPath)
@seen.register(heads.Heads)
def _the_first_inside(layer, shape, span):
    _, inner, at = next(iter(layer.children(shape)))
    return seen(inner, at, span)


@seen.register(fractal.Fractal)
def _columns(layer, shape, span):
    """From the last row up: a join is seen by what all columns need that read it."""
    at, needed = {name: where for name, _, where in layer.children(shape)}, [span] * layer.columns
    for row in reversed(layer.every_row()):
        ending = layer.ending(row)
        joined = around(needed[c] for c in ending)
        for c in ending:
            name = layer.name(c, row)
            needed[c] = seen(layer.layers[name], at[name], joined)
    return around(needed)
