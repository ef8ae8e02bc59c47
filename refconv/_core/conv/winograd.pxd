"""Cython declarations of winograd.h.

There are five transforms for tiles with m = 2 outputs per side, and three of them also for m = 4.
"""

cdef extern from "conv/winograd.h" nogil:
    void input_transform(Py_ssize_t m, Py_ssize_t channels, const void *d, Py_ssize_t d_row, Py_ssize_t d_column,
                         void *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_transform(Py_ssize_t m, Py_ssize_t channels, const void *d, Py_ssize_t d_row, Py_ssize_t d_column,
                          void *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void output_transform(Py_ssize_t m, Py_ssize_t channels, const void *d, Py_ssize_t d_row, Py_ssize_t d_column,
                          void *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void store_pixel(Py_ssize_t channels, const void *sums, const void *bias, void *poison, void *y)
    void output_back_transform(Py_ssize_t channels, const void *d, Py_ssize_t d_row, Py_ssize_t d_column,
                               void *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_back_transform(Py_ssize_t channels, const void *d, Py_ssize_t d_row, Py_ssize_t d_column,
                               void *t, Py_ssize_t t_row, Py_ssize_t t_column)
