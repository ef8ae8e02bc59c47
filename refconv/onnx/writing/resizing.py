"""Padding, cropping, upsampling and adaptive pooling, and layers that act on channels."""

from __future__ import annotations

import numpy as np

from refconv.nn import AdaptiveAvgPool2D, ChannelAffine, Crop2D, Pad2D, PadChannels, Select, Upsample2D
from refconv.nn.layout import split_shape
from refconv.onnx.writing.convolutions import output
from refconv.onnx.writing.writer import Value, Writer, register

__all__: list[str] = []

MODES = {"zeros": "constant", "reflect": "reflect", "edge": "edge"}


@register(Pad2D)
def write_pad(graph: Writer, layer: Pad2D, x: Value) -> Value:
    before, after = zip(*layer.margin, strict=True)
    pads = graph.integers([0, 0, *before, 0, 0, *after])
    name = graph.channels_first(x, layer.data_format)
    return output(layer, x, graph.add("Pad", name, pads, mode=MODES[layer.mode]))


@register(Crop2D)
def write_crop(graph: Writer, layer: Crop2D, x: Value) -> Value:
    (top, bottom), (left, right) = layer.margin
    name = graph.channels_first(x, layer.data_format)
    H, W = x.shape[:2] if layer.data_format == "channels_last" else x.shape[1:]
    bounds = [graph.integers(numbers) for numbers in ((top, left), (H - bottom, W - right), (2, 3))]
    return output(layer, x, graph.add("Slice", name, *bounds))


@register(Upsample2D)
def write_upsample(graph: Writer, layer: Upsample2D, x: Value) -> Value:
    scales = graph.constant(np.array([1, 1, *layer.scale], np.float32), "scales")
    if layer.mode == "nearest":
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        attributes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    name = graph.channels_first(x, layer.data_format)
    return output(layer, x, graph.add("Resize", name, "", scales, **attributes))


@register(AdaptiveAvgPool2D)
def write_adaptive_avg_pool(graph: Writer, layer: AdaptiveAvgPool2D, x: Value) -> Value:
    """Write average pooling if all parts have the same size.

    ONNX has no other adaptive pooling. If the sizes differ, the image is multiplied by a matrix from the left and by one from
    the right.
    """
    size, _ = split_shape(layer, x.shape)
    axes = list(zip(size, layer.output_size, strict=True))
    name = graph.channels_first(x, layer.data_format)
    if not any(n % parts for n, parts in axes):
        window = [n // parts for n, parts in axes]
        return output(layer, x, graph.add("AveragePool", name, kernel_shape=window, strides=window))
    # Pooling the rows of an identity matrix gives the matrix with the share of each input in each mean.
    rows, columns = (
        AdaptiveAvgPool2D((parts, n))(np.eye(n, dtype=np.float32)[None, :, :, None])[0, :, :, 0] for n, parts in axes
    )
    name = graph.add("MatMul", graph.constant(rows, "rows"), name)
    return output(layer, x, graph.add("MatMul", name, graph.constant(columns.T, "columns")))


@register(ChannelAffine)
def write_channel_affine(graph: Writer, layer: ChannelAffine, x: Value) -> Value:
    axis = x.order.index(len(x.shape) - 1)
    shape = [1] * (len(x.shape) - 1 - axis)
    scale, shift = (graph.constant(np.array(a, np.float32).reshape(-1, *shape)) for a in (layer.scale, layer.shift))
    return Value(graph.add("Add", graph.add("Mul", x.name, scale), shift), x.shape, x.order)


@register(PadChannels)
def write_pad_channels(graph: Writer, layer: PadChannels, x: Value) -> Value:
    shape = layer.output_shape(x.shape)
    axis = x.order.index(len(shape) - 1)
    pads = [0] * (2 * (len(shape) + 1))
    pads[len(shape) + 2 + axis] = layer.channels - x.shape[-1]
    return Value(graph.add("Pad", x.name, graph.integers(pads), mode="constant"), shape, x.order)


@register(Select)
def write_select(graph: Writer, layer: Select, x: Value) -> Value:
    shape = layer.output_shape(x.shape)
    axis = 1 + x.order.index(len(shape) - 1)
    return Value(graph.add("Gather", x.name, graph.integers(layer.channels), axis=axis), shape, x.order)
