"""The dense layer and its derivatives: three products of two matrices, a tile of outputs at a time.

    out[p, v] = start[v] + Σ over k of  a[p, k] · b[k, v]

              out       a       b       k runs over
    y         (N, O)    x       w       inputs
    ∂e/∂x     (N, C)    dy      wᵀ      outputs
    ∂e/∂w     (C, O)    xᵀ      dy      examples

A transposed matrix is the same numbers read with its steps exchanged.

registers   the sums of a tile (tile.h)
L1          the rows of a under one tile, while one panel of b streams past it
L2          that panel, DEPTH rows of it at a time, packed by the task itself: [k][lanes], zero-padded to whole vectors
threads     tasks of (rows of out, panel); each element belongs to one task, which adds its products in the order of k, in
            blocks of DEPTH and groups of blocks (sums.h)

A few rows of out, as of one image in inference, are sums of rows of b, which pass through once and as they lie: what packing
moves would be all that there is to move.
"""
import importlib

import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry, carry_block
from refconv._core.tile.tile cimport MOST_ROWS, MOST_SUMS, Runs, Shape, pack, panels, rows_of_sums, tile, tile_shape

include "common/threads.pxi"

# The sibling compiled for the same instruction set.
direct = importlib.import_module(__name__.rpartition(".")[0] + ".direct")

cdef enum:
    DEPTH = SUM_BLOCK           # rows of a packed panel: one block of each sum
    GROUP = DEPTH * SUM_BLOCK   # products of one group
    ROWS = 168      # of out in one task at most: enough tiles to be worth packing a panel
    FEW_ROWS = 4    # of out: each number of b is used so seldom that packing it would cost more
    LINE = 512      # of their columns in one task
    MOST_WIDTH = 32 # lanes of a panel
    AT_ONCE = 4     # rows of b that pass through them together


cdef struct Product:
    Py_ssize_t rows, depth, columns
    Py_ssize_t a_row, a_step            # elements between rows of a, and between neighbours in one
    Py_ssize_t b_row, b_step


def dense(const real[:, ::1] x, const real[:, ::1] w, const real[::1] bias):
    """IN x (N, C), w (C, O), bias (O,) or None; OUT y (N, O)."""
    cdef Py_ssize_t N = x.shape[0], C = w.shape[0], O = w.shape[1]
    return multiply(Product(rows=N, depth=C, columns=O, a_row=C, a_step=1, b_row=O, b_step=1), first(x), first(w), bias)


def dense_dx(const real[:, ::1] dy, const real[:, ::1] w):
    """IN dy (N, O), w (C, O); OUT dx (N, C)."""
    cdef Py_ssize_t N = dy.shape[0], C = w.shape[0], O = w.shape[1]
    return multiply(Product(rows=N, depth=O, columns=C, a_row=O, a_step=1, b_row=1, b_step=O), first(dy), first(w), None)


def dense_dw(const real[:, ::1] x, const real[:, ::1] dy):
    """IN x (N, C), dy (N, O); OUT dw (C, O)."""
    cdef Py_ssize_t N = x.shape[0], C = x.shape[1], O = dy.shape[1]
    return multiply(Product(rows=C, depth=N, columns=O, a_row=1, a_step=C, b_row=O, b_step=1), first(x), first(dy), None)


def dense_db(dy):
    """IN dy (N, O); OUT db (O,)."""
    return direct.conv2d_db(dy[None, :, None])


cdef inline const real *first(const real[:, ::1] matrix) noexcept nogil:
    return &matrix[0, 0] if matrix.shape[0] else NULL


cdef inline Py_ssize_t steps_of(const Product *m) noexcept nogil:
    """Steps of a product (threads.h): twice those of a convolution, since each number of b is fetched for few products."""
    return 2 * m.rows * m.columns * m.depth // MULTIPLY_ADDS_PER_STEP


