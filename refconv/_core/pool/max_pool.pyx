"""Max pooling and its derivative.

Each output element belongs to one task, and its terms are added in a fixed order, so the bits are the same at any thread
count.

forward     a task is several neighbouring rows of outputs
dx          a winner can be anywhere in its image, so a task is an image, or some of its channels if there are few images
"""
import numpy as np

from cython.parallel cimport prange
from libc.stdint cimport INT32_MAX
from libc.string cimport memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.pool.pool cimport (
    CHANNELS_AT_ONCE, Entries, Pool, Run, enter, max_windows, pool_of, rows_of_task, run_from, set_pixels, steps_of
)
from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    LEAST_TASKS = 16    # tasks of a batch, if it can be divided into this many parts: enough for the threads of a laptop


def max_pool2d(x, window):
    """Return the maxima of all windows.

    IN x (N, H, W, C); OUT y (N, rows, columns, C).
    """
    y = aligned_empty((len(x), *window.output_size(x.shape[1:3]), x.shape[3]), x.dtype)
    max_pool2d_to(x, window, y)
    return y


def max_pool2d_to(const real[:, :, :, :] x, window, real[:, :, :, :] y):
    """Write the maxima of all windows to y.

    IN x (N, H, W, C); OUT y (N, rows, columns, C). Both may be slices of the channels of wider arrays.
    """
    cdef Pool p = pool_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], window, False)
    set_pixels(&p, x, y)
    cdef Py_ssize_t rows = p.N * p.rows, step = rows_of_task(&p), task
    for task in prange((rows + step - 1) // step, nogil=True, schedule="static", num_threads=threads_for(steps_of(&p, rows))):
        max_rows(&p, task * step, min((task + 1) * step, rows), &x[0, 0, 0, 0], &y[0, 0, 0, 0], NULL)


def max_pool2d_with_argmax(const real[:, :, :, ::1] x, window):
    """Return the maxima of all windows and the positions u·W + v of the winners.

    IN x (N, H, W, C); OUT y, argmax, both (N, rows, columns, C).
    """
    cdef Pool p = pool_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], window, False)
    # pool.h stores the positions of float winners as int32, counted from the window's first entry.
    if real is float and min((p.kh - 1) * p.D_h * p.W + (p.kw - 1) * p.D_w, p.H * p.W) > INT32_MAX:
        raise OverflowError(f"window must span at most {INT32_MAX} pixels of the input, got kernel {window.kernel}")
    result = aligned_empty((p.N, p.rows, p.columns, p.C), dtype_of[real](NULL))
    winners = np.empty(result.shape, np.intp)
    cdef real[:, :, :, ::1] y = result
    cdef Py_ssize_t[:, :, :, ::1] argmax = winners
    cdef Py_ssize_t rows = p.N * p.rows, step = rows_of_task(&p), task
    for task in prange((rows + step - 1) // step, nogil=True, schedule="static", num_threads=threads_for(steps_of(&p, rows))):
        max_rows(&p, task * step, min((task + 1) * step, rows), &x[0, 0, 0, 0], &y[0, 0, 0, 0], &argmax[0, 0, 0, 0])
    return result, winners


cdef void max_rows(const Pool *p, Py_ssize_t first, Py_ssize_t end, const real *x, real *y,
                   Py_ssize_t *argmax) noexcept nogil:
    """Compute rows first … end − 1 of the batch's outputs, and winners unless argmax is NULL."""
    cdef Entries e
    cdef Run run
    cdef Py_ssize_t row, j, at, done = first * p.columns * p.y_pixel, stop = end * p.columns * p.y_pixel
    cdef const real *window
    cdef Py_ssize_t *places
    for row in range(first, end):
        j = 0
        while j < p.columns:
            at = enter(p, row % p.rows, j, &e)
            run = run_from(p, row // p.rows, j, at, &e, stop - done)
            window = x + (row // p.rows * p.H * p.W + at) * p.x_pixel
            places = NULL if argmax == NULL else argmax + done
            max_windows(window, e, run, at, y + done, places)
            j += run.count
            done += run.count * p.y_pixel


def max_pool2d_dx(const real[:, :, :, ::1] dy, const Py_ssize_t[:, :, :, ::1] argmax, tuple input_size):
    """Return ∂e/∂x, or None if a winner's position is outside of its image.

    IN dy, argmax (N, rows, columns, C); OUT dx (N, *input_size, C).
    """
    cdef Py_ssize_t N = dy.shape[0], outputs = dy.shape[1] * dy.shape[2], C = dy.shape[3]
    cdef Py_ssize_t H = input_size[0], W = input_size[1], task
    result = aligned_empty((N, H, W, C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] dx = result
    # If there are few images, a task computes some of their channels, in whole cache lines, so that no two tasks write to the
    # same line.
    cdef Py_ssize_t lines = (C + CHANNELS_AT_ONCE - 1) // CHANNELS_AT_ONCE
    cdef Py_ssize_t parts = min(max(LEAST_TASKS // max(N, 1), 1), lines), first, end, b
    cdef bint inside = True  # &= makes it a reduction over all threads; a plain assignment would keep the last task's value
    for task in prange(N * parts, nogil=True, schedule="static", num_threads=threads_for(N * C * (H * W + 4 * outputs))):
        b = task // parts
        first = task % parts * lines // parts * CHANNELS_AT_ONCE
        end = min((task % parts + 1) * lines // parts * CHANNELS_AT_ONCE, C)
        inside &= send_to_winners(&dy[b, 0, 0, 0], &argmax[b, 0, 0, 0], outputs, C, first, end, H * W, &dx[b, 0, 0, 0])
    return result if inside else None


cdef bint send_to_winners(const real *dy, const Py_ssize_t *argmax, Py_ssize_t outputs, Py_ssize_t C, Py_ssize_t first,
                          Py_ssize_t end, Py_ssize_t pixels, real *dx) noexcept nogil:
    """Compute channels first … end − 1 of one image; return False if a position is outside."""
    cdef Py_ssize_t k, c, at
    if end - first == C:
        memset(dx, 0, pixels * C * sizeof(real))
    else:
        for k in range(pixels):
            memset(dx + k * C + first, 0, (end - first) * sizeof(real))
    for k in range(outputs):
        for c in range(first, end):
            at = argmax[k * C + c]
            if <size_t>at >= <size_t>pixels:  # as unsigned numbers, negative positions are large, too
                return False
            dx[at * C + c] += dy[k * C + c]
    return True


def max_pool1d(x, window):
    """Return max_pool2d of signals, as images that are one pixel high.

    IN x (N, n, C); OUT y (N, outputs, C).
    """
    return max_pool2d(x[:, None], window.with_axis_before())[:, 0]


def max_pool1d_with_argmax(x, window):
    """Return the maxima of all windows and the positions of the winners.

    IN x (N, n, C); OUT y, argmax, both (N, outputs, C). In an image with one row, the position u·W + v is v.
    """
    y, argmax = max_pool2d_with_argmax(x[:, None], window.with_axis_before())
    return y[:, 0], argmax[:, 0]


def max_pool1d_dx(dy, argmax, input_size):
    """Return ∂e/∂x, or None if a winner's position is outside of its signal.

    IN dy, argmax (N, outputs, C); OUT dx (N, *input_size, C).
    """
    dx = max_pool2d_dx(dy[:, None], argmax[:, None], (1, *input_size))
    return None if dx is None else dx[:, 0]
