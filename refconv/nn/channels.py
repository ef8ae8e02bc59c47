"""More channels for the same image, all zero."""

import numpy as np

from refconv.geometry import per_axis
from refconv.nn.layer import Layer

__all__ = ["PadChannels"]


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

    Source: A23, M9; He et al., "Deep residual learning for image recognition", 2015, section 3.3.
    """

    def __init__(self, channels):
        (self.channels,) = per_axis("channels", channels, 1)

    def output_shape(self, shape):
        if not shape or shape[-1] > self.channels:
            raise ValueError(f"{self!r} needs an input with at most {self.channels} channels, but got shape {tuple(shape)}")
        return (*shape[:-1], self.channels)

    def forward(self, x, train=True):
        self.output_shape(x.shape[1:])
        there = x.shape[-1]
        y = np.zeros((*x.shape[:-1], self.channels), x.dtype)
        y[..., :there] = x
        return y, lambda dy, want_dx=True: np.ascontiguousarray(dy[..., :there])

    def __repr__(self):
        return f"PadChannels({self.channels})"
