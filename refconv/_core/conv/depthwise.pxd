"""Cython declarations of depthwise.h."""
from refconv._core.tile.finish cimport Finish

cdef extern from "conv/depthwise.h" nogil:
    enum: SWEEP_PIXELS
    ctypedef struct Patch:
        Py_ssize_t rows, columns, x_row, x_column, w_row, w_column, w_input
    ctypedef struct Line:
        Py_ssize_t pixels, channels, x_pixel, y_pixel
    int kernel_for(const void *pointer, Py_ssize_t channels, Py_ssize_t G)
    int lanes_of(const void *pointer, int kernel)
    void sweep(int kernel, const Patch *taps, const Line *line, const void *x, const void *w, const void *bias,
               const Finish *finish, void *y)
    void gather(int kernel, const Patch *taps, const Line *line, const void *x, const void *dy, void *sums)
