"""More channels for the same image, all zero; or some of those that are there."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._arguments import integer
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.typing import Array, Backward, Shape

__all__ = ["PadChannels", "Select"]

CHANNELS = "channels must be different whole numbers from 0 on"


class PadChannels(Layer):
    """Channels of zeros behind those that are there, until there are as many as asked for.

    With it a shortcut reaches a block of more channels without any parameter: option A of the residual networks.

    Parameters
    ----------
    channels : int
        How many the output has; along the last axis.

    Raises
    ------
    TypeError, ValueError
        If channels is no whole number of at least 1; if the input has more channels than that.

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
                f"{self!r} needs an input with at most {self.channels} channels, got shape {tuple(shape)}"
            )
        return (*shape[:-1], self.channels)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        there = x.shape[-1]
        y = np.zeros((*x.shape[:-1], self.channels), x.dtype)
        y[..., :there] = x
        return y, lambda dy, want_dx=True: np.ascontiguousarray(dy[..., :there])

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def caption(self) -> str:
        return f"zeros up to {self.channels} channels"

    def __repr__(self) -> str:
        return f"PadChannels({self.channels})"


class Select(Layer):
    """Some of the channels, in the order asked for; the others get no gradient.

    Parameters
    ----------
    channels : sequence of int
        Which channels of the last axis.

    Raises
    ------
    TypeError, ValueError
        If the channels are not whole numbers, or one is named twice; if the input has no such channel.

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
            raise ArgumentValueError(f"{self!r} needs an input with a channel {max(self.channels)}, got shape {tuple(shape)}")
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
