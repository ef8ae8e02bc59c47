"""Gradient of the bias, ∂e/∂b: the sum of ∂e/∂y over all pixels, for each channel.

Convolution, transposed convolution and the dense layer use it. (An output of the dense layer is an image of one pixel.)

registers   a line: the sums of consecutive elements, of all whole pixels that fit into DB_LINE_ELEMENTS
threads     tasks of consecutive lines; each task has separate sums, which are added pairwise at the end
"""
import numpy as np

from cython.parallel cimport prange

from refconv._core.common.arrays cimport dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry, carry_block, pairwise_sum
from refconv._core.tile.sweep cimport TASKS

include "common/threads.pxi"

cdef enum:
    DB_LINE_ELEMENTS = 128      # elements of ∂e/∂y that are added to their sums in one step


def conv2d_db(const real[:, :, :, ::1] dy):
    """Return ∂e/∂b.

    IN dy (N, rows, columns, O); OUT db (O,). Several consecutive pixels form a line. The lines are added element by element,
    so that even a few channels fill whole vectors. Then the pixels of the resulting line are added.
    """
    cdef Py_ssize_t O = dy.shape[3], pixels = dy.shape[0] * dy.shape[1] * dy.shape[2]
    cdef Py_ssize_t at_once = max(DB_LINE_ELEMENTS // max(O, 1), 1), lines = pixels // at_once, line = at_once * O
    cdef Py_ssize_t chunks = min(TASKS, lines), t, v
    cdef int threads = threads_for(O * pixels)
    totals = np.zeros((chunks + 1, line), dtype_of[real](NULL))
    cdef real[:, ::1] total = totals
    cdef bint is_long = lines > chunks * SUM_BLOCK
    cdef real[:, ::1] scratch = np.zeros((chunks, 2 * line), totals.dtype) if is_long else None  # a block and a group
    cdef const real *source = &dy[0, 0, 0, 0] if pixels and O else NULL
    for t in prange(chunks, nogil=True, num_threads=threads):
        add_lines(source, line, t * lines // chunks, (t + 1) * lines // chunks, &scratch[t, 0] if is_long else NULL,
                  &total[t, 0])
    for v in range(pixels * O - lines * line):
        total[chunks, v] = source[lines * line + v]
    return pairwise_sum(totals.reshape(-1, O)) if O else np.zeros(0, dtype_of[real](NULL))


cdef void add_lines(const real *source, Py_ssize_t line, Py_ssize_t first, Py_ssize_t end, real *block,
                    real *total) noexcept nogil:
    """Write the sum of lines first … end − 1 to total.

    `block` is a buffer of two lines, which is zero before and after the call. It is NULL if there are at most SUM_BLOCK lines.
    """
    cdef Py_ssize_t number, k, v
    cdef real *to = total if block == NULL else block
    for number in range(block_count(end - first)):
        for k in range(first + number * SUM_BLOCK, min(first + (number + 1) * SUM_BLOCK, end)):
            for v in range(line):
                to[v] += source[k * line + v]
        if block != NULL:
            carry_block(number, line, block, block + line, total)
    if block != NULL:
        carry(line, block + line, total)
