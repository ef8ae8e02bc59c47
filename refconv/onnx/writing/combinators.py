"""Containers: chains, branches, fractals, and networks with parts that only training uses."""

from __future__ import annotations

from refconv.models.sizes import SizedSequential
from refconv.nn import Concat, DropPath, Fractal, Heads, Mean, Sequential, StochasticDepth, Sum
from refconv.nn.branches import Branches
from refconv.onnx.writing.writer import Value, Writer, register

__all__: list[str] = []


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
    return _mean(graph, _branches(graph, layer, x))


@register(Concat)
def write_concat(graph: Writer, layer: Concat, x: Value) -> Value:
    outputs = _branches(graph, layer, x)
    if len(outputs) == 1:
        return outputs[0]
    shape, order = tuple(layer.output_shape(x.shape)), outputs[0].order
    names = [graph.ordered(y, order) for y in outputs]
    axis = 1 + order.index(layer.axis % len(shape))
    return Value(graph.add("Concat", *names, axis=axis), shape, order)


@register(StochasticDepth)
def write_stochastic_depth(graph: Writer, layer: StochasticDepth, x: Value) -> Value:
    return graph.elementwise("Mul", graph.layer(layer.layer, x, next(iter(layer.layers))), float(layer.survival))


@register(DropPath, Heads)
def write_inference_layer(graph: Writer, layer: DropPath | Heads, x: Value) -> Value:
    return graph.layer(layer.inference_layer, x, next(name for name, _ in layer.named_layers()))


@register(Fractal)
def write_fractal(graph: Writer, layer: Fractal, x: Value) -> Value:
    inputs = [x] * layer.columns
    for row in layer.every_row():
        ending = layer.ending(row)
        names = {c: layer.name(c, row) for c in ending}
        joined = _mean(graph, [graph.layer(layer.layers[name], inputs[c], name) for c, name in names.items()])
        for c in ending:
            inputs[c] = joined
    return joined


def _branches(graph: Writer, layer: Branches, x: Value) -> list[Value]:
    return [graph.layer(inner, x, name) for name, inner in layer.layers.items()]


def _mean(graph: Writer, values: list[Value]) -> Value:
    first, *others = values
    return graph.elementwise("Mean", first, *others) if others else first