cdef object multiply(Product m, const real *a, const real *b, bias):
    """OUT a·b, with the bias added to each row."""
    dtype = dtype_of[real](NULL)
    result = aligned_empty((m.rows, m.columns), dtype)
    cdef real[:, ::1] out = result
    if m.rows <= FEW_ROWS and m.b_step == 1:
        multiply_few[real](m, a, b, bias, out)
        return result
    cdef Shape shape = tile_shape[real](NULL, m.columns)
    cdef Py_ssize_t across = panels(shape, m.columns), down = (m.rows + ROWS - 1) // ROWS, task
    cdef Py_ssize_t height = (m.rows + down - 1) // down if down else 0
    cdef int threads = threads_for(steps_of(&m))
    cdef real[:, ::1] packed = aligned_empty((threads, min(m.depth, DEPTH) * shape.width), dtype)
    starts = np.zeros(across * shape.width, dtype)
    if bias is not None:
        starts[:m.columns] = bias
    cdef real[::1] start = starts
    for task in prange(down * across, nogil=True, schedule="dynamic", num_threads=threads):
        multiply_block(&m, shape, a, b, &start[0], task % across * shape.width, task // across * height,
                       min((task // across + 1) * height, m.rows), &packed[threadid(), 0], &out[0, 0])
    return result


cdef multiply_few(Product m, const real *a, const real *b, const real[::1] bias, real[:, ::1] out):
    """The same for few rows, with b as it lies."""
    cdef Py_ssize_t task, lines = (m.columns + LINE - 1) // LINE if m.rows else 0
    cdef const real *start = NULL if bias is None else &bias[0]
    for task in prange(lines, nogil=True, schedule="static", num_threads=threads_for(steps_of(&m))):
        multiply_lines(&m, a, b + task * LINE, start + task * LINE if start != NULL else NULL,
                       min(LINE, m.columns - task * LINE), &out[0, task * LINE])


cdef void multiply_lines(const Product *m, const real *a, const real *b, const real *start, Py_ssize_t width,
                         real *out) noexcept nogil:
    """Some columns of all rows: their sums stay in L1 while b passes."""
    cdef real block[FEW_ROWS * LINE]
    cdef real group[FEW_ROWS * LINE]
    cdef Py_ssize_t k, p, v, number
    for p in range(m.rows):
        for v in range(width):
            out[p * m.columns + v] = start[v] if start != NULL else 0
    if m.depth <= SUM_BLOCK:
        add_products(m, a, b, m.depth, width, m.columns, out)
        return
    memset(block, 0, sizeof(block))
    memset(group, 0, sizeof(group))
    for number in range(block_count(m.depth)):
        k = number * SUM_BLOCK
        add_products(m, a + k * m.a_step, b + k * m.b_row, min(SUM_BLOCK, m.depth - k), width, LINE, block)
        for p in range(m.rows):
            carry_block(number, width, block + p * LINE, group + p * LINE, out + p * m.columns)
    for p in range(m.rows):
        carry(width, group + p * LINE, out + p * m.columns)


cdef inline void add_products(const Product *m, const real *a, const real *b, Py_ssize_t depth, Py_ssize_t width,
                              Py_ssize_t pitch, real *sums) noexcept nogil:
    """Add `depth` rows of b, AT_ONCE of them side by side, to the sums of all rows, which begin `pitch` elements apart."""
    cdef Py_ssize_t k, p, v
    for k in range(depth // AT_ONCE):
        for p in range(m.rows):
            add_lines(a + p * m.a_row + AT_ONCE * k * m.a_step, m.a_step, b + AT_ONCE * k * m.b_row, m.b_row, width,
                      sums + p * pitch)
    for k in range(depth - depth % AT_ONCE, depth):
        for p in range(m.rows):
            for v in range(width):
                sums[p * pitch + v] += a[p * m.a_row + k * m.a_step] * b[k * m.b_row + v]


cdef inline void add_lines(const real *a, Py_ssize_t a_step, const real *b, Py_ssize_t b_row, Py_ssize_t width,
                           real *out) noexcept nogil:
    cdef real a0 = a[0], a1 = a[a_step], a2 = a[2 * a_step], a3 = a[3 * a_step], total
    cdef Py_ssize_t v
    for v in range(width):
        total = out[v] + a0 * b[v]
        total += a1 * b[b_row + v]
        total += a2 * b[2 * b_row + v]
        total += a3 * b[3 * b_row + v]
        out[v] = total


cdef void multiply_block(const Product *m, Shape shape, const real *a, const real *b, const real *start, Py_ssize_t column,
                         Py_ssize_t row, Py_ssize_t end_row, real *packed, real *out) noexcept nogil:
    """One panel of columns of some rows of out: the first group of blocks, then the others added to it."""
    cdef real group[ROWS * MOST_WIDTH]
    cdef Py_ssize_t k = GROUP, p, width = min(shape.width, m.columns - column)
    out += row * m.columns + column
    multiply_group(m, shape, a, b, start, column, row, end_row, 0, packed, out, m.columns)
    while k < m.depth:
        multiply_group(m, shape, a, b, <const real *>NULL, column, row, end_row, k, packed, group, MOST_WIDTH)
        for p in range(end_row - row):
            carry(width, group + p * MOST_WIDTH, out + p * m.columns)
        k += GROUP


cdef void multiply_group(const Product *m, Shape shape, const real *a, const real *b, const real *start, Py_ssize_t column,
                         Py_ssize_t row, Py_ssize_t end_row, Py_ssize_t k, real *packed, real *out,
                         Py_ssize_t pitch) noexcept nogil:
    """The products from k to the end of its group; rows of out begin `pitch` elements apart."""
    cdef const real *at[MOST_ROWS]
    cdef real *sums_at[MOST_ROWS]
    cdef real sums[MOST_SUMS]
    cdef Py_ssize_t depth, p, i, v, filled, width = min(shape.width, m.columns - column), none = 0, first = k
    cdef Py_ssize_t end = min(first + GROUP, m.depth)
    cdef Runs runs = Runs(count=1, length=0, step=m.a_step, start=&none)
    cdef real *to
    rows_of_sums(shape, sums, sums_at)
    while k == first or k < end:
        depth = runs.length = min(DEPTH, end - k)
        pack(b + k * m.b_row + column * m.b_step, depth, m.b_row, m.columns - column, m.b_step, shape.width, packed)
        p = row
        while p < end_row:
            filled = min(shape.rows, end_row - p)
            for i in range(shape.rows):
                at[i] = a + (p + i if i < filled else p) * m.a_row + k * m.a_step
            tile(shape, filled, &runs, at, packed, start + column if k == first and start != NULL else <const real *>NULL,
                 sums_at)
            for i in range(filled):
                to = out + (p - row + i) * pitch
                if k == first:
                    for v in range(width):
                        to[v] = sums[i * shape.width + v]
                else:
                    for v in range(width):
                        to[v] += sums[i * shape.width + v]
            p += filled
        k += DEPTH
