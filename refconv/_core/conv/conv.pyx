"""The convolution layer and its derivatives: who computes what.

direct      any convolution, as the sum that the formula says (direct.pyx)
one_channel images of one channel (one_channel.pyx)
winograd    3×3 kernels with stride 1 and many channels, with half the products or fewer (winograd.pyx)
columns     ∂e/∂x where inputs have few channels (columns.pyx)
depthwise   groups of one, two or four inputs and as many outputs, several of them in one vector (depthwise.pyx)

The choice depends on shapes, and on whether numbers are finite; so the same call gives the same bits.
"""
import importlib

import numpy as np

include "common/threads.pxi"

# The siblings compiled for the same instruction set.
columns, depthwise, direct, one_channel, winograd = (
    importlib.import_module(f"{__name__.rpartition('.')[0]}.{name}")
    for name in ("columns", "depthwise", "direct", "one_channel", "winograd")
)

LEAST_CHANNELS = 32      # for Winograd's algorithm: with fewer, its transforms cost what its products save
LEAST_CHANNELS_DW = 48   # and for ∂e/∂w, which transforms both x and ∂e/∂y for one use
LEAST_PIXELS = 150       # with fewer inputs, the transform of the kernels costs it
LEAST_PIXELS_FAST = 1024  # and that of the larger tiles, which is twice as large
tile_side = 2            # outputs of its tiles along one side


def set_tile_side(m):
    """Let Winograd's algorithm work with tiles of m×m outputs: 2, as exact as the plain sum, or 4."""
    global tile_side
    tile_side = m


def conv2d(x, w, bias, window, groups):
    """IN x (N, H, W, C), w (kh, kw, C / groups, O), bias (O,) or None; OUT y (N, rows, columns, O)."""
    if suits_winograd(window, len(x) * x.shape[1] * x.shape[2], *w.shape[2:], groups):
        size = window.output_size(x.shape[1:3])
        y = winograd.conv2d(x, w, bias, before(window, x.shape[1:3]), size, tile_side_for(len(x), size))
        if y is not None:
            return y
    if x.shape[3] == 1 and len(x):
        size = window.output_size(x.shape[1:3])
        if one_channel.takes(window, size):
            return one_channel.conv2d(x, w, bias, window, size)
    if depthwise.takes(*w.shape[2:], groups, w.dtype) and is_finite(w):
        return depthwise.conv2d(x, w, bias, window)
    return direct.conv2d(x, w, bias, window, groups)


def conv2d_dx(dy, w, tuple input_size, window, groups):
    """IN dy (N, rows, columns, O), w (kh, kw, C / groups, O); OUT dx (N, *input_size, C)."""
    # A kernel of one pixel never looks beyond ∂e/∂y.
    if not (window.kernel == (1, 1) or is_finite(w)):
        return conv2d_dx_scattered(dy, w, input_size, window, groups)
    if suits_winograd(window, len(dy) * input_size[0] * input_size[1], *w.shape[2:], groups):
        top, left = before(window, input_size)
        turned = np.ascontiguousarray(w[::-1, ::-1].swapaxes(2, 3))
        dx = winograd.conv2d(dy, turned, None, (2 - top, 2 - left), input_size, tile_side_for(len(dy), input_size))
        if dx is not None:
            return dx
    if depthwise.takes(*w.shape[2:], groups, w.dtype):
        return depthwise.conv2d_dx(dy, w, input_size, window)
    if columns.takes(window, np.shape(w), dy.shape[2], groups, w.itemsize):
        return columns.conv2d_dx(dy, w, input_size, window)
    return direct.conv2d_dx(dy, w, input_size, window, groups)


def conv2d_dw(x, dy, window, groups):
    """IN x (N, H, W, C), dy (N, rows, columns, O); OUT dw (kh, kw, C / groups, O)."""
    if suits_winograd(window, len(x) * x.shape[1] * x.shape[2], x.shape[3], dy.shape[3], groups, LEAST_CHANNELS_DW):
        dw = winograd.conv2d_dw(x, dy, before(window, x.shape[1:3]))
        if dw is not None:
            return dw
    if depthwise.takes(x.shape[3] // groups, dy.shape[3], groups, x.dtype):
        dw = depthwise.conv2d_dw(x, dy, window, x.shape[3] // groups)
        if dw is not None:
            return dw
    return direct.conv2d_dw(x, dy, window, groups)


def conv2d_db(dy):
    """IN dy (N, rows, columns, O); OUT db (O,)."""
    return direct.conv2d_db(dy)


def suits_winograd(window, pixels, C, O, groups, least_channels=LEAST_CHANNELS):
    """Whether Winograd's algorithm can make these outputs, and faster."""
    return (
        (window.kernel, window.stride, window.dilation, groups) == ((3, 3), (1, 1), (1, 1), 1)
        and min(C, O) >= least_channels
        and pixels >= LEAST_PIXELS
    )


def tile_side_for(images, size):
    """The tile side that was asked for, where there are pixels enough."""
    return tile_side if images * size[0] * size[1] >= LEAST_PIXELS_FAST else 2


def is_finite(w):
    """Whether all weights are: min and max are NaN if any of them is."""
    return not w.size or (np.isfinite(w.min()) and np.isfinite(w.max()))


def before(window, input_size):
    """Zeros above and to the left of the image."""
    return tuple(first for first, _ in window.pads(input_size))


def conv2d_dx_scattered(dy, w, tuple input_size, window, Py_ssize_t groups):
    """The same, tap by tap, with nothing but what is there: 0 · ∞ is NaN, and a zero beside ∂e/∂y is no part of the sum."""
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
    """conv2d of signals as images one pixel high. IN x (N, n, C), w (k, C / groups, O); OUT y (N, outputs, O)."""
    return conv2d(x[:, None], w[None], bias, window.with_axis_before(), groups)[:, 0]


def conv1d_dx(dy, w, input_size, window, groups):
    """IN dy (N, outputs, O), w (k, C / groups, O); OUT dx (N, *input_size, C)."""
    return conv2d_dx(dy[:, None], w[None], (1, *input_size), window.with_axis_before(), groups)[:, 0]


def conv1d_dw(x, dy, window, groups):
    """IN x (N, n, C), dy (N, outputs, O); OUT dw (k, C / groups, O)."""
    return conv2d_dw(x[:, None], dy[:, None], window.with_axis_before(), groups)[0]


def conv1d_db(dy):
    """IN dy (N, outputs, O); OUT db (O,)."""
    return conv2d_db(dy[:, None])
