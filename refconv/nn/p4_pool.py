"""Pooling of functions on p4: over the rotations, or over windows in space."""

from __future__ import annotations

from refconv._arguments import choice, integer
from refconv._errors import ArgumentValueError
from refconv.geometry import Window
from refconv.nn.avg_pool import AvgPool1D
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.nn.max_pool import MaxPool1D, MaxPool2D
from refconv.nn.p4_conv import all_rotations, p4_shape
from refconv.typing import Array, Backward, Shape

__all__ = ["P4GroupPool", "P4MaxPool2D"]


class P4GroupPool(Layer):
    r"""Group pooling layer, from functions on p4 to images: the maximum or mean over rotations.

    .. math:: y_{i,j,c} = \max_r x_{i,j,r,c}

    If the input of the network is rotated by 90°, the output of this layer is rotated in space, and nothing else changes.

    Parameters
    ----------
    statistic : {"max", "mean"}
        The number that replaces the four rotations. The gradient of the maximum goes to the first of equal numbers.

    Raises
    ------
    ValueError
        If statistic is unknown, or an input is not a function on p4.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 40], [2, 30], [3, 20], [6, 10]]).reshape(1, 1, 1, 4, 2)
    >>> P4GroupPool()(x)[0, 0, 0], P4GroupPool("mean")(x)[0, 0, 0]
    (array([ 6., 40.]), array([ 3., 25.]))

    Source: lecture row D9 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016, section 6.3.
    """

    category = "pool"

    def __init__(self, statistic: str = "max") -> None:
        self.statistic = choice("statistic", statistic, ("max", "mean"))

    def output_shape(self, shape: Shape) -> Shape:
        size, channels = p4_shape(self, shape)
        return (*size, channels)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        shape = (len(x), *self.output_shape(x.shape[1:]))
        pool = MaxPool1D(4) if self.statistic == "max" else AvgPool1D(4)
        y, back = pool.forward(x.reshape(-1, 4, shape[-1]), train)  # the rotations of one pixel are a signal of length 4

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            return back(dy.reshape(y.shape)).reshape(x.shape) if want_dx else None

        return y.reshape(shape), backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return all_rotations(span)

    def caption(self) -> str:
        return f"{self.statistic} of 4 rotations"

    def __repr__(self) -> str:
        return f"P4GroupPool({'' if self.statistic == 'max' else repr(self.statistic)})"


class P4MaxPool2D(Layer):
    r"""Max pooling layer in space on functions on p4.

    The output is the largest value in each window, rotation by rotation.

    .. math:: y_{i,j,r,c} = \max_{m,n} x_{i k + m,\; j k + n,\; r,\; c}

    The windows are square and tile the input exactly. Only then does a rotation by 90° map windows to windows.

    Parameters
    ----------
    kernel_size : int
        k, the side of a window and the step between windows, in pixels.

    Raises
    ------
    TypeError, ValueError
        If kernel_size is not a positive integer, or the height or the width of an input is not a multiple of it.

    Examples
    --------
    >>> P4MaxPool2D(2).output_shape((28, 30, 4, 6))
    (14, 15, 4, 6)

    Source: lecture rows D9 and A11 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016,
    section 6.3.
    """

    category = "pool"

    def __init__(self, kernel_size: int) -> None:
        self.kernel_size = integer("kernel_size", kernel_size)
        self.window = Window((kernel_size, kernel_size), stride=kernel_size)

    def output_shape(self, shape: Shape) -> Shape:
        (H, W), channels = p4_shape(self, shape)
        if H % self.kernel_size or W % self.kernel_size:
            raise ArgumentValueError(
                f"the input of {self!r} must have a height and a width that are multiples of {self.kernel_size}, got {H} × {W}"
            )
        return (H // self.kernel_size, W // self.kernel_size, 4, channels)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        shape = (len(x), *self.output_shape(x.shape[1:]))
        y, back = MaxPool2D(self.kernel_size).forward(x.reshape(*x.shape[:3], 4 * x.shape[4]), train)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            return back(dy.reshape(y.shape)).reshape(x.shape) if want_dx else None

        return y.reshape(shape), backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return (*self.window.input_span(shape[:2], span[:2]), span[2])

    def caption(self) -> str:
        return f"{self.kernel_size}×{self.kernel_size} max pool"

    def __repr__(self) -> str:
        return f"P4MaxPool2D({self.kernel_size})"
