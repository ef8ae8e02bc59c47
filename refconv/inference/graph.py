"""Graph of the operations that a network computes in inference.

Each node computes one array, its output, from the outputs of other nodes or from the input of the network. A node replaces
one or several layers: :mod:`refconv.inference.rewriting` joins nodes whose results need not be stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from refconv._core.conv.choose import Layer
from refconv.inference.folding import fold_affine
from refconv.nn.description import by
from refconv.nn.graph import INPUT
from refconv.typing import Array, Shape

__all__ = [
    "INPUT",
    "Affine",
    "Concatenation",
    "Convolution",
    "Crop",
    "Graph",
    "Limited",
    "Limits",
    "Node",
    "PooledConvolution",
    "Pooling",
    "Product",
    "Reshape",
    "Run",
    "Total",
    "TransposedConvolution",
    "Weighted",
]

AnyNode = TypeVar("AnyNode", bound="Node")


@dataclass
class Node:
    """Operation of a graph.

    Parameters
    ----------
    name : str
        Name of the output: the dotted name of the last layer that the node replaces.
    inputs : list of str
        Names of the inputs.
    shape : tuple of int
        Shape of the output, without the batch.
    layers : list of str
        Names of the layers that the node replaces.
    """

    name: str
    inputs: list[str]
    shape: Shape
    layers: list[str]

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds for one example."""
        return 0

    def description(self) -> str:
        """Return what the node computes, such as "conv 3×3, ReLU"."""
        return type(self).__name__.lower()


@dataclass
class Limits:
    """Limits of a node's output: ReLU has the lower limit 0, and ReLU6 also the upper limit 6."""

    low: float | None = None
    high: float | None = None

    def are_set(self) -> bool:
        """Return True if there is a limit."""
        return self.low is not None or self.high is not None

    def __str__(self) -> str:
        if (self.low, self.high) == (0, None):
            return "ReLU"
        return "ReLU6" if (self.low, self.high) == (0, 6) else f"from {self.low} to {self.high}"


@dataclass
class Limited(Node):
    """Node that can limit its output."""

    limits: Limits = field(default_factory=Limits)

    def operations(self) -> list[str]:
        """Return what the node computes before it limits the output."""
        return []

    def description(self) -> str:
        return ", ".join([*self.operations(), *([str(self.limits)] if self.limits.are_set() else [])])


@dataclass
class Weighted(Limited):
    """Node with weights: y = min(max(scale · f(x, w) + b, low), high).

    f is linear in w. The scale and the bias, one for each output channel, are in float64 after :meth:`fold`. A step that packs
    w multiplies it with the scale. It removes w and b from the node, so that the plan does not refer to the network's arrays.
    """

    w: Any = None  # array of the network
    b: Array | None = None
    scale: Array | None = None
    input_shape: Shape = ()

    def fold(self, scale: Array, shift: Array) -> None:
        """Let the node also compute scale · y + shift."""
        self.scale, self.b = fold_affine(self.scale, self.b, scale, shift)

    def factors(self) -> Any:
        """Return the scale of each weight, an array that is broadcast to w, or None."""
        return self.scale


