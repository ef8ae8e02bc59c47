"""The dense layer and its derivatives: matrix products, a tile of outputs at a time.

    out[p, v] = start[v] + Σ over k of  a[p, k] · b[k, v]

              out       a       b       k runs over
    y         (N, O)    x       w       inputs
    ∂e/∂x     (N, C)    dy      wᵀ      outputs
    ∂e/∂w     (C, O)    xᵀ      dy      examples

A transposed matrix is the same array, read with its two steps exchanged.

registers   the sums of a tile (tile.h)
L1          the rows of a that one tile reads, while panels of b are read; packed by the task if their elements are far apart
L2          these panels, BLOCK_PRODUCTS rows at a time, packed by the task: [k][lanes], zero-padded to whole vectors
threads     tasks of (rows of out, panels); each element belongs to one task, which adds its products in the order of k, in
            blocks of BLOCK_PRODUCTS and groups of blocks (sums.h)

If out has few rows, such as one image in inference, its rows are computed as sums of rows of b. b is then read once and not
packed, because packing would move the same number of bytes as the product itself.
"""
import importlib

import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry, carry_block
from refconv._core.tile.sweep cimport TASKS
from refconv._core.tile.tile cimport (MOST_ROWS, MOST_SUMS, STRIP_TILES, WIDE_ROWS, Runs, Shape, copy_columns, copy_tiles,
                                      pack, panels, rows_of_sums, tile, tile_shape)

include "common/threads.pxi"

# The gradient of the bias, compiled for the same instruction set as this module.
bias_gradient = importlib.import_module(__name__.rpartition(".")[0] + ".bias_gradient")

cdef enum:
    BLOCK_PRODUCTS = SUM_BLOCK                      # products of a sum in one block; rows of b that are packed at a time
    GROUP_PRODUCTS = BLOCK_PRODUCTS * SUM_BLOCK     # products of a sum in one group
    MOST_TASK_ROWS = 168        # rows of out in one task: enough tiles for a panel to be worth packing
    MOST_PANEL_LANES = 32       # columns of a panel
    MOST_PACKED_BYTES = 1 << 17     # bytes of the packed panels of a task, which stay in L2
    LEAST_PACKED_STEP = 128     # bytes between the elements of a row of a from which a is packed: two cache lines
    MOST_UNPACKED_ROWS = 4      # rows of out; up to this number, packing b costs more than it saves
    TASK_COLUMNS = 512          # columns of out in one task if b is not packed
    ROWS_AT_ONCE = 4            # rows of b that are added to out together


cdef struct Product:
    Py_ssize_t rows, depth, columns
    Py_ssize_t a_row, a_step            # elements from one row of a to the next, and from one element of a row to the next
    Py_ssize_t b_row, b_step
    Shape shape                         # shape of a tile of out
    Py_ssize_t packed_a                 # elements of packed rows of a, before the packed panels of b; 0 if a is not packed


def dense(const real[:, ::1] x, const real[:, ::1] w, const real[::1] bias):
    """Return the output y = x · w + bias of a dense layer.

    IN x (N, C), w (C, O), bias (O,) or None; OUT y (N, O).
    """
    cdef Py_ssize_t N = x.shape[0], C = w.shape[0], O = w.shape[1]
    return multiply(Product(rows=N, depth=C, columns=O, a_row=C, a_step=1, b_row=O, b_step=1), first(x), first(w), bias)


def dense_dx(const real[:, ::1] dy, const real[:, ::1] w):
    """Return ∂e/∂x.

    IN dy (N, O), w (C, O); OUT dx (N, C).
    """
    cdef Py_ssize_t N = dy.shape[0], C = w.shape[0], O = w.shape[1]
    return multiply(Product(rows=N, depth=O, columns=C, a_row=O, a_step=1, b_row=1, b_step=O), first(dy), first(w), None)


