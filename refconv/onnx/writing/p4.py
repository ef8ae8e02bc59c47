"""Layers on p4: in the graph their arrays have the axes (N, C, 4, H, W).

A convolution of rotated kernels is a plain convolution of 4 C channels, whose kernels are rotated when the graph is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv.nn import P4BatchNorm, P4Conv2D, P4ConvLift2D, P4GroupPool, P4MaxPool2D
from refconv.onnx.writing.convolutions import channels_to_front, window_attributes
from refconv.onnx.writing.normalisation import normalise
from refconv.onnx.writing.writer import Value, Writer, channels_first, register
from refconv.typing import Array

__all__: list[str] = []

ORDER = (3, 2, 0, 1)  # (C, 4, H, W) of the axes (H, W, 4, C)


@register(P4ConvLift2D)
def write_lift(graph: Writer, layer: P4ConvLift2D, x: Value) -> Value:
    kernels = [np.rot90(layer.parameters["w"].value, r) for r in range(4)]
    return _convolution(graph, layer, x, graph.channels_first(x), np.stack(kernels, -1))


@register(P4Conv2D)
def write_p4_conv(graph: Writer, layer: P4Conv2D, x: Value) -> Value:
    w = layer.parameters["w"].value
    # Output rotation r reads input rotation s with the weights of t = s − r.
    kernels = [np.moveaxis(np.roll(np.rot90(w, r), r, axis=2), 2, 3) for r in range(4)]
    H, W, _, C = x.shape
    name = graph.reshaped(graph.ordered(x, ORDER), [C * 4, H, W])
    stacked = np.stack(kernels, -1)
    k, _, _, _, O, _ = stacked.shape
    return _convolution(graph, layer, x, name, stacked.reshape(k, k, C * 4, O, 4))


def _convolution(graph: Writer, layer: Any, x: Value, name: str, kernels: Array) -> Value:
    """Append a convolution with kernels (k, k, inputs, O, 4)."""
    k, _, inputs, O, _ = kernels.shape
    H, W, _, _ = shape = tuple(layer.output_shape(x.shape))
    w = graph.weights(layer, "w", channels_to_front(kernels.reshape(k, k, inputs, O * 4)))
    b = [graph.weights(layer, "b", np.repeat(layer.parameters["b"].value, 4))] if layer.bias else []
    name = graph.add("Conv", name, w, *b, **window_attributes(layer.window, x.shape[:2]))
    return Value(graph.reshaped(name, [O, 4, H, W]), shape, ORDER)


@register(P4BatchNorm)
def write_p4_batch_norm(graph: Writer, layer: P4BatchNorm, x: Value) -> Value:
    return Value(normalise(graph, layer, graph.ordered(x, ORDER)), x.shape, ORDER)


@register(P4MaxPool2D)
def write_p4_max_pool(graph: Writer, layer: P4MaxPool2D, x: Value) -> Value:
    window = [1, layer.kernel_size, layer.kernel_size]
    name = graph.add("MaxPool", graph.ordered(x, ORDER), kernel_shape=window, strides=window)
    return Value(name, layer.output_shape(x.shape), ORDER)


@register(P4GroupPool)
def write_group_pool(graph: Writer, layer: P4GroupPool, x: Value) -> Value:
    op = "ReduceMax" if layer.statistic == "max" else "ReduceMean"
    name = graph.add(op, graph.ordered(x, ORDER), graph.integers([2]), keepdims=0)
    return Value(name, layer.output_shape(x.shape), channels_first(3))
