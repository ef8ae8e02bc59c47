"""Conversion of a graph of named layers to a network of combinators.

Files of other libraries describe a network as a list of nodes, each with the names of its inputs. :func:`network_of` finds the
chains and branches in such a list: paths that start at one node and are joined later become branches of a ``Sum``, ``Mean`` or
``Concat``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from refconv.nn import Concat, Identity, Layer, Mean, Sequential, Sum
from refconv.typing import Shape

__all__ = ["Join", "Node", "distinct", "network_of", "topological_order"]

MAX_NESTING = 64  # branches inside branches; each level is a Python call in every forward pass

JOINS = {"sum": Sum, "mean": Mean}


def distinct(name: str, used: Container[str]) -> str:
    """Return a name that is not used yet: the name itself, or with a number.

    >>> distinct("conv", {"conv", "conv_2"})
    'conv_3'
    """
    number, unique = 2, name
    while unique in used:
        unique, number = f"{name}_{number}", number + 1
    return unique


class Join(NamedTuple):
    """Operation that joins outputs: "sum", "mean", or "concat" along an axis of one example."""

    kind: str
    axis: int = -1

    def layer(self, branches: Sequence[Layer]) -> Layer:
        """Return the combinator of these branches."""
        return Concat(list(branches), axis=self.axis) if self.kind == "concat" else JOINS[self.kind](list(branches))

    def output_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Return the shape of the output; raise ``ValueError`` if the shapes do not fit."""
        first = shapes[0]
        if self.kind != "concat":
            if len(set(shapes)) > 1:
                raise ValueError(f"inputs must have one shape, got {list(shapes)}")
            return first
        if any(len(shape) != len(first) or not -len(shape) <= self.axis < len(shape) for shape in shapes):
            raise ValueError(f"inputs must have the same axes and an axis {self.axis}, got {list(shapes)}")
        axis = self.axis % len(first)
        if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
            raise ValueError(f"inputs must have the same size except along axis {axis}, got {list(shapes)}")
        return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])


class Node(NamedTuple):
    """Node of a graph: a layer with one input, or a join of several."""

    name: str
    layer: Layer | Join
    inputs: tuple[str, ...]


def topological_order(inputs: Mapping[str, Sequence[str]], source: str) -> list[str]:
    """Return the names of all nodes, each after its inputs.

    Parameters
    ----------
    inputs : dict of list of str
        Names of the inputs of each node.
    source : str
        Name of the input of the graph, which is not a node.

    Raises
    ------
    ValueError
        If an input does not exist, or the graph contains a cycle. The message names a node.

    Examples
    --------
    >>> topological_order({"sum": ["x", "conv"], "conv": ["x"]}, "x")
    ['conv', 'sum']
    """
    users: dict[str, list[str]] = {name: [] for name in (source, *inputs)}
    for name, before in inputs.items():
        for other in before:
            if other not in users:
                raise ValueError(f"layer {name} must have existing layers as its inputs, got {other!r}")
            users[other].append(name)
    missing = {name: len(before) for name, before in inputs.items()}
    order, ready = [], [source]
    while ready:
        name = ready.pop()
        if name != source:
            order.append(name)
        for user in reversed(users[name]):
            missing[user] -= 1
            if missing[user] == 0:
                ready.append(user)
    if len(order) < len(inputs):
        name = next(name for name in inputs if missing[name])
        raise ValueError(f"layer {name} must depend on the input only, got a cycle, or no path from the input")
    return order


def network_of(nodes: Sequence[Node], source: str, output: str) -> Sequential:
    """Return the network that computes a graph of layers.

    Parameters
    ----------
    nodes : list of Node
    source : str
        Name of the input of the graph, which is not a node.
    output : str
        Name of the node whose output is the output of the network.

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If the graph has a cycle or a missing input, if a node does not lead to the output, or if branches share a node, so
        that the graph is not made of chains and of branches. The message names a node.

    Examples
    --------
    >>> from refconv import nn
    >>> network_of([Node("conv", nn.Conv2D(3, 1), ("x",)), Node("add", Join("sum"), ("x", "conv"))], "x", "add")
    Sequential(add=Sum(Identity(), Sequential(conv=Conv2D(3, 1×1))))
    """
    by_name = {node.name: node for node in nodes}
    if len(by_name) < len(nodes) or source in by_name:
        raise ValueError("nodes must have distinct names")
    order = topological_order({node.name: node.inputs for node in nodes}, source)
    if output not in by_name and output != source:
        raise ValueError(f"the output must be a layer, got {output!r}")
    chains = _Chains(by_name, _forks(by_name, order, source))
    network = chains.chain(output, source, 0)
    if unused := [name for name in by_name if name not in chains.visited]:
        raise ValueError(f"layer {unused[0]} must lead to the output")
    return network if isinstance(network, Sequential) else Sequential(network)


def _forks(nodes: Mapping[str, Node], order: Sequence[str], source: str) -> dict[str, str]:
    """Return the immediate dominator of each node.

    It is the last node before it that is on all paths from the source.
    """
    forks, depth = {source: source}, {source: 0}
    for name in order:
        first, *others = nodes[name].inputs
        common = first
        for other in others:
            while common != other:
                if depth[common] >= depth[other]:
                    common = forks[common]
                else:
                    other = forks[other]
        forks[name], depth[name] = common, depth[common] + 1
    return forks


class _Chains:
    """Conversion of paths to chains of layers; each node is visited once."""

    def __init__(self, nodes: Mapping[str, Node], forks: Mapping[str, str]) -> None:
        self.nodes, self.forks = nodes, forks
        self.visited: set[str] = set()

    def chain(self, last: str, source: str, nesting: int) -> Layer:
        """Return the layers on all paths from the output of ``source`` to the output of ``last``."""
        if nesting > MAX_NESTING:
            raise ValueError(f"layer {last} must be inside at most {MAX_NESTING} branches")
        layers: list[tuple[str, Layer]] = []
        while last != source:
            node = self.nodes[last]
            if last in self.visited:
                raise ValueError(
                    f"layer {last} must be in one branch only, got a graph that is not made of chains and of branches"
                )
            self.visited.add(last)
            if isinstance(node.layer, Join):
                fork = self.forks[last]
                layers.append((last, node.layer.layer([self.chain(name, fork, nesting + 1) for name in node.inputs])))
                last = fork
            else:
                layers.append((last, node.layer))
                (last,) = node.inputs
        return Sequential(dict(reversed(layers))) if layers else Identity()
