"""Layers of networks from other libraries: reshaping, powers, and arithmetic with constants."""

from __future__ import annotations

import numpy as np

from refconv.nn.reshape import Pad, ReduceMean, Reshape, Slice, Transpose
from refconv.onnx.layers import Clip, Power, Resize, Scale, Shift
from refconv.onnx.writing.writer import Value, Writer, identity, register

__all__: list[str] = []

BEFORE_FIRST = -(2**31)  # end of a slice with a negative step that includes the first element


@register(Transpose)
def write_transpose(graph: Writer, layer: Transpose, x: Value) -> Value:
    return Value(x.name, layer.output_shape(x.shape), tuple(layer.axes.index(axis) for axis in x.order))


@register(Reshape)
def write_reshape(graph: Writer, layer: Reshape, x: Value) -> Value:
    name = graph.reshaped(graph.ordered(x, identity(len(x.shape))), layer.shape)
    return Value(name, layer.shape, identity(len(layer.shape)))


@register(Slice)
def write_slice(graph: Writer, layer: Slice, x: Value) -> Value:
    starts, counts, steps = zip(*(layer.ranges[axis] for axis in x.order), strict=True)
    ends = [start + count * step for start, count, step in zip(starts, counts, steps, strict=True)]
    numbers = (starts, [end if end >= 0 else BEFORE_FIRST for end in ends], range(1, 1 + len(starts)), steps)
    name = graph.add("Slice", x.name, *(graph.integers([*each]) for each in numbers))
    return x._replace(name=name, shape=layer.output_shape(x.shape))


@register(Pad)
def write_pad(graph: Writer, layer: Pad, x: Value) -> Value:
    before, after = zip(*(layer.widths[axis] for axis in x.order), strict=True)
    inputs = [graph.integers([0, *before, 0, *after]), graph.constant(np.float32(layer.value))]
    return x._replace(name=graph.add("Pad", x.name, *inputs, mode=layer.mode), shape=layer.output_shape(x.shape))


@register(ReduceMean)
def write_reduce_mean(graph: Writer, layer: ReduceMean, x: Value) -> Value:
    axes = graph.integers([1 + x.order.index(axis) for axis in layer.axes])
    left = [axis for axis in range(len(x.shape)) if axis not in layer.axes]
    order = tuple(left.index(axis) for axis in x.order if axis in left)
    return Value(graph.add("ReduceMean", x.name, axes, keepdims=0), layer.output_shape(x.shape), order)


@register(Resize)
def write_resize(graph: Writer, layer: Resize, x: Value) -> Value:
    """Write one product with a matrix for each axis that is resized."""
    for axis, matrix in enumerate(layer.matrices):
        if matrix is not None:
            order = (*(other for other in x.order if other != axis), axis)
            name = graph.add("MatMul", graph.ordered(x, order), graph.constant(matrix.T.astype(np.float32), "matrix"))
            x = Value(name, (*x.shape[:axis], len(matrix), *x.shape[axis + 1 :]), order)
    return x


@register(Scale, Shift)
def write_constant(graph: Writer, layer: Scale | Shift, x: Value) -> Value:
    array = layer.parameters[layer.name].value
    array = array.reshape(*[1] * (len(x.shape) - array.ndim), *array.shape).transpose(x.order)
    op = "Mul" if isinstance(layer, Scale) else "Add"
    return x._replace(name=graph.add(op, x.name, graph.weights(layer, layer.name, array)))


@register(Clip)
def write_clip(graph: Writer, layer: Clip, x: Value) -> Value:
    limits = ["" if limit is None else graph.constant(np.float32(limit)) for limit in (layer.least, layer.most)]
    return x._replace(name=graph.add("Clip", x.name, *limits))


@register(Power)
def write_power(graph: Writer, layer: Power, x: Value) -> Value:
    return graph.elementwise("Pow", x, layer.exponent)
