"""Receptive field: the input pixels that affect an output pixel."""

from __future__ import annotations

from refconv.nn.description import Span
from refconv.nn.layer import Layer, is_channels_first
from refconv.typing import Shape

__all__ = ["extent", "middle", "receptive_field"]


def receptive_field(layer: Layer, shape: Shape) -> tuple[int, ...] | None:
    r"""Compute the size of the input rectangle that affects the middle output pixel.

    The rectangle includes padding and is computed from the output back to the input. If several paths lead to the pixel, it
    contains all pixels that any path reads. For a chain of windows the result agrees with :func:`refconv.receptive_field`.
    Each layer defines its own rule, :meth:`refconv.nn.Layer.input_span`.

    Parameters
    ----------
    layer : Layer
        A layer or a network.
    shape : tuple of int
        Shape of one input, without the batch axis.

    Returns
    -------
    tuple of int, or None
        Number of pixels along each axis. None if the output depends on the whole input or has no pixels, or if the layer
        defines no rule.

    Examples
    --------
    >>> from refconv import nn
    >>> block = nn.Sum(nn.Sequential(nn.Conv2D(4, 3, padding=1), nn.Conv2D(4, (3, 1), padding=(1, 0))), nn.Identity())
    >>> receptive_field(block, (14, 15, 4)), receptive_field(nn.GlobalAvgPool2D(), (14, 15, 4))
    ((5, 3), None)

    Source: lecture rows C4 and B7 (SOURCES.md).
    """
    output = layer.output_shape(shape)
    return extent(layer.input_span(tuple(shape), middle(layer, output))) if output[:-1] else None


def middle(layer: Layer, output: Shape) -> Span:
    """Return the middle pixel of a layer's output."""
    size = output[1:] if is_channels_first(layer) else output[:-1]
    return tuple((n // 2, n // 2) for n in size)


def extent(span: Span | None) -> tuple[int, ...] | None:
    """Return the size of a rectangle; None means the whole input."""
    return None if span is None else tuple(last - first + 1 for first, last in span)
