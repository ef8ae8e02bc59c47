"""Sizes of a convolution, and bands of rows, for direct.pyx and direct_grads.pyx."""
from refconv._core.tile.sweep cimport BAND_PIXELS, TASKS
from refconv._core.tile.tile cimport Shape


cdef struct Conv:
    Py_ssize_t N, H, W, C               # input
    Py_ssize_t rows, columns, O         # output
    Py_ssize_t kh, kw, S_h, S_w, D_h, D_w, top, left
    Py_ssize_t groups, C_g, O_g         # channels of one group


cdef inline Conv conv_of(Py_ssize_t N, tuple input_size, Py_ssize_t C, Py_ssize_t O, window, Py_ssize_t groups) except *:
    cdef Conv c
    c.N, c.C, c.O, c.groups = N, C, O, groups
    c.H, c.W = input_size
    c.kh, c.kw = window.kernel
    c.S_h, c.S_w = window.stride
    c.D_h, c.D_w = window.dilation
    (c.top, bottom), (c.left, right) = window.pads(input_size)
    c.rows = (c.H + c.top + bottom - (c.kh - 1) * c.D_h - 1) // c.S_h + 1
    c.columns = (c.W + c.left + right - (c.kw - 1) * c.D_w - 1) // c.S_w + 1
    c.C_g, c.O_g = C // groups, O // groups
    return c


cdef inline Py_ssize_t tasks_per_image(Py_ssize_t images) noexcept nogil:
    """Return how many tasks of each image occupy the threads."""
    return (TASKS + images - 1) // images if images else TASKS


cdef inline Py_ssize_t band_rows(Shape shape, Py_ssize_t bands, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Return the rows of a band: few enough for this many bands, enough to fill the last tile."""
    cdef Py_ssize_t band = max(bands, (rows * columns + BAND_PIXELS - 1) // BAND_PIXELS)
    band = (rows + band - 1) // band
    cdef Py_ssize_t tiles = (band * columns + shape.rows - 1) // shape.rows
    return min(max(band, tiles * shape.rows // columns), rows)
