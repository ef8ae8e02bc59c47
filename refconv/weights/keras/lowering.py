"""Conversion of a network of refconv to a graph of layers of Keras."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from refconv.models.sizes import SizedSequential
from refconv.nn import Concat, Fractal, Graph, Layer, Mean, Sequential, Sum
from refconv.nn import graph as general
from refconv.nn.branches import Branches
from refconv.nn.joins import Add, Average, Concatenate, Join, Multiply
from refconv.nn.parameter import Parameter
from refconv.nn.rules import distinct
from refconv.typing import Shape
from refconv.weights.graph import ancestors
from refconv.weights.keras.names import group_names, keras_order, snake_case
from refconv.weights.keras.to_keras_layers import Value, steps_of

__all__ = ["INPUT", "Item", "Lowering"]

INPUT = "input"  # name of the layer of the input

BRANCHES: dict[type[Layer], type[Join]] = {Sum: Add, Mean: Average, Concat: Concatenate}
JOINS: dict[type[Layer], str] = {Add: "Add", Average: "Average", Multiply: "Multiply", Concatenate: "Concatenate"}


class Item(NamedTuple):
    """Call of a layer of Keras in a graph: class, options, inputs, output and parameters.

    ``layer`` is the layer of refconv that it comes from, if it has parameters. ``repeats`` is the name of the first call of a
    layer that is called again; only the first call has the parameters.
    """

    kind: str
    config: dict[str, Any]
    inputs: tuple[str, ...]
    value: Value
    parameters: tuple[Parameter, ...] = ()
    layer: Layer | None = None
    trainable: bool = True
    repeats: str = ""


class Lowering:
    """Graph of layers of Keras that computes a network.

    Parameters
    ----------
    model : Layer
        The built network.
    shape : tuple of int
        The shape of one input, without the batch.

    Attributes
    ----------
    items : dict of Item
        The calls of layers by name, each after its inputs; the first is the input. The name of a first call is the name of
        the layer.
    output : str
        Name of the last call.

    Raises
    ------
    ValueError
        If Keras has no layers that compute a layer of the network. The message names the layer.
    """

    def __init__(self, model: Layer, shape: Shape) -> None:
        self.items: dict[str, Item] = {INPUT: Item("InputLayer", {"batch_shape": [None, *shape]}, (), Value(tuple(shape)))}
        self._uses: dict[int, tuple[Shape, list[str]]] = {}  # input shape and names of the first calls, by layer
        self.output = self._add(model, "", INPUT)
        needed = {INPUT, *ancestors({name: item.inputs for name, item in self.items.items()}, self.output)}
        self.items = {name: item for name, item in self.items.items() if name in needed}
        if self.output == INPUT:
            self.output = self._append("identity", "Identity", {}, (INPUT,), self.items[INPUT].value)

    @property
    def is_chain(self) -> bool:
        """True if each layer has one input and one call, so that the network is sequential in Keras."""
        return all(item.kind not in JOINS.values() and not item.repeats for item in self.items.values())

    def order(self) -> list[str]:
        """Return the names of all layers in the order in which Keras lists them."""
        layers = {name: item.repeats or name for name, item in self.items.items()}
        return keras_order({name: item.inputs for name, item in self.items.items()}, self.output, layers)

    def calls(self) -> dict[str, tuple[str, int]]:
        """Return, for each call, the name of the layer and the number of the call."""
        counts: dict[str, int] = {}
        calls = {}
        for name, item in self.items.items():
            layer = item.repeats or name
            calls[name] = (layer, counts.get(layer, 0))
            counts[layer] = calls[name][1] + 1
        return calls

    def groups(self) -> dict[str, str]:
        """Return the path of each layer's group in a file of weights."""
        names = [name for name in self.order() if not (self.is_chain and name == INPUT)]
        kinds = [self.items[name].kind for name in names]
        return {name: f"layers/{group}" for name, group in zip(names, group_names(kinds), strict=True)}

    def dtype(self) -> np.dtype[Any]:
        """Return the type of all parameters; float32 if there are none."""
        types = {parameter.value.dtype for item in self.items.values() for parameter in item.parameters}
        if len(types) > 1:
            raise ValueError("all parameters must be of one type, got float32 and float64")
        return types.pop() if types else np.dtype(np.float32)

    def _add(self, layer: Layer, path: str, source: str) -> str:
        """Append the layers of Keras for a layer, and return the name of the last one."""
        if layer.inference_layer is not layer:
            return self._add(layer.inference_layer, path, source)
        forward = type(layer).forward
        if forward in (Sequential.forward, SizedSequential.forward):
            for name, inner in layer.named_layers():
                source = self._add(inner, f"{path}.{name}".lstrip("."), source)
            return source
        if forward is Branches.forward and type(layer) in BRANCHES:
            branches = [self._add(inner, f"{path}.{name}".lstrip("."), source) for name, inner in layer.named_layers()]
            kind = BRANCHES[type(layer)]
            return self._join(Concatenate(layer.axis) if isinstance(layer, Concat) else kind(), path, branches)
        if isinstance(layer, Fractal) and forward is Fractal.forward:
            return self._graph(layer.as_graph(), path, source)
        if isinstance(layer, Graph) and forward is Graph.forward:
            return self._graph(layer, path, source)
        return self._leaf(layer, path, source)

    def _graph(self, layer: Graph, path: str, source: str) -> str:
        if layer.inputs != [general.INPUT]:
            raise ValueError(f"layer {path or 'of the network'} must have one input, got {len(layer.inputs)}")
        outputs = {general.INPUT: source}
        for name, inner in layer.layers.items():
            before = [outputs[other] for other in layer.sources[name]]
            add: Any = self._join if isinstance(inner, Join) else self._add
            outputs[name] = add(inner, f"{path}.{name}".lstrip("."), before if isinstance(inner, Join) else before[0])
        return outputs[name]

    def _join(self, layer: Join, path: str, inputs: Sequence[str]) -> str:
        if type(layer) not in JOINS:
            raise ValueError(f"layer {path or 'of the network'} ({type(layer).__name__}) has no equal layer in Keras")
        if len(inputs) == 1:
            return inputs[0]
        kind = JOINS[type(layer)]
        shape = layer.output_shape([self.items[name].value.shape for name in inputs])
        config: dict[str, Any] = {}
        if isinstance(layer, Concatenate):
            config["axis"] = layer.axis if layer.axis < 0 else layer.axis + 1  # Keras counts the batch
        nonnegative = all(self.items[name].value.nonnegative for name in inputs)
        return self._append(_name(path, kind), kind, config, inputs, Value(shape, nonnegative))

    def _leaf(self, layer: Layer, path: str, source: str) -> str:
        where = f"layer {path or 'of the network'} ({type(layer).__name__})"
        before = self.items[source].value
        shape, first_calls = self._uses.setdefault(id(layer), (before.shape, []))
        repeats = bool(first_calls)
        if repeats and shape != before.shape:
            raise ValueError(f"{where} must have inputs of one shape in all its uses, got {shape} and {before.shape}")
        try:
            steps = steps_of(layer, before)
        except ValueError as error:
            raise ValueError(f"{where} cannot be converted: {error}") from error
        for step in steps:
            value = self.items[source].value.after(step.kind, step.config, tuple(step.shape))
            # Layers that only pad or crop for the main one get names of their own.
            main = step.variables or "Pooling" in step.kind or len(steps) == 1
            name = _name(path, step.kind) if main else _name(f"{path}.0".lstrip("."), step.kind)
            if repeats and step.variables:
                source = self._append(name, step.kind, step.config, (source,), value, repeats=first_calls[0])
                continue
            source = self._append(name, step.kind, step.config, (source,), value, layer, step.variables)
            if step.variables:
                first_calls.append(source)
        return source

    def _append(
        self,
        name: str,
        kind: str,
        config: dict[str, Any],
        inputs: Sequence[str],
        value: Value,
        layer: Layer | None = None,
        variables: Sequence[str] = (),
        repeats: str = "",
    ) -> str:
        name = distinct(name, self.items)
        parameters = tuple(layer.parameters[variable] for variable in variables) if layer else ()
        trainable = layer is None or not layer.frozen
        owner = layer if variables else None
        self.items[name] = Item(kind, config, tuple(inputs), value, parameters, owner, trainable, repeats)
        return name


def _name(path: str, kind: str) -> str:
    """Return a name for Keras: the path of a layer, and its class if it has no own name.

    >>> _name("block1.conv", "Conv2D"), _name("block1.0", "Conv2D"), _name("", "Dense")
    ('block1_conv', 'block1_0_conv2d', 'dense')
    """
    own = path.rpartition(".")[2]
    parts = [path, snake_case(kind)] if own.isdigit() or not own else [path]
    return re.sub(r"\W", "_", "_".join(part for part in parts if part), flags=re.ASCII)
