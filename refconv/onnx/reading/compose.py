"""Composition of layers to chains, branches and, where these do not suffice, general graphs.

An output is a *cut* of the graph if every path from the input passes through it. A chain consists of the parts between
consecutive cuts. A part is one layer, or parallel branches that are joined by a sum, a mean or a concatenation, or a
:class:`Graph` of its layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refconv.nn import Concat, Identity, Layer, Mean, Sequential, Sum
from refconv.onnx.layers import Add, Average, Concatenate, Graph, Join
from refconv.onnx.reading.reader import Step

__all__ = ["compose"]

MAX_DEPTH = 24  # of nested branches; deeper parts become graphs

Steps = dict[str, Step]


def compose(steps: Steps, inputs: Sequence[str], output: str) -> Layer:
    """Return the network of the steps that the output depends on."""
    needed = _ancestors(steps, output)
    steps = {name: step for name, step in steps.items() if name in needed}
    if list(inputs) != ["input"]:
        return _graph(steps, None)
    layer = _chain(steps, "input", output, 0)
    return layer if isinstance(layer, Sequential) else Sequential({next(reversed(steps), "identity"): layer})


def _ancestors(steps: Steps, output: str) -> set[str]:
    """Return the names of the steps that an output depends on."""
    needed, pending = set(), [output]
    while pending:
        name = pending.pop()
        if name in steps and name not in needed:
            needed.add(name)
            pending += steps[name].sources
    return needed


def _chain(steps: Steps, source: str, output: str, depth: int) -> Layer:
    """Return the network of these steps from one source to one output."""
    layers: dict[str, Layer] = {}
    for first, part in _parts(steps, source):
        name = next(reversed(part))
        if len(part) == 1 and len(part[name].sources) == 1:
            layers[name] = part[name].layer
        else:
            layers[name] = (_branches(part, first, depth) if depth < MAX_DEPTH else None) or _graph(part, first)
    if not layers:
        return Identity()
    return Sequential(layers) if len(layers) > 1 else next(iter(layers.values()))


def _parts(steps: Steps, source: str) -> list[tuple[str, Steps]]:
    """Return the parts between consecutive cuts, each with its source."""
    names = [*steps]
    position = {name: k for k, name in enumerate(names)}
    last_use = {source: -1, **position}
    for name in names:
        for read in steps[name].sources:
            last_use[read] = max(last_use[read], position[name])
    parts, part, open_until, start = [], {}, last_use[source], source
    for k, name in enumerate(names):
        part[name] = steps[name]
        if open_until <= k:  # no earlier output is used after this step
            parts.append((start, part))
            part, start = {}, name
        open_until = max(open_until, last_use[name])
    return parts


def _branches(part: Steps, source: str, depth: int) -> Layer | None:
    """Return parallel branches with a join at their end; None if the part has another form."""
    *_, last = part.values()
    if not isinstance(last.layer, Add | Average | Concatenate):
        return None
    parts = [{name: part[name] for name in part if name in needed} for needed in _disjoint(part, last) or ()]
    if not parts or sum(map(len, parts)) != len(part) - 1:
        return None
    branches = [_chain(steps, source, end, depth + 1) for steps, end in zip(parts, last.sources, strict=True)]
    if isinstance(last.layer, Concatenate):
        return Concat(branches, axis=last.layer.axis)
    return (Sum if isinstance(last.layer, Add) else Mean)(branches)


def _disjoint(part: Steps, last: Step) -> list[set[str]] | None:
    """Return the steps of each input of a join; None if inputs share steps."""
    if last.broadcasts and not isinstance(last.layer, Concatenate):
        return None
    groups = [_ancestors(part, end) for end in last.sources]
    return groups if len(set().union(*groups)) == sum(map(len, groups)) else None


def _graph(steps: Steps, source: str | None) -> Graph:
    """Return a graph of the steps; consecutive layers without other connections become chains."""
    uses: dict[str, int] = {}
    for step in steps.values():
        for name in step.sources:
            uses[name] = uses.get(name, 0) + 1
    chains: dict[str, dict[str, Layer]] = {}  # by the name of the last layer
    sources: dict[str, list[str]] = {}
    for name, step in steps.items():
        (before, *others) = step.sources
        is_continued = not others and before in chains and uses[before] == 1 and not isinstance(step.layer, Join)
        if is_continued and not any(isinstance(layer, Join) for layer in chains[before].values()):
            chains[name], sources[name] = {**chains.pop(before), name: step.layer}, sources.pop(before)
        else:
            chains[name] = {name: step.layer}
            sources[name] = ["input" if read == source else read for read in step.sources]
    layers: dict[str, Any] = {name: Sequential(chain) if len(chain) > 1 else chain[name] for name, chain in chains.items()}
    return Graph(layers, sources)
