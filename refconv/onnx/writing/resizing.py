"""Padding, cropping and upsampling, and layers that add or select channels."""

from __future__ import annotations

import numpy as np

from refconv.nn import Crop2D, Pad2D, PadChannels, Select, Upsample2D
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
