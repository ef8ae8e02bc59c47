"""Convolution and pooling layers of Keras for layers of refconv.

Keras has only "valid" and "same" padding. Other margins become a layer that pads or crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import refconv.nn as nn
from refconv.geometry import Window
from refconv.nn import Layer
from refconv.typing import Shape

__all__ = ["Step", "conv_steps", "conv_transpose_steps", "margins", "pool_steps"]

Pads = tuple[tuple[int, int], ...]

CONVOLUTIONS: dict[type[Layer], str] = {
    nn.Conv1D: "Conv1D",
    nn.Conv2D: "Conv2D",
    nn.DepthwiseConv2D: "DepthwiseConv2D",
    nn.SeparableConv2D: "SeparableConv2D",
}


class Step(NamedTuple):
    """Layer of Keras: class, options, output shape, and names of parameters in refconv."""

    kind: str
    config: dict[str, Any]
    shape: Shape
    variables: tuple[str, ...] = ()


def margins(pads: Pads) -> list[Any]:
    """Return margins as Keras writes them: pairs for images, one pair for signals.

    >>> margins(((0, 1), (2, 3))), margins(((0, 1),))
    ([[0, 1], [2, 3]], [0, 1])
    """
    return [list(pair) for pair in pads] if len(pads) > 1 else list(pads[0])


def conv_steps(layer: Any, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    """Return the layers of Keras for a convolution that is not transposed."""
    window = layer.window
    if max(window.stride) > 1 < max(window.dilation):
        raise ValueError(f"Keras has no stride together with dilation, got {window.stride} and {window.dilation}")
    pads, padding = _padding(window, shape[:-1], window.pads(shape[:-1]))
    config = {**_window_config(window, padding), "dilation_rate": list(window.dilation), "use_bias": layer.bias}
    if isinstance(layer, nn.DepthwiseConv2D | nn.SeparableConv2D):
        config["depth_multiplier"] = layer.multiplier
    else:
        config["groups"] = layer.groups
    if not isinstance(layer, nn.DepthwiseConv2D):
        config["filters"] = layer.filters
    kernels = ("depthwise", "pointwise") if isinstance(layer, nn.SeparableConv2D) else ("w",)
    variables = (*kernels, "b") if layer.bias else kernels
    return (
        *_resized("ZeroPadding", shape, pads, 1),
        Step(CONVOLUTIONS[type(layer)], config, layer.output_shape(shape), variables),
    )


def conv_transpose_steps(layer: Any, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    """Return the layers of Keras for a transposed convolution.

    Keras's "valid" gives (n − 1)·S + k elements along an axis, plus an output padding; a cropping removes the margins. If the
    output has n·S elements with the margins of Keras's "same", no cropping is needed.
    """
    window = layer.window
    if layer.groups > 1:
        raise ValueError(f"Keras has no transposed convolution with groups, got {layer.groups}")
    if max(window.stride) > 1 < max(window.dilation):
        raise ValueError(f"Keras has no stride together with dilation, got {window.stride} and {window.dilation}")
    output = layer.output_shape(shape)
    full = [(n - 1) * S + k for n, S, k in zip(shape, window.stride, window.span, strict=False)]
    before = [pair[0] for pair in window.pads(output[:-1])]
    after = [f - b - n for f, b, n in zip(full, before, output, strict=False)]
    config = {
        **_window_config(window, "valid"),
        "dilation_rate": list(window.dilation),
        "use_bias": layer.bias,
        "filters": layer.filters,
    }
    variables = ("w", "b") if layer.bias else ("w",)
    kind = f"Conv{layer.ndim}DTranspose"
    spans = list(zip(shape, output, window.stride, window.span, before, strict=False))
    if window.padding == "same" and all(m == n * S and b == max(k - S, 0) // 2 for n, m, S, k, b in spans):
        return (Step(kind, {**config, "padding": "same"}, output, variables),)
    beyond = [max(-a, 0) for a in after]
    pads = tuple((b, max(a, 0)) for b, a in zip(before, after, strict=True))
    larger = (*(f + e for f, e in zip(full, beyond, strict=True)), output[-1])
    config["output_padding"] = beyond if layer.ndim > 1 else beyond[0]
    return (Step(kind, config, larger, variables), *_resized("Cropping", larger, pads, -1))


def pool_steps(layer: Any, shape: Shape, nonnegative: bool) -> Sequence[Step]:
    """Return the layers of Keras for a pooling.

    The padding of a maximum is −∞. If all inputs are at least 0, zeros give the same result.
    """
    window, size, output = layer.window, shape[:-1], layer.output_shape(shape)
    if set(window.dilation) != {1}:
        raise ValueError(f"Keras has no pooling with dilation, got {window.dilation}")
    # A window may extend beyond the padding (ceil mode), or end before it.
    pads = tuple(
        (before, max((m - 1) * S + k - n - before, 0))
        for (before, _), m, S, k, n in zip(window.pads(size), output, window.stride, window.kernel, size, strict=False)
    )
    if window.padding == "same":
        pads = window.pads(size)
    pads, padding = _padding(window, size, pads)
    average = isinstance(layer, nn.AvgPool1D | nn.AvgPool2D)
    counted = average and layer.arguments["count_include_pad"]
    if padding == "same" and counted and any(map(any, window.pads(size))):
        pads, padding = window.pads(size), "valid"
    if any(map(any, pads)) and (window.ceil_mode if counted else average or not nonnegative):
        expected = "zeros as its padding, or be a maximum of a ReLU"
        raise ValueError(f'it must have padding "valid" or "same", {expected}, got {window.padding}')
    config = _window_config(window, padding)
    config["pool_size"] = config.pop("kernel_size")
    kind = f"{'Average' if average else 'Max'}Pooling{layer.ndim}D"
    return (*_resized("ZeroPadding", shape, pads, 1), Step(kind, config, output))


def _window_config(window: Window, padding: str) -> dict[str, Any]:
    return {"kernel_size": list(window.kernel), "strides": list(window.stride), "padding": padding}


def _padding(window: Window, size: Shape, pads: Pads) -> tuple[Pads, str]:
    """Return the margins for a padding layer, and the name of the remaining padding."""
    nothing = ((0, 0),) * len(size)
    same = Window(window.kernel, window.stride, "same", window.dilation)
    if window.padding == "same" or (any(map(any, pads)) and pads == same.pads(size)):
        return nothing, "same"
    return pads, "valid"


def _resized(kind: str, shape: Shape, pads: Pads, sign: int) -> Sequence[Step]:
    """Return a layer that adds margins (sign 1) or removes them (−1), if there are any."""
    if not any(map(any, pads)):
        return ()
    size = tuple(n + sign * (before + after) for n, (before, after) in zip(shape, pads, strict=False))
    option = "padding" if sign > 0 else "cropping"
    return (Step(f"{kind}{len(pads)}D", {option: margins(pads)}, (*size, shape[-1])),)
