"""Containers: chains, branches, graphs, fractals, and parts that only training uses."""

from __future__ import annotations

from collections.abc import Sequence

from refconv._errors import ArgumentTypeError
from refconv.models.sizes import SizedSequential
from refconv.nn import Concat, DropPath, Fractal, Graph, Heads, Mean, Sequential, StochasticDepth, Sum
from refconv.nn.branches import Branches
from refconv.nn.graph import INPUT
from refconv.nn.joins import Add, Average, Concatenate, Join, Multiply
from refconv.onnx.writing.writer import Value, Writer, register
from refconv.typing import Shape

__all__: list[str] = []

JOINS: dict[type[Join], str] = {Add: "Sum", Average: "Mean", Multiply: "Mul"}


@register(Sequential, SizedSequential)
def write_sequential(graph: Writer, layer: Sequential, x: Value) -> Value:
    for name, inner in layer.layers.items():
        x = graph.layer(inner, x, name)
    return x


@register(Sum)
def write_sum(graph: Writer, layer: Sum, x: Value) -> Value:
    first, *others = _branches(graph, layer, x)
    if not others:
        return first
    return graph.elementwise("Add" if len(others) == 1 else "Sum", first, *others)


@register(Mean)
def write_mean(graph: Writer, layer: Mean, x: Value) -> Value:
    first, *others = _branches(graph, layer, x)
    return graph.elementwise("Mean", first, *others) if others else first


@register(Concat)
def write_concat(graph: Writer, layer: Concat, x: Value) -> Value:
    return _concatenated(graph, _branches(graph, layer, x), tuple(layer.output_shape(x.shape)), layer.axis)


@register(Graph)
def write_graph(graph: Writer, layer: Graph, x: Value) -> Value:
    if layer.inputs != [INPUT]:
        raise ArgumentTypeError(f"model must have one input, got {len(layer.inputs)}")
    values = {INPUT: x}
    for name, inner in layer.layers.items():
        read = [values[source] for source in layer.sources[name]]
        if isinstance(inner, Join):
            with graph.inside(name):
                values[name] = _joined(graph, inner, read)
        else:
            values[name] = graph.layer(inner, read[0], name)
    return values[name]


def _joined(graph: Writer, layer: Join, values: Sequence[Value]) -> Value:
    """Append a join; smaller arrays are broadcast."""
    shape = layer.output_shape([y.shape for y in values])
    if isinstance(layer, Concatenate):
        return _concatenated(graph, values, shape, layer.axis)
    first, *others = sorted(values, key=lambda y: y.shape != shape)  # one of the largest decides the order of the axes
    if type(layer) not in JOINS or first.shape != shape:
        raise ArgumentTypeError(f"joins must be sums, means or products with an array of shape {shape}, got {layer!r}")
    if isinstance(layer, Multiply):
        for other in others:
            first = graph.elementwise("Mul", first, other)
        return first
    return graph.elementwise(JOINS[type(layer)], first, *others) if others else first


def _concatenated(graph: Writer, values: Sequence[Value], shape: Shape, axis: int) -> Value:
    """Append a concatenation along an axis of one example."""
    order = values[0].order
    if len(values) == 1:
        return values[0]
    names = [graph.ordered(y, order) for y in values]
    return Value(graph.add("Concat", *names, axis=1 + order.index(axis % len(shape))), shape, order)


@register(StochasticDepth)
def write_stochastic_depth(graph: Writer, layer: StochasticDepth, x: Value) -> Value:
    return graph.elementwise("Mul", graph.layer(layer.layer, x, next(iter(layer.layers))), float(layer.survival))


@register(DropPath, Heads)
def write_inference_layer(graph: Writer, layer: DropPath | Heads, x: Value) -> Value:
    return graph.layer(layer.inference_layer, x, next(name for name, _ in layer.named_layers()))


@register(Fractal)
def write_fractal(graph: Writer, layer: Fractal, x: Value) -> Value:
    return write_graph(graph, layer.as_graph(), x)


def _branches(graph: Writer, layer: Branches, x: Value) -> list[Value]:
    return [graph.layer(inner, x, name) for name, inner in layer.layers.items()]
