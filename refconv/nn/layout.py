"""Conversion between the shape of an image or signal and its size and number of channels.

The shape is (H, W, C) or (C, H, W) for images, and has one spatial axis for signals.
"""

from __future__ import annotations

from typing import Protocol

from refconv._errors import ArgumentValueError
from refconv.typing import Shape

__all__ = ["ChannelLayer", "SpatialLayer", "channel_count", "join_shape", "split_shape"]


class ChannelLayer(Protocol):
    """Layer whose inputs have channels."""

    @property
    def data_format(self) -> str:
        """Position of the channels: "channels_last" or "channels_first"."""


class SpatialLayer(ChannelLayer, Protocol):
    """Layer whose inputs are images or signals."""

    @property
    def ndim(self) -> int:
        """Number of spatial axes: 2 for images, 1 for signals."""


def channel_count(layer: ChannelLayer, shape: Shape) -> int:
    """Return the number of channels of one row, signal or image, the input of a layer.

    >>> from refconv.nn.norm import BatchNorm
    >>> channel_count(BatchNorm(data_format="channels_first"), (6, 14, 15))
    6
    """
    if not shape:
        raise ArgumentValueError(f"the input of {layer!r} must have channels, got shape ()")
    return shape[-1 if layer.data_format == "channels_last" else 0]


def split_shape(layer: SpatialLayer, shape: Shape) -> tuple[Shape, int]:
    """Return the size and the channels of one image or signal, the input of a spatial layer.

    >>> from refconv.nn.conv import Conv2D
    >>> split_shape(Conv2D(2, 3, data_format="channels_first"), (6, 14, 15))
    ((14, 15), 6)
    """
    if len(shape) != layer.ndim + 1:
        kind = {1: "a signal (length, channels)", 2: "an image (height, width, channels)"}[layer.ndim]
        hint = ": leave out the batch" if len(shape) == layer.ndim + 2 else ""
        raise ArgumentValueError(f"the input of {layer!r} must be {kind}, got shape {tuple(shape)}{hint}")
    if layer.data_format == "channels_last":
        return tuple(shape[:-1]), shape[-1]
    return tuple(shape[1:]), shape[0]


def join_shape(size: Shape, channels: int, data_format: str) -> Shape:
    """Return the shape of an image or signal with this size and number of channels."""
    return (*size, channels) if data_format == "channels_last" else (channels, *size)
