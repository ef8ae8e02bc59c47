"""Max and average pooling and their derivatives.

Channels lie side by side, so the lanes of a vector are channels: pool.h takes a few of them through one window at a
time. Entries outside of the image are cut off before its loops begin: no padding is ever made.

Each output element belongs to one task, and adds in a fixed order: the bits are the same at any thread count.

forward     a task is a row of outputs
avg dx      a task is a row of inputs: it gathers from the outputs whose windows hold it
max dx      the winners are anywhere in their image, so a task is an image, or some of its channels where images are few
"""
import numpy as np

from cython.parallel cimport prange
from libc.stdint cimport INT32_MAX
from libc.string cimport memset

from refconv._core.arrays cimport dtype_of
from refconv._core.real cimport real

include "threads.pxi"

cdef extern from "pool.h" nogil:
    enum:
        LANES
    ctypedef struct Entries:
        Py_ssize_t down, across, row, column, channels
    void max_window_float(const float *x, const Entries *e, Py_ssize_t at, Py_ssize_t readable, Py_ssize_t stored,
                          float *y, Py_ssize_t *argmax)
    void max_window_double(const double *x, const Entries *e, Py_ssize_t at, Py_ssize_t readable, Py_ssize_t stored,
                           double *y, Py_ssize_t *argmax)
    void avg_window_float(const float *x, const Entries *e, float count, Py_ssize_t readable, Py_ssize_t stored,
                          float *y)
    void avg_window_double(const double *x, const Entries *e, double count, Py_ssize_t readable, Py_ssize_t stored,
                           double *y)

cdef enum:
    TASKS = 16     # at least so many where the work can be cut: enough for the threads of a laptop


cdef struct Pool:
    Py_ssize_t N, H, W, C               # input
    Py_ssize_t rows, columns            # output
    Py_ssize_t kh, kw, S_h, S_w, D_h, D_w, top, left
    Py_ssize_t counted_h, counted_w     # with count_include_pad, the rows and columns before this one count
    bint count_include_pad


cdef Pool pool_of(Py_ssize_t N, tuple input_size, Py_ssize_t C, window, bint count_include_pad):
    cdef Pool p
    p.N, p.C, p.count_include_pad = N, C, count_include_pad
    p.H, p.W = input_size
    p.rows, p.columns = window.output_size(input_size)
    p.kh, p.kw = window.kernel
    p.S_h, p.S_w = window.stride
    p.D_h, p.D_w = window.dilation
    (p.top, bottom), (p.left, right) = window.pads(input_size)
    p.counted_h, p.counted_w = p.H + bottom, p.W + right
    return p


cdef inline Py_ssize_t first_inside(Py_ssize_t start, Py_ssize_t D) noexcept nogil:
    """The first entry m with start + m·D >= 0."""
    return 0 if start >= 0 else (D - 1 - start) // D


cdef inline Py_ssize_t end_inside(Py_ssize_t start, Py_ssize_t D, Py_ssize_t k, Py_ssize_t size) noexcept nogil:
    """One past the last entry m < k with start + m·D < size."""
    return k if start + (k - 1) * D < size else (size - start + D - 1) // D


cdef inline Py_ssize_t enter(const Pool *p, Py_ssize_t i, Py_ssize_t j, Entries *e) noexcept nogil:
    """The entries that the window of output (i, j) has inside the image; returns the first one's position u·W + v."""
    cdef Py_ssize_t u = i * p.S_h - p.top, m = first_inside(u, p.D_h)
    cdef Py_ssize_t v = j * p.S_w - p.left, n = first_inside(v, p.D_w)
    e.down, e.across = end_inside(u, p.D_h, p.kh, p.H) - m, end_inside(v, p.D_w, p.kw, p.W) - n
    e.row, e.column, e.channels = p.D_h * p.W, p.D_w, p.C
    return (u + m * p.D_h) * p.W + v + n * p.D_w


cdef inline Py_ssize_t readable_from(const Pool *p, Py_ssize_t b, Py_ssize_t at, const Entries *e) noexcept nogil:
    """Elements of x from the last entry's first channel on."""
    return ((p.N - b) * p.H * p.W - at - (e.down - 1) * e.row - (e.across - 1) * e.column) * p.C


