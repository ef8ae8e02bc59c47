"""Batch, group, layer, instance and local response normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv.nn import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm
from refconv.nn.layout import channel_count
from refconv.onnx.writing.writer import Value, Writer, channels_first, register

__all__ = ["normalise"]


@register(BatchNorm)
def write_batch_norm(graph: Writer, layer: Any, x: Value) -> Value:
    order = channels_first(len(x.shape), layer.data_format)
    return x._replace(name=normalise(graph, layer, graph.ordered(x, order)), order=order)


def normalise(graph: Writer, layer: Any, name: str) -> str:
    """Append a batch normalisation of an array whose channels are first."""
    names = [graph.weights(layer, key, layer.parameters[key].value) for key in ("gamma", "beta", "mean", "var")]
    return graph.add("BatchNormalization", name, *names, epsilon=float(layer.eps))


@register(InstanceNorm)
def write_instance_norm(graph: Writer, layer: InstanceNorm, x: Value) -> Value:
    order = channels_first(len(x.shape), layer.data_format)
    names = [graph.weights(layer, key, layer.parameters[key].value) for key in ("gamma", "beta")]
    name = graph.add("InstanceNormalization", graph.ordered(x, order), *names, epsilon=float(layer.eps))
    return x._replace(name=name, order=order)


@register(GroupNorm, LayerNorm)
def write_group_norm(graph: Writer, layer: Any, x: Value) -> Value:
    """Write the normalisation of groups: each becomes one channel of an instance normalisation."""
    if isinstance(layer, LayerNorm) and layer.each_position:
        return _write_norm_of_each_position(graph, layer, x)
    order = channels_first(len(x.shape), layer.data_format)
    channels = channel_count(layer, x.shape)
    groups = layer._groups(channels)
    name = graph.reshaped(graph.ordered(x, order), [groups, -1])
    ones, zeros = (graph.constant(np.full(groups, number, np.float32)) for number in (1, 0))
    name = graph.add("InstanceNormalization", name, ones, zeros, epsilon=float(layer.eps))
    name = graph.reshaped(name, [x.shape[axis] for axis in order])
    for op, key in (("Mul", "gamma"), ("Add", "beta")):
        array = layer.parameters[key].value.reshape(channels, *[1] * (len(order) - 1))
        name = graph.add(op, name, graph.weights(layer, key, array))
    return x._replace(name=name, order=order)


def _write_norm_of_each_position(graph: Writer, layer: LayerNorm, x: Value) -> Value:
    channel, *others = channels_first(len(x.shape), layer.data_format)
    order = (*others, channel)
    names = [graph.weights(layer, key, layer.parameters[key].value) for key in ("gamma", "beta")]
    name = graph.add("LayerNormalization", graph.ordered(x, order), *names, axis=-1, epsilon=float(layer.eps))
    return x._replace(name=name, order=order)


@register(LocalResponseNorm)
def write_response_norm(graph: Writer, layer: LocalResponseNorm, x: Value) -> Value:
    """Write local response normalisation.

    ONNX divides alpha by the size. LRN in ONNX has four axes, and a neighbourhood of even size has its additional channel at
    the other side. OpenVINO ignores the fraction of k. In these cases elementary operators compute the formula, and the sum
    over the neighbourhood is a product with a matrix.
    """
    order = channels_first(len(x.shape), layer.data_format)
    name = graph.ordered(x, order)
    alpha = float(layer.alpha) / (layer.size if layer.divide_by_size else 1)
    if layer.size % 2 and len(order) == 3 and float(layer.k).is_integer():
        settings = {"alpha": alpha * layer.size, "beta": float(layer.beta), "bias": float(layer.k)}
        return x._replace(name=graph.add("LRN", name, size=layer.size, **settings), order=order)
    channels = channel_count(layer, x.shape)
    c = np.arange(channels)
    offset = c - c[:, None]  # of the neighbour in the column from the channel in the row
    near = (offset >= -(layer.size // 2)) & (offset <= (layer.size - 1) // 2)
    sums = (alpha * near).astype(np.float32)
    squares = graph.add("Mul", name, name)
    if len(order) == 1:
        sums_name = graph.add("MatMul", squares, graph.constant(sums.T, "neighbours"))
    else:
        kernel = sums.reshape(channels, channels, *[1] * (len(order) - 1))
        sums_name = graph.add("Conv", squares, graph.constant(kernel, "neighbours"))
    denominators = graph.add("Add", sums_name, graph.constant(np.float32(layer.k)))
    powers = graph.add("Pow", denominators, graph.constant(np.float32(layer.beta)))
    return x._replace(name=graph.add("Div", name, powers), order=order)
