"""Cython's view of depthwise.h."""
from refconv._core.common.real cimport real

cdef extern from "conv/depthwise.h" nogil:
    enum: SWEEP_PIXELS
    ctypedef struct Patch:
        Py_ssize_t rows, columns, x_row, x_column, w_row, w_column
    int kernel_for_float(Py_ssize_t channels, Py_ssize_t G)
    int kernel_for_double(Py_ssize_t channels, Py_ssize_t G)
    int lanes_float(int kernel)
    int lanes_double(int kernel)
    void sweep_float(int kernel, const Patch *taps, Py_ssize_t pixels, Py_ssize_t channels, const float *x,
                     Py_ssize_t x_pixel, const float *w, const float *bias, float *y, Py_ssize_t y_pixel)
    void sweep_double(int kernel, const Patch *taps, Py_ssize_t pixels, Py_ssize_t channels, const double *x,
                      Py_ssize_t x_pixel, const double *w, const double *bias, double *y, Py_ssize_t y_pixel)
    void gather_float(int kernel, const Patch *taps, Py_ssize_t pixels, Py_ssize_t channels, const float *x,
                      Py_ssize_t x_pixel, const float *dy, Py_ssize_t dy_pixel, float *sums)
    void gather_double(int kernel, const Patch *taps, Py_ssize_t pixels, Py_ssize_t channels, const double *x,
                       Py_ssize_t x_pixel, const double *dy, Py_ssize_t dy_pixel, double *sums)


cdef inline int kernel_for(const real *_, Py_ssize_t channels, Py_ssize_t G) noexcept nogil:
    """The number of the kernels for so many channels in groups of G, or −1."""
    return kernel_for_float(channels, G) if real is float else kernel_for_double(channels, G)


cdef inline int lanes_of(const real *_, int kernel) noexcept nogil:
    return lanes_float(kernel) if real is float else lanes_double(kernel)


cdef inline void sweep(int kernel, const Patch *taps, Py_ssize_t pixels, Py_ssize_t channels, const real *x,
                       Py_ssize_t x_pixel, const real *w, const real *bias, real *y, Py_ssize_t y_pixel) noexcept nogil:
    if real is float:
        sweep_float(kernel, taps, pixels, channels, x, x_pixel, w, bias, y, y_pixel)
    else:
        sweep_double(kernel, taps, pixels, channels, x, x_pixel, w, bias, y, y_pixel)


cdef inline void gather(int kernel, const Patch *taps, Py_ssize_t pixels, Py_ssize_t channels, const real *x,
                        Py_ssize_t x_pixel, const real *dy, Py_ssize_t dy_pixel, real *sums) noexcept nogil:
    if real is float:
        gather_float(kernel, taps, pixels, channels, x, x_pixel, dy, dy_pixel, sums)
    else:
        gather_double(kernel, taps, pixels, channels, x, x_pixel, dy, dy_pixel, sums)
