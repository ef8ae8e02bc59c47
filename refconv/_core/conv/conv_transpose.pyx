"""The transposed convolution and its derivatives.

Its forward pass is ∂e/∂x of the convolution, and its ∂e/∂x is the convolution. In ∂e/∂w, x and ∂e/∂y exchange their roles. So
these functions call the convolution kernels; only adding the bias needs a loop here.

With an output padding of the stride or more, a convolution of y has more outputs than x has pixels. Then the kernels get only
the part of y that the stamps reach. The other elements of y are the bias alone.
"""
import importlib

import numpy as np

from cython.parallel cimport prange

from refconv._core.common.real cimport real
from refconv.geometry import Window

include "common/threads.pxi"

# The convolution kernels, compiled for the same instruction set as this module.
conv, direct_dx = (importlib.import_module(f"{__name__.rpartition('.')[0]}.{name}") for name in ("conv", "direct_dx"))


def conv_transpose2d(x, w, bias, output_size, window, groups):
    """Return the output y of a transposed convolution.

    IN x (N, rows, columns, C), w (kh, kw, O / groups, C), bias (O,) or None; OUT y (N, *output_size, O).
    """
    size, window = reached(x.shape[1:3], output_size, window)
    if size == output_size:
        y = conv.conv2d_dx(x, w, size, window, groups)
    else:
        y = np.zeros((len(x), *output_size, w.shape[2] * groups), x.dtype)
        if min(size) > 0:
            y[:, :size[0], :size[1]] = conv.conv2d_dx(x, w, size, window, groups)
    if bias is not None and y.size:
        add_bias(y, bias)
    return y


def prepare(w, bias, output_size, window, groups, images):
    """Return a transposed convolution with packed weights.

    Calls usually get `images` images of one size. Each output padding must be below the stride.

    IN w (kh, kw, O / groups, C), finite, bias (O,) or None.
    """
    return direct_dx.Transposed(w, bias, window, groups, images, output_size)


def reached(input_size, output_size, window):
    """Return the size of the part of the output that stamps reach, and its window.

    It is the whole output if each output padding is below the stride. A size is 0 or negative if no stamp reaches the output.
    """
    if window.output_size(output_size) == tuple(input_size):
        return output_size, window
    axes = zip(input_size, window.stride, window.span, window.pads(output_size))
    ends = [(n - 1) * S + span - before for n, S, span, (before, _) in axes]
    padding = [(p, max(end - size, 0)) for (p, _), end, size in zip(window.pads(output_size), ends, output_size)]
    return tuple(map(min, ends, output_size)), Window(window.kernel, window.stride, padding, window.dilation)


def add_bias(real[:, :, :, ::1] y, const real[::1] bias):
    """Add the bias to y in place.

    IN bias (O,); IN OUT y (N, H, W, O).
    """
    cdef Py_ssize_t O = y.shape[3], pixels = y.shape[0] * y.shape[1] * y.shape[2], p, o
    cdef real *first = &y[0, 0, 0, 0]
    for p in prange(pixels, nogil=True, schedule="static", num_threads=threads_for(pixels * O)):
        for o in range(O):
            first[p * O + o] += bias[o]


def conv_transpose2d_dx(dy, w, input_size, window, groups):
    """Return ∂e/∂x.

    IN dy (N, H, W, O), w (kh, kw, O / groups, C); OUT dx (N, *input_size, C).
    """
    size, window = reached(input_size, dy.shape[1:3], window)
    if min(size) < 1:
        return np.zeros((len(dy), *input_size, w.shape[3]), dy.dtype)
    return conv.conv2d(np.ascontiguousarray(dy[:, :size[0], :size[1]]), w, None, window, groups)


def conv_transpose2d_dw(x, dy, window, groups):
    """Return ∂e/∂w.

    IN x (N, rows, columns, C), dy (N, H, W, O); OUT dw (kh, kw, O / groups, C).
    """
    size, window = reached(x.shape[1:3], dy.shape[1:3], window)
    if min(size) < 1:
        return np.zeros((*window.kernel, dy.shape[3] // groups, x.shape[3]), dy.dtype)
    return conv.conv2d_dw(np.ascontiguousarray(dy[:, :size[0], :size[1]]), x, window, groups)


def conv_transpose2d_db(dy):
    """Return ∂e/∂b.

    IN dy (N, H, W, O); OUT db (O,).
    """
    return conv.conv2d_db(dy)


def conv_transpose1d(x, w, bias, output_size, window, groups):
    """Return conv_transpose2d of signals, as images that are one pixel high.

    IN x (N, outputs, C), w (k, O / groups, C); OUT y (N, n, O).
    """
    return conv_transpose2d(x[:, None], w[None], bias, (1, *output_size), window.with_axis_before(), groups)[:, 0]


def conv_transpose1d_dx(dy, w, input_size, window, groups):
    """Return ∂e/∂x.

    IN dy (N, n, O), w (k, O / groups, C); OUT dx (N, *input_size, C).
    """
    return conv_transpose2d_dx(dy[:, None], w[None], (1, *input_size), window.with_axis_before(), groups)[:, 0]


def conv_transpose1d_dw(x, dy, window, groups):
    """Return ∂e/∂w.

    IN x (N, outputs, C), dy (N, n, O); OUT dw (k, O / groups, C).
    """
    return conv_transpose2d_dw(x[:, None], dy[:, None], window.with_axis_before(), groups)[0]


def conv_transpose1d_db(dy):
    """Return ∂e/∂b.

    IN dy (N, n, O); OUT db (O,).
    """
    return conv.conv1d_db(dy)
