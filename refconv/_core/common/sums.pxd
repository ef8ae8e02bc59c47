"""Cython declarations of sums.h: how long sums are divided into blocks and groups."""
import numpy as np

cdef extern from "common/sums.h" nogil:
    enum:
        SUM_BLOCK
    void carry(Py_ssize_t size, void *source, void *to)
    void carry_block(Py_ssize_t number, Py_ssize_t size, void *block, void *group, void *total)


cdef inline Py_ssize_t block_count(Py_ssize_t terms) noexcept nogil:
    """Return the number of blocks in a sum."""
    return (terms + SUM_BLOCK - 1) // SUM_BLOCK


cdef inline object pairwise_sum(rows):
    """Return the sum over the first axis, overwriting `rows`.

    The second half of the rows is added to the first half until at most 32 rows are left.
    """
    while len(rows) > 32:
        half = (len(rows) + 1) // 2
        with np.errstate(invalid="ignore", over="ignore"):
            rows[:len(rows) - half] += rows[half:]
        rows = rows[:half]
    return rows.sum(0)