def max_pool2d(const real[:, :, :, ::1] x, window):
    """IN x (N, H, W, C); OUT y (N, rows, columns, C)."""
    cdef Pool p = pool_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], window, False)
    result = np.empty((p.N, p.rows, p.columns, p.C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] y = result
    cdef Py_ssize_t row
    for row in prange(p.N * p.rows, nogil=True, schedule="static", num_threads=num_threads()):
        max_row(&p, row // p.rows, row % p.rows, &x[row // p.rows, 0, 0, 0], &y[row // p.rows, row % p.rows, 0, 0],
                NULL)
    return result


def max_pool2d_with_argmax(const real[:, :, :, ::1] x, window):
    """IN x (N, H, W, C); OUT y and the winners' positions u·W + v, both (N, rows, columns, C)."""
    cdef Pool p = pool_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], window, False)
    # pool.h keeps the places of float winners in an int32, counted from the window's first entry.
    if real is float and min((p.kh - 1) * p.D_h * p.W + (p.kw - 1) * p.D_w, p.H * p.W) > INT32_MAX:
        raise OverflowError(f"window {window.kernel} spans more pixels of the input than an int32 can count")
    result = np.empty((p.N, p.rows, p.columns, p.C), dtype_of[real](NULL))
    winners = np.empty(result.shape, np.intp)
    cdef real[:, :, :, ::1] y = result
    cdef Py_ssize_t[:, :, :, ::1] argmax = winners
    cdef Py_ssize_t row
    for row in prange(p.N * p.rows, nogil=True, schedule="static", num_threads=num_threads()):
        max_row(&p, row // p.rows, row % p.rows, &x[row // p.rows, 0, 0, 0], &y[row // p.rows, row % p.rows, 0, 0],
                &argmax[row // p.rows, row % p.rows, 0, 0])
    return result, winners


cdef void max_row(const Pool *p, Py_ssize_t b, Py_ssize_t i, const real *image, real *y,
                  Py_ssize_t *argmax) noexcept nogil:
    """Row i of image b's outputs, and its winners unless argmax is NULL."""
    cdef Entries e
    cdef Py_ssize_t j, c, at, readable, stored
    cdef const real *x
    cdef Py_ssize_t *places
    for j in range(p.columns):
        at = enter(p, i, j, &e)
        readable = readable_from(p, b, at, &e)
        c = 0
        while c < p.C:
            x, stored = image + at * p.C + c, min(LANES, p.C - c)
            places = NULL if argmax == NULL else argmax + j * p.C + c
            if real is float:
                max_window_float(x, &e, at, readable - c, stored, y + j * p.C + c, places)
            else:
                max_window_double(x, &e, at, readable - c, stored, y + j * p.C + c, places)
            c += LANES


def max_pool2d_dx(const real[:, :, :, ::1] dy, const Py_ssize_t[:, :, :, ::1] argmax, tuple input_size):
    """IN dy, argmax (N, rows, columns, C); OUT dx (N, *input_size, C). argmax was checked: all inside the image."""
    cdef Py_ssize_t N = dy.shape[0], outputs = dy.shape[1] * dy.shape[2], C = dy.shape[3]
    cdef Py_ssize_t H = input_size[0], W = input_size[1], row, task
    result = np.empty((N, H, W, C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] dx = result
    cdef int threads = num_threads()
    for row in prange(N * H, nogil=True, schedule="static", num_threads=threads):
        memset(&dx[row // H, row % H, 0, 0], 0, W * C * sizeof(real))
    # Where images are few, their channels in whole cache lines, so that no two tasks write the same one.
    cdef Py_ssize_t lines = (C + LANES - 1) // LANES, parts = min(max(TASKS // max(N, 1), 1), lines)
    for task in prange(N * parts, nogil=True, schedule="static", num_threads=threads):
        send_to_winners(&dy[task // parts, 0, 0, 0], &argmax[task // parts, 0, 0, 0], outputs, C,
                        task % parts * lines // parts * LANES, min((task % parts + 1) * lines // parts * LANES, C),
                        &dx[task // parts, 0, 0, 0])
    return result


cdef void send_to_winners(const real *dy, const Py_ssize_t *argmax, Py_ssize_t outputs, Py_ssize_t C, Py_ssize_t first,
                          Py_ssize_t end, real *dx) noexcept nogil:
    """Channels first … end − 1 of one image."""
    cdef Py_ssize_t k, c
    for k in range(outputs):
        for c in range(first, end):
            dx[argmax[k * C + c] * C + c] += dy[k * C + c]


def avg_pool2d(const real[:, :, :, ::1] x, window, bint count_include_pad):
    """IN x (N, H, W, C); OUT y (N, rows, columns, C)."""
    cdef Pool p = pool_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], window, count_include_pad)
    result = np.empty((p.N, p.rows, p.columns, p.C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] y = result
    cdef Py_ssize_t row
    for row in prange(p.N * p.rows, nogil=True, schedule="static", num_threads=num_threads()):
        avg_row(&p, row // p.rows, row % p.rows, &x[row // p.rows, 0, 0, 0], &y[row // p.rows, row % p.rows, 0, 0])
    return result


cdef void avg_row(const Pool *p, Py_ssize_t b, Py_ssize_t i, const real *image, real *y) noexcept nogil:
    """Row i of image b's outputs."""
    cdef Entries e
    cdef Py_ssize_t j, c, at, readable, stored, count
    cdef const real *x
    for j in range(p.columns):
        at = enter(p, i, j, &e)
        readable, count = readable_from(p, b, at, &e), counted(p, i, j, &e)
        c = 0
        while c < p.C:
            x, stored = image + at * p.C + c, min(LANES, p.C - c)
            if real is float:
                avg_window_float(x, &e, count, readable - c, stored, y + j * p.C + c)
            else:
                avg_window_double(x, &e, count, readable - c, stored, y + j * p.C + c)
            c += LANES


cdef inline Py_ssize_t counted(const Pool *p, Py_ssize_t i, Py_ssize_t j, const Entries *e) noexcept nogil:
    """What the sum of output (i, j) is divided by: the entries inside, or those in the declared padding as well."""
    if not p.count_include_pad:
        return e.down * e.across
    return (end_inside(i * p.S_h - p.top, p.D_h, p.kh, p.counted_h)
            * end_inside(j * p.S_w - p.left, p.D_w, p.kw, p.counted_w))


def avg_pool2d_dx(const real[:, :, :, ::1] dy, window, tuple input_size, bint count_include_pad):
    """IN dy (N, rows, columns, C); OUT dx (N, *input_size, C)."""
    cdef Pool p = pool_of(dy.shape[0], input_size, dy.shape[3], window, count_include_pad)
    result = np.empty((p.N, p.H, p.W, p.C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] dx = result
    cdef Py_ssize_t row
    for row in prange(p.N * p.H, nogil=True, schedule="static", num_threads=num_threads()):
        avg_row_dx(&p, row % p.H, &dy[row // p.H, 0, 0, 0], &dx[row // p.H, row % p.H, 0, 0])
    return result


cdef void avg_row_dx(const Pool *p, Py_ssize_t u, const real *image, real *dx) noexcept nogil:
    """Row u of one image's ∂e/∂x, from the output rows i with i·S + m·D − top = u; image is one of ∂e/∂y."""
    cdef Entries e
    cdef Py_ssize_t m, reach, i, j, at, n, c
    cdef const real *dy
    cdef real *to
    cdef real share
    memset(dx, 0, p.W * p.C * sizeof(real))
    for m in range(p.kh - 1, -1, -1):  # backwards, so that i goes forwards, as in the loops of the book
        reach = u + p.top - m * p.D_h
        if reach < 0 or reach % p.S_h != 0 or reach // p.S_h >= p.rows:
            continue
        i = reach // p.S_h
        for j in range(p.columns):
            at = enter(p, i, j, &e)
            share = <real>1 / counted(p, i, j, &e)
            dy = image + (i * p.columns + j) * p.C
            for n in range(e.across):
                to = dx + (at % p.W + n * p.D_w) * p.C
                for c in range(p.C):
                    to[c] += share * dy[c]


def max_pool1d(x, window):
    """max_pool2d of signals as images one pixel high. IN x (N, n, C); OUT y (N, outputs, C)."""
    return max_pool2d(x[:, None], window.with_axis_before())[:, 0]


def max_pool1d_with_argmax(x, window):
    """IN x (N, n, C); OUT y and the winners' positions u, both (N, outputs, C): in an image's only row u·W + v is v."""
    y, argmax = max_pool2d_with_argmax(x[:, None], window.with_axis_before())
    return y[:, 0], argmax[:, 0]


def max_pool1d_dx(dy, argmax, input_size):
    """IN dy, argmax (N, outputs, C); OUT dx (N, *input_size, C)."""
    return max_pool2d_dx(dy[:, None], argmax[:, None], (1, *input_size))[:, 0]


def avg_pool1d(x, window, count_include_pad):
    """IN x (N, n, C); OUT y (N, outputs, C)."""
    return avg_pool2d(x[:, None], window.with_axis_before(), count_include_pad)[:, 0]


def avg_pool1d_dx(dy, window, input_size, count_include_pad):
    """IN dy (N, outputs, C); OUT dx (N, *input_size, C)."""
    return avg_pool2d_dx(dy[:, None], window.with_axis_before(), (1, *input_size), count_include_pad)[:, 0]
