"""Sum of several arrays, and concatenation of their channels, for networks with branches.

Memory bandwidth limits the speed, so each array is read once. A task of the sum is a block of elements, added in the order of
the arrays. A task of the concatenation is a block of pixels, whose channels are copied array by array.
"""
import numpy as np

from cython.parallel cimport prange
from libc.string cimport memcpy

from refconv._core.common.arrays cimport aligned_empty
from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    BLOCK_ELEMENTS = 4096   # elements of one task of the sum
    TASK_BYTES = 1 << 16    # bytes of one task of the concatenation
    BYTES_PER_STEP = 16     # bytes that are copied in one step (threads.h)


def total(arrays):
    """Return the sum of C-contiguous arrays of the same shape and type, as a new array."""
    result = aligned_empty(arrays[0].shape, arrays[0].dtype)
    flat_arrays = [array.reshape(-1) for array in arrays]
    add_arrays(result.reshape(-1), flat_arrays)
    return result


def add_arrays(real[::1] out, list flat_arrays):
    """Write the sum of flat arrays, which have the type and size of `out`, to `out`."""
    cdef Py_ssize_t size = out.shape[0], count = len(flat_arrays), k, first
    cdef const real[::1] flat_array
    cdef Py_ssize_t[::1] addresses = np.empty(count, np.intp)
    for k in range(count):
        flat_array = flat_arrays[k]
        addresses[k] = <Py_ssize_t>&flat_array[0] if size else 0
    cdef int threads = threads_for(count * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        add_block(<const real **>&addresses[0], count, first, min(BLOCK_ELEMENTS, size - first), &out[first])


cdef void add_block(const real **flat_arrays, Py_ssize_t count, Py_ssize_t first, Py_ssize_t size, real *out) noexcept nogil:
    cdef Py_ssize_t k, i
    cdef const real *a = flat_arrays[0] + first
    cdef const real *b
    if count == 1:
        memcpy(out, a, size * sizeof(real))
        return
    b = flat_arrays[1] + first
    for i in range(size):
        out[i] = a[i] + b[i]
    for k in range(2, count):
        b = flat_arrays[k] + first
        for i in range(size):
            out[i] += b[i]


def add_channels(real[:, ::1] out, const real[:, ::1] a):
    """Add the first channels of `a` to `out`, in place.

    IN a (M, K); IN OUT out (M, C), C at most K.
    """
    cdef Py_ssize_t M = out.shape[0], C = out.shape[1], K = a.shape[1], step = max(BLOCK_ELEMENTS // C, 1), first
    if C == K:  # one long row
        M, C, step = 1, M * C, 1
        for first in prange(0, C, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads_for(2 * C)):
            add_rows(1, min(BLOCK_ELEMENTS, C - first), 0, &a[0, 0] + first, &out[0, 0] + first)
        return
    for first in prange(0, M, step, nogil=True, schedule="static", num_threads=threads_for(2 * M * C)):
        add_rows(min(step, M - first), C, K, &a[first, 0], &out[first, 0])


cdef void add_rows(Py_ssize_t rows, Py_ssize_t C, Py_ssize_t K, const real *a, real *out) noexcept nogil:
    """Add the first C of K channels of each row of `a` to `out`."""
    cdef Py_ssize_t m, c
    for m in range(rows):
        for c in range(C):
            out[m * C + c] += a[m * K + c]


def side_by_side(arrays):
    """Return the arrays concatenated along their last axis, as a new array.

    IN C-contiguous arrays (…, C_k) of the same type, whose shapes differ only in C_k; OUT (…, ΣC_k).
    """
    cdef Py_ssize_t item = arrays[0].itemsize, last = arrays[0].ndim - 1, count = len(arrays)
    cdef Py_ssize_t width = item * sum(array.shape[last] for array in arrays)
    result = aligned_empty((*arrays[0].shape[:last], width // item), arrays[0].dtype)
    cdef Py_ssize_t pixels = result.nbytes // width, step = max(TASK_BYTES // width, 1), k, task
    cdef unsigned char[::1] out = result.reshape(-1).view(np.uint8)
    cdef const unsigned char[::1] flat_array
    cdef Py_ssize_t[:, ::1] parts = np.empty((count, 2), np.intp)  # address of each array, and the bytes of one of its pixels
    for k in range(count):
        flat_array = arrays[k].reshape(-1).view(np.uint8)
        parts[k, 0], parts[k, 1] = <Py_ssize_t>&flat_array[0] if pixels else 0, item * arrays[k].shape[last]
    cdef int threads = threads_for(pixels * width // BYTES_PER_STEP)
    for task in prange((pixels + step - 1) // step, nogil=True, schedule="static", num_threads=threads):
        copy_pixels(&parts[0, 0], count, task * step, min((task + 1) * step, pixels), &out[task * step * width])
    return result


cdef void copy_pixels(const Py_ssize_t *parts, Py_ssize_t count, Py_ssize_t first, Py_ssize_t end,
                      unsigned char *out) noexcept nogil:
    cdef Py_ssize_t pixel, k, size
    for pixel in range(first, end):
        for k in range(count):
            size = parts[2 * k + 1]
            memcpy(out, <const unsigned char *>parts[2 * k] + pixel * size, size)
            out += size
