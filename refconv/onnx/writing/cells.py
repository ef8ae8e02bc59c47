"""Cells of the neocognitron, written with elementary operators."""

from __future__ import annotations

import numpy as np

from refconv.models.cells import CCells, SCells, _gaussian_window
from refconv.onnx.writing.convolutions import channels_to_front, convolution
from refconv.onnx.writing.writer import Value, Writer, register

__all__: list[str] = []


@register(SCells)
def write_s_cells(graph: Writer, layer: SCells, x: Value) -> Value:
    a, b, r = layer.parameters["a"].value, layer.parameters["b"].value, layer.selectivity
    channels = x.shape[-1]
    gamma = np.repeat(_gaussian_window(layer.window.kernel)[:, :, None, None], channels, 2) / channels
    kernel = graph.constant(channels_to_front(gamma).astype(np.float32), "gamma")
    x = x._replace(name=graph.channels_first(x), order=(2, 0, 1))
    squares = convolution(graph, layer, graph.elementwise("Mul", x, x), kernel, (), 1)
    strength = graph.add("Sqrt", squares.name)
    ones = graph.constant(np.ones(layer.planes, np.float32))
    excited = convolution(graph, layer, x, graph.weights(layer, "a", channels_to_front(a)), (ones,), 1)
    inhibition = graph.weights(layer, "b", (2 * r / (1 + r) * b).reshape(-1, 1, 1, 1))
    inhibited = graph.add("Conv", strength, inhibition, ones)  # 1 × 1, from one channel to the planes
    y = excited._replace(name=graph.add("Div", excited.name, inhibited))
    return graph.elementwise("Mul", graph.elementwise("Relu", graph.elementwise("Sub", y, 1.0)), r)


@register(CCells)
def write_c_cells(graph: Writer, layer: CCells, x: Value) -> Value:
    channels = x.shape[-1]
    delta = np.repeat(_gaussian_window(layer.window.kernel)[None, None], channels, 0).astype(np.float32)
    gathered = convolution(graph, layer, x, graph.constant(delta, "delta"), (), channels)
    mean = graph.add("ReduceMean", gathered.name, graph.integers([1]), keepdims=1)
    ratio = graph.add(
        "Div",
        graph.elementwise("Add", gathered, 1.0).name,
        graph.add("Add", mean, graph.constant(np.float32(1))),
    )
    excess = graph.elementwise("Relu", graph.elementwise("Sub", gathered._replace(name=ratio), 1.0))
    return graph.elementwise("Div", excess, graph.elementwise("Add", excess, layer.saturation))