def dense_dw(const real[:, ::1] x, const real[:, ::1] dy):
    """Return ∂e/∂w.

    IN x (N, C), dy (N, O); OUT dw (C, O).
    """
    cdef Py_ssize_t N = x.shape[0], C = x.shape[1], O = dy.shape[1]
    return multiply(Product(rows=C, depth=N, columns=O, a_row=1, a_step=C, b_row=O, b_step=1), first(x), first(dy), None)


def dense_db(dy):
    """Return ∂e/∂b.

    IN dy (N, O); OUT db (O,).
    """
    return bias_gradient.conv2d_db(dy[None, :, None])


cdef inline const real *first(const real[:, ::1] matrix) noexcept nogil:
    return &matrix[0, 0] if matrix.shape[0] else NULL


cdef inline Py_ssize_t steps_of(const Product *m) noexcept nogil:
    """Return the steps (threads.h) of a product.

    A product takes twice the steps of a product in a convolution, because each loaded number of b is used for few products.
    """
    return 2 * m.rows * m.columns * m.depth // MULTIPLY_ADDS_PER_STEP


cdef object multiply(Product m, const real *a, const real *b, bias):
    """Return a · b with the bias added to each row."""
    dtype = dtype_of[real](NULL)
    result = aligned_empty((m.rows, m.columns), dtype)
    cdef real[:, ::1] out = result
    if m.rows <= MOST_UNPACKED_ROWS and m.b_step == 1:
        multiply_few[real](m, a, b, bias, out)
        return result
    m.shape = tile_shape[real](NULL, m.columns)
    cdef Py_ssize_t across = panels(m.shape, m.columns), down = (m.rows + MOST_TASK_ROWS - 1) // MOST_TASK_ROWS, task
    cdef Py_ssize_t height = (m.rows + down - 1) // down if down else 0, depth = min(m.depth, BLOCK_PRODUCTS)
    height = (height + m.shape.rows - 1) // m.shape.rows * m.shape.rows  # whole tiles, except at the end
    cdef Py_ssize_t width = panels_of_task(&m, down * across, sizeof(real)) * m.shape.width
    m.packed_a = 0
    if width > m.shape.width and m.a_row == 1 and m.a_step * sizeof(real) >= LEAST_PACKED_STEP:
        m.packed_a = depth * STRIP_TILES * WIDE_ROWS
    cdef int threads = threads_for(steps_of(&m))
    cdef real[:, ::1] packed = aligned_empty((threads, m.packed_a + depth * width), dtype)
    starts = np.zeros(across * m.shape.width, dtype)
    if bias is not None:
        starts[:m.columns] = bias
    cdef real[::1] start = starts
    across = (m.columns + width - 1) // width
    for task in prange(down * across, nogil=True, schedule="dynamic", num_threads=threads):
        multiply_block(&m, Part(column=task % across * width, end_column=min((task % across + 1) * width, m.columns),
                                row=task // across * height, end_row=min((task // across + 1) * height, m.rows), k=0, end=0),
                       a, b, &start[0], &packed[threadid(), 0], &out[0, 0])
    return result


cdef inline Py_ssize_t panels_of_task(const Product *m, Py_ssize_t count, Py_ssize_t itemsize) noexcept nogil:
    """Return the number of panels of a task.

    They stay in L2, and all `count` panels are enough for TASKS tasks.
    """
    cdef Py_ssize_t size = min(m.depth, BLOCK_PRODUCTS) * m.shape.width * itemsize
    if m.depth > GROUP_PRODUCTS:  # the buffer for a group has space for one panel
        return 1
    return max(min(MOST_PACKED_BYTES // max(size, 1), count // TASKS), 1)


cdef multiply_few(Product m, const real *a, const real *b, const real[::1] bias, real[:, ::1] out):
    """Compute a · b with the bias added to each row, for few rows, without packing b."""
    cdef Py_ssize_t task, tasks = (m.columns + TASK_COLUMNS - 1) // TASK_COLUMNS if m.rows else 0
    cdef const real *start = NULL if bias is None else &bias[0]
    for task in prange(tasks, nogil=True, schedule="static", num_threads=threads_for(steps_of(&m))):
        multiply_columns(&m, a, b + task * TASK_COLUMNS, start + task * TASK_COLUMNS if start != NULL else NULL,
                         min(TASK_COLUMNS, m.columns - task * TASK_COLUMNS), &out[0, task * TASK_COLUMNS])


cdef void multiply_columns(const Product *m, const real *a, const real *b, const real *start, Py_ssize_t width,
                           real *out) noexcept nogil:
    """Compute some columns of all rows; their sums stay in L1 while b is read."""
    cdef real block[MOST_UNPACKED_ROWS * TASK_COLUMNS]
    cdef real group[MOST_UNPACKED_ROWS * TASK_COLUMNS]
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
        add_products(m, a + k * m.a_step, b + k * m.b_row, min(SUM_BLOCK, m.depth - k), width, TASK_COLUMNS, block)
        for p in range(m.rows):
            carry_block(number, width, block + p * TASK_COLUMNS, group + p * TASK_COLUMNS, out + p * m.columns)
    for p in range(m.rows):
        carry(width, group + p * TASK_COLUMNS, out + p * m.columns)


cdef inline void add_products(const Product *m, const real *a, const real *b, Py_ssize_t depth, Py_ssize_t width,
                              Py_ssize_t pitch, real *sums) noexcept nogil:
    """Add `depth` rows of b, times elements of a, to the sums of all rows.

    ROWS_AT_ONCE rows of b are added at a time. Rows of sums begin `pitch` elements apart.
    """
    cdef Py_ssize_t k, p, v
    for k in range(depth // ROWS_AT_ONCE):
        for p in range(m.rows):
            add_rows(a + p * m.a_row + ROWS_AT_ONCE * k * m.a_step, m.a_step, b + ROWS_AT_ONCE * k * m.b_row, m.b_row, width,
                     sums + p * pitch)
    for k in range(depth - depth % ROWS_AT_ONCE, depth):
        for p in range(m.rows):
            for v in range(width):
                sums[p * pitch + v] += a[p * m.a_row + k * m.a_step] * b[k * m.b_row + v]


cdef inline void add_rows(const real *a, Py_ssize_t a_step, const real *b, Py_ssize_t b_row, Py_ssize_t width,
                          real *out) noexcept nogil:
    cdef real a0 = a[0], a1 = a[a_step], a2 = a[2 * a_step], a3 = a[3 * a_step], total
    cdef Py_ssize_t v
    for v in range(width):
        total = out[v] + a0 * b[v]
        total += a1 * b[b_row + v]
        total += a2 * b[2 * b_row + v]
        total += a3 * b[3 * b_row + v]
        out[v] = total


cdef struct Part:
    # Work of one call: some rows and columns of `out`, for one group of products.
    Py_ssize_t column, end_column   # columns column … end_column − 1; the first one begins a panel
    Py_ssize_t row, end_row         # rows row … end_row − 1
    Py_ssize_t k, end               # products k … end − 1


cdef struct Target:
    # The outputs of a tile: their rows, columns and elements from row to row; is_new if they have no sums of earlier products.
    Py_ssize_t rows, width, pitch
    bint is_new


cdef void multiply_block(const Product *m, Part part, const real *a, const real *b, const real *start, real *packed,
                         real *out) noexcept nogil:
    """Compute some columns of some rows of out.

    The first group of products is stored, and the other groups are added to it.
    """
    cdef real group[MOST_TASK_ROWS * MOST_PANEL_LANES]
    cdef Py_ssize_t p
    out += part.row * m.columns + part.column
    part.k, part.end = 0, min(GROUP_PRODUCTS, m.depth)
    multiply_group(m, part, a, b, start, packed, out, m.columns)
    while part.end < m.depth:
        part.k, part.end = part.end, min(part.end + GROUP_PRODUCTS, m.depth)
        multiply_group(m, part, a, b, <const real *>NULL, packed, group, MOST_PANEL_LANES)
        for p in range(part.end_row - part.row):
            carry(part.end_column - part.column, group + p * MOST_PANEL_LANES, out + p * m.columns)


cdef void multiply_group(const Product *m, Part part, const real *a, const real *b, const real *start, real *packed,
                         real *out, Py_ssize_t pitch) noexcept nogil:
    """Compute the sums of one group of products, plus `start` unless it is NULL.

    Rows of out begin `pitch` elements apart.
    """
    cdef const real *at[MOST_ROWS]
    cdef Py_ssize_t k = part.k, depth, row, column, panel, p, filled, number
    cdef Py_ssize_t width = m.shape.width, count = panels(m.shape, part.end_column - part.column)
    cdef real *strip = packed
    packed += m.packed_a
    while k == part.k or k < part.end:
        depth = min(BLOCK_PRODUCTS, part.end - k)
        for panel in range(count):
            column = part.column + panel * width
            pack(b + k * m.b_row + column * m.b_step, depth, m.b_row, m.columns - column, m.b_step, width,
                 packed + panel * width * depth)
        row, number = part.row, 0
        while row < part.end_row:
            filled = min(m.shape.rows, part.end_row - row)
            if m.packed_a and number % STRIP_TILES == 0:
                pack_strip(m, depth, min(part.end_row - row, STRIP_TILES * WIDE_ROWS), a + row + k * m.a_step, strip)
            for p in range(m.shape.rows):
                if m.packed_a:
                    at[p] = strip + number % STRIP_TILES * WIDE_ROWS * depth + (p if p < filled else 0)
                else:
                    at[p] = a + (row + p if p < filled else row) * m.a_row + k * m.a_step
            for panel in range(count):
                column = part.column + panel * width
                multiply_tile(m, Target(filled, min(width, part.end_column - column), pitch, k == part.k), depth, at,
                              packed + panel * width * depth, start + column if start != NULL else NULL,
                              out + (row - part.row) * pitch + panel * width)
            row += filled
            number += 1
        k += BLOCK_PRODUCTS


cdef inline void pack_strip(const Product *m, Py_ssize_t depth, Py_ssize_t rows, const real *a, real *strip) noexcept nogil:
    """Pack some rows of a, whose elements with the same number k are contiguous, tile by tile."""
    cdef Py_ssize_t tiles = rows // WIDE_ROWS, size = WIDE_ROWS * depth
    copy_tiles(depth, m.a_step, a, tiles, size, strip)
    copy_columns(depth, m.a_step, a + tiles * WIDE_ROWS, rows - tiles * WIDE_ROWS, strip + tiles * size)


cdef inline void multiply_tile(const Product *m, Target to, Py_ssize_t depth, const real **a, const real *b, const real *start,
                               real *out) noexcept nogil:
    """Compute one tile of one block of products.

    The sums of the first block, plus `start`, are stored; the sums of the other blocks are added.
    """
    cdef real *sums_at[MOST_ROWS]
    cdef real sums[MOST_SUMS]
    cdef Py_ssize_t p, v, none = 0
    cdef bint in_place = to.is_new and to.width == m.shape.width
    cdef Runs products = Runs(count=1, length=depth, step=WIDE_ROWS if m.packed_a else m.a_step, start=&none)
    rows_of_sums(m.shape, sums, sums_at)
    if in_place:
        for p in range(to.rows):
            sums_at[p] = out + p * to.pitch
    tile(m.shape, to.rows, &products, a, b, start if to.is_new else NULL, sums_at)
    if in_place:
        return
    for p in range(to.rows):
        if to.is_new:
            for v in range(to.width):
                out[p * to.pitch + v] = sums[p * m.shape.width + v]
        else:
            for v in range(to.width):
                out[p * to.pitch + v] += sums[p * m.shape.width + v]
