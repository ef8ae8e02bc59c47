"""Convolutions on the group p4, and their derivatives.

A p4 convolution is an ordinary convolution whose kernels share their weights: four output channels (one for each rotation) use
the same weights, rotated and, between functions on p4, with a shifted rotation axis. :func:`expand` writes these kernels out
for the convolution kernels; :func:`fold` adds the derivatives of the copies. Rotations and channels are neighbouring axes, so
(4, C) in memory is the same as 4·C channels.
"""
import importlib

import numpy as np

include "common/threads.pxi"

# The convolution kernels, compiled for the same instruction set as this module.
conv = importlib.import_module(__name__.rpartition(".")[0] + ".conv")


def p4_lift_conv2d(x, w, bias, window):
    """Return the output y of a lifting convolution.

    IN x (N, H, W, C), w (k, k, C, O), bias (O,) or None; OUT y (N, rows, columns, 4, O).
    """
    y = conv.conv2d(x, expand(w), None if bias is None else np.tile(bias, 4), window, 1)
    return y.reshape(*y.shape[:3], 4, y.shape[3] // 4)


def p4_lift_conv2d_dw(x, dy, window):
    """Return ∂e/∂w.

    IN x (N, H, W, C), dy (N, rows, columns, 4, O); OUT dw (k, k, C, O).
    """
    dw = conv.conv2d_dw(x, joined(dy), window, 1)
    return fold(dw.reshape(*window.kernel, x.shape[3], 4, dy.shape[4]))


def p4_lift_conv2d_dx(dy, w, input_size, window):
    """Return ∂e/∂x.

    IN dy (N, rows, columns, 4, O), w (k, k, C, O); OUT dx (N, *input_size, C).
    """
    return conv.conv2d_dx(joined(dy), expand(w), input_size, window, 1)


def p4_conv2d(x, w, bias, window):
    """Return the output y of a p4 convolution.

    IN x (N, H, W, 4, C), w (k, k, 4, C, O), bias (O,) or None; OUT y (N, rows, columns, 4, O).
    """
    return p4_lift_conv2d(joined(x), w, bias, window)


def p4_conv2d_dw(x, dy, window):
    """Return ∂e/∂w.

    IN x (N, H, W, 4, C), dy (N, rows, columns, 4, O); OUT dw (k, k, 4, C, O).
    """
    dw = conv.conv2d_dw(joined(x), joined(dy), window, 1)
    return fold(dw.reshape(*window.kernel, 4, x.shape[4], 4, dy.shape[4]))


def p4_conv2d_dx(dy, w, input_size, window):
    """Return ∂e/∂x.

    IN dy (N, rows, columns, 4, O), w (k, k, 4, C, O); OUT dx (N, *input_size, 4, C).
    """
    dx = p4_lift_conv2d_dx(dy, w, input_size, window)
    return dx.reshape(*dx.shape[:3], 4, w.shape[3])


def p4_conv2d_db(dy):
    """Return ∂e/∂b.

    IN dy (N, rows, columns, 4, O); OUT db (O,).
    """
    N, rows, columns, rotations, O = dy.shape
    return conv.conv2d_db(dy.reshape(N, rows, columns * rotations, O))


def expand(w):
    """Return the ordinary kernels of all four rotations.

    IN w (k, k, C, O) or (k, k, 4, C, O); OUT (k, k, C, 4·O) or (k, k, 4·C, 4·O).
    """
    k, *_, O = w.shape
    return np.stack([rotate(w, r) for r in range(4)], axis=-2).reshape(k, k, -1, 4 * O)


def fold(dw):
    """Return the sum of the derivatives of the four rotations, each rotated back.

    This is the adjoint of :func:`expand`.

    IN dw (k, k, C, 4, O) or (k, k, 4, C, 4, O); OUT (k, k, C, O) or (k, k, 4, C, O).
    """
    return np.ascontiguousarray(sum(rotate(dw[..., r, :], -r) for r in range(4)))


def rotate(w, r):
    """Return kernels rotated by r · 90° anticlockwise.

    The rotation axis of kernels on p4 is also shifted by r.

    IN w (k, k, C, O) or (k, k, 4, C, O); OUT of the same shape.
    """
    w = np.rot90(w, r)
    return np.roll(w, r, axis=2) if w.ndim == 5 else w


def joined(x):
    """Return a view of functions on p4 as images with 4·C channels.

    IN x (N, H, W, 4, C); OUT (N, H, W, 4·C).
    """
    return x.reshape(*x.shape[:3], 4 * x.shape[4])
