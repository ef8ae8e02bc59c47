"""Construction of an ONNX graph from a network, layer by layer.

ONNX knows only images with channels first. The arrays of the graph have their channels first from the first spatial layer to
the last one, whatever the layout of the layers. A :class:`Value` stores the order of its axes, so a transposition is written
only where the order must change: usually once, after the input.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._optional import need
from refconv.nn import Layer
from refconv.nn.description import short_repr
from refconv.nn.rules import Rules, Scope
from refconv.typing import Array, Shape

__all__ = ["Value", "Writer", "channels_first", "identity", "register", "the_onnx_package"]

Function = TypeVar("Function", bound=Callable[..., Any])

RULES = Rules()  # the function that writes a layer, by class


class Value(NamedTuple):
    """Array in the graph.

    Attributes
    ----------
    name : str
        Name in the graph.
    shape : tuple of int
        Shape of one example in refconv, without the batch.
    order : tuple of int
        For each axis of the array in the graph, without the batch, the axis of ``shape``: (2, 0, 1) for channels first.
    """

    name: str
    shape: Shape
    order: tuple[int, ...]


def register(*classes: type[Layer]) -> Callable[[Function], Function]:
    """Decorate the function that writes layers of a class as ONNX nodes.

    The function has the arguments ``(graph, layer, x)``: a :class:`Writer`, the built layer and its input, a :class:`Value`.
    It returns the output, a :class:`Value`. Subclasses that inherit ``forward`` and ``__call__`` are written by the same
    function.

    >>> from refconv import nn
    >>> import refconv.onnx
    >>> class Square(nn.Layer):
    ...     def forward(self, x, train=True):
    ...         return x * x, lambda dy: 2 * x * dy
    >>> @refconv.onnx.register(Square)
    ... def write_square(graph, layer, x):
    ...     return graph.elementwise("Mul", x, x)
    """
    return RULES.register(*classes)


class Writer(Scope):
    """ONNX graph under construction.

    Parameters
    ----------
    opset : int
        Version of the ONNX operators.
    reserved : sequence of str
        Names that no node may have.
    """

    def __init__(self, opset: int, reserved: Sequence[str] = ()) -> None:
        super().__init__(reserved)
        self.opset = opset
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.bytes = 0  # of all initializers
        self._weights: dict[tuple[int, str], str] = {}
        self._constants: dict[tuple[str, Shape, bytes], str] = {}
        self._transposed: dict[tuple[str, tuple[int, ...]], str] = {}

    def layer(self, layer: Layer, x: Value, name: str = "") -> Value:
        """Write a layer and return its output; ``name`` is its name in its container."""
        with self.inside(name):
            y: Value = _function_for(layer, self.path)(self, layer, x)
            expected = tuple(layer.output_shape(x.shape))
            if y.shape != expected:
                raise ArgumentValueError(
                    f"the function registered for {type(layer).__name__} must return an output of shape {expected}, "
                    f"got {y.shape}"
                )
            return y

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append a node and return the name of its output; an empty name is a missing input."""
        return self._add(op, self.path or op.lower(), *inputs, **attributes)

    def _add(self, op: str, name: str, *inputs: str, **attributes: Any) -> str:
        name = self.unique(name)
        helper = the_onnx_package().helper
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def elementwise(self, op: str, x: Value, *others: Value | float | Array, **attributes: Any) -> Value:
        """Append a node whose output has the shape of x, such as a sum of values and numbers."""
        names = [
            self.ordered(other, x.order) if isinstance(other, Value) else self.constant(np.asarray(other, np.float32))
            for other in others
        ]
        return x._replace(name=self.add(op, x.name, *names, **attributes))

    def weights(self, layer: Layer, name: str, array: Array) -> str:
        """Return the name of an array that depends on the parameters of a layer.

        It is stored once for each layer, even if the layer is used several times.
        """
        key = (id(layer), name)
        if key not in self._weights:
            dotted = f"{self.path}.{name}" if self.path else name
            self._weights[key] = self._initializer(self.unique(dotted), np.asarray(array, np.float32))
        return self._weights[key]

    def constant(self, array: Any, name: str = "constant") -> str:
        """Return the name of a constant array; equal arrays are stored once."""
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._initializer(self.unique(name), array)
        return self._constants[key]

    def integers(self, numbers: Sequence[int]) -> str:
        """Return the name of a constant vector of integers, such as a shape."""
        return self.constant(np.array([*numbers], np.int64), "integers")

    def ordered(self, x: Value, order: tuple[int, ...]) -> str:
        """Return the name of the same array with its axes in this order, transposed if necessary."""
        if x.order == order:
            return x.name
        if (x.name, order) not in self._transposed:
            axes = [0, *(1 + x.order.index(axis) for axis in order)]
            self._transposed[x.name, order] = self._add("Transpose", "transpose", x.name, perm=axes)
        return self._transposed[x.name, order]

    def channels_first(self, x: Value, data_format: str = "channels_last") -> str:
        """Return the name of the array with the channels first; ``data_format`` is refconv's."""
        return self.ordered(x, channels_first(len(x.shape), data_format))

    def reshaped(self, name: str, shape: Sequence[int]) -> str:
        """Return the name of an array reshaped to this shape for each example of the batch."""
        return self.add("Reshape", name, self.integers([0, *shape]))

    def _initializer(self, name: str, array: Array) -> str:
        self.initializers.append(the_onnx_package().numpy_helper.from_array(np.ascontiguousarray(array), name))
        self.bytes += array.nbytes
        return name

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Add the name of a layer to the names of the nodes that are written in the block."""
        with super().inside("" if self._path[-1:] == [name] else name):  # load gives a container the name of its last layer
            yield


def identity(rank: int) -> tuple[int, ...]:
    """Return the order of axes as in refconv."""
    return tuple(range(rank))


def channels_first(rank: int, data_format: str = "channels_last") -> tuple[int, ...]:
    """Return the order of axes with the channels first.

    >>> channels_first(3), channels_first(3, "channels_first")
    ((2, 0, 1), (0, 1, 2))
    """
    return (rank - 1, *range(rank - 1)) if data_format == "channels_last" else identity(rank)


def the_onnx_package() -> Any:
    """Import the package onnx, or raise an error that explains how to install it."""
    return need("onnx", "onnx", "reading and writing ONNX files")


def _function_for(layer: Layer, name: str) -> Callable[..., Any]:
    """Return the function that writes a layer.

    A subclass with its own ``forward`` computes something else than its base class, so it needs its own function.
    """
    if function := RULES.function_for(layer):
        return function
    raise ArgumentTypeError(
        f"model must consist of layers that can be written as ONNX nodes, got {short_repr(layer)}"
        + (f" in {name}" if name else "")
        + f": register a function for {type(layer).__name__} with @refconv.onnx.register({type(layer).__name__})"
    )
