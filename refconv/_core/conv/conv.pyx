"""The convolution layer and its derivatives, with the algorithm that choose.py selects.

An algorithm returns None if its result would differ from the formula, or if it has no kernel for these channels. Then the next
algorithm in the table is tried. The last one, direct.pyx, always returns a result.

`prepare` selects the algorithm of the forward pass and packs the weights; conv2d does this in every call. Compiled inference
prepares each layer once, and lets it apply the layers around the convolution in the same pass:

    y  = min(max(conv(x') + bias + add, low), high)      the epilogue: a residual sum, ReLU or ReLU6
    x' = max(scale · x + shift, 0)                       the prologue: batch normalisation and ReLU
"""
import importlib

import numpy as np

from refconv._core.common.arrays cimport aligned_empty
from refconv._core.conv import choose
from refconv._core.common.threads cimport team
from refconv._core.conv.choose import Layer

include "common/threads.pxi"

# The algorithms, compiled for the same instruction set as this module.
bias_gradient, columns, depthwise, direct, direct_dx, direct_grads, one_channel, winograd = (
    importlib.import_module(f"{__name__.rpartition('.')[0]}.{name}")
    for name in ("bias_gradient", "columns", "depthwise", "direct", "direct_dx", "direct_grads", "one_channel", "winograd")
)


def conv2d(x, w, bias, window, groups):
    """Return the output y of a convolution layer.

    IN x (N, H, W, C), w (kh, kw, C / groups, O), bias (O,) or None; OUT y (N, rows, columns, O).
    """
    layer = Layer(window, len(x), x.shape[1:3], w.shape[2] * groups, w.shape[3], groups, w.itemsize)
    prepared = prepare(layer, w, bias)
    y = aligned_empty(prepared.compute.y_shape, w.dtype)
    prepared(x, y)
    return y


def prepare(layer, w, bias, keep=True):
    """Return a convolution layer that is prepared for images of one size.

    Calls usually get `layer.images` images, for which the algorithm is chosen. With keep=True, w and bias must not change
    while the result is used. With keep=False, the result contains only copies.

    IN w (kh, kw, C / groups, O), bias (O,) or None.
    """
    return Prepared(layer, w, bias, keep)


def applies_prologue(layer):
    """Return True if the layer's algorithm applies a prologue without a copy of x."""
    name = choose.first_algorithm(choose.FORWARD, layer)
    return name == "winograd" or (name == "direct" and not direct.copies_for_prologue(layer))


class Prepared:
    """Convolution layer with packed weights.

    Winograd's algorithm needs the weights themselves as well, for images with non-finite outputs. If they are not kept, they
    are then computed from the transformed kernels. Algorithms that read unpacked weights get a copy if they are not kept.
    """

    def __init__(self, layer, w, bias, keep):
        self.layer, self.unpacked = layer, None
        for self.name, suits in choose.FORWARD:
            self.compute = FORWARD[self.name](layer, w, bias) if suits(layer) else None
            if self.compute is not None:
                break
        if keep and self.name == "winograd":
            self.unpacked = w, bias
        elif self.name == "winograd" and not winograd.can_restore(w):
            self.name, self.compute = "direct", direct_forward(layer, w, bias)
        elif self.name == "depthwise" and not keep:
            self.unpacked = w.copy(), None if bias is None else bias.copy()
            self.compute = depthwise_forward(layer, *self.unpacked)

    @property
    def algorithm(self):
        """Name of the algorithm.

        It is "winograd 2×2", "winograd 4×4", "depthwise", "one channel" or "direct".
        """
        if self.name == "winograd":
            return f"winograd {self.compute.side}×{self.compute.side}"
        return self.name.replace("_", " ")

    @property
    def nbytes(self):
        """Bytes of the packed weights, and of the weights themselves if they are kept."""
        return self.compute.nbytes + sum(array.nbytes for array in self.unpacked or () if array is not None)

    def __call__(self, x, y, add=None, low=None, high=None, scale=None, shift=None):
        """Write y = min(max(conv(x') + bias + add, low), high), x' = max(scale · x + shift, 0).

        IN x (N, H, W, C), add like y or None, numbers low and high or None, scale and shift (C,) or None; OUT y (N, rows,
        columns, O). x, y and add may be slices of the channels of contiguous arrays. y must not overlap the others, except
        that add may be y itself if the algorithm is "direct". A NaN stays a NaN. The padding is zero also if there are scale
        and shift.
        """
        if y.size and not self.compute(x, y, add, low, high, scale, shift):
            direct_forward(self.layer, *(self.unpacked or self.compute.weights()))(x, y, add, low, high, scale, shift)


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


def winograd_forward(layer, w, bias):
    size, (height, width) = layer.output_size, layer.input_size
    side = layer.side or choose.tile_side(layer.images * size[0] * size[1], team.settings().tile_side)
    return winograd.Winograd(w, bias, zeros_before(layer), (layer.images, height, width, layer.C), size, side)


def winograd_dx(layer, dy, w):
    """Return ∂e/∂x by Winograd's algorithm.

    It is the convolution of ∂e/∂y with the kernel turned by 180° and its inputs and outputs exchanged.
    """
    top, left = zeros_before(layer)
    height, width = layer.input_size
    turned = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))
    side = choose.tile_side(layer.images * height * width, team.settings().tile_side)
    return winograd.conv2d(dy, turned, None, (2 - top, 2 - left), layer.input_size, side)


def one_channel_forward(layer, w, bias):
    if one_channel.takes(layer.window, layer.output_size):
        return one_channel.OneChannel(w, bias, layer.window, layer.images, layer.input_size)


def depthwise_forward(layer, w, bias):
    if has_depthwise(layer, w.dtype) and is_finite(w):
        return depthwise.Depthwise(w, bias, layer.window, layer.images, layer.input_size)


def direct_forward(layer, w, bias):
    return direct.Direct(w, bias, layer.window, layer.groups, layer.images, layer.input_size)


def depthwise_dx(layer, dy, w):
    return depthwise.conv2d_dx(dy, w, layer.input_size, layer.window) if has_depthwise(layer, w.dtype) else None


def depthwise_dw(layer, x, dy):
    return depthwise.conv2d_dw(x, dy, layer.window, layer.C // layer.groups) if has_depthwise(layer, x.dtype) else None


# The function that prepares each algorithm of choose.py for a layer, its weights and its bias.
FORWARD = {
    "winograd": winograd_forward,
    "one_channel": one_channel_forward,
    "depthwise": depthwise_forward,
    "direct": direct_forward,
}
# The function that runs each algorithm of choose.py; its arguments are the layer and the arrays.
BACKWARD_DX = {
    "winograd": winograd_dx,
    "depthwise": depthwise_dx,
    "columns": lambda layer, dy, w: columns.conv2d_dx(dy, w, layer.input_size, layer.window),
    "direct": lambda layer, dy, w: direct_dx.conv2d_dx(dy, w, layer.input_size, layer.window, layer.groups),
}
BACKWARD_DW = {
    "winograd": lambda layer, x, dy: winograd.conv2d_dw(x, dy, zeros_before(layer)),
    "depthwise": depthwise_dw,
    "direct": lambda layer, x, dy: direct_grads.conv2d_dw(x, dy, layer.window, layer.groups),
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
