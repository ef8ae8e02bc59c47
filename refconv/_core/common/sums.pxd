"""Cython's view of sums.h: how long sums are cut into blocks and groups."""
import numpy as np

cdef extern from "common/sums.h" nogil:
    enum:
        SUM_BLOCK
    void carry(Py_ssize_t size, void *source, void *to)
    void carry_block(Py_ssize_t number, Py_ssize_t size, void *block, void *group, void *total)


cdef inline Py_ssize_t block_count(Py_ssize_t terms) noexcept nogil:
    """Number of blocks in a sum."""
    return (terms + SUM_BLOCK - 1) // SUM_BLOCK


cdef inline object pairwise_sum(rows):
    """The sum over the first axis: the upper half is added to the lower half until few rows are left. Overwrites rows."""
    while len(rows) > 32:
        half = (len(rows) + 1) // 2
        with np.errstate(invalid="ignore", over="ignore"):
            rows[:len(rows) - half] += rows[half:]
        rows = rows[:half]
    return rows.sum(0)