@dataclass
class Convolution(Weighted):
    """y = min(max(scale · conv2d(x', w) + b + other, low), high).

    w has the shape (kh, kw, C / groups, O). x' is the first input or, with a prologue, max(scale · x + shift, 0). The second
    input, if there is one, is added to the sums.
    """

    window: Any = None  # Window
    groups: int = 1
    side: int | None = None  # of Winograd's tiles, 0 for another algorithm; None is the usual side
    prologue: tuple[Array, Array] | None = None  # scale and shift of each input channel

    @property
    def multiply_adds(self) -> int:
        return math.prod(self.shape) * math.prod(self.window.kernel) * (self.input_shape[-1] // self.groups)

    def layer_of(self, images: int, itemsize: int) -> Layer:
        """Return the sizes of the convolution for the choice of its algorithm."""
        height, width, inputs = self.input_shape
        return Layer(self.window, images, (height, width), inputs, self.shape[-1], self.groups, itemsize, self.side)

    def operations(self) -> list[str]:
        stride = f" stride {by(self.window.stride)}" if set(self.window.stride) != {1} else ""
        conv = f"conv {by(self.window.kernel)}{stride}"
        before = ["BN, ReLU"] if self.prologue is not None else []
        groups = [f"{self.groups} groups"] if self.groups > 1 else []
        return [*before, conv, *groups, *(f"+ {name}" for name in self.inputs[1:])]


@dataclass
class TransposedConvolution(Weighted):
    """y = min(max(scale · conv_transpose2d(x, w) + b, low), high).

    w has the shape (kh, kw, O / groups, C).
    """

    window: Any = None  # Window
    groups: int = 1

    @property
    def multiply_adds(self) -> int:
        return math.prod(self.input_shape) * math.prod(self.window.kernel) * (self.shape[-1] // self.groups)

    def operations(self) -> list[str]:
        groups = [f"{self.groups} groups"] if self.groups > 1 else []
        return [f"up-conv {by(self.window.kernel)} stride {by(self.window.stride)}", *groups]

    def factors(self) -> Any:
        if self.scale is None:
            return None
        of_groups = self.scale.reshape(self.groups, -1)
        return np.repeat(of_groups, self.input_shape[-1] // self.groups, axis=0).T  # (O / groups, C)


@dataclass
class PooledConvolution(Node):
    """2×2 max pooling of max(conv2d(x, w) + b, 0), for convolutions of few channels."""

    conv: Any = None  # Convolution

    @property
    def multiply_adds(self) -> int:
        return self.conv.multiply_adds

    def description(self) -> str:
        return f"{self.conv.description()}, max pool 2×2"


@dataclass
class Product(Weighted):
    """y = min(max(scale · (x · w) + b, low), high), with w (C, O): a dense layer."""

    @property
    def multiply_adds(self) -> int:
        return math.prod(self.input_shape) * math.prod(self.shape)

    def operations(self) -> list[str]:
        return ["dense"]


@dataclass
class Affine(Limited):
    """y = min(max(scale · x + shift, low), high) for each channel.

    None is a scale of 1 and a shift of 0.
    """

    scale: Any = None  # array (C,)
    shift: Any = None

    def operations(self) -> list[str]:
        return ["scale and shift"] if self.scale is not None else []


@dataclass
class Total(Limited):
    """y = min(max(scale · (x₁ + x₂ + …) + shift, low), high).

    This is the sum of the inputs, or their mean. None is a scale of 1 and a shift of 0.
    """

    scale: Any = None  # array (C,)
    shift: Any = None

    def operations(self) -> list[str]:
        return ["sum"] if self.scale is None else ["sum", "scale and shift"]


@dataclass
class Pooling(Node):
    """Maximum or average of each window."""

    statistic: str = "max"  # or "mean"
    window: Any = None  # Window
    count_include_pad: bool = False

    def description(self) -> str:
        stride = f" stride {by(self.window.stride)}" if self.window.stride != self.window.kernel else ""
        return f"{self.statistic} pool {by(self.window.kernel)}{stride}"


@dataclass
class Crop(Node):
    """Image without its margins ((top, bottom), (left, right))."""

    margins: Any = ((0, 0), (0, 0))


@dataclass
class Concatenation(Node):
    """Concatenation of the inputs along their last axis, the channels.

    ``copied`` contains the numbers of the inputs that are not computed in their channels of the output, and their first
    channels there.
    """

    copied: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Reshape(Node):
    """Reshape of the input."""


@dataclass
class Run(Node):
    """Call of a layer, for layers that the plan has no operation for."""

    layer: Any = None  # Layer

    @property
    def multiply_adds(self) -> int:
        return self.layer.multiply_adds(self.layer.input_shape) if self.layer.input_shape else 0

    def description(self) -> str:
        return type(self.layer).__name__


class Graph:
    """Nodes by name, each after its inputs.

    Parameters
    ----------
    shape : tuple of int
        Shape of the input, without the batch.
    images : int
        Number of inputs in a batch, for which the algorithms are chosen.
    itemsize : int
        Bytes of an element.
    """

    def __init__(self, shape: Shape, images: int = 1, itemsize: int = 4) -> None:
        self.nodes: dict[str, Node] = {}
        self.input_shape, self.images, self.itemsize = shape, images, itemsize
        self.output = INPUT

    def add(self, node: Node) -> str:
        """Append a node and return its name."""
        self.nodes[node.name] = node
        return node.name

    def shape(self, name: str) -> Shape:
        """Return the shape of an output or of the input, without the batch."""
        return self.input_shape if name == INPUT else self.nodes[name].shape

    def layer_of(self, node: Convolution) -> Layer:
        """Return the sizes of a convolution for the choice of its algorithm."""
        return node.layer_of(self.images, self.itemsize)

    def users(self, name: str) -> list[Node]:
        """Return the nodes that read an output."""
        return [node for node in self.nodes.values() if name in node.inputs]

    def is_read_once(self, name: str) -> bool:
        """Return True if an output is read by one node, once, and is not the output of the network."""
        return name != self.output and sum(node.inputs.count(name) for node in self.nodes.values()) == 1

    def read(self, name: str, kind: type[AnyNode]) -> AnyNode | None:
        """Return the node of a name if it is of this kind, else None."""
        node = self.nodes.get(name)
        return node if isinstance(node, kind) else None

    def bypass(self, node: Node, name: str) -> None:
        """Remove a node; its users read another output instead."""
        del self.nodes[node.name]
        for user in self.nodes.values():
            user.inputs = [name if read == node.name else read for read in user.inputs]
        if self.output == node.name:
            self.output = name

    def absorb(self, node: Node, into: Node) -> None:
        """Remove a node that its input `into` now also computes.

        `into` takes the name and the place of the node.
        """
        del self.nodes[into.name]
        into.name, into.layers = node.name, [*into.layers, *node.layers]
        self.nodes[node.name] = into  # a dict keeps the place of an existing key
