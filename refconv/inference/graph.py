"""Graph of the operations that a network computes in inference.

Each node computes one array, its output, from the outputs of other nodes or from the input of the network. A node replaces
one or several layers: :mod:`refconv.inference.rewriting` joins nodes whose results need not be stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

from refconv.nn.description import by
from refconv.nn.graph import INPUT
from refconv.typing import Array, Shape

__all__ = [
    "INPUT",
    "Affine",
    "Concatenation",
    "Convolution",
    "Graph",
    "Limited",
    "Limits",
    "Node",
    "PooledConvolution",
    "Product",
    "Reshape",
    "Run",
    "Total",
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
class Convolution(Limited):
    """y = min(max(conv2d(x', w) + b + other, low), high).

    x' is the first input or, with a prologue, max(scale · x + shift, 0). The second input, if there is one, is added to the
    sums. A step that has packed w removes it from the node.
    """

    w: Any = None  # array (kh, kw, C / groups, O)
    b: Array | None = None
    window: Any = None  # Window
    groups: int = 1
    input_shape: Shape = ()
    prologue: tuple[Array, Array] | None = None  # scale and shift of each input channel

    @property
    def multiply_adds(self) -> int:
        return math.prod(self.shape) * math.prod(self.window.kernel) * (self.input_shape[-1] // self.groups)

    def operations(self) -> list[str]:
        stride = f" stride {by(self.window.stride)}" if set(self.window.stride) != {1} else ""
        conv = f"conv {by(self.window.kernel)}{stride}"
        before = ["BN, ReLU"] if self.prologue is not None else []
        groups = [f"{self.groups} groups"] if self.groups > 1 else []
        return [*before, conv, *groups, *(f"+ {name}" for name in self.inputs[1:])]


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
class Product(Limited):
    """y = min(max(x · w + b, low), high): a dense layer.

    A step that has packed w removes it from the node.
    """

    w: Any = None  # array (C, O)
    b: Array | None = None
    input_shape: Shape = ()

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
    """Sum of the inputs, with limits."""

    def operations(self) -> list[str]:
        return ["sum"]


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
    """

    def __init__(self, shape: Shape) -> None:
        self.nodes: dict[str, Node] = {}
        self.input_shape = shape
        self.output = INPUT

    def add(self, node: Node) -> str:
        """Append a node and return its name."""
        self.nodes[node.name] = node
        return node.name

    def shape(self, name: str) -> Shape:
        """Return the shape of an output or of the input, without the batch."""
        return self.input_shape if name == INPUT else self.nodes[name].shape

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
