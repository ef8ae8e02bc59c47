"""The convolution layer and its derivatives, with the algorithm that choose.py selects.

An algorithm returns None if its result would differ from the formula, or if it has no kernel for these channels. Then the next
algorithm in the table is tried. The last one, direct.pyx, always returns a result.
"""
import importlib

import numpy as np

from refconv._core.conv import choose
from refconv._core.common.threads cimport team
from refconv._core.conv.choose import Layer

include "common/threads.pxi"

# The algorithms, compiled for the same instruction set as this module.
bias_gradient, columns, depthwise, direct, one_channel, winograd = (
    importlib.import_module(f"{__name__.rpartition('.')[0]}.{name}")
    for name in ("bias_gradient", "columns", "depthwise", "direct", "one_channel", "winograd")
)


def conv2d(x, w, bias, window, groups):
    """Return the output y of a convolution layer.

    IN x (N, H, W, C), w (kh, kw, C / groups, O), bias (O,) or None; OUT y (N, rows, columns, O).
    """
    layer = Layer(window, len(x), x.shape[1:3], x.shape[3], w.shape[3], groups, w.itemsize)
    return first_result(choose.FORWARD, FORWARD, layer, (x, w, bias))


def conv2d_dx(dy, w, tuple input_size, window, groups):
    """Return ∂e/∂x.

    IN dy (N, rows, columns, O), w (kh, kw, C / groups, O); OUT dx (N, *input_size, C).
    """
    # A 1×1 kernel reads no padding around ∂e/∂y, so no weight is multiplied by a zero.
    if not (window.kernel == (1, 1) or is_finite(w)):
        return conv2d_dx_scattered(dy, w, input_size, window, groups)
    layer = Layer(window, len(dy), input_size, w.shape[2] * groups, w.shape[3], groups, w.itemsize)
    return first_result(choose.BACKWARD_DX, BACKWARD_DX, layer, (dy, w))


def conv2d_dw(x, dy, window, groups):
    """Return ∂e/∂w.

    IN x (N, H, W, C), dy (N, rows, columns, O); OUT dw (kh, kw, C / groups, O).
    """
    layer = Layer(window, len(x), x.shape[1:3], x.shape[3], dy.shape[3], groups, x.itemsize)
    return first_result(choose.BACKWARD_DW, BACKWARD_DW, layer, (x, dy))


def conv2d_db(dy):
    """Return ∂e/∂b.

    IN dy (N, rows, columns, O); OUT db (O,).
    """
    return bias_gradient.conv2d_db(dy)


def first_result(table, algorithms, layer, arrays):
    """Return the result of the first algorithm that suits the layer and does not return None."""
    for name, suits in table:
        if suits(layer):
            result = algorithms[name](layer, *arrays)
            if result is not None:
                return result


def winograd_forward(layer, x, w, bias):
    size = layer.output_size
    side = choose.tile_side(layer.images * size[0] * size[1], team.settings().tile_side)
    return winograd.conv2d(x, w, bias, zeros_before(layer), size, side)


def winograd_dx(layer, dy, w):
    """Return ∂e/∂x by Winograd's algorithm.

    It is the convolution of ∂e/∂y with the kernel turned by 180° and its inputs and outputs exchanged.
    """
    top, left = zeros_before(layer)
    height, width = layer.input_size
    turned = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))
    side = choose.tile_side(layer.images * height * width, team.settings().tile_side)
    return winograd.conv2d(dy, turned, None, (2 - top, 2 - left), layer.input_size, side)


def one_channel_forward(layer, x, w, bias):
    size = layer.output_size
    return one_channel.conv2d(x, w, bias, layer.window, size) if one_channel.takes(layer.window, size) else None


def depthwise_forward(layer, x, w, bias):
    return depthwise.conv2d(x, w, bias, layer.window) if has_depthwise(layer, w.dtype) and is_finite(w) else None


def depthwise_dx(layer, dy, w):
    return depthwise.conv2d_dx(dy, w, layer.input_size, layer.window) if has_depthwise(layer, w.dtype) else None


