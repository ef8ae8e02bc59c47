"""Elementwise arithmetic with constants, and joins of several arrays."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._arguments import flag, integer, real
from refconv._errors import ArgumentValueError
from refconv.nn.description import Span
from refconv.nn.initializers import ones, zeros
from refconv.nn.layer import Layer, Spec
from refconv.typing import Array, Backward, Shape

__all__ = ["Add", "Average", "Clip", "Concatenate", "Join", "Multiply", "Scale", "Shift"]


class _Constant(Layer):
    """Base class of layers with one array that is broadcast to the shape of each example."""

    name: str
    category = "norm"

    def __init__(self, shape: Shape, *, trainable: bool = True) -> None:
        self.constant_shape = tuple(integer("shape", n) for n in shape)
        self.trainable = flag("trainable", trainable)

    def output_shape(self, shape: Shape) -> Shape:
        if _broadcast(tuple(shape), self.constant_shape) != tuple(shape):
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
            self.parameters[self.name].grad += _reduced(gradient, (1, *self.constant_shape))[0]

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


class Join(Layer):
    """Base class of layers whose input is a sequence of arrays, for :class:`Graph`.

    Methods with the argument ``shape`` expect a tuple of shapes, and the backward function returns a list of gradients.
    """

    sign: str

    @abstractmethod
    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        """Return the output for a sequence of arrays, and a backward function."""

    def output_shape(self, shape: Any) -> Shape:
        return _broadcast(*map(tuple, shape))

    def input_span(self, shape: Any, span: Span) -> Span | None:
        """Return the span: each output pixel depends on the same pixel of each input."""
        return span if len(set(map(tuple, shape))) == 1 else None

    def peak_activations(self, shape: Any, keep_input: bool = False) -> int:
        return sum(map(math.prod, shape)) + math.prod(self.output_shape(shape))

    def caption(self) -> str:
        return self.sign


class Add(Join):
    """Sum of several arrays, which are broadcast to a common shape.

    Source: ONNX standard, operator Add.
    """

    sign = "+"

    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        shapes = [a.shape for a in x]
        y = x[0]
        for other in x[1:]:
            y = y + other
        return y, lambda dy, want_dx=True: [_reduced(dy, shape) for shape in shapes]


class Average(Join):
    """Mean of several arrays, which are broadcast to a common shape.

    Source: ONNX standard, operator Mean.
    """

    sign = "mean"

    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        total, backward = Add().forward(x, train)
        share = 1 / len(x)
        return total * share, lambda dy, want_dx=True: backward(dy * share)


class Multiply(Join):
    """Product of several arrays, which are broadcast to a common shape.

    Source: ONNX standard, operator Mul.
    """

    sign = "×"

    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        y = x[0]
        for other in x[1:]:
            y = y * other

        def backward(dy: Array, want_dx: bool = True) -> list[Array]:
            gradients = []
            for k, a in enumerate(x):
                factor = dy
                for other in (*x[:k], *x[k + 1 :]):
                    factor = factor * other
                gradients.append(_reduced(factor, a.shape))
            return gradients

        return y, backward


class Concatenate(Join):
    """Concatenation of several arrays.

    Parameters
    ----------
    axis : int
        Axis of one example.

    Source: ONNX standard, operator Concat.
    """

    sign = "concat"

    def __init__(self, axis: int) -> None:
        self.axis = integer("axis", axis, least=0)

    def output_shape(self, shape: Any) -> Shape:
        first, *others = map(tuple, shape)
        if any(self._rest(other) != self._rest(first) for other in others) or self.axis >= len(first):
            raise ArgumentValueError(f"inputs of {self!r} must differ only in this axis, got shapes {tuple(shape)}")
        return (*first[: self.axis], sum(other[self.axis] for other in (first, *others)), *first[self.axis + 1 :])

    def _rest(self, shape: Shape) -> Shape:
        return (*shape[: self.axis], *shape[self.axis + 1 :])

    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        ends = np.cumsum([a.shape[self.axis + 1] for a in x])[:-1]
        y = np.concatenate([*x], self.axis + 1)
        return y, lambda dy, want_dx=True: [np.ascontiguousarray(part) for part in np.split(dy, ends, self.axis + 1)]

    def input_span(self, shape: Any, span: Span) -> Span | None:
        return span if self.axis == len(shape[0]) - 1 else None

    def __repr__(self) -> str:
        return f"Concatenate({self.axis})"


def _broadcast(*shapes: Shape) -> Shape:
    """Return the common shape of arrays; raise ``ValueError`` if there is none."""
    rank = max(map(len, shapes))
    result = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        largest = {n for n in sizes if n != 1}
        if len(largest) > 1:
            raise ArgumentValueError(f"inputs must have shapes that can be broadcast to one shape, got {shapes}")
        result.append(largest.pop() if largest else 1)
    return tuple(result)


def _reduced(gradient: Array, shape: Sequence[int]) -> Array:
    """Return the sum of a gradient over the axes along which an array was broadcast."""
    gradient = gradient.sum(tuple(range(1, 1 + gradient.ndim - len(shape)))) if gradient.ndim > len(shape) else gradient
    axes = tuple(axis for axis, n in enumerate(shape) if n == 1 != gradient.shape[axis])
    return gradient.sum(axes, keepdims=True) if axes else gradient
