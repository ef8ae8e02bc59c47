"""Dropout and its derivative: one element in, one element out.

Arrays of any shape are flattened and cut into blocks; a task is a block. The caller passes the random numbers, so the result
does not depend on which thread computes which element.
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    BLOCK_ELEMENTS = 4096   # of one task: input and output stay in L1 or L2
    STEPS_PER_ELEMENT = 2   # steps (threads.h): the random numbers are float64, and two arrays are written


def dropout(x, u, double rate):
    """IN x, u (float64); OUT mask = u < rate ? 0 : 1 / (1 − rate), y = x · mask, 0 where mask is. All are C-contiguous."""
    y, mask = np.empty_like(x), np.empty_like(x)
    drop(x.reshape(-1), u.reshape(-1), rate, y.reshape(-1), mask.reshape(-1))
    return y, mask


def drop(const real[::1] x, const double[::1] u, double rate, real[::1] y, real[::1] mask):
    """IN x, u, both flat; OUT y, mask."""
    cdef Py_ssize_t size = x.shape[0], first, i
    cdef real enlarged = <real>(1 / (1 - rate))
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        for i in range(first, min(first + BLOCK_ELEMENTS, size)):
            mask[i] = 0 if u[i] < rate else enlarged
            y[i] = 0 if u[i] < rate else x[i] * enlarged


def dropout_dx(dy, *, mask):
    """IN dy, mask; OUT dx = dy · mask, 0 where mask is."""
    dx = np.empty_like(dy)
    multiply_kept(dy.reshape(-1), mask.reshape(-1), dx.reshape(-1))
    return dx


def multiply_kept(const real[::1] dy, const real[::1] mask, real[::1] dx):
    """IN dy, mask, both flat; OUT dx."""
    cdef Py_ssize_t size = dy.shape[0], first, i
    cdef int threads = threads_for(STEPS_PER_ELEMENT * size)
    for first in prange(0, size, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads):
        for i in range(first, min(first + BLOCK_ELEMENTS, size)):
            dx[i] = 0 if mask[i] == 0 else dy[i] * mask[i]
