"""Prologue and epilogue of a convolution as separate passes.

They serve the algorithms that do not apply a prologue or an epilogue themselves. They also copy between contiguous arrays and
slices of the channels of wider arrays.

threads     tasks are rows of an image; each output element belongs to one task
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.tile.finish cimport Finish, finish_of, finish_rows
from refconv._core.tile.image cimport Image, copy_pixels, image_of, input_of

include "common/threads.pxi"


def prologue(const real[:, :, :, :] x, const real[::1] scale, const real[::1] shift):
    """Return max(scale · x + shift, 0), or a contiguous copy of x if scale is None.

    IN x (N, H, W, C), which may be a slice of channels, scale and shift (C,) or None; OUT (N, H, W, C).
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


def epilogue(const real[:, :, :, ::1] sums, real[:, :, :, :] y, const real[:, :, :, :] add, low, high):
    """Write min(max(sums + add, low), high) to y.

    IN sums (N, rows, columns, O), add like y or None, low and high, numbers or None; OUT y (N, rows, columns, O), which may be
    a slice of channels.
    """
    cdef tuple shape = (sums.shape[0], sums.shape[1], sums.shape[2], sums.shape[3])
    cdef Image image = image_of(y, shape)
    cdef Finish finish = finish_of(add, low, high, shape)
    cdef Py_ssize_t rows = y.shape[0] * image.height, row
    cdef int threads = threads_for(rows * image.width * image.channels)
    for row in prange(rows, nogil=True, schedule="static", num_threads=threads):
        finish_line(&finish, row * image.width, &image, &sums[0, 0, 0, 0], &y[0, 0, 0, 0])


cdef void finish_line(const Finish *finish, Py_ssize_t first, const Image *image, const real *sums, real *y) noexcept nogil:
    """Finish a row of pixels, beginning with pixel number `first` of all images."""
    cdef Py_ssize_t pixel
    cdef real *source
    cdef real *to
    for pixel in range(first, first + image.width):
        source, to = <real *>sums + pixel * image.channels, y + pixel * image.pixel
        finish_rows(finish, pixel, 0, 1, image.channels, &source, &to)
