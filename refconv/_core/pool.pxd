"""A pooling window on an image: what the kernels of max and average pooling share.

Channels lie side by side, so the lanes of a vector are channels: pool.h takes a few of them through one window at a
time. Entries outside of the image are cut off before its loops begin: no padding is ever made.
"""

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


cdef struct Pool:
    Py_ssize_t N, H, W, C               # input
    Py_ssize_t rows, columns            # output
    Py_ssize_t kh, kw, S_h, S_w, D_h, D_w, top, left
    Py_ssize_t counted_h, counted_w     # with count_include_pad, the rows and columns before this one count
    bint count_include_pad


cdef inline Pool pool_of(Py_ssize_t N, tuple input_size, Py_ssize_t C, window, bint count_include_pad):
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
