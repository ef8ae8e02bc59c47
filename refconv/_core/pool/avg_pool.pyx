"""Average pooling and its derivative.

Each output element belongs to one task, and its terms are added in a fixed order, so the bits are the same at any thread
count.

forward     a task is several neighbouring rows of outputs
dx          a task is a row of inputs: it gathers from the outputs whose windows contain it
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.pool.pool cimport (
    Entries, Pool, Run, avg_windows, end_inside, enter, pool_of, rows_of_task, run_from, set_pixels, steps_of
)
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry, carry_block
from refconv.geometry import Window

include "common/threads.pxi"


def avg_pool2d(x, window, count_include_pad):
    """Return the means of all windows.

    IN x (N, H, W, C); OUT y (N, rows, columns, C).
    """
    y = aligned_empty((len(x), *window.output_size(x.shape[1:3]), x.shape[3]), x.dtype)
    avg_pool2d_to(x, window, count_include_pad, y)
    return y


def avg_pool2d_to(const real[:, :, :, :] x, window, bint count_include_pad, real[:, :, :, :] y):
    """Write the means of all windows to y.

    IN x (N, H, W, C); OUT y (N, rows, columns, C). Both may be slices of the channels of wider arrays.
    """
    cdef Pool p = pool_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], window, count_include_pad)
    set_pixels(&p, x, y)
    cdef Py_ssize_t rows = p.N * p.rows, step = rows_of_task(&p), task
    for task in prange((rows + step - 1) // step, nogil=True, schedule="static", num_threads=threads_for(steps_of(&p, rows))):
        avg_rows(&p, task * step, min((task + 1) * step, rows), &x[0, 0, 0, 0], &y[0, 0, 0, 0])


cdef void avg_rows(const Pool *p, Py_ssize_t first, Py_ssize_t end, const real *x, real *y) noexcept nogil:
    """Compute rows first … end − 1 of the batch's outputs."""
    cdef Entries e
    cdef Run run
    cdef Py_ssize_t row, j, at, count, done = first * p.columns * p.y_pixel, stop = end * p.columns * p.y_pixel
    cdef const real *window
    for row in range(first, end):
        j = 0
        while j < p.columns:
            at = enter(p, row % p.rows, j, &e)
            run = run_from(p, row // p.rows, j, at, &e, stop - done)
            window = x + (row // p.rows * p.H * p.W + at) * p.x_pixel
            count = counted(p, row % p.rows, j, &e)
            avg_windows(window, e, run, count, y + done)
            j += run.count
            done += run.count * p.y_pixel


cdef inline Py_ssize_t counted(const Pool *p, Py_ssize_t i, Py_ssize_t j, const Entries *e) noexcept nogil:
    """Return the divisor of output (i, j).

    It is the number of entries inside the image or, with count_include_pad, inside the image and its declared padding.
    """
    if not p.count_include_pad:
        return e.down * e.across
    return (end_inside(i * p.S_h - p.top, p.D_h, p.kh, p.counted_h)
            * end_inside(j * p.S_w - p.left, p.D_w, p.kw, p.counted_w))


def avg_pool2d_dx(const real[:, :, :, ::1] dy, window, tuple input_size, bint count_include_pad):
    """Return ∂e/∂x.

    IN dy (N, rows, columns, C); OUT dx (N, *input_size, C).
    """
    cdef Pool p = pool_of(dy.shape[0], input_size, dy.shape[3], window, count_include_pad)
    result = aligned_empty((p.N, p.H, p.W, p.C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] dx = result
    cdef int threads = threads_for(steps_of(&p, p.N * p.rows))
    # If an input can be in more than SUM_BLOCK windows, each thread needs a buffer for a block and a group of a row's sums.
    cdef bint is_long = min(p.kh, p.rows) * min(p.kw, p.columns) > SUM_BLOCK
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * p.W * p.C if is_long else 0), dtype_of[real](NULL))
    cdef Py_ssize_t row
    for row in prange(p.N * p.H, nogil=True, schedule="static", num_threads=threads):
        avg_row_dx(&p, row % p.H, &dy[row // p.H, 0, 0, 0], &scratch[threadid(), 0] if is_long else NULL,
                   &dx[row // p.H, row % p.H, 0, 0])
    return result


cdef void avg_row_dx(const Pool *p, Py_ssize_t u, const real *image, real *block, real *dx) noexcept nogil:
    """Compute row u of one image's ∂e/∂x, from output rows i with i·S + m·D − top = u.

    `image` is the ∂e/∂y of that image. `block` is a buffer of two rows, which is zero before and after the call. It is NULL if
    sums have at most SUM_BLOCK terms.
    """
    cdef Py_ssize_t m, reach, i, j, end, terms = 0, number = 0, size = p.W * p.C
    memset(dx, 0, size * sizeof(real))
    # m goes down, so that i goes up, as in refconv.reference; it starts where i is the first one that is not negative.
    for m in range(min(p.kh - 1, (u + p.top) // p.D_h), -1, -1):
        reach = u + p.top - m * p.D_h
        if reach % p.S_h != 0 or reach // p.S_h >= p.rows:
            continue
        i = reach // p.S_h
        j = 0
        while j < p.columns:
            end = p.columns
            if block != NULL:
                end = min(j + SUM_BLOCK, end)
                if terms + min(end - j, p.kw) > SUM_BLOCK:
                    carry_block(number, size, block, block + size, dx)
                    number += 1
                    terms = 0
                terms += min(end - j, p.kw)
            add_shares(p, i, j, end, image, dx if block == NULL else block)
            j = end
    if block != NULL:
        carry(size, block, block + size)
        carry(size, block + size, dx)


cdef inline void add_shares(const Pool *p, Py_ssize_t i, Py_ssize_t first, Py_ssize_t end, const real *image,
                            real *dx) noexcept nogil:
    """Add the shares of outputs (i, first) … (i, end − 1) to a row of ∂e/∂x."""
    cdef Entries e
    cdef Py_ssize_t j, at, n, c
    cdef const real *dy
    cdef real *to
    cdef real share
    for j in range(first, end):
        at = enter(p, i, j, &e)
        share = <real>1 / counted(p, i, j, &e)
        dy = image + (i * p.columns + j) * p.C
        for n in range(e.across):
            to = dx + (at % p.W + n * p.D_w) * p.C
            for c in range(p.C):
                to[c] += share * dy[c]


def avg_pool1d(x, window, count_include_pad):
    """Return avg_pool2d of signals, as images that are one pixel high.

    IN x (N, n, C); OUT y (N, outputs, C).
    """
    return avg_pool2d(x[:, None], window.with_axis_before(), count_include_pad)[:, 0]


def avg_pool1d_dx(dy, window, input_size, count_include_pad):
    """Return ∂e/∂x.

    IN dy (N, outputs, C); OUT dx (N, *input_size, C).
    """
    return avg_pool2d_dx(dy[:, None], window.with_axis_before(), (1, *input_size), count_include_pad)[:, 0]


def global_avg_pool2d(x):
    """Return avg_pool2d with a window as large as the image.

    IN x (N, H, W, C); OUT y (N, C).
    """
    return avg_pool2d(x, Window(x.shape[1:3]), False)[:, 0, 0]


def global_avg_pool2d_dx(dy, input_size):
    """Return ∂e/∂x.

    IN dy (N, C); OUT dx (N, *input_size, C).
    """
    return avg_pool2d_dx(dy[:, None, None], Window(input_size), input_size, False)


def global_avg_pool1d(x):
    """Return avg_pool1d with a window as long as the signal.

    IN x (N, n, C); OUT y (N, C).
    """
    return global_avg_pool2d(x[:, None])


def global_avg_pool1d_dx(dy, input_size):
    """Return ∂e/∂x.

    IN dy (N, C); OUT dx (N, *input_size, C).
    """
    return global_avg_pool2d_dx(dy, (1, *input_size))[:, 0]
