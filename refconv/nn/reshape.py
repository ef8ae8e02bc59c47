"""Layers that move, select or pad elements, and means over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._arguments import choice, integer, real
from refconv._errors import ArgumentValueError
from refconv.nn.layer import Layer
from refconv.typing import Array, Backward, Shape

__all__ = ["Pad", "ReduceMean", "Reshape", "Slice", "Transpose"]


class Transpose(Layer):
    """Layer that permutes the axes of each example.

    Parameters
    ----------
    axes : sequence of int
        For each axis of the output, the axis of the input: (1, 2, 0) from channels first to channels last.

    >>> Transpose((1, 2, 0)).output_shape((3, 7, 8))
    (7, 8, 3)

    Source: ONNX standard, operator Transpose.
    """

    wiring = "line"

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(integer("axes", axis, least=0) for axis in axes)
        if sorted(self.axes) != [*range(len(self.axes))]:
            raise ArgumentValueError(f"axes must be a permutation, got {self.axes}")

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != len(self.axes):
            raise ArgumentValueError(f"the input of {self!r} must have {len(self.axes)} axes, got shape {tuple(shape)}")
        return tuple(shape[axis] for axis in self.axes)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        axes = (0, *(axis + 1 for axis in self.axes))
        back = np.argsort(axes)
        y = np.ascontiguousarray(x.transpose(axes))
        return y, lambda dy, want_dx=True: np.ascontiguousarray(dy.transpose(back)) if want_dx else None

    def __repr__(self) -> str:
        return f"Transpose({self.axes})"


class Reshape(Layer):
    """Layer that reshapes each example, in row-major order.

    Parameters
    ----------
    shape : sequence of int
        Shape of one output.

    >>> Reshape((2, 6)).output_shape((3, 4))
    (2, 6)

    Source: ONNX standard, operator Reshape.
    """

    wiring = "line"

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(integer("shape", n) for n in shape)

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(self.shape):
            raise ArgumentValueError(f"the input of {self!r} must have {math.prod(self.shape)} elements, got {tuple(shape)}")
        return self.shape

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        return x.reshape(len(x), *self.shape), lambda dy, want_dx=True: dy.reshape(x.shape)

    def own_activations(self, shape: Shape) -> int:
        return 0

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"


class Slice(Layer):
    """Layer that selects a range of each axis.

    Parameters
    ----------
    ranges : sequence of (int, int, int)
        For each axis of an example the first index, the number of elements and the step, which may be negative.

    >>> Slice([(1, 3, 2), (4, 2, -1)]).output_shape((7, 5))
    (3, 2)

    Source: ONNX standard, operator Slice.
    """

    def __init__(self, ranges: Sequence[Sequence[int]]) -> None:
        self.ranges = [(integer("start", a, least=0), integer("count", n), _step(step)) for a, n, step in ranges]

    def output_shape(self, shape: Shape) -> Shape:
        ends = [(first, first + (count - 1) * step) for first, count, step in self.ranges]
        if len(shape) != len(ends) or any(min(end) < 0 or max(end) >= n for end, n in zip(ends, shape, strict=True)):
            raise ArgumentValueError(f"the input of {self!r} must contain all selected elements, got shape {tuple(shape)}")
        return tuple(count for _, count, _ in self.ranges)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        selected = (slice(None), *(_as_slice(*range_) for range_ in self.ranges))

        def backward(dy: Array, want_dx: bool = True) -> Array:
            dx = np.zeros_like(x)
            dx[selected] = dy
            return dx

        return np.ascontiguousarray(x[selected]), backward

    def __repr__(self) -> str:
        return f"Slice({self.ranges})"


class Pad(Layer):
    """Layer that pads any axis of each example with a constant, edge values or a reflection.

    Parameters
    ----------
    widths : sequence of (int, int)
        Elements to add before and after each axis of an example.
    mode : {"constant", "edge", "reflect"}
    value : float
        The constant.

    >>> Pad([(1, 0), (0, 2)], value=9)(np.array([[[1.0, 2]]]))
    array([[[9., 9., 9., 9.],
            [1., 2., 9., 9.]]])

    Source: ONNX standard, operator Pad.
    """

    def __init__(self, widths: Sequence[Sequence[int]], mode: str = "constant", value: float = 0.0) -> None:
        self.widths = [(integer("widths", a, least=0), integer("widths", b, least=0)) for a, b in widths]
        self.mode = choice("mode", mode, ("constant", "edge", "reflect"))
        self.value = float(value) if value in (math.inf, -math.inf) else real("value", value)

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != len(self.widths):
            raise ArgumentValueError(f"the input of {self!r} must have {len(self.widths)} axes, got shape {tuple(shape)}")
        if self.mode == "reflect" and any(max(width) >= n for width, n in zip(self.widths, shape, strict=True)):
            raise ArgumentValueError(
                f"widths must be smaller than the reflected input of shape {tuple(shape)}, got {self.widths}"
            )
        return tuple(n + before + after for n, (before, after) in zip(shape, self.widths, strict=True))

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        options: Any = {"constant_values": self.value} if self.mode == "constant" else {}
        y = np.pad(x, [(0, 0), *self.widths], mode=self.mode, **options)  # type: ignore[call-overload]

        def backward(dy: Array, want_dx: bool = True) -> Array:
            for axis, ((before, after), n) in enumerate(zip(self.widths, x.shape[1:], strict=True), 1):
                source = np.pad(np.arange(n), (before, after), mode=self.mode) if self.mode != "constant" else None  # type: ignore[call-overload]
                dx = np.moveaxis(dy, axis, 0)
                if source is None:
                    dx = dx[before : before + n]
                else:
                    total = np.zeros((n, *dx.shape[1:]), dy.dtype)
                    np.add.at(total, source, dx)
                    dx = total
                dy = np.moveaxis(dx, 0, axis)
            return np.ascontiguousarray(dy)

        return y, backward

    def __repr__(self) -> str:
        return f"Pad({self.widths}, {self.mode}{f', {self.value:g}' if self.value else ''})"


class ReduceMean(Layer):
    """Layer that computes means over axes of each example and removes these axes.

    Parameters
    ----------
    axes : sequence of int
        Axes of one example.

    >>> ReduceMean((0, 2)).output_shape((3, 4, 5))
    (4,)

    Source: ONNX standard, operator ReduceMean.
    """

    category = "pool"

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(sorted({integer("axes", axis, least=0) for axis in axes}))

    def output_shape(self, shape: Shape) -> Shape:
        if max(self.axes, default=0) >= len(shape):
            raise ArgumentValueError(f"the input of {self!r} must have these axes, got shape {tuple(shape)}")
        return tuple(n for axis, n in enumerate(shape) if axis not in self.axes)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self.output_shape(x.shape[1:])
        axes = tuple(axis + 1 for axis in self.axes)
        count = math.prod(x.shape[axis] for axis in axes)

        def backward(dy: Array, want_dx: bool = True) -> Array:
            return np.broadcast_to(np.expand_dims(dy * (1 / count), axes), x.shape).copy()

        return x.mean(axes), backward

    def __repr__(self) -> str:
        return f"ReduceMean({self.axes})"


def _step(step: object) -> int:
    return integer("step", step) if isinstance(step, int) and step > 0 else -integer("step", -step)  # type: ignore[operator]


def _as_slice(first: int, count: int, step: int) -> slice:
    end = first + count * step
    return slice(first, None if end < 0 else end, step)
