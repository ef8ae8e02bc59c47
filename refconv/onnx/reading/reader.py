"""Translation of the nodes of an ONNX graph to layers.

refconv's images usually have their channels last and ONNX's first. A :class:`Value` stores the order of its axes, so a layer
that transposes is added only where the order must change: usually once, after the input.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np

from refconv._errors import ArgumentError
from refconv.nn import Flatten, Layer
from refconv.nn.joins import Join
from refconv.nn.reshape import Reshape, Transpose
from refconv.nn.rules import distinct
from refconv.onnx.reading.errors import InvalidModelError, UnsupportedModelError, require
from refconv.onnx.reading.file import Input, Model
from refconv.onnx.reading.folding import fold
from refconv.onnx.reading.node import Node
from refconv.onnx.reading.tensors import MAX_SHARING
from refconv.typing import Array, Shape

__all__ = ["P4_ORDER", "Reader", "Step", "Value", "channels_last", "identity", "is_on_p4", "reads"]

Function = TypeVar("Function", bound=Callable[..., Any])

P4_ORDER = (2, 3, 1, 0)  # of the axes (C, 4, H, W) of functions on p4, in the network
FLOATS = {"FLOAT": np.float32, "DOUBLE": np.float64}
# Endings of the names of weights whose beginning is the name of the layer, in PyTorch and in refconv.
WEIGHT_NAME = re.compile(r"(.+)\.(?:weight|bias|w|b|a|gamma|depthwise|pointwise)$")

# A small file must not allocate much memory: each of many nodes may use the same weights, or compute a large matrix.
MAX_COMPUTED = 2**26  # elements of all layers, in addition to MAX_SHARING times the weights in the file

# Operators whose output consists of the weights in their input. The output of Identity counts as other weights: PyTorch writes
# it for the second of two arrays that are equal but not shared.
REARRANGING = ("Cast", "Reshape", "Squeeze", "Transpose", "Unsqueeze")

_FUNCTIONS: dict[str, Callable[..., Any]] = {}  # function that reads a node, by operator


class Value(NamedTuple):
    """Array computed by the network.

    Attributes
    ----------
    key : str
        Name of the layer that computes it, or of an input.
    shape : tuple of int
        Shape of one example in the ONNX graph, without the batch.
    order : tuple of int
        For each axis of an example in the network, the axis of ``shape``. Axes of length 1 may be missing.
    """

    key: str
    shape: Shape
    order: tuple[int, ...]

    @property
    def stored(self) -> Shape:
        """Shape of one example in the network."""
        return tuple(self.shape[axis] for axis in self.order)


@dataclass
class Step:
    """Layer of the network with its sources and the values of its parameters.

    ``input_shape`` and ``shape`` are the shapes of its input and its output. ``constants`` are the names of the arrays in the
    graph that contain its weights. ``broadcasts`` is True for a join of arrays of different shapes.
    """

    name: str
    layer: Layer
    sources: list[str]
    input_shape: Any  # a tuple of shapes for a join
    shape: Shape
    weights: dict[str, Array] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    broadcasts: bool = False


def reads(*ops: str) -> Callable[[Function], Function]:
    """Decorate the function that reads nodes of these operators.

    The function has the arguments ``(reader, node)`` and returns the first output: a :class:`Value`.
    """

    def decorate(function: Function) -> Function:
        _FUNCTIONS.update(dict.fromkeys(ops, function))
        return function

    return decorate


class Reader:
    """Network under construction from an ONNX graph.

    Parameters
    ----------
    model : Model
        The checked content of the file.
    shapes : sequence of tuple of int
        The shape of one example of each input in the graph.
    orders : sequence of tuple of int
        The order of its axes in the network.
    is_last : bool
        True if the inputs of the network are known to have their channels last.
    """

    def __init__(
        self, model: Model, shapes: Sequence[Shape], orders: Sequence[tuple[int, ...]], is_last: bool = False
    ) -> None:
        self.model = model
        self.opset = model.opset
        self.folded = 0  # elements of computed constants
        self._elements = 0  # of the arrays of all layers
        self._most_elements = MAX_SHARING * sum(a.size for a in model.constants.values()) + MAX_COMPUTED
        self.constants: dict[str, Array] = dict(model.constants)
        self._origins: dict[str, str] = {}  # names of the weights in rearranged constants
        self.steps: dict[str, Step] = {}
        self.uses: dict[str, int] = {}
        for name in [name for node in model.nodes for name in node.input] + model.outputs:
            self.uses[name] = self.uses.get(name, 0) + 1
        names = ["input"] if len(model.inputs) == 1 else [f"input{k}" for k in range(len(model.inputs))]
        self.inputs = dict(zip(names, orders, strict=True))
        self.undetermined = set() if is_last else {*names}  # layers whose outputs may have any layout
        self.values: dict[str, Value] = {
            given.name: Value(key, tuple(shape), tuple(order))
            for given, key, shape, order in zip(model.inputs, names, shapes, orders, strict=True)
        }
        self.aliases: dict[str, list[str]] = {}  # names in the graph of the output of each layer
        self._names = {*names}
        self._counts: dict[str, int] = {}  # layers whose names begin with the same name
        self._ordered: dict[tuple[str, tuple[int, ...]], Value] = {}

    @property
    def batch(self) -> int | None:
        """Number of examples, if it is fixed in the file."""
        sizes = {given.sizes[0] for given in self.model.inputs if given.sizes}
        return sizes.pop() if len(sizes) == 1 else None

    def read(self) -> Value:
        """Read all nodes and return the output."""
        for proto in self.model.nodes:
            node = Node(self, proto)
            try:
                self._read(node)
            except UnsupportedModelError as error:
                raise UnsupportedModelError(f"{node} {error}") from error
            except InvalidModelError:
                raise
            except ArgumentError as error:  # of a layer or a window that does not fit
                raise UnsupportedModelError(f"{node} must fit refconv's layer: {error}") from error
        require(len(self.model.outputs) == 1, f"the graph must have one output, got {self.model.outputs}")
        name = self.model.outputs[0]
        require(name in self.values, f"the output {name!r} must depend on the input")
        return self.values[name]

    def _read(self, node: Node) -> None:
        require(node.domain in ("", "ai.onnx"), f"must be an operator of ONNX itself, got the domain {node.domain!r}")
        folded = fold(self, node)
        if folded is not None:
            self.constants[node.outputs[0]] = folded
            if node.op in REARRANGING:
                self._origins[node.outputs[0]] = self._origins.get(node.inputs[0], node.inputs[0])
            return
        require(node.op in _FUNCTIONS, "is an operator that refconv has no layer for")
        extra = [name for name in node.outputs[1:] if self.uses.get(name)]
        require(not extra, f"must have one output that is used, got {extra}")
        y: Value = _FUNCTIONS[node.op](self, node)
        self.values[node.outputs[0]] = y
        self.aliases.setdefault(y.key, []).append(node.outputs[0])

    def allocate(self, elements: int) -> None:
        """Count the elements that a layer will allocate, and refuse too many.

        The limit depends on the size of the file.
        """
        self._elements += elements
        require(
            self._elements <= self._most_elements,
            f"must not need more than {self._most_elements} elements of weights together with the nodes before it",
        )

    def apply(
        self,
        layer: Layer,
        x: Value | Sequence[Value],
        shape: Shape,
        order: tuple[int, ...],
        node: Node | str,
        weights: Mapping[str, Array] | None = None,
    ) -> Value:
        """Append a layer with this shape and order of its output.

        Its name is the name of the node, or of its weights. A text instead of a node is the name of an additional layer.
        """
        sources = [x] if isinstance(x, Value) else list(x)
        inputs: Any = tuple(source.stored for source in sources) if isinstance(layer, Join) else sources[0].stored
        name = self._unique(node, weights)
        y = Value(name, tuple(map(int, shape)), tuple(order))
        output = tuple(layer.output_shape(inputs))
        require(output == y.stored, f"must have an output of shape {y.stored} in the network, got {output}")
        weights = dict(weights or {})
        for key, spec in layer.specs(inputs).items():
            got = weights[key].shape if key in weights else spec.shape if spec.counter else None
            require(got == spec.shape, f"must have weights {key} of shape {spec.shape}, got {got}")
            self.allocate(math.prod(spec.shape))
        shapes = {source.stored for source in sources}
        keys = [source.key for source in sources]
        constants = [] if isinstance(node, str) else self.origins(node)
        self.steps[name] = Step(name, layer, keys, inputs, y.stored, weights, constants, broadcasts=len(shapes) > 1)
        if not self.undetermined.isdisjoint(keys) and y.order != channels_last(len(y.shape)):
            self.undetermined.add(name)
        return y

    def origins(self, node: Node) -> list[str]:
        """Return the names of the weights in the constant inputs of a node."""
        return [self._origins.get(name, name) for name in node.inputs if name in self.constants]

    def elementwise(self, layer: Layer, x: Value, node: Node | str, weights: Mapping[str, Array] | None = None) -> Value:
        """Append a layer that keeps the shape."""
        return self.apply(layer, x, x.shape, x.order, node, weights)

    def ordered(self, x: Value, order: tuple[int, ...]) -> Value:
        """Return the same array with all axes in this order, transposed or reshaped if necessary."""
        if x.order == order:
            return x
        if (x.key, order) not in self._ordered:
            present = tuple(axis for axis in order if axis in x.order)
            y = x
            if x.order != present:
                y = self.apply(Transpose([x.order.index(axis) for axis in present]), y, x.shape, present, "transpose")
            if present != order:
                y = self.apply(Reshape([x.shape[axis] for axis in order]), y, x.shape, order, "reshape")
            self._ordered[x.key, order] = y
        return self._ordered[x.key, order]

    def channels_last(self, x: Value) -> Value:
        """Return the same images or signals with the channels last."""
        return self.ordered(x, channels_last(len(x.shape)))

    def reshaped(self, x: Value, shape: Shape, node: Node) -> Value:
        """Return the array reshaped in ONNX's row-major order.

        A layer is added only if elements must move.
        """
        require(
            math.prod(shape) == math.prod(x.shape), f"must keep the {math.prod(x.shape)} elements of an example, got {shape}"
        )
        old, new = (_longer(sizes) for sizes in (x.shape, shape))
        if [x.shape[a] for a in old] == [shape[a] for a in new] and all(x.shape[a] > 1 for a in x.order):
            return Value(x.key, shape, tuple(new[old.index(axis)] for axis in x.order))  # only axes of length 1 come or go
        longer = [axis for axis in x.order if x.shape[axis] > 1]
        x = x if longer == sorted(longer) else self.ordered(x, identity(len(x.shape)))
        # In refconv, Flatten is for images with their channels last: weights.to_torch relies on it.
        is_image = len(shape) == 1 and not (x.key in self.undetermined and len(x.shape) > 1)
        layer = Flatten() if is_image else Reshape(shape)
        return self.apply(layer, x, shape, identity(len(shape)), node)

    def _unique(self, node: Node | str, weights: Mapping[str, Array] | None) -> str:
        """Return the name of a layer: the beginning of its weights' names, or the name of the node."""
        if isinstance(node, str):
            return self._numbered(node)
        inputs = [WEIGHT_NAME.match(name) for name in node.inputs[1:] if name in self.constants] if weights else []
        name = next((match[1] for match in inputs if match), node.name or node.op.lower())
        name = re.sub(r"\W+", "_", name).strip("_")
        return self._numbered(name if name and not name.isdecimal() else f"{node.op.lower()}{name}")

    def _numbered(self, name: str) -> str:
        number = self._counts.get(name, 0)  # without it, the names of n equal layers would take n² steps
        self._counts[name] = number + 1
        name = distinct(name if number == 0 else f"{name}_{number + 1}", self._names)
        self._names.add(name)
        return name


def dtype_of(inputs: Sequence[Input]) -> Any:
    """Return the NumPy type of the network for the inputs of the graph."""
    require(inputs, "the graph must have an input")
    types = {given.type for given in inputs}
    require(
        len(types) == 1 and types <= FLOATS.keys(), f"the input must be of type {' or '.join(FLOATS)}, got {sorted(types)}"
    )
    return FLOATS[types.pop()]


def identity(rank: int) -> tuple[int, ...]:
    """Return the order of the axes in the ONNX graph."""
    return tuple(range(rank))


def channels_last(rank: int) -> tuple[int, ...]:
    """Return the order of the axes with the channels last.

    >>> channels_last(3)
    (1, 2, 0)
    """
    return (*range(1, rank), 0) if rank else ()


def is_on_p4(x: Value) -> bool:
    """Return True for arrays (C, 4, H, W), as refconv writes functions on p4."""
    return len(x.shape) == 4 and x.shape[1] == 4


def _longer(shape: Shape) -> list[int]:
    return [axis for axis, n in enumerate(shape) if n != 1]
