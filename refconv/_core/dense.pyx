"""The dense layer and its derivatives.

A dense layer is a convolution with a 1×1 kernel (A8): its N examples are the pixels of one image, (1, N, 1, C), and its
weights the kernel (1, 1, C, O). So these are the convolution kernels, called under another name, and on their threads.
"""
import importlib

import numpy as np

from refconv.geometry import Window

include "threads.pxi"

# The sibling compiled for the same instruction set.
direct = importlib.import_module(__name__.rpartition(".")[0] + ".direct")
POINT = Window((1, 1))


def dense(x, w, bias):
    """IN x (N, C), w (C, O), bias (O,) or None; OUT y (N, O)."""
    if not len(x):
        return np.empty((0, w.shape[1]), x.dtype)
    return direct.conv2d(as_image(x), w[None, None], bias, POINT, 1)[0, :, 0]


def dense_dx(dy, w):
    """IN dy (N, O), w (C, O); OUT dx (N, C)."""
    if not len(dy):
        return np.empty((0, w.shape[0]), dy.dtype)
    return direct.conv2d_dx(as_image(dy), w[None, None], (len(dy), 1), POINT, 1)[0, :, 0]


def dense_dw(x, dy):
    """IN x (N, C), dy (N, O); OUT dw (C, O)."""
    if not len(x):
        return np.zeros((x.shape[1], dy.shape[1]), x.dtype)
    return direct.conv2d_dw(as_image(x), as_image(dy), POINT, 1)[0, 0]


def dense_db(dy):
    """IN dy (N, O); OUT db (O,)."""
    return direct.conv2d_db(as_image(dy))


cdef as_image(examples):
    """One image, a pixel an example, all in one column."""
    return examples[None, :, None]
