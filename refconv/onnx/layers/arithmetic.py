"""Elementwise arithmetic with constants."""

from __future__ import annotations

import numpy as np

from refconv._arguments import flag, integer, real
from refconv._errors import ArgumentValueError
from refconv.nn.description import Span
from refconv.nn.initializers import ones, zeros
from refconv.nn.joins import broadcast_shape, reduced
from refconv.nn.layer import Layer, Spec
from refconv.typing import Array, Backward, Shape

__all__ = ["Clip", "Power", "Scale", "Shift"]


class _Constant(Layer):
    """Base class of layers with one array that is broadcast to the shape of each example."""

    name: str
    category = "norm"

    def __init__(self, shape: Shape, *, trainable: bool = True) -> None:
        self.constant_shape = tuple(integer("shape", n) for n in shape)
        self.trainable = flag("trainable", trainable)

    def output_shape(self, shape: Shape) -> Shape:
        if broadcast_shape(tuple(shape), self.constant_shape) != tuple(shape):
            raise ArgumentValueError(
                f"the input of {self!r} must have a shape to which {self.constant_shape} can be broadcast, got {tuple(shape)}"
            )
        return tuple(shape)

    def specs(self, shape: Shape) -> dict[str, Spec]:
        return {self.name: Spec(self.constant_shape, ones if self.name == "scale" else zeros, trainable=self.trainable)}

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def _add_gradient(self, gradient: Array) -> None:
        if self.trainable:
            self.parameters[self.name].grad += reduced(gradient, (1, *self.constant_shape))[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.constant_shape}{'' if self.trainable else ', fixed'})"


class Scale(_Constant):
    r"""Layer that multiplies each example by an array: y = s · x.

    Parameters
    ----------
    shape : tuple of int
        Shape of s, which is broadcast to the shape of each example.
    trainable : bool
        If False, optimisers do not change s.

    >>> Scale((1, 3)).output_shape((5, 4, 3))
    (5, 4, 3)

    Source: ONNX standard, operator Mul.
    """

    name = "scale"

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        scale = self.parameters["scale"].value

        def backward(dy: Array, want_dx: bool = True) -> Array:
            self._add_gradient(dy * x)
            return dy * scale

        return x * scale, backward


class Shift(_Constant):
    """Layer that adds an array to each example: y = x + c.

    The parameters are the same as for :class:`Scale`.

    >>> Shift((4, 1)).output_shape((5, 4, 3))
    (5, 4, 3)

    Source: ONNX standard, operator Add.
    """

    name = "shift"

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])

        def backward(dy: Array, want_dx: bool = True) -> Array:
            self._add_gradient(dy)
            return dy

        return x + self.parameters["shift"].value, backward


class Clip(Layer):
    """Layer that limits each element: y = min(max(x, least), most).

    The derivative is 0 where an element is limited, and at both limits.

    Parameters
    ----------
    least, most : float or None
        The limits; None means no limit.

    >>> Clip(-1, 2)(np.array([[-3.0, 0, 5]]))
    array([[-1.,  0.,  2.]])

    Source: ONNX standard, operator Clip.
    """

    category = "activation"

    def __init__(self, least: float | None = None, most: float | None = None) -> None:
        self.least = None if least is None else real("least", least)
        self.most = None if most is None else real("most", most)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        y = x if self.least is None else np.maximum(x, x.dtype.type(self.least))
        y = y if self.most is None else np.minimum(y, x.dtype.type(self.most))

        def backward(dy: Array, want_dx: bool = True) -> Array:
            inside = np.ones(x.shape, bool) if self.least is None else x > self.least
            return dy * (inside if self.most is None else inside & (x < self.most))

        return y, backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def __repr__(self) -> str:
        return f"Clip({self.least}, {self.most})"


class Power(Layer):
    """Layer that raises each element to a power: y = x^p.

    A root of 0 has an infinite derivative; the backward function replaces it by 0.

    Parameters
    ----------
    exponent : float
        p.

    >>> Power(-2)(np.array([[2.0, -0.5]]))
    array([[0.25, 4.  ]])

    Source: ONNX standard, operators Pow, Sqrt and Reciprocal.
    """

    category = "activation"

    def __init__(self, exponent: float) -> None:
        self.exponent = real("exponent", exponent)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        p = x.dtype.type(self.exponent)

        def backward(dy: Array, want_dx: bool = True) -> Array:
            with np.errstate(divide="ignore", invalid="ignore"):
                slopes = p * x ** (p - 1)
            return dy * (np.where(x == 0, 0, slopes) if 0 < p < 1 else slopes)

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # as ONNX, return non-finite numbers
            return x**p, backward

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        return span

    def __repr__(self) -> str:
        return f"Power({self.exponent:g})"
