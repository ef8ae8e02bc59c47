"""Layers that join several arrays: sums, means, products and concatenations."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._arguments import integer
from refconv._errors import ArgumentValueError
from refconv.nn.branches import MAX_AXES
from refconv.nn.description import Span
from refconv.nn.layer import Layer
from refconv.typing import Array, Backward, Shape

__all__ = ["Add", "Average", "Concatenate", "Join", "Multiply", "broadcast_shape", "reduced"]


class Join(Layer):
    """Base class of layers whose input is a sequence of arrays, for :class:`Graph`.

    Methods with the argument ``shape`` expect a tuple of shapes, and the backward function returns a list of gradients. In a
    chain of layers use :class:`Sum`, :class:`Mean` and :class:`Concat`, which contain the branches that they join.
    """

    sign: str

    @abstractmethod
    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        """Return the output for a sequence of arrays, and a backward function."""

    def output_shape(self, shape: Any) -> Shape:
        if len(set(map(len, shape))) > 1:  # the axis of the batch would not be the first of all arrays
            raise ArgumentValueError(f"inputs of {self!r} must have the same number of axes, got shapes {tuple(shape)}")
        return broadcast_shape(*map(tuple, shape))

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
        return y, lambda dy, want_dx=True: [reduced(dy, shape) for shape in shapes]


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
                gradients.append(reduced(factor, a.shape))
            return gradients

        return y, backward


class Concatenate(Join):
    """Concatenation of several arrays.

    Parameters
    ----------
    axis : int
        Axis of one example, from the end if it is negative.

    Source: ONNX standard, operator Concat.
    """

    sign = "concat"

    def __init__(self, axis: int = -1) -> None:
        self.axis = integer("axis", axis, least=-MAX_AXES)

    def output_shape(self, shape: Any) -> Shape:
        sizes = [list(one) for one in shape]
        if any(len(size) != len(sizes[0]) or not -len(size) <= self.axis < len(size) for size in sizes):
            raise ArgumentValueError(f"inputs of {self!r} must have the same axes and this axis, got shapes {tuple(shape)}")
        joined = sum(size.pop(self.axis) for size in sizes)
        if any(size != sizes[0] for size in sizes):
            raise ArgumentValueError(f"inputs of {self!r} must differ only in this axis, got shapes {tuple(shape)}")
        axis = self.axis % (len(sizes[0]) + 1)
        return (*sizes[0][:axis], joined, *sizes[0][axis:])

    def forward(self, x: Any, train: bool = True) -> tuple[Array, Backward]:
        axis = self.axis if self.axis < 0 else self.axis + 1  # the batch comes first
        ends = np.cumsum([a.shape[axis] for a in x])[:-1]
        y = np.concatenate([*x], axis)
        return y, lambda dy, want_dx=True: [np.ascontiguousarray(part) for part in np.split(dy, ends, axis)]

    def input_span(self, shape: Any, span: Span) -> Span | None:
        return span if self.axis in (-1, len(shape[0]) - 1) else None

    def __repr__(self) -> str:
        return f"Concatenate({self.axis})"


def broadcast_shape(*shapes: Shape) -> Shape:
    """Return the common shape of arrays; raise ``ValueError`` if there is none."""
    rank = max(map(len, shapes))
    result = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        largest = {n for n in sizes if n != 1}
        if len(largest) > 1:
            raise ArgumentValueError(f"inputs must have shapes that can be broadcast to one shape, got {shapes}")
        result.append(largest.pop() if largest else 1)
    return tuple(result)


def reduced(gradient: Array, shape: Sequence[int]) -> Array:
    """Return the sum of a gradient over the axes along which an array was broadcast."""
    gradient = gradient.sum(tuple(range(1, 1 + gradient.ndim - len(shape)))) if gradient.ndim > len(shape) else gradient
    axes = tuple(axis for axis, n in enumerate(shape) if n == 1 != gradient.shape[axis])
    return gradient.sum(axes, keepdims=True) if axes else gradient
