"""Conversion of a graph of named layers to a network of chains, branches and graphs.

Files of other libraries describe a network as a list of nodes, each with the names of its inputs. An output is a *cut* of the
graph if every path from the input passes through it. A chain consists of the parts between consecutive cuts. A part is one
layer, or parallel branches of a ``Sum``, ``Mean`` or ``Concat``, or else a :class:`Graph` of its layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from refconv.nn import Concat, Graph, Identity, Layer, Mean, Sequential, Sum
from refconv.nn.graph import INPUT
from refconv.nn.joins import Add, Average, Concatenate, Join

__all__ = ["Node", "ancestors", "network_of", "shorten_names", "topological_order"]

MAX_NESTING = 24  # branches inside branches; deeper parts become graphs


class Node(NamedTuple):
    """Node of a graph: a layer with one input, or a join of several.

    ``broadcasts`` is True for a join of arrays of different shapes.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    broadcasts: bool = False


Nodes = dict[str, Node]


def topological_order(inputs: Mapping[str, Sequence[str]], sources: Sequence[str]) -> list[str]:
    """Return the names of all nodes, each after its inputs.

    Parameters
    ----------
    inputs : dict of list of str
        Names of the inputs of each node.
    sources : list of str
        Names of the inputs of the graph, which are not nodes.

    Raises
    ------
    ValueError
        If an input does not exist, or the graph contains a cycle. The message names a node.

    Examples
    --------
    >>> topological_order({"sum": ["x", "conv"], "conv": ["x"]}, ["x"])
    ['conv', 'sum']
    """
    users: dict[str, list[str]] = {name: [] for name in (*sources, *inputs)}
    for name, before in inputs.items():
        for other in before:
            if other not in users:
                raise ValueError(f"layer {name} must have existing layers as its inputs, got {other!r}")
            users[other].append(name)
    missing = {name: len(before) for name, before in inputs.items()}
    order, ready = [], [*reversed(sources)]
    while ready:
        name = ready.pop()
        if name in inputs:
            order.append(name)
        for user in reversed(users[name]):
            missing[user] -= 1
            if missing[user] == 0:
                ready.append(user)
    if len(order) < len(inputs):
        name = next(name for name in inputs if missing[name])
        raise ValueError(f"layer {name} must depend on the input only, got a cycle, or no path from the input")
    return order


def ancestors(inputs: Mapping[str, Sequence[str]], output: str) -> set[str]:
    """Return the names of the nodes that an output depends on, itself included.

    >>> sorted(ancestors({"sum": ["x", "conv"], "conv": ["x"], "other": ["conv"]}, "sum"))
    ['conv', 'sum']
    """
    needed: set[str] = set()
    pending = [output]
    while pending:
        name = pending.pop()
        if name in inputs and name not in needed:
            needed.add(name)
            pending += inputs[name]
    return needed


def network_of(nodes: Sequence[Node], output: str, inputs: Sequence[str] = (INPUT,)) -> Sequential | Graph:
    """Return the network that computes a graph of layers.

    Parameters
    ----------
    nodes : list of Node
        The nodes, in any order.
    output : str
        Name of the node whose output is the output of the network.
    inputs : list of str
        Names of the inputs of the graph, which are not nodes: "input", or "input0", "input1" and so on.

    Returns
    -------
    Sequential or Graph
        The network; a graph if there are several inputs.

    Raises
    ------
    ValueError
        If the graph has a cycle or a missing input, or if a node does not lead to the output. The message names a node.

    Examples
    --------
    >>> from refconv import nn
    >>> from refconv.nn.joins import Add
    >>> network_of([Node("conv", nn.Conv2D(3, 1), ("input",)), Node("add", Add(), ("input", "conv"))], "add")
    Sequential(add=Sum(Identity(), Sequential(conv=Conv2D(3, 1×1))))
    """
    by_name = {node.name: node for node in nodes}
    if len(by_name) < len(nodes) or by_name.keys() & {*inputs}:
        raise ValueError("nodes must have distinct names")
    reads = {node.name: node.inputs for node in nodes}
    order = topological_order(reads, inputs)
    if output not in by_name and output not in inputs:
        raise ValueError(f"the output must be a layer, got {output!r}")
    needed = ancestors(reads, output)
    if unused := [name for name in by_name if name not in needed]:
        raise ValueError(f"layer {unused[0]} must lead to the output")
    ordered = {name: by_name[name] for name in order}
    if list(inputs) != [INPUT]:
        return _graph(ordered, None)
    network = _chain(ordered, INPUT, 0)
    return network if isinstance(network, Sequential) else Sequential(network)


def _chain(nodes: Nodes, source: str, nesting: int) -> Layer:
    """Return the network of these nodes from one source to the last node."""
    layers: dict[str, Layer] = {}
    for first, part in _parts(nodes, source):
        name = next(reversed(part))
        if len(part) == 1 and not isinstance(part[name].layer, Join):
            layers[name] = part[name].layer
        else:
            layers[name] = (_branches(part, first, nesting + 1) if nesting < MAX_NESTING else None) or _graph(part, first)
    return Sequential(layers) if layers else Identity()


