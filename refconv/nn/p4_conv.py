"""Convolution layers that are equivariant to rotations by 90°."""

from __future__ import annotations

import math
from abc import abstractmethod

from refconv._arguments import flag, initializer_or_none, integer
from refconv._errors import ArgumentValueError
from refconv.nn.description import Span, window_caption
from refconv.nn.initializers import Initializer, he_normal, zeros
from refconv.nn.layer import Layer, Spec
from refconv.ops import p4_conv
from refconv.typing import Array, Backward, Padding, Shape

__all__ = ["P4Conv2D", "P4ConvLift2D", "all_rotations", "p4_shape"]


def p4_shape(layer: Layer, shape: Shape) -> tuple[Shape, int]:
    """Return the size and the channels of one function on p4, the input of a layer.

    >>> p4_shape(P4Conv2D(2, 3), (14, 15, 4, 6))
    ((14, 15), 6)
    """
    if len(shape) != 4 or shape[2] != 4:
        raise ArgumentValueError(
            f"the input of {layer!r} must be a function on p4 (height, width, 4, channels), got shape {tuple(shape)}; "
            "P4ConvLift2D makes one from an image"
        )
    return tuple(shape[:2]), shape[3]


def all_rotations(span: Span) -> Span:
    """Return a rectangle of pixels with all four rotations as its last axis.

    >>> all_rotations(((2, 5), (0, 1)))
    ((2, 5), (0, 1), (0, 3))
    """
    return (*span, (0, 3))


class _P4Conv(Layer):
    """Base class of the convolutions whose output is a function on p4."""

    category = "conv"
    operation: str  # name in diagrams
    _conv: staticmethod[..., Array]
    _conv_dx: staticmethod[..., Array]
    _conv_dw: staticmethod[..., Array]

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        padding: Padding = "valid",
        bias: bool = True,
        initializer: Initializer | None = he_normal,
    ) -> None:
        self.filters = integer("filters", filters)
        self.window = p4_conv.p4_window(kernel_size, padding)
        self.bias, self.initializer = flag("bias", bias), initializer_or_none(initializer)

    @abstractmethod
    def _input_axes(self, shape: Shape) -> tuple[Shape, Shape]:
        """Return the size of an input, and its other axes: those over which an output sums."""

    def output_shape(self, shape: Shape) -> Shape:
        size, _ = self._input_axes(shape)
        return (*self.window.output_size(size), 4, self.filters)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        _, summed = self._input_axes(shape)
        kernel = (*self.window.kernel, *summed, self.filters)
        w = Spec(kernel, self.initializer or he_normal)
        return {"w": w, "b": Spec((self.filters,), zeros)} if self.bias else {"w": w}

    def multiply_adds(self, shape: Shape) -> int:
        _, summed = self._input_axes(shape)
        return math.prod(self.output_shape(shape)) * math.prod(self.window.kernel) * math.prod(summed)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        w, b = self.parameters["w"], self.parameters["b"] if self.bias else None
        padding = self.window.padding
        y = self._conv(x, w.value, None if b is None else b.value, padding=padding)

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            w.grad += self._conv_dw(x, dy, self.window.kernel, padding=padding)
            if b is not None:
                b.grad += p4_conv.p4_conv2d_db(dy)
            return self._conv_dx(dy, w.value, x.shape[1:3], padding=padding) if want_dx else None

        return y, backward

    def caption(self) -> str:
        return window_caption(self.window, self.operation, str(self.filters))

    def __repr__(self) -> str:
        differs = [f"padding {self.window.padding}"] if self.window.padding != "valid" else []
        kernel = "×".join(map(str, self.window.kernel))
        return ", ".join([f"{type(self).__name__}({self.filters}, {kernel}", *differs]) + ")"


class P4ConvLift2D(_P4Conv):
    r"""Lifting convolution layer, from images to functions on p4.

    Each kernel is used in four orientations.

    .. math:: y_{i,j,r,o} = \mathrm{bias}_o + \sum_{m,n,c} x_{i + m,\; j + n,\; c} \; w_{p,q,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90° anticlockwise. If the image is rotated by 90°, the
    output is rotated in space, and its rotation axis is shifted by one. The outputs of :class:`P4Conv2D`,
    :class:`P4MaxPool2D` and activations after this layer behave in the same way. :class:`P4GroupPool` then removes the
    rotation axis, and a global pooling layer makes the network invariant to rotations by 90°.

    Parameters
    ----------
    filters : int
        Number of output channels O.
    kernel_size : int
        k, in pixels. Kernels are square.
    padding : str or int
        As in :func:`refconv.p4_lift_conv2d`: equal on all sides.
    bias : bool
        If True, there is a bias b, which is the same for all rotations.
    initializer : callable
        ``initializer(rng, shape)`` returns the initial w.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, when the layer is constructed; if the input does not fit, when its shape is known.

    Examples
    --------
    >>> layer = P4ConvLift2D(8, 5)
    >>> layer.output_shape((28, 31, 3)), layer.count_parameters((28, 31, 3)), layer.multiply_adds((28, 31, 3))
    ((24, 27, 4, 8), 608, 1555200)

    Source: lecture row D9 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016.
    """

    operation = "p4 lifting conv"
    _conv = staticmethod(p4_conv.p4_lift_conv2d)
    _conv_dx = staticmethod(p4_conv.p4_lift_conv2d_dx)
    _conv_dw = staticmethod(p4_conv.p4_lift_conv2d_dw)

    def _input_axes(self, shape: Shape) -> tuple[Shape, Shape]:
        if len(shape) != 3:
            raise ArgumentValueError(
                f"the input of {self!r} must be an image (height, width, channels), got shape {tuple(shape)}"
            )
        return tuple(shape[:2]), (shape[2],)

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return self.window.input_span(shape[:2], span[:2])


class P4Conv2D(_P4Conv):
    r"""Convolution layer on p4, equivariant to translations and to rotations by 90°.

    .. math:: y_{i,j,r,o} = \mathrm{bias}_o + \sum_{m,n,s,c} x_{i + m,\; j + n,\; s,\; c} \; w_{p,q,t,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90° anticlockwise, and t = s − r modulo 4.

    The parameters are the same as for :class:`P4ConvLift2D`. The input is a function on p4, (H, W, 4, C).

    >>> layer = P4Conv2D(8, 3, padding="same")
    >>> layer.output_shape((14, 15, 4, 6)), layer.count_parameters((14, 15, 4, 6)), layer.multiply_adds((14, 15, 4, 6))
    ((14, 15, 4, 8), 1736, 1451520)

    Source: lecture row D9 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016.
    """

    operation = "p4 conv"
    _conv = staticmethod(p4_conv.p4_conv2d)
    _conv_dx = staticmethod(p4_conv.p4_conv2d_dx)
    _conv_dw = staticmethod(p4_conv.p4_conv2d_dw)

    def _input_axes(self, shape: Shape) -> tuple[Shape, Shape]:
        size, channels = p4_shape(self, shape)
        return size, (4, channels)

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return all_rotations(self.window.input_span(shape[:2], span[:2]))
