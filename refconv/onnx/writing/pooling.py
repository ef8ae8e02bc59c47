"""Max, average and global pooling."""

from __future__ import annotations

from typing import Any

from refconv.geometry import Window
from refconv.nn import (
    AvgPool1D,
    AvgPool2D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    MaxPool1D,
    MaxPool2D,
)
from refconv.nn.layout import split_shape
from refconv.onnx.writing.convolutions import output, window_attributes
from refconv.onnx.writing.writer import Value, Writer, register
from refconv.typing import Shape

__all__: list[str] = []


@register(MaxPool1D, MaxPool2D)
def write_max_pool(graph: Writer, layer: Any, x: Value) -> Value:
    size, _ = split_shape(layer, x.shape)
    before, after = zip(*_pads(layer.window, size), strict=True)
    attributes = {**window_attributes(layer.window, size), "pads": [*before, *after]}
    return output(layer, x, graph.add("MaxPool", graph.channels_first(x, layer.data_format), **attributes))


@register(AvgPool1D, AvgPool2D)
def write_avg_pool(graph: Writer, layer: Any, x: Value) -> Value:
    """Write average pooling.

    A last window beyond the end of the input is expressed by padding, since programs disagree about ceil_mode. If the zeros
    of the padding count, a separate node adds them, because this overhang never counts.
    """
    window, size = layer.window, split_shape(layer, x.shape)[0]
    name, attributes = graph.channels_first(x, layer.data_format), window_attributes(window, size)
    before, after = zip(*_pads(window, size), strict=True)
    declared = [end for _, end in window.pads(size)]
    zeros = [min(end, most) for end, most in zip(after, declared, strict=True)]
    if layer.arguments["count_include_pad"] and any((*before, *zeros)):
        name = graph.add("Pad", name, graph.integers([0, 0, *before, 0, 0, *zeros]), mode="constant")
        after = tuple(end - added for end, added in zip(after, zeros, strict=True))
        before = (0,) * len(before)
    attributes["pads"] = [*before, *after]
    return output(layer, x, graph.add("AveragePool", name, **attributes))


@register(GlobalAvgPool1D, GlobalAvgPool2D)
def write_global_avg_pool(graph: Writer, layer: Any, x: Value) -> Value:
    return _global(graph, layer, x, "GlobalAveragePool")


@register(GlobalMaxPool1D, GlobalMaxPool2D)
def write_global_max_pool(graph: Writer, layer: Any, x: Value) -> Value:
    return _global(graph, layer, x, "GlobalMaxPool")


def _global(graph: Writer, layer: Any, x: Value, op: str) -> Value:
    name = graph.add(op, graph.channels_first(x, layer.data_format))
    return Value(graph.add("Flatten", name, axis=1), layer.output_shape(x.shape), (0,))


def _pads(window: Window, size: Shape) -> list[tuple[int, int]]:
    """Return the pads (before, after) that end where the last window ends.

    With ceil_mode it may end beyond the padding. Padding that no window reads is left out.
    """
    axes = zip(size, window.output_size(size), window.stride, window.span, window.pads(size), strict=True)
    return [(before, max((outputs - 1) * S + span - n - before, 0)) for n, outputs, S, span, (before, _) in axes]
