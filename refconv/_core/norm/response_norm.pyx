"""Local response normalisation across channels and its derivative.

Arrays have the shape (M, C): M pixels of C channels. A pixel is one row and does not depend on other pixels, so a task is a
block of rows. Within a row, each offset of the neighbourhood is added for all channels at once, so the compiler vectorises the
loops over c. Each sum is still computed from its first neighbour to its last, as in refconv.reference; a neighbourhood of more
than SUM_BLOCK channels is summed block by block (sums.h).

For the usual β = 3/4, d^β = √d · √√d, which the compiler vectorises; any other power calls the C library for each element.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.math cimport pow, powf, sqrt, sqrtf

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry, carry_block

include "common/threads.pxi"

cdef enum:
    TASK_ELEMENTS = 4096    # elements of one task: its rows stay in L1 or L2
    LINE_ELEMENTS = 16      # elements between the buffers of two threads, so that they share no cache line
    STEPS_OF_POWER = 16     # steps (threads.h) of an element's power and division


cdef struct Norm:
    Py_ssize_t C, before, after     # the neighbourhood of c is channels c − before … c + after that exist
    double alpha, beta, k


cdef Norm norm_of(Py_ssize_t C, Py_ssize_t size, double alpha, double beta, double k):
    return Norm(C, min(size // 2, C - 1), min((size - 1) // 2, C - 1), alpha, beta, k)


def local_response_norm(const real[:, ::1] x, Py_ssize_t size, double alpha, double beta, double k):
    """Return the normalised pixels.

    IN x (M, C); OUT y (M, C).
    """
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = max(TASK_ELEMENTS // C, 1), task, m
    cdef Norm norm = norm_of(C, size, alpha, beta, k)
    cdef int threads = threads_for(M * C * (norm.before + norm.after + STEPS_OF_POWER))
    dtype = dtype_of[real](NULL)
    result = aligned_empty((M, C), dtype)
    cdef real[:, ::1] y = result, scratch = np.zeros((threads, 4 * C + LINE_ELEMENTS), dtype)
    for task in prange((M + step - 1) // step, nogil=True, num_threads=threads):
        for m in range(task * step, min((task + 1) * step, M)):
            normalise(&norm, &x[m, 0], &scratch[threadid(), 0], &scratch[threadid(), C], &scratch[threadid(), 2 * C], &y[m, 0])
    return result


cdef void normalise(const Norm *norm, const real *x, real *d, real *power, real *sums, real *y) noexcept nogil:
    """Compute d, d^β and y = x / d^β of one pixel.

    `sums` is the buffer of add_neighbours.
    """
    cdef real k = <real>norm.k, alpha = <real>norm.alpha
    cdef Py_ssize_t c
    for c in range(norm.C):
        power[c] = alpha * (x[c] * x[c])  # squares, stored in the buffer that raise_all overwrites
        d[c] = k
    add_neighbours(power, norm.C, norm.before, norm.after, sums, d)
    raise_all(d, norm.C, norm.beta, power)
    for c in range(norm.C):
        y[c] = x[c] / power[c]


cdef inline void add_neighbours(const real *a, Py_ssize_t C, Py_ssize_t before, Py_ssize_t after, real *block,
                                real *out) noexcept nogil:
    """Add a[c − before] + … + a[c + after] to out[c], skipping channels that do not exist.

    `block` is a buffer of 2·C elements for a block and a group, which is zero before and after the call.
    """
    cdef Py_ssize_t offset, number
    if before + after < SUM_BLOCK:
        add_offsets(a, C, -before, after + 1, out)
        return
    for number in range(block_count(before + after + 1)):
        offset = number * SUM_BLOCK - before
        add_offsets(a, C, offset, min(offset + SUM_BLOCK, after + 1), block)
        carry_block(number, C, block, block + C, out)
    carry(C, block + C, out)


cdef inline void add_offsets(const real *a, Py_ssize_t C, Py_ssize_t first, Py_ssize_t end, real *out) noexcept nogil:
    """Add a[c + first] + … + a[c + end − 1] to out[c], skipping channels that do not exist."""
    cdef Py_ssize_t offset, c
    for offset in range(first, end):
        for c in range(max(-offset, 0), min(C - offset, C)):
            out[c] += a[c + offset]


cdef inline void raise_all(const real *d, Py_ssize_t C, double beta, real *power) noexcept nogil:
    """Compute power = d^β of each channel."""
    cdef Py_ssize_t c
    if beta == 0.75:
        for c in range(C):
            if real is float:
                power[c] = sqrtf(d[c]) * sqrtf(sqrtf(d[c]))
            else:
                power[c] = sqrt(d[c]) * sqrt(sqrt(d[c]))
    else:
        for c in range(C):
            if real is float:
                power[c] = powf(d[c], <float>beta)
            else:
                power[c] = pow(d[c], beta)


def local_response_norm_dx(const real[:, ::1] dy, Py_ssize_t size, double alpha, double beta, double k, *,
                           const real[:, ::1] x):
    """Return ∂e/∂x.

    IN dy, x (M, C); OUT dx (M, C).
    """
    cdef Py_ssize_t M = x.shape[0], C = x.shape[1], step = max(TASK_ELEMENTS // C, 1), task, m
    cdef Norm norm = norm_of(C, size, alpha, beta, k)
    cdef int threads = threads_for(M * C * (norm.before + norm.after + STEPS_OF_POWER))
    dtype = dtype_of[real](NULL)
    result = aligned_empty((M, C), dtype)
    cdef real[:, ::1] dx = result, scratch = np.zeros((threads, 4 * C + LINE_ELEMENTS), dtype)
    for task in prange((M + step - 1) // step, nogil=True, num_threads=threads):
        for m in range(task * step, min((task + 1) * step, M)):
            normalise_dx(&norm, &dy[m, 0], &x[m, 0], &scratch[threadid(), 0], &scratch[threadid(), C],
                         &scratch[threadid(), 2 * C], &dx[m, 0])
    return result


cdef void normalise_dx(const Norm *norm, const real *dy, const real *x, real *d, real *power, real *sums,
                       real *dx) noexcept nogil:
    """Compute dx = dy / d^β − 2αβ·x·Σ dy·y / d of one pixel.

    The sum is over the channels whose neighbourhoods contain x.
    """
    cdef real factor = <real>(2 * norm.alpha * norm.beta)
    cdef Py_ssize_t c
    normalise(norm, x, d, power, sums, dx)  # dx temporarily contains y
    for c in range(norm.C):
        d[c] = dy[c] * dx[c] / d[c]
        dx[c] = dy[c] / power[c]
        power[c] = 0
    add_neighbours(d, norm.C, norm.after, norm.before, sums, power)
    for c in range(norm.C):
        dx[c] -= factor * x[c] * power[c]
