"""Construction of a network from the description in a ``.keras`` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from refconv.nn import Layer
from refconv.nn.graph import INPUT
from refconv.nn.joins import Join
from refconv.nn.layer import all_layers
from refconv.nn.rules import distinct
from refconv.typing import Shape
from refconv.weights.graph import Node, network_of, topological_order
from refconv.weights.keras.entries import (
    Call,
    Entry,
    batch_shape,
    calls_of,
    entry_of,
    only_tensor,
    policy_of,
    with_sizes,
)
from refconv.weights.keras.names import group_names
from refconv.weights.keras.options import shown
from refconv.weights.keras.part import Part
from refconv.weights.keras.to_refconv import join_of, part_of

__all__ = ["Description", "Stored"]

# Keras's largest networks have about 1,000 layers; an untrusted file must not keep the reader busy.
MAX_LAYERS, MAX_INPUTS = 2500, 10_000  # in all inner networks together
MAX_NESTING = 16  # networks inside networks

Json = Any
Reference = tuple[str, int]  # a layer's name and the number of its call


class Stored(NamedTuple):
    """Layer of Keras in refconv, with its input shape."""

    name: str
    part: Part
    shape: Shape
    trainable: bool

    def shapes(self) -> tuple[Shape, ...]:
        """Return the shapes of the arrays in the file."""
        specs = self.part.layers[0].specs(self.shape) if self.part.variables else {}
        return tuple(self.part.file_shapes.get(variable, specs[variable].shape) for variable in self.part.variables)


@dataclass
class _Use:
    """Layer of a network as refconv's layers, with the shapes of its input and its output."""

    layers: tuple[tuple[str, Layer], ...]
    input_shape: Shape
    output_shape: Shape


class _Progress:
    """Part of a graph that was converted: its nodes, and the output of each call."""

    def __init__(self, source: Reference, shape: Shape) -> None:
        self.names, self.shapes = {source: INPUT}, {source: shape}
        self.uses: dict[str, _Use] = {}
        self.nodes: list[Node] = []
        self._used = {INPUT}

    def add(self, name: str, layer: Layer, inputs: tuple[str, ...], broadcasts: bool = False) -> str:
        """Append a node, and return its name, which is distinct."""
        name = distinct(name, self._used)
        self._used.add(name)
        self.nodes.append(Node(name, layer, inputs, broadcasts))
        return name