def depthwise_dw(layer, x, dy):
    return depthwise.conv2d_dw(x, dy, layer.window, layer.C // layer.groups) if has_depthwise(layer, x.dtype) else None


# The function that runs each algorithm of choose.py; its arguments are the layer and the arrays.
FORWARD = {
    "winograd": winograd_forward,
    "one_channel": one_channel_forward,
    "depthwise": depthwise_forward,
    "direct": lambda layer, x, w, bias: direct.conv2d(x, w, bias, layer.window, layer.groups),
}
BACKWARD_DX = {
    "winograd": winograd_dx,
    "depthwise": depthwise_dx,
    "columns": lambda layer, dy, w: columns.conv2d_dx(dy, w, layer.input_size, layer.window),
    "direct": lambda layer, dy, w: direct.conv2d_dx(dy, w, layer.input_size, layer.window, layer.groups),
}
BACKWARD_DW = {
    "winograd": lambda layer, x, dy: winograd.conv2d_dw(x, dy, zeros_before(layer)),
    "depthwise": depthwise_dw,
    "direct": lambda layer, x, dy: direct.conv2d_dw(x, dy, layer.window, layer.groups),
}


def has_depthwise(layer, dtype):
    """Return True if this instruction set has a depthwise kernel for the layer's channels."""
    return depthwise.takes(layer.C // layer.groups, layer.O, layer.groups, dtype)


def is_finite(w):
    """Return True if all weights are finite."""
    # The minimum and the maximum are NaN if any weight is NaN.
    return not w.size or (np.isfinite(w.min()) and np.isfinite(w.max()))


def zeros_before(layer):
    """Return the numbers of padding rows above and padding columns to the left of the image."""
    return tuple(first for first, _ in layer.window.pads(layer.input_size))


def conv2d_dx_scattered(dy, w, tuple input_size, window, Py_ssize_t groups):
    """Return ∂e/∂x, computed tap by tap without zeros around ∂e/∂y, for non-finite weights.

    Zeros around ∂e/∂y would add products 0 · ∞ = NaN, which are not part of the sum.
    """
    (S_h, S_w), (D_h, D_w) = window.stride, window.dilation
    C_g, O_g = w.shape[2], w.shape[3] // groups
    dx = np.zeros((len(dy), *window.padded_size(input_size), C_g * groups), dy.dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        for g, m, n in np.ndindex(groups, *window.kernel):
            inputs, outputs = slice(g * C_g, (g + 1) * C_g), slice(g * O_g, (g + 1) * O_g)
            rows = slice(m * D_h, m * D_h + dy.shape[1] * S_h, S_h)
            columns = slice(n * D_w, n * D_w + dy.shape[2] * S_w, S_w)
            dx[:, rows, columns, inputs] += np.einsum("bijo,co->bijc", dy[..., outputs], w[m, n, :, outputs])
    (top, _), (left, _) = window.pads(input_size)
    return dx[:, top : top + input_size[0], left : left + input_size[1]].copy()


def conv1d(x, w, bias, window, groups):
    """Return conv2d of signals, as images that are one pixel high.

    IN x (N, n, C), w (k, C / groups, O); OUT y (N, outputs, O).
    """
    return conv2d(x[:, None], w[None], bias, window.with_axis_before(), groups)[:, 0]


def conv1d_dx(dy, w, input_size, window, groups):
    """Return ∂e/∂x.

    IN dy (N, outputs, O), w (k, C / groups, O); OUT dx (N, *input_size, C).
    """
    return conv2d_dx(dy[:, None], w[None], (1, *input_size), window.with_axis_before(), groups)[:, 0]


def conv1d_dw(x, dy, window, groups):
    """Return ∂e/∂w.

    IN x (N, n, C), dy (N, outputs, O); OUT dw (k, C / groups, O).
    """
    return conv2d_dw(x[:, None], dy[:, None], window.with_axis_before(), groups)[0]


def conv1d_db(dy):
    """Return ∂e/∂b.

    IN dy (N, outputs, O); OUT db (O,).
    """
    return conv2d_db(dy[:, None])
