"""Reading of convolutions, transposed convolutions and matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv.geometry import Window
from refconv.nn import Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D, Dense, DepthwiseConv2D
from refconv.onnx.layers import Resize
from refconv.onnx.reading.errors import require
from refconv.onnx.reading.node import Node
from refconv.onnx.reading.reader import Reader, Value, reads
from refconv.typing import Array, Shape

__all__ = ["padding_of", "spatial_input", "window_options"]

NAMED_PADDING = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


@reads("Conv")
def read_conv(reader: Reader, node: Node) -> Value:
    x = spatial_input(reader, node)
    w, b = node.weights(1), _bias(node)
    groups, channels = node.integer("group", 1), x.shape[0]
    require(w.ndim == len(x.shape) + 1 and w.shape[1] * groups == channels, f"must have kernels for {channels} channels")
    _check_kernel_shape(node, w)
    options = {**window_options(node, len(x.shape) - 1), "bias": bool(b)}
    kernel = np.moveaxis(w, (0, 1), (-1, -2))
    if groups == channels > 1 and w.ndim == 4 and len(w) % channels == 0:
        *size, _, filters = kernel.shape
        layer: Any = DepthwiseConv2D(tuple(size), filters // channels, **options)
        kernel = kernel.reshape(*size, channels, filters // channels)
    else:
        layer = {3: Conv1D, 4: Conv2D}[w.ndim](len(w), w.shape[2:], groups=groups, **options)
    size = layer.output_shape(x.stored)[:-1]
    return reader.apply(layer, x, (len(w), *size), x.order, node, {"w": kernel, **b})


@reads("ConvTranspose")
def read_conv_transpose(reader: Reader, node: Node) -> Value:
    x = spatial_input(reader, node)
    w, b = node.weights(1), _bias(node)
    groups = node.integer("group", 1)
    require(w.ndim == len(x.shape) + 1 and len(w) == x.shape[0] and groups > 0, f"must have kernels for {x.shape[0]} channels")
    _check_kernel_shape(node, w)
    options = {**window_options(node, len(x.shape) - 1), "bias": bool(b), "groups": groups}
    window = Window(w.shape[2:], options["stride"], "valid", options["dilation"])
    options |= _transposed_padding(node, x.shape[1:], window, options["padding"])
    filters = w.shape[1] * groups
    layer = {3: ConvTranspose1D, 4: ConvTranspose2D}[w.ndim](filters, w.shape[2:], **options)
    kernel = np.moveaxis(w, (0, 1), (-1, -2))
    size = layer.output_shape(x.stored)[:-1]
    return reader.apply(layer, x, (filters, *size), x.order, node, {"w": kernel, **b})


def _transposed_padding(node: Node, size: Shape, window: Window, padding: Any) -> dict[str, Any]:
    """Return padding and output_padding for the three ways in which ONNX defines them."""
    extra = node.integers("output_padding", [0] * len(size))
    require(len(extra) == len(size), f"must have {len(size)} numbers as output_padding")
    wanted = node.integers("output_shape", None)
    is_same = padding in ("same", "same_lower")
    if wanted is None and not is_same:
        return {"padding": padding, "output_padding": extra}
    wanted = [n * S for n, S in zip(size, window.stride, strict=True)] if wanted is None else wanted[-len(size) :]
    pads, missing = [], []
    for n, S, span, e, target in zip(size, window.stride, window.span, extra, wanted, strict=True):
        total = (n - 1) * S + span + e - target
        missing.append(e + max(-total, 0))
        half = max(total, 0) // 2
        rest = max(total, 0) - half
        pads.append((half, rest) if node.word("auto_pad", "NOTSET") == "SAME_UPPER" else (rest, half))
    return {"padding": tuple(pads), "output_padding": missing}


@reads("Gemm")
def read_gemm(reader: Reader, node: Node) -> Value:
    x = node.value()
    require(len(x.shape) == 1 and not node.flag("transA"), "must have a row for each example as its first input")
    w = node.weights(1)
    require(w.ndim == 2, "must have a matrix as its second input")
    w = (w.T if node.flag("transB") else w) * w.dtype.type(node.real("alpha", 1.0))
    b = {}
    if (c := node.constant(2)) is not None:
        require(c.ndim < 2 or len(c) == 1, "must have the same bias for each example")
        require(c.size in (1, w.shape[1]), f"must have a bias for {w.shape[1]} outputs")
        b["b"] = np.broadcast_to(c.reshape(-1) * c.dtype.type(node.real("beta", 1.0)), w.shape[1])
    else:
        require(not node.has_input(2), "must have a constant bias")
    return _dense(reader, node, x, w, b)


@reads("MatMul")
def read_matmul(reader: Reader, node: Node) -> Value:
    if node.is_constant(0):
        return _matrix_from_the_left(reader, node)
    x = node.value()
    w = node.weights(1)
    require(w.ndim == 2, "must have a constant matrix as its second input")
    if len(x.shape) == 1:
        return _dense(reader, node, x, w, {})
    require(len(x.shape) in (2, 3), "must have one matrix for at most two spatial axes")
    # The last axis is summed over, so it is the axis of the channels of a 1×1 convolution.
    rank = len(x.shape)
    x = reader.ordered(x, tuple(range(rank)))
    layer = {2: Conv1D, 3: Conv2D}[rank](w.shape[1], 1, bias=False)
    kernel = w.reshape(*[1] * (rank - 1), *w.shape)
    return reader.apply(layer, x, (*x.shape[:-1], w.shape[1]), x.order, node, {"w": kernel})


def _matrix_from_the_left(reader: Reader, node: Node) -> Value:
    """Return a layer that multiplies the columns of each image or matrix by a fixed matrix."""
    a, x = node.weights(0), node.value(1)
    rank = len(x.shape)
    require(a.ndim == 2 and rank > 1, "must have a matrix and images, or one constant matrix as its second input")
    x = x if rank - 2 in x.order else reader.ordered(x, tuple(range(rank)))
    layer = Resize([a if axis == rank - 2 else None for axis in x.order])
    return reader.apply(layer, x, (*x.shape[:-2], len(a), x.shape[-1]), x.order, node)


def _dense(reader: Reader, node: Node, x: Value, w: Array, b: dict[str, Array]) -> Value:
    require(len(w) == x.shape[0], f"must have a matrix with {x.shape[0]} rows, got shape {w.shape}")
    layer = Dense(w.shape[1], bias=bool(b))
    return reader.apply(layer, reader.ordered(x, (0,)), (w.shape[1],), (0,), node, {"w": w, **b})


def spatial_input(reader: Reader, node: Node) -> Value:
    """Return the input of a node as images or signals with the channels last."""
    x: Value = node.value()
    require(len(x.shape) in (2, 3), f"must have one or two spatial axes, got {len(x.shape) - 1}")
    return reader.channels_last(x)


def window_options(node: Node, ndim: int) -> dict[str, Any]:
    """Return stride, padding and dilation of a node as arguments of a layer."""
    return {
        "stride": node.integers("strides", [1] * ndim),
        "padding": padding_of(node, ndim),
        "dilation": node.integers("dilations", [1] * ndim),
    }


def padding_of(node: Node, ndim: int) -> Any:
    """Return the padding as the argument of a layer: a name, or a pair for each axis."""
    word = node.word("auto_pad", "NOTSET")
    if word != "NOTSET":
        require(word in NAMED_PADDING, f"must have auto_pad among {', '.join(NAMED_PADDING)}, got {word!r}")
        return NAMED_PADDING[word]
    pads = node.integers("pads", [0] * 2 * ndim)
    require(len(pads) == 2 * ndim, f"must have {2 * ndim} pads, got {len(pads)}")
    return tuple(zip(pads[:ndim], pads[ndim:], strict=True)) if any(pads) else "valid"


def _bias(node: Node) -> dict[str, Array]:
    return {"b": node.weights(2)} if node.has_input(2) else {}


def _check_kernel_shape(node: Node, w: Array) -> None:
    shape = node.integers("kernel_shape", None)
    require(shape is None or tuple(shape) == w.shape[2:], f"must have kernels of size {shape}, got {w.shape[2:]}")
