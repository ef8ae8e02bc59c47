"""Convolutions, transposed convolutions and dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv.geometry import Window
from refconv.nn import (
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    SeparableConv2D,
)
from refconv.nn.layout import split_shape
from refconv.onnx.writing.writer import Value, Writer, channels_first, identity, register
from refconv.typing import Array, Shape

__all__ = ["convolution", "window_attributes"]


@register(Conv1D, Conv2D)
def write_conv(graph: Writer, layer: Any, x: Value) -> Value:
    w = channels_to_front(layer.parameters["w"].value)
    return convolution(graph, layer, x, graph.weights(layer, "w", w), _bias(graph, layer), layer.groups)


@register(DepthwiseConv2D)
def write_depthwise(graph: Writer, layer: Any, x: Value) -> Value:
    _, channels = split_shape(layer, x.shape)
    w = graph.weights(layer, "w", _depthwise(layer.parameters["w"].value))
    return convolution(graph, layer, x, w, _bias(graph, layer), channels)


@register(SeparableConv2D)
def write_separable(graph: Writer, layer: Any, x: Value) -> Value:
    size, channels = split_shape(layer, x.shape)
    w = graph.weights(layer, "depthwise", _depthwise(layer.parameters["depthwise"].value))
    pointwise = graph.weights(layer, "pointwise", channels_to_front(layer.parameters["pointwise"].value))
    attributes = window_attributes(layer.window, size)
    name = graph.add("Conv", graph.channels_first(x, layer.data_format), w, group=channels, **attributes)
    name = graph.add("Conv", name, pointwise, *_bias(graph, layer))
    return output(layer, x, name)


@register(ConvTranspose1D, ConvTranspose2D)
def write_transposed(graph: Writer, layer: Any, x: Value) -> Value:
    window: Window = layer.window
    size, _ = split_shape(layer, x.shape)
    outputs, _ = split_shape(layer, layer.output_shape(x.shape))
    before = [first for first, _ in window.pads(outputs)]
    complete = [(n - 1) * S + span for n, S, span in zip(size, window.stride, window.span, strict=True)]
    # What the complete output lacks at its end: negative if some of it is cut off.
    lacking = [n + first - full for n, first, full in zip(outputs, before, complete, strict=True)]
    # Programs accept an output padding below the stride; any other zeros are appended separately, before the bias.
    is_beyond = any(n >= S for n, S in zip(lacking, window.stride, strict=True))
    extra = [max(n, 0) for n in lacking]
    attributes = {**window_attributes(window, outputs), "pads": [*before, *(max(-n, 0) for n in lacking)]}
    name = graph.channels_first(x, layer.data_format)
    w = graph.weights(layer, "w", channels_to_front(layer.parameters["w"].value))
    if not is_beyond:
        bias = _bias(graph, layer)
        name = graph.add("ConvTranspose", name, w, *bias, output_padding=extra, group=layer.groups, **attributes)
        return output(layer, x, name)
    name = graph.add("ConvTranspose", name, w, group=layer.groups, **attributes)
    zeros = [0] * (len(size) + 2)
    name = graph.add("Pad", name, graph.integers([*zeros, 0, 0, *extra]), mode="constant")
    if layer.bias:
        b = layer.parameters["b"].value.reshape(-1, *[1] * len(size))
        name = graph.add("Add", name, graph.weights(layer, "b", b))
    return output(layer, x, name)


@register(Dense)
def write_dense(graph: Writer, layer: Any, x: Value) -> Value:
    w = graph.weights(layer, "w", layer.parameters["w"].value)
    return Value(graph.add("Gemm", x.name, w, *_bias(graph, layer)), layer.output_shape(x.shape), (0,))


@register(Flatten)
def write_flatten(graph: Writer, layer: Any, x: Value) -> Value:
    shape = layer.output_shape(x.shape)
    if len(x.shape) == 1:
        return x
    # An axis of length 1 may be anywhere: flattening ignores it.
    longer = [axis for axis in x.order if x.shape[axis] > 1]
    name = x.name if longer == sorted(longer) else graph.ordered(x, identity(len(x.shape)))
    return Value(graph.add("Flatten", name, axis=1), shape, (0,))


def convolution(graph: Writer, layer: Any, x: Value, w: str, bias: tuple[str, ...], groups: int) -> Value:
    """Append a convolution with the window of a layer."""
    size, _ = split_shape(layer, x.shape)
    attributes = window_attributes(layer.window, size)
    name = graph.add("Conv", graph.channels_first(x, layer.data_format), w, *bias, group=groups, **attributes)
    return output(layer, x, name)


def output(layer: Any, x: Value, name: str) -> Value:
    """Return the output of a layer, whose channels are first in the graph."""
    shape = tuple(layer.output_shape(x.shape))
    return Value(name, shape, channels_first(len(shape), layer.data_format))


def window_attributes(window: Window, size: Shape) -> dict[str, Any]:
    """Return kernel, stride, dilation and explicit pads of a window for inputs of this size."""
    before, after = zip(*window.pads(size), strict=True)
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "dilations": window.dilation,
        "pads": [*before, *after],
    }


def channels_to_front(w: Array) -> Array:
    """Return a kernel (…, inputs, outputs) as ONNX orders it: (outputs, inputs, …)."""
    return np.moveaxis(w, (-1, -2), (0, 1))


def _depthwise(w: Array) -> Array:
    """Return a depthwise kernel (kh, kw, C, Q) as the kernel of a convolution with C groups."""
    kh, kw, C, Q = w.shape
    return channels_to_front(w.reshape(kh, kw, 1, C * Q))


def _bias(graph: Writer, layer: Any) -> tuple[str, ...]:
    return (graph.weights(layer, "b", layer.parameters["b"].value),) if layer.bias else ()
