"""Layers that add channels of zeros, select channels, or scale and shift each channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._arguments import integer, real
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.typing import Array, Backward, Shape

__all__ = ["ChannelAffine", "PadChannels", "Select"]

CHANNELS = "channels must be distinct non-negative integers"


class PadChannels(Layer):
    """Layer that appends channels of zeros up to a given number of channels.

    It makes a shortcut to a block with more channels possible without parameters: option A of the residual networks.

    Parameters
    ----------
    channels : int
        Number of channels of the output, along the last axis.

    Raises
    ------
    TypeError, ValueError
        If channels is not a positive integer, or the input has more channels.

    Examples
    --------
    >>> PadChannels(5)(np.array([[7.0, 8.0, 9.0]]))
    array([[7., 8., 9., 0., 0.]])

    Source: lecture rows A23 and M9 (SOURCES.md); He et al., "Deep residual learning for image recognition", 2015, section 3.3.
    """

    def __init__(self, channels: int) -> None:
        self.channels = integer("channels", channels)

    def output_shape(self, shape: Shape) -> Shape:
        if not shape or shape[-1] > self.channels:
            raise ArgumentValueError(
                f"the input of {self!r} must have at most {self.channels} channels, got shape {tuple(shape)}"
            )
        return (*shape[:-1], self.channels)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        inputs = x.shape[-1]
        y = np.zeros((*x.shape[:-1], self.channels), x.dtype)
        y[..., :inputs] = x
        return y, lambda dy, want_dx=True: np.ascontiguousarray(dy[..., :inputs])

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def caption(self) -> str:
        return f"zeros up to {self.channels} channels"

    def __repr__(self) -> str:
        return f"PadChannels({self.channels})"


class Select(Layer):
    """Layer that selects some channels of the input, in a given order.

    The gradient of the other channels is zero.

    Parameters
    ----------
    channels : sequence of int
        Indices of the channels along the last axis.

    Raises
    ------
    TypeError, ValueError
        If the channels are not distinct non-negative integers, or the input lacks one of them.

    Examples
    --------
    >>> import numpy as np
    >>> Select([2, 0])(np.array([[10.0, 20.0, 30.0]]))
    array([[30., 10.]])

    Source: lecture row M2 (SOURCES.md); Table I of LeCun et al., "Gradient-based learning applied to document recognition",
    1998.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        entries: list[Any] = list(channels) if np.iterable(channels) else [None]
        if not all(isinstance(c, int | np.integer) and not isinstance(c, bool) for c in entries):
            raise ArgumentTypeError(f"{CHANNELS}, got {channels!r}")
        self.channels = [int(c) for c in entries]
        if len(set(self.channels)) < len(self.channels) or min(self.channels, default=-1) < 0:
            raise ArgumentValueError(f"{CHANNELS}, got {self.channels}")

    def output_shape(self, shape: Shape) -> Shape:
        if not shape or max(self.channels) >= shape[-1]:
            raise ArgumentValueError(
                f"the input of {self!r} must have a channel {max(self.channels)}, got shape {tuple(shape)}"
            )
        return (*shape[:-1], len(self.channels))

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])

        def backward(dy: Array, want_dx: bool = True) -> Array:
            dx = np.zeros_like(x)
            dx[..., self.channels] = dy
            return dx

        return np.ascontiguousarray(x[..., self.channels]), backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def caption(self) -> str:
        return f"channels {', '.join(map(str, self.channels))}"

    def __repr__(self) -> str:
        return f"Select({self.channels})"


class ChannelAffine(Layer):
    r"""Layer with a fixed scale and shift for each channel.

    .. math:: y_{\dots,c} = a_c \, x_{\dots,c} + b_c

    It changes the normalisation of images, for example. It has no parameters; :class:`BatchNorm` learns a scale and a shift.

    Parameters
    ----------
    scale, shift : sequences of float
        a and b, one number for each channel of the input, which is its last axis.

    Raises
    ------
    TypeError, ValueError
        If scale and shift are not numbers or differ in length, or the input does not have that number of channels.

    Examples
    --------
    >>> ChannelAffine((2, 10), (0.5, 0))(np.array([[1.0, 3.0]]))
    array([[ 2.5, 30. ]])

    Source: lecture row A21 (SOURCES.md).
    """

    def __init__(self, scale: Sequence[float], shift: Sequence[float]) -> None:
        self.scale = tuple(real("scale", a) for a in scale)
        self.shift = tuple(real("shift", b) for b in shift)
        if not self.scale or len(self.scale) != len(self.shift):
            raise ArgumentValueError(
                f"scale and shift must be of equal length, at least 1, got {len(self.scale)} and {len(self.shift)}"
            )

    def output_shape(self, shape: Shape) -> Shape:
        if not shape or shape[-1] != len(self.scale):
            raise ArgumentValueError(
                f"the input of {self!r} must have {len(self.scale)} channels, the last axis, got shape {tuple(shape)}"
            )
        return tuple(shape)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        scale, shift = np.array(self.scale, x.dtype), np.array(self.shift, x.dtype)
        return x * scale + shift, lambda dy, want_dx=True: dy * scale if want_dx else None

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def caption(self) -> str:
        return "scale and shift channels"

    def __repr__(self) -> str:
        return f"ChannelAffine({self.scale}, {self.shift})"
