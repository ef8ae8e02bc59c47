"""Cython's view of sums.h: how long sums are cut into blocks and groups."""
import numpy as np

from refconv._core.common.real cimport real

cdef extern from "common/sums.h" nogil:
    enum:
        SUM_BLOCK
    void carry_float(Py_ssize_t size, float *source, float *to)
    void carry_double(Py_ssize_t size, double *source, double *to)
    void carry_block_float(Py_ssize_t number, Py_ssize_t size, float *block, float *group, float *total)
    void carry_block_double(Py_ssize_t number, Py_ssize_t size, double *block, double *group, double *total)


cdef inline Py_ssize_t block_count(Py_ssize_t terms) noexcept nogil:
    """Blocks of so many terms."""
    return (terms + SUM_BLOCK - 1) // SUM_BLOCK


cdef inline void carry(Py_ssize_t size, real *source, real *to) noexcept nogil:
    """to += source, and source becomes zero."""
    if real is float:
        carry_float(size, source, to)
    else:
        carry_double(size, source, to)


cdef inline void carry_block(Py_ssize_t number, Py_ssize_t size, real *block, real *group, real *total) noexcept nogil:
    """Add block number `number` to its group, and a full group to the total; what was added becomes zero."""
    if real is float:
        carry_block_float(number, size, block, group, total)
    else:
        carry_block_double(number, size, block, group, total)


cdef inline object pairwise_sum(rows):
    """The sum over the first axis: the upper half is added to the lower one until few rows are left. Overwrites rows."""
    while len(rows) > 32:
        half = (len(rows) + 1) // 2
        with np.errstate(invalid="ignore", over="ignore"):
            rows[:len(rows) - half] += rows[half:]
        rows = rows[:half]
    return rows.sum(0)
