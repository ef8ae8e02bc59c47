"""Depthwise and depthwise separable convolution, and their derivatives.

A depthwise convolution is a convolution with one group for each input channel: group c has one input channel and Q outputs.
Its kernel (kh, kw, C, Q) has the same memory layout as the kernel (kh, kw, 1, C·Q) of the grouped convolution. So these
functions call the convolution kernels.
"""
import importlib

from refconv.geometry import Window

include "common/threads.pxi"

# The convolution kernels, compiled for the same instruction set as this module.
conv = importlib.import_module(__name__.rpartition(".")[0] + ".conv")
POINT = Window((1, 1))


def depthwise_conv2d(x, w, bias, window):
    """Return the output y of a depthwise convolution.

    IN x (N, H, W, C), w (kh, kw, C, Q), bias (C·Q,) or None; OUT y (N, rows, columns, C·Q).
    """
    return conv.conv2d(x, grouped(w), bias, window, x.shape[3])


def depthwise_conv2d_dw(x, dy, window):
    """Return ∂e/∂w.

    IN x (N, H, W, C), dy (N, rows, columns, C·Q); OUT dw (kh, kw, C, Q).
    """
    C = x.shape[3]
    return conv.conv2d_dw(x, dy, window, C).reshape(*window.kernel, C, dy.shape[3] // C)


def depthwise_conv2d_dx(dy, w, input_size, window):
    """Return ∂e/∂x.

    IN dy (N, rows, columns, C·Q), w (kh, kw, C, Q); OUT dx (N, *input_size, C).
    """
    return conv.conv2d_dx(dy, grouped(w), input_size, window, w.shape[2])


def depthwise_conv2d_db(dy):
    """Return ∂e/∂b.

    IN dy (N, rows, columns, C·Q); OUT db (C·Q,).
    """
    return conv.conv2d_db(dy)


def separable_conv2d(x, depthwise, pointwise, bias, window):
    """Return the output y of a depthwise separable convolution.

    IN x (N, H, W, C), depthwise (kh, kw, C, Q), pointwise (1, 1, C·Q, O), bias (O,) or None; OUT y (N, …, O).
    """
    return conv.conv2d(depthwise_conv2d(x, depthwise, None, window), pointwise, bias, POINT, 1)


def separable_conv2d_grads(dy, *, x, depthwise, pointwise, window):
    """Return the derivatives of a depthwise separable convolution.

    IN dy (N, rows, columns, O), the others as in separable_conv2d; OUT dx, ddepthwise, dpointwise.
    """
    z = depthwise_conv2d(x, depthwise, None, window)
    dz = conv.conv2d_dx(dy, pointwise, z.shape[1:3], POINT, 1)
    dx = depthwise_conv2d_dx(dz, depthwise, x.shape[1:3], window)
    return dx, depthwise_conv2d_dw(x, dz, window), conv.conv2d_dw(z, dy, POINT, 1)


cdef grouped(w):
    """Return a view of the kernel with C groups."""
    kh, kw, C, Q = w.shape
    return w.reshape(kh, kw, 1, C * Q)