def _parts(nodes: Nodes, source: str) -> list[tuple[str, Nodes]]:
    """Return the parts between consecutive cuts, each with its source."""
    position = {name: k for k, name in enumerate(nodes)}
    last_use = {source: -1, **position}
    for name, node in nodes.items():
        for read in node.inputs:
            last_use[read] = max(last_use[read], position[name])
    parts: list[tuple[str, Nodes]] = []
    part: Nodes = {}
    open_until, start = last_use[source], source
    for k, (name, node) in enumerate(nodes.items()):
        part[name] = node
        if open_until <= k:  # no earlier output is used after this node
            parts.append((start, part))
            part, start = {}, name
        open_until = max(open_until, last_use[name])
    return parts


def _branches(part: Nodes, source: str, nesting: int) -> Layer | None:
    """Return parallel branches with a join at their end; None if the part has another form."""
    *_, (_, layer, inputs, broadcasts) = part.values()
    if not isinstance(layer, Add | Average | Concatenate) or (broadcasts and not isinstance(layer, Concatenate)):
        return None
    reads = {name: node.inputs for name, node in part.items()}
    groups = [ancestors(reads, name) for name in inputs]
    if len(set().union(*groups)) < sum(map(len, groups)) or sum(map(len, groups)) < len(part) - 1:
        return None  # branches share nodes, or the last node does not join all of them
    branches = [_chain({name: part[name] for name in part if name in group}, source, nesting) for group in groups]
    if isinstance(layer, Concatenate):
        return Concat(branches, axis=layer.axis)
    return (Sum if isinstance(layer, Add) else Mean)(branches)


def _graph(nodes: Nodes, source: str | None) -> Graph:
    """Return a graph of the nodes; consecutive layers without other connections become chains."""
    uses: dict[str, int] = {}
    for node in nodes.values():
        for name in node.inputs:
            uses[name] = uses.get(name, 0) + 1
    chains: dict[str, dict[str, Layer]] = {}  # by the name of the last layer
    sources: dict[str, list[str]] = {}
    for name, node in nodes.items():
        first = node.inputs[0]
        is_open = first in chains and uses[first] == 1 and not isinstance(nodes[first].layer, Join)
        if is_open and not isinstance(node.layer, Join):
            chains[name], sources[name] = chains.pop(first), sources.pop(first)
        else:
            chains[name], sources[name] = {}, [INPUT if read == source else read for read in node.inputs]
        chains[name][name] = node.layer
    layers = {name: Sequential(chain) if len(chain) > 1 else chain[name] for name, chain in chains.items()}
    return Graph(layers, sources)


def shorten_names(network: Layer, name: str = "") -> Layer:
    """Return the network with shorter names inside its branches and graphs.

    A file stores the names of the containers before the name of a layer, such as ``add_0_conv``. In the container this becomes
    ``conv``, so that names do not grow if the network is written and read again.

    Parameters
    ----------
    network : Layer
        A network from :func:`network_of`.
    name : str
        Its complete name.

    Examples
    --------
    >>> from refconv import nn
    >>> shorten_names(nn.Sequential(add=nn.Sum(nn.Identity(), nn.Sequential(add_1_conv=nn.Conv2D(3, 1)))))
    Sequential(add=Sum(Identity(), Sequential(conv=Conv2D(3, 1×1))))
    """
    if isinstance(network, Sequential):
        return Sequential({key: shorten_names(layer, key) for key, layer in network.layers.items()})
    if isinstance(network, Graph):
        short = _short_names([*network.layers], name)
        layers = {}
        for key, layer in network.layers.items():
            layers[short[key]] = _short_chain(layer, key, name, short[key], last=short[key])
        sources = {short[key]: [short.get(read, read) for read in reads] for key, reads in network.sources.items()}
        return Graph(layers, sources)
    if isinstance(network, Sum | Mean | Concat):
        branches = [_short_chain(layer, name, key) for key, layer in network.layers.items()]
        return Concat(branches, axis=network.axis) if isinstance(network, Concat) else type(network)(branches)
    return network


def _short_chain(layer: Layer, *containers: str, last: str | None = None) -> Layer:
    """Return a chain whose names do not begin with the names of its containers.

    ``last`` is the new name of its last layer, by default also shortened.
    """
    if not isinstance(layer, Sequential):
        return layer
    short = _short_names([*layer.layers], *containers)
    if last is not None and last not in short.values():
        short[next(reversed(short))] = last
    return Sequential({short[key]: shorten_names(inner, key) for key, inner in layer.layers.items()})


def _short_names(names: Sequence[str], *containers: str) -> dict[str, str]:
    """Return names without the names of the containers at their beginning.

    >>> _short_names(["add_0_conv", "add_1_conv", "relu", "add_0_relu"], "add", "0")
    {'add_0_conv': 'conv', 'add_1_conv': '1_conv', 'relu': 'relu', 'add_0_relu': 'add_0_relu'}
    """
    short, used = {}, {*names, INPUT}
    for name in names:
        shorter = name
        for container in filter(None, containers):
            shorter = shorter.removeprefix(f"{container}_") or shorter
        short[name] = name if shorter in used else shorter
        used.add(shorter)
    return short
