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
)
from refconv.nn.reshape import ReduceMean
from refconv.onnx.reading.convolutions import spatial_input, window_options
from refconv.onnx.reading.errors import require
from refconv.onnx.reading.node import Node
from refconv.onnx.reading.reader import Reader, Value, reads

__all__: list[str] = []

MAX, AVERAGE = {2: MaxPool1D, 3: MaxPool2D}, {2: AvgPool1D, 3: AvgPool2D}
GLOBAL: dict[str, dict[int, Any]] = {
    "GlobalAveragePool": {2: GlobalAvgPool1D, 3: GlobalAvgPool2D},
    "GlobalMaxPool": {2: GlobalMaxPool1D, 3: GlobalMaxPool2D},
}


@reads("MaxPool")
def read_max_pool(reader: Reader, node: Node) -> Value:
    return _pool(reader, node, MAX, {})


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
