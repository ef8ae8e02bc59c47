"""The transposed convolution and its derivatives.

Its forward pass is ∂e/∂x of the convolution, and its ∂e/∂x is the convolution. In ∂e/∂w, x and ∂e/∂y exchange their roles. So
these functions call the convolution kernels; only adding the bias needs a loop here.
"""
import importlib

from cython.parallel cimport prange

from refconv._core.common.real cimport real

include "common/threads.pxi"

# The convolution kernels, compiled for the same instruction set as this module.
conv = importlib.import_module(__name__.rpartition(".")[0] + ".conv")


def conv_transpose2d(x, w, bias, output_size, window, groups):
    """Return the output y of a transposed convolution.

    IN x (N, rows, columns, C), w (kh, kw, O / groups, C), bias (O,) or None; OUT y (N, *output_size, O).
    """
    y = conv.conv2d_dx(x, w, output_size, window, groups)
    if bias is not None and y.size:
        add_bias(y, bias)
    return y


def add_bias(real[:, :, :, ::1] y, const real[::1] bias):
    """Add the bias to y in place.

    IN bias (O,); IN OUT y (N, H, W, O).
    """
    cdef Py_ssize_t O = y.shape[3], pixels = y.shape[0] * y.shape[1] * y.shape[2], p, o
    cdef real *first = &y[0, 0, 0, 0]
    for p in prange(pixels, nogil=True, schedule="static", num_threads=threads_for(pixels * O)):
        for o in range(O):
            first[p * O + o] += bias[o]


def conv_transpose2d_dx(dy, w, window, groups):
    """Return ∂e/∂x.

    IN dy (N, H, W, O), w (kh, kw, O / groups, C); OUT dx (N, rows, columns, C).
    """
    return conv.conv2d(dy, w, None, window, groups)


def conv_transpose2d_dw(x, dy, window, groups):
    """Return ∂e/∂w.

    IN x (N, rows, columns, C), dy (N, H, W, O); OUT dw (kh, kw, O / groups, C).
    """
    return conv.conv2d_dw(dy, x, window, groups)


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


def conv_transpose1d_dx(dy, w, window, groups):
    """Return ∂e/∂x.

    IN dy (N, n, O), w (k, O / groups, C); OUT dx (N, outputs, C).
    """
    return conv.conv1d(dy, w, None, window, groups)


def conv_transpose1d_dw(x, dy, window, groups):
    """Return ∂e/∂w.

    IN x (N, outputs, C), dy (N, n, O); OUT dw (k, O / groups, C).
    """
    return conv.conv1d_dw(dy, x, window, groups)


def conv_transpose1d_db(dy):
    """Return ∂e/∂b.

    IN dy (N, n, O); OUT db (O,).
    """
    return conv.conv1d_db(dy)