@dataclass
class Description:
    """Network that a description defines, before it is built.

    Parameters
    ----------
    config : dict
        The description.
    shape : tuple of int, optional
        Shape of one input, without the batch.

    Attributes
    ----------
    model : Layer
    input_shape : tuple of int
    stored : dict of Stored
        The layers by the path of their group in the file of weights.
    groups : list of str
        The paths of the groups that contain the layers of a network.
    inference_only : list of Layer
        Layers that behave in training as in inference.
    dtype : numpy dtype
    """

    config: Mapping[str, Json]
    shape: Shape | None = None
    stored: dict[str, Stored] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    inference_only: list[Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._types: set[str] = set()
        self._layers = self._inputs = 0
        entry = entry_of(self.config)
        if not entry.is_network:
            raise ValueError(f"the file must contain a Sequential or Functional network, got {entry.kind}")
        self.input_shape = self._input_shape(entry)
        self.model = self._network(entry, "", self.input_shape, 0)
        if len(self._types) > 1:
            raise ValueError("all layers must be of one type, got float32 and float64")
        self.dtype = np.dtype(next(iter(self._types), "float32"))

    def _input_shape(self, entry: Entry) -> Shape:
        """Return the shape of one input of the network."""
        for inner in _entries(entry):
            if inner.kind == "InputLayer":
                return with_sizes(entry.name, batch_shape(inner), self.shape)
        sizes = entry.options.get("build_input_shape")
        if self.shape is None and isinstance(sizes, list):
            return with_sizes(entry.name, batch_shape(entry._replace(options={"batch_shape": sizes})), None)
        if self.shape is None:
            raise ValueError("input_shape must be given, because the file has none")
        return tuple(self.shape)

    def _network(self, entry: Entry, prefix: str, shape: Shape, nesting: int) -> Layer:
        """Return a network whose weights are in groups with this prefix."""
        entries = _entries(entry)
        self._layers += len(entries)
        if self._layers > MAX_LAYERS or nesting > MAX_NESTING:
            raise ValueError(f"the network must have at most {MAX_LAYERS} layers in {MAX_NESTING} levels")
        sequential = entry.kind == "Sequential"
        source, calls, output = (_chain if sequential else _graph)(entry, entries)
        listed = [inner for inner in entries if not (sequential and inner.kind == "InputLayer")]
        names = group_names(inner.kind for inner in listed)
        groups = {inner.name: f"{prefix}layers/{name}" for inner, name in zip(listed, names, strict=True)}
        self.groups.append(f"{prefix}layers")
        by_name = {inner.name: inner for inner in entries}
        progress = self._nodes(by_name, calls, groups, (source, shape), nesting)
        if output not in progress.names:
            raise ValueError(f"the output of {entry.name} must be a layer, got {shown(output[0])}")
        return network_of(progress.nodes, progress.names[output])

    def _nodes(
        self,
        entries: Mapping[str, Entry],
        calls: Mapping[Reference, Call],
        groups: Mapping[str, str],
        source: tuple[Reference, Shape],
        nesting: int,
    ) -> _Progress:
        """Return the nodes of the graph, each after its inputs."""
        start, shape = source
        progress = _Progress(start, shape)
        for call in _ordered(calls, start):
            entry, inputs = entries[call[0]], calls[call].inputs
            self._inputs += len(inputs)
            if self._inputs > MAX_INPUTS:
                raise ValueError(f"the layers must have at most {MAX_INPUTS} inputs together")
            shapes = [progress.shapes[other] for other in inputs]
            before = tuple(progress.names[other] for other in inputs)
            join = join_of(entry.name, entry.kind, entry.options, len(shapes[0])) if shapes else None
            if join is not None:
                progress.names[call] = progress.add(_plain(entry.name), join, before, len(set(shapes)) > 1)
                progress.shapes[call] = _joined(entry, join, shapes)
                continue
            if len(inputs) != 1:
                raise ValueError(f"layer {entry.name} ({entry.kind}) must have one input, got {len(inputs)}")
            use = self._use(entry, groups[entry.name], shapes[0], progress.uses, nesting)
            if calls[call].training is False:
                self.inference_only += [layer for _, layer in use.layers]
            for name, layer in use.layers:
                before = (progress.add(name, layer, before),)
            (progress.names[call],) = before
            progress.shapes[call] = use.output_shape
        return progress

    def _use(self, entry: Entry, group: str, shape: Shape, uses: dict[str, _Use], nesting: int) -> _Use:
        """Return the layers for an entry, the same for each of its calls."""
        if entry.name in uses:
            if uses[entry.name].input_shape != shape:
                raise ValueError(f"layer {entry.name} must have inputs of one shape in all calls, got {shape} too")
            return uses[entry.name]
        if entry.is_network:
            layers: tuple[tuple[str, Layer], ...] = (
                (_plain(entry.name), self._network(entry, f"{group}/", shape, nesting + 1)),
            )
        else:
            if (policy := policy_of(entry)) is not None:
                self._types.add(policy)
            part = part_of(entry.name, entry.kind, entry.options, shape)
            trainable = entry.options.get("trainable", True) is not False
            self.stored[group] = Stored(entry.name, part, shape, trainable)
            first, *others = part.layers
            name = _plain(entry.name)
            layers = ((name, first), *((f"{name}_{type(layer).__name__.lower()}", layer) for layer in others))
        output = shape
        for _, layer in layers:
            try:
                output = tuple(layer.output_shape(output))
            except (TypeError, ValueError) as error:
                raise ValueError(f"layer {entry.name} ({entry.kind}): {error}") from error
        uses[entry.name] = _Use(layers, shape, output)
        return uses[entry.name]

    def restore_training(self) -> None:
        """Freeze the layers and parameters that Keras does not train, after the network was built."""
        for stored in self.stored.values():
            stored.part.freeze_fixed()
            if not stored.trainable:
                for layer in stored.part.layers:
                    layer.freeze()
        for outer in self.inference_only:
            for layer in all_layers(outer):
                layer.frozen = True  # the behaviour of inference; the optimizer still trains the parameters


def _plain(name: str) -> str:
    """Return a name without dots, which separate the names of nested layers in refconv."""
    return name.replace(".", "_")


def _entries(entry: Entry) -> list[Entry]:
    """Return the entries of a network's layers."""
    layers = entry.options.get("layers")
    if not isinstance(layers, list) or not layers:
        raise ValueError(f"network {entry.name} must have a list of layers, got {shown(layers)}")
    entries = [entry_of(layer) for layer in layers]
    if len({inner.name for inner in entries}) < len(entries):
        raise ValueError(f"the layers of {entry.name} must have distinct names")
    return entries


def _ordered(calls: Mapping[Reference, Call], source: Reference) -> list[Reference]:
    """Return the calls, each after the calls whose outputs it reads."""
    references = {f"{name}/{number}": (name, number) for name, number in (source, *calls)}  # names contain no "/"
    texts = {reference: text for text, reference in references.items()}
    for call in calls.values():
        for reference in call.inputs:
            if reference not in texts:
                raise ValueError(f"inputs must be outputs of layers in the network, got {shown(reference[0])}")
    inputs = {texts[reference]: [texts[other] for other in call.inputs] for reference, call in calls.items()}
    return [references[text] for text in topological_order(inputs, [texts[source]])]


_Calls = tuple[Reference, dict[Reference, Call], Reference]


def _chain(entry: Entry, entries: Sequence[Entry]) -> _Calls:
    """Return the input, the calls and the output of a sequential network."""
    source = (entries[0].name, 0) if entries[0].kind == "InputLayer" else ("the input", 0)
    previous, calls = source, {}
    for inner in entries[entries[0].kind == "InputLayer" :]:
        calls[inner.name, 0] = Call((previous,), None)
        previous = (inner.name, 0)
    return source, calls, previous


def _graph(entry: Entry, entries: Sequence[Entry]) -> _Calls:
    """Return the input, the calls and the output of a functional network."""
    source = only_tensor(entry.options.get("input_layers"), "input")
    inputs = [inner.name for inner in entries if inner.kind == "InputLayer"]
    if inputs != [source[0]]:
        raise ValueError(f"network {entry.name} must have one input, got {len(inputs)}")
    calls = {
        (inner.name, k): call for inner in entries if inner.kind != "InputLayer" for k, call in enumerate(calls_of(inner))
    }
    uncalled = [inner.name for inner in entries if (inner.name, 0) not in {source, *calls}]
    if uncalled:
        raise ValueError(f"layer {uncalled[0]} must be called in the network")
    name, number = only_tensor(entry.options.get("output_layers"), "output")
    inner_kind = next((inner.kind for inner in entries if inner.name == name), "")
    return source, calls, (name, number - 1 if inner_kind == "Functional" else number)


def _joined(entry: Entry, join: Join, shapes: Sequence[Shape]) -> Shape:
    try:
        return join.output_shape(shapes)
    except ValueError as error:
        raise ValueError(f"layer {entry.name} ({entry.kind}): {error}") from error
