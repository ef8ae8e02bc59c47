"""Dropout and its derivative: one element in, one element out.

Arrays of any shape are flattened and divided into blocks; a task is a block. The caller passes the random numbers, so the
result does not depend on which thread computes which element. All arrays must be C-contiguous.
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    BLOCK_ELEMENTS = 4096   # elements of one task: input and output stay in L1 or L2
    STEPS_PER_ELEMENT = 2   # steps (threads.h): the random numbers are float64, and two arrays are written


def dropout(x, u, double rate):
    """Return y = x · mask and mask = u < rate ? 0 : 1 / (1 − rate).

    IN x, u (float64); OUT y, mask. y is 0 wherever mask is 0, also for non-finite x.
    """
    y, mask = np.empty_like(x), np.empty_like(x)
    drop(x.reshape(-1), u.reshape(-1), rate, y.reshape(-1), mask.reshape(-1))
    return y, mask


def drop(const real[::1] x, const double[::1] u, double rate, real[::1] y, real[::1] mask):
    """Compute y and mask of flat arrays x and u."""
    cdef Py_ssize_t size = x.shape[0], first, i
    cdef real enlarged = <real>(1 / (1 - rate))
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        for i in range(first, min(first + BLOCK_ELEMENTS, size)):
            mask[i] = 0 if u[i] < rate else enlarged
            y[i] = 0 if u[i] < rate else x[i] * enlarged


def dropout_dx(dy, *, mask):
    """Return dx = dy · mask, which is 0 wherever mask is 0."""
    dx = np.empty_like(dy)
    multiply_kept(dy.reshape(-1), mask.reshape(-1), dx.reshape(-1))
    return dx


def multiply_kept(const real[::1] dy, const real[::1] mask, real[::1] dx):
    """Compute dx of flat arrays dy and mask."""
    cdef Py_ssize_t size = dy.shape[0], first, i
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        for i in range(first, min(first + BLOCK_ELEMENTS, size)):
            dx[i] = 0 if mask[i] == 0 else dy[i] * mask[i]
