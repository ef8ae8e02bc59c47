"""The prologue of a convolution as a separate pass.

It serves algorithms that do not apply the prologue while they read x.

threads     tasks are rows of an image; each output element belongs to one task
"""
import numpy as np  # no-cython-lint: used by functions of arrays.pxd, which are compiled into this module

from cython.parallel cimport prange

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.tile.image cimport Image, copy_pixels, input_of

include "common/threads.pxi"


def rectify(const real[:, :, :, :] x, const real[::1] scale, const real[::1] shift):
    """Return max(scale · x + shift, 0) as a contiguous array.

    IN x (N, H, W, C), which may be a slice of channels, scale and shift (C,); OUT (N, H, W, C).
    """
    cdef tuple shape = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    cdef Image image = input_of(x, shape, scale, shift)
    cdef Py_ssize_t rows = x.shape[0] * image.height, row, length = image.width * image.channels
    result = aligned_empty(shape, dtype_of[real](NULL))
    cdef real[:, :, :, ::1] out = result
    cdef const real *source = &x[0, 0, 0, 0]
    cdef real *to = &out[0, 0, 0, 0]
    for row in prange(rows, nogil=True, schedule="static", num_threads=threads_for(rows * length)):
        copy_pixels(&image, image.width, source + row * image.width * image.pixel, to + row * length)
    return result
