"""Layers that add channels of zeros or select channels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._arguments import integer
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.typing import Array, Backward, Shape

__all__ = ["PadChannels", "Select"]

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
