"""Reading of max, average and global pooling, and of means over axes."""

from __future__ import annotations

from typing import Any

from refconv.nn import (
    AvgPool1D,
    AvgPool2D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    MaxPool1D,
    MaxPool2D,
    P4GroupPool,
    P4MaxPool2D,
)
from refconv.nn.reshape import ReduceMean
from refconv.onnx.reading.convolutions import spatial_input, window_options
from refconv.onnx.reading.errors import require
from refconv.onnx.reading.node import Node
from refconv.onnx.reading.reader import P4_ORDER, Reader, Value, channels_last, is_on_p4, reads

__all__: list[str] = []

MAX, AVERAGE = {2: MaxPool1D, 3: MaxPool2D}, {2: AvgPool1D, 3: AvgPool2D}
GLOBAL: dict[str, dict[int, Any]] = {
    "GlobalAveragePool": {2: GlobalAvgPool1D, 3: GlobalAvgPool2D},
    "GlobalMaxPool": {2: GlobalMaxPool1D, 3: GlobalMaxPool2D},
}


@reads("MaxPool")
def read_max_pool(reader: Reader, node: Node) -> Value:
    return _p4_max_pool(reader, node) if is_on_p4(node.value()) else _pool(reader, node, MAX, {})


def _p4_max_pool(reader: Reader, node: Node) -> Value:
    """Return a pooling in space of functions on p4."""
    _, k, _ = kernel = node.integers("kernel_shape", [0, 0, 0])
    options = window_options(node, 3)
    expected = {"stride": kernel, "padding": "valid", "dilation": [1, 1, 1]}
    require(kernel == [1, k, k] and options == expected, "must pool square windows that tile the images, or have two axes")
    x = reader.ordered(node.value(), P4_ORDER)
    layer = P4MaxPool2D(k)
    H, W, _, _ = layer.output_shape(x.stored)
    return reader.apply(layer, x, (x.shape[0], 4, H, W), P4_ORDER, node)


@reads("ReduceMax")
def read_reduce_max(reader: Reader, node: Node) -> Value:
    x = node.value()
    given = node.numbers("axes", 1) or []
    require(is_on_p4(x) and given == [2] and not node.integer("keepdims", 1), "must be over the four rotations of p4")
    y = reader.ordered(x, P4_ORDER)
    C, _, H, W = x.shape
    return reader.apply(P4GroupPool(), y, (C, H, W), channels_last(3), node)


@reads("AveragePool")
def read_average_pool(reader: Reader, node: Node) -> Value:
    return _pool(reader, node, AVERAGE, {"count_include_pad": node.flag("count_include_pad")})


@reads("GlobalAveragePool", "GlobalMaxPool")
def read_global_pool(reader: Reader, node: Node) -> Value:
    x = spatial_input(reader, node)
    layer = GLOBAL[node.op][len(x.shape)]()
    return reader.apply(layer, x, (x.shape[0], *[1] * (len(x.shape) - 1)), (0,), node)


@reads("ReduceMean")
def read_reduce_mean(reader: Reader, node: Node) -> Value:
    x = node.value()
    rank = len(x.shape) + 1
    given = node.numbers("axes", 1)
    if not given and node.flag("noop_with_empty_axes"):
        return x
    axes = {node.checked_axis(axis, rank) - 1 for axis in given or range(rank)}
    require(-1 not in axes, "must not compute means over the batch")
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    order = tuple(axis for axis in x.order if axis not in axes)
    stored = [k for k, axis in enumerate(x.order) if axis in axes]
    if stored == [*range(len(x.order) - 1)] and len(x.order) in (2, 3):
        layer: Any = GLOBAL["GlobalAveragePool"][len(x.order)]()
    else:
        layer = ReduceMean(stored)
    y = reader.apply(layer, x, shape, order, node) if stored else x._replace(shape=shape)
    if node.integer("keepdims", 1):
        return y
    left = [axis for axis in range(len(shape)) if axis not in axes]
    return Value(y.key, tuple(shape[axis] for axis in left), tuple(left.index(axis) for axis in y.order))


def _pool(reader: Reader, node: Node, classes: dict[int, Any], options: dict[str, Any]) -> Value:
    x = spatial_input(reader, node)
    kernel = node.integers("kernel_shape", [])
    options |= {**window_options(node, len(x.shape) - 1), "ceil_mode": node.flag("ceil_mode")}
    layer = classes[len(x.shape)](kernel, **options)
    size = layer.output_shape(x.stored)[:-1]
    return reader.apply(layer, x, (x.shape[0], *size), x.order, node)
