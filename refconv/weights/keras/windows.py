"""Convolution and pooling layers of refconv for layers of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import refconv.nn as nn
from refconv.typing import Padding, Shape
from refconv.weights.keras.activations import activation
from refconv.weights.keras.options import Options
from refconv.weights.keras.part import Converter, Part, with_bias

__all__ = ["WINDOWS"]

PADDINGS = ("valid", "same")


def _window(options: Options, ndim: int, paddings: tuple[str, ...] = PADDINGS) -> dict[str, Any]:
    """Return the arguments kernel_size, stride, padding and dilation of a convolution."""
    options.only("data_format", "channels_last")
    return {
        "kernel_size": options.sizes("kernel_size", ndim, default=None),
        "stride": options.sizes("strides", ndim),
        "padding": options.choice("padding", paddings, "valid"),
        "dilation": options.sizes("dilation_rate", ndim),
    }


def _conv(ndim: int) -> Converter:
    layer_class: Any = {1: nn.Conv1D, 2: nn.Conv2D}[ndim]

    def convert(options: Options, shape: Shape) -> Part:
        window = _window(options, ndim, (*PADDINGS, "causal") if ndim == 1 else PADDINGS)
        if window["padding"] == "causal":  # each output depends on earlier samples only
            window["padding"] = ((window["dilation"][0] * (window["kernel_size"][0] - 1), 0),)
        bias = options.flag("use_bias", True)
        layer = layer_class(options.integer("filters"), **window, groups=options.integer("groups", 1), bias=bias)
        return Part((layer, *activation(options)), with_bias("w", bias=bias))

    return convert


def _conv_transpose(ndim: int) -> Converter:
    layer_class: Any = {1: nn.ConvTranspose1D, 2: nn.ConvTranspose2D}[ndim]

    def convert(options: Options, shape: Shape) -> Part:
        window = _window(options, ndim)
        extra = options.value("output_padding")
        output_padding: tuple[int, ...] | None = None  # the size that Keras selects
        if extra is not None:
            output_padding = options.sizes("output_padding", ndim, least=0)
            if window["padding"] == "same":
                window["padding"], output_padding = _transposed_same(window, output_padding)
        options.only("groups", 1)
        bias = options.flag("use_bias", True)
        layer = layer_class(options.integer("filters"), **window, output_padding=output_padding, bias=bias)
        return Part((layer, *activation(options)), with_bias("w", bias=bias))

    return convert


def _transposed_same(window: Mapping[str, Any], extra: tuple[int, ...]) -> tuple[Padding, tuple[int, ...]]:
    """Return the padding that equals Keras's "same" with an explicit output padding e.

    An axis of n elements then becomes one of (n − 1)·S + k mod 2 + e elements, where k is the span of the kernel.
    """
    pads, beyond = [], []
    for size, dilation, e in zip(window["kernel_size"], window["dilation"], extra, strict=True):
        span = (size - 1) * dilation + 1
        total = span + span % 2 - 2 + e
        before = span - 1 - min(-(-total // 2), span - 1)
        after = span - before - span % 2 - e
        pads.append((before, max(after, 0)))
        beyond.append(max(-after, 0))
    return tuple(pads), tuple(beyond)


def _depthwise(options: Options, shape: Shape) -> Part:
    bias = options.flag("use_bias", True)
    layer = nn.DepthwiseConv2D(multiplier=options.integer("depth_multiplier", 1), **_window(options, 2), bias=bias)
    return Part((layer, *activation(options)), with_bias("w", bias=bias))


def _separable(options: Options, shape: Shape) -> Part:
    bias, multiplier = options.flag("use_bias", True), options.integer("depth_multiplier", 1)
    layer = nn.SeparableConv2D(options.integer("filters"), multiplier=multiplier, **_window(options, 2), bias=bias)
    return Part((layer, *activation(options)), with_bias("depthwise", "pointwise", bias=bias))


def _pool(statistic: str, ndim: int) -> Converter:
    layer_class: Any = getattr(nn, f"{statistic}Pool{ndim}D")

    def convert(options: Options, shape: Shape) -> Part:
        options.only("data_format", "channels_last")
        kernel = options.sizes("pool_size", ndim, default=2)
        strides = kernel if options.value("strides") is None else options.sizes("strides", ndim)
        return Part((layer_class(kernel, stride=strides, padding=options.choice("padding", PADDINGS, "valid")),))

    return convert


def _global_pool(statistic: str, ndim: int) -> Converter:
    pool: Any = getattr(nn, f"Global{statistic}Pool{ndim}D")
    windowed: Any = getattr(nn, f"{statistic}Pool{ndim}D")

    def convert(options: Options, shape: Shape) -> Part:
        options.only("data_format", "channels_last")
        pool().output_shape(shape)  # checks the number of axes
        return Part((windowed(tuple(shape[:-1])) if options.flag("keepdims", False) else pool(),))

    return convert


WINDOWS: dict[str, Converter] = {
    "Conv1D": _conv(1),
    "Conv2D": _conv(2),
    "Conv1DTranspose": _conv_transpose(1),
    "Conv2DTranspose": _conv_transpose(2),
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "MaxPooling1D": _pool("Max", 1),
    "MaxPooling2D": _pool("Max", 2),
    "AveragePooling1D": _pool("Avg", 1),
    "AveragePooling2D": _pool("Avg", 2),
    "GlobalMaxPooling1D": _global_pool("Max", 1),
    "GlobalMaxPooling2D": _global_pool("Max", 2),
    "GlobalAveragePooling1D": _global_pool("Avg", 1),
    "GlobalAveragePooling2D": _global_pool("Avg", 2),
}
