"""Layers of Keras for the layers of refconv."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import refconv.nn as nn
from refconv.nn import Layer
from refconv.nn.reshape import Pad, Reshape, Slice, Transpose
from refconv.typing import Shape
from refconv.weights.keras.window_steps import Step, conv_steps, conv_transpose_steps, margins, pool_steps

__all__ = ["NONNEGATIVE", "Step", "Value", "steps_of"]

# Layers of Keras whose outputs are never negative, and layers that keep this property of their inputs.
NONNEGATIVE = ("ReLU", "Sigmoid", "Softmax")
KEEPING = (
    *(f"{kind}{axes}D" for kind in ("MaxPooling", "AveragePooling") for axes in (1, 2)),
    *(f"Global{kind}Pooling{axes}D" for kind in ("Max", "Average") for axes in (1, 2)),
    *(f"{kind}{axes}D" for kind in ("ZeroPadding", "Cropping") for axes in (1, 2)),
    *("Flatten", "Reshape", "Permute", "Dropout"),
)


class Value(NamedTuple):
    """Output of a layer: its shape, without the batch, and whether all elements are at least 0."""

    shape: Shape
    nonnegative: bool = False

    def after(self, kind: str, config: dict[str, Any], shape: Shape) -> Value:
        """Return the output of a layer of Keras with this input."""
        activation = kind == "Activation" and config["activation"] in ("sigmoid", "relu", "softmax", "relu6")
        return Value(shape, kind in NONNEGATIVE or activation or (kind in KEEPING and self.nonnegative))


def steps_of(layer: Layer, value: Value) -> Sequence[Step]:
    """Return the layers of Keras that compute a layer of refconv; none for the identity.

    Raises ``ValueError`` if Keras has no such layers.
    """
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError('it must have data_format "channels_last"')
    if type(layer) not in LAYERS:
        raise ValueError("Keras has no layer that computes the same")
    return LAYERS[type(layer)](layer, value.shape, value.nonnegative)


def _one(kind: str, config: Callable[[Any, Shape], dict[str, Any]], *variables: str) -> Callable[..., Sequence[Step]]:
    """Return a converter to one layer of Keras with these parameters."""

    def convert(layer: Layer, shape: Shape, nonnegative: bool) -> Sequence[Step]:
        return (Step(kind, config(layer, shape), tuple(layer.output_shape(shape)), variables),)

    return convert


def _dense(layer: nn.Dense, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    variables = ("w", "b") if layer.bias else ("w",)
    return (Step("Dense", {"units": layer.units, "use_bias": layer.bias}, (layer.units,), variables),)


def _example_norm(layer: Any, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    """Return a group normalisation, or a layer normalisation of rows or of each position."""
    epsilon, variables = float(layer.eps), ("gamma", "beta")
    if isinstance(layer, nn.LayerNorm) and (len(shape) == 1 or layer.each_position):
        return (Step("LayerNormalization", {"axis": -1, "epsilon": epsilon}, shape, variables),)
    groups = 1 if isinstance(layer, nn.LayerNorm) else -1 if isinstance(layer, nn.InstanceNorm) else layer.groups
    return (Step("GroupNormalization", {"groups": groups, "axis": -1, "epsilon": epsilon}, shape, variables),)


def _pad(layer: nn.Pad2D, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    if layer.mode != "zeros":
        raise ValueError(f'it must have mode "zeros", got "{layer.mode}"')
    return (Step("ZeroPadding2D", {"padding": margins(layer.margin)}, layer.output_shape(shape)),)


def _pad_channels(layer: nn.PadChannels, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    """Return a padding of the channels.

    Keras pads the channels of images if they are declared to be a spatial axis.
    """
    padding = {"padding": [[0, 0], [0, layer.channels - shape[-1]]]}
    output = layer.output_shape(shape)
    if len(shape) == 3:
        return (Step("ZeroPadding2D", {**padding, "data_format": "channels_first"}, output),)
    rows = math.prod(shape[:-1])
    return (
        Step("Reshape", {"target_shape": [rows, shape[-1], 1]}, (rows, shape[-1], 1)),
        Step("ZeroPadding2D", padding, (rows, output[-1], 1)),
        Step("Reshape", {"target_shape": list(output)}, output),
    )


def _pad_axes(layer: Pad, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    if layer.mode != "constant" or layer.value != 0:
        raise ValueError(f"it must pad with zeros, got {layer!r}")
    return _along_axes("ZeroPadding", "padding", layer.widths, shape, 1)


def _slice(layer: Slice, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    if any(step != 1 for _, _, step in layer.ranges):
        raise ValueError(f"it must select consecutive elements, got {layer!r}")
    ends = [(first, n - first - count) for (first, count, _), n in zip(layer.ranges, shape, strict=True)]
    return _along_axes("Cropping", "cropping", ends, shape, -1)


def _along_axes(kind: str, option: str, ends: Sequence[tuple[int, int]], shape: Shape, sign: int) -> Sequence[Step]:
    """Return layers that pad (sign 1) or crop (−1) signals or images by these margins.

    The channels of images are an axis of images with channels first.
    """
    if len(shape) not in (2, 3) or (len(shape) == 2 and any(ends[-1])):
        raise ValueError(f"Keras changes the axes of images and the length of signals, got {list(ends)} for shape {shape}")
    *spatial, channels = ends
    sizes = [n + sign * (before + after) for n, (before, after) in zip(shape, ends, strict=True)]
    steps = []
    if any(map(any, spatial)):
        steps.append(Step(f"{kind}{len(spatial)}D", {option: margins(tuple(spatial))}, (*sizes[:-1], shape[-1])))
    if any(channels):
        config = {option: margins(((0, 0), channels)), "data_format": "channels_first"}
        steps.append(Step(f"{kind}2D", config, tuple(sizes)))
    return steps


def _identity(layer: Layer, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    return ()


def _activation(name: str) -> Callable[..., Sequence[Step]]:
    return _one("Activation", lambda layer, shape: {"activation": name})


LAYERS: dict[type[Layer], Callable[..., Sequence[Step]]] = {
    **dict.fromkeys((nn.Conv1D, nn.Conv2D, nn.DepthwiseConv2D, nn.SeparableConv2D), conv_steps),
    **dict.fromkeys((nn.ConvTranspose1D, nn.ConvTranspose2D), conv_transpose_steps),
    **dict.fromkeys((nn.MaxPool1D, nn.MaxPool2D, nn.AvgPool1D, nn.AvgPool2D), pool_steps),
    **dict.fromkeys((nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm), _example_norm),
    nn.GlobalAvgPool1D: _one("GlobalAveragePooling1D", lambda layer, shape: {}),
    nn.GlobalAvgPool2D: _one("GlobalAveragePooling2D", lambda layer, shape: {}),
    nn.GlobalMaxPool1D: _one("GlobalMaxPooling1D", lambda layer, shape: {}),
    nn.GlobalMaxPool2D: _one("GlobalMaxPooling2D", lambda layer, shape: {}),
    nn.Dense: _dense,
    nn.BatchNorm: _one(
        "BatchNormalization",
        lambda layer, shape: {"axis": -1, "momentum": float(layer.momentum), "epsilon": float(layer.eps)},
        *("gamma", "beta", "mean", "var"),
    ),
    nn.Pad2D: _pad,
    nn.Crop2D: _one("Cropping2D", lambda layer, shape: {"cropping": margins(layer.margin)}),
    nn.PadChannels: _pad_channels,
    Pad: _pad_axes,
    Slice: _slice,
    Transpose: _one("Permute", lambda layer, shape: {"dims": [axis + 1 for axis in layer.axes]}),
    Reshape: _one("Reshape", lambda layer, shape: {"target_shape": list(layer.shape)}),
    nn.Upsample2D: _one("UpSampling2D", lambda layer, shape: {"size": list(layer.scale), "interpolation": layer.mode}),
    nn.Flatten: _one("Flatten", lambda layer, shape: {}),
    nn.Dropout: _one("Dropout", lambda layer, shape: {"rate": float(layer.rate)}),
    nn.Identity: _identity,
    nn.ReLU: _one("ReLU", lambda layer, shape: {}),
    nn.ReLU6: _one("ReLU", lambda layer, shape: {"max_value": 6.0}),
    nn.LeakyReLU: _one("LeakyReLU", lambda layer, shape: {"negative_slope": float(layer.slope)}),
    nn.ELU: _one("ELU", lambda layer, shape: {"alpha": float(layer.alpha)}),
    nn.Sigmoid: _activation("sigmoid"),
    nn.Tanh: _activation("tanh"),
    nn.Softmax: _one("Softmax", lambda layer, shape: {"axis": -1}),
}
