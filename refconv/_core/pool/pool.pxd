"""Pooling windows on an image, for the kernels of max and average pooling.

Channels are contiguous, so the lanes of a vector are channels, and pool.h processes several channels at a time. Entries
outside of the image are removed before its loops begin, so the image is never padded.
"""
from refconv._core.common.real cimport real
from refconv._core.tile.image cimport image_of

cdef extern from "pool/pool.h" nogil:
    enum:
        CHANNELS_AT_ONCE
    ctypedef struct Entries:
        Py_ssize_t down, across, row, column, channels, pixel
    ctypedef struct Run:
        Py_ssize_t count, stride, pixel, readable, writable
    void max_windows(const void *x, Entries entries, Run run, Py_ssize_t at, void *y, Py_ssize_t *argmax)
    void avg_windows(const void *x, Entries entries, Run run, double count, void *y)


cdef enum:
    TASK_ENTRIES = 16384    # most window entries in one task, unless a single row of outputs has more


cdef struct Pool:
    Py_ssize_t N, H, W, C               # input
    Py_ssize_t rows, columns            # output
    Py_ssize_t x_pixel, y_pixel         # elements from one pixel of the input and of the output to the next
    Py_ssize_t kh, kw, S_h, S_w, D_h, D_w, top, left
    Py_ssize_t whole_from, whole_to     # windows of output columns whole_from … whole_to − 1 are inside at left and right
    Py_ssize_t counted_h, counted_w     # with count_include_pad, rows below counted_h and columns below counted_w count
    bint count_include_pad


cdef inline Pool pool_of(Py_ssize_t N, tuple input_size, Py_ssize_t C, window, bint count_include_pad):
    cdef Pool p
    p.N, p.C, p.x_pixel, p.y_pixel, p.count_include_pad = N, C, C, C, count_include_pad
    p.H, p.W = input_size
    p.rows, p.columns = window.output_size(input_size)
    p.kh, p.kw = window.kernel
    p.S_h, p.S_w = window.stride
    p.D_h, p.D_w = window.dilation
    (p.top, bottom), (p.left, right) = window.pads(input_size)
    p.whole_from = min((p.left + p.S_w - 1) // p.S_w, p.columns)
    p.whole_to = min(max(p.W + p.left - (p.kw - 1) * p.D_w + p.S_w - 1, 0) // p.S_w, p.columns)
    p.counted_h, p.counted_w = p.H + bottom, p.W + right
    return p


cdef inline int set_pixels(Pool *p, const real[:, :, :, :] x, const real[:, :, :, :] y) except -1:
    """Set the elements between pixels of x (N, H, W, C) and of y (N, rows, columns, C).

    Both may be slices of the channels of wider arrays.
    """
    p.x_pixel = image_of(x, (p.N, p.H, p.W, p.C)).pixel
    p.y_pixel = image_of(y, (p.N, p.rows, p.columns, p.C)).pixel
    return 0


cdef inline Py_ssize_t first_inside(Py_ssize_t start, Py_ssize_t D) noexcept nogil:
    """Return the first entry m with start + m·D >= 0."""
    return 0 if start >= 0 else (D - 1 - start) // D


cdef inline Py_ssize_t end_inside(Py_ssize_t start, Py_ssize_t D, Py_ssize_t k, Py_ssize_t size) noexcept nogil:
    """Return one past the last entry m < k with start + m·D < size."""
    return k if start + (k - 1) * D < size else (size - start + D - 1) // D


cdef inline Py_ssize_t enter(const Pool *p, Py_ssize_t i, Py_ssize_t j, Entries *e) noexcept nogil:
    """Set `e` to the entries of the window of output (i, j) that are inside the image.

    Return the position u·W + v of the first entry.
    """
    cdef Py_ssize_t u = i * p.S_h - p.top, m = first_inside(u, p.D_h)
    cdef Py_ssize_t v = j * p.S_w - p.left, n = first_inside(v, p.D_w)
    e.down, e.across = end_inside(u, p.D_h, p.kh, p.H) - m, end_inside(v, p.D_w, p.kw, p.W) - n
    e.row, e.column, e.channels = p.D_h * p.W, p.D_w, p.C
    e.pixel = p.x_pixel
    return (u + m * p.D_h) * p.W + v + n * p.D_w


cdef inline Py_ssize_t steps_of(const Pool *p, Py_ssize_t rows) noexcept nogil:
    """Return the steps (threads.h) of some rows of outputs: the entries of their windows."""
    return rows * p.columns * p.C * p.kh * p.kw


cdef inline Py_ssize_t rows_of_task(const Pool *p) noexcept nogil:
    """Return the number of output rows in one task; rows are numbered through the batch."""
    return max(TASK_ENTRIES // steps_of(p, 1), 1)


cdef inline Run run_from(const Pool *p, Py_ssize_t b, Py_ssize_t j, Py_ssize_t at, const Entries *e,
                         Py_ssize_t writable) noexcept nogil:
    """Return the run of windows from column j on with the same number of entries inside.

    The first window begins at position `at` in image b.
    """
    cdef Run run
    run.count = p.whole_to - j if p.whole_from <= j < p.whole_to else 1
    run.stride, run.pixel = p.S_w, p.y_pixel
    cdef Py_ssize_t last = at + (e.down - 1) * e.row + (e.across - 1) * e.column  # pixel of the first window's last entry
    run.readable = ((p.N - b) * p.H * p.W - 1 - last) * p.x_pixel + p.C
    run.writable = writable if p.y_pixel == p.C else 0
    return run
