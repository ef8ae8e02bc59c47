"""Cython's view of winograd.h: five transforms, for tiles of m = 2 outputs a side, three of them also for m = 4."""
from refconv._core.common.real cimport real

cdef extern from "conv/winograd.h" nogil:
    void input_of_2_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                          float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void input_of_2_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                           double *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void input_of_4_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                          float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void input_of_4_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                           double *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_of_2_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                           float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_of_2_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                            double *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_of_4_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                           float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_of_4_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                            double *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void output_of_2_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                           float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void output_of_2_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                            double *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void output_of_4_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                           float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void output_of_4_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                            double *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void output_back_of_2_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                                float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void output_back_of_2_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                                 double *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_back_of_2_float(Py_ssize_t channels, const float *d, Py_ssize_t d_row, Py_ssize_t d_column,
                                float *t, Py_ssize_t t_row, Py_ssize_t t_column)
    void kernel_back_of_2_double(Py_ssize_t channels, const double *d, Py_ssize_t d_row, Py_ssize_t d_column,
                                 double *t, Py_ssize_t t_row, Py_ssize_t t_column)


cdef inline void input_transform(Py_ssize_t m, Py_ssize_t channels, const real *d, Py_ssize_t d_row,
                                 Py_ssize_t d_column, real *t, Py_ssize_t t_row, Py_ssize_t t_column) noexcept nogil:
    """Bᵀ d B of the inputs of a tile."""
    if real is float:
        if m == 2:
            input_of_2_float(channels, d, d_row, d_column, t, t_row, t_column)
        else:
            input_of_4_float(channels, d, d_row, d_column, t, t_row, t_column)
    else:
        if m == 2:
            input_of_2_double(channels, d, d_row, d_column, t, t_row, t_column)
        else:
            input_of_4_double(channels, d, d_row, d_column, t, t_row, t_column)


cdef inline void kernel_transform(Py_ssize_t m, Py_ssize_t channels, const real *d, Py_ssize_t d_row,
                                  Py_ssize_t d_column, real *t, Py_ssize_t t_row, Py_ssize_t t_column) noexcept nogil:
    """G g Gᵀ of the taps of a kernel."""
    if real is float:
        if m == 2:
            kernel_of_2_float(channels, d, d_row, d_column, t, t_row, t_column)
        else:
            kernel_of_4_float(channels, d, d_row, d_column, t, t_row, t_column)
    else:
        if m == 2:
            kernel_of_2_double(channels, d, d_row, d_column, t, t_row, t_column)
        else:
            kernel_of_4_double(channels, d, d_row, d_column, t, t_row, t_column)


cdef inline void output_transform(Py_ssize_t m, Py_ssize_t channels, const real *d, Py_ssize_t d_row,
                                  Py_ssize_t d_column, real *t, Py_ssize_t t_row, Py_ssize_t t_column) noexcept nogil:
    """Aᵀ t A: from products to outputs."""
    if real is float:
        if m == 2:
            output_of_2_float(channels, d, d_row, d_column, t, t_row, t_column)
        else:
            output_of_4_float(channels, d, d_row, d_column, t, t_row, t_column)
    else:
        if m == 2:
            output_of_2_double(channels, d, d_row, d_column, t, t_row, t_column)
        else:
            output_of_4_double(channels, d, d_row, d_column, t, t_row, t_column)


cdef inline void output_back_transform(Py_ssize_t channels, const real *d, Py_ssize_t d_row,
                                       Py_ssize_t d_column, real *t, Py_ssize_t t_row, Py_ssize_t t_column) noexcept nogil:
    """A y Aᵀ of the ∂e/∂y of a tile, for ∂e/∂w."""
    if real is float:
        output_back_of_2_float(channels, d, d_row, d_column, t, t_row, t_column)
    else:
        output_back_of_2_double(channels, d, d_row, d_column, t, t_row, t_column)


cdef inline void kernel_back_transform(Py_ssize_t channels, const real *d, Py_ssize_t d_row,
                                       Py_ssize_t d_column, real *t, Py_ssize_t t_row, Py_ssize_t t_column) noexcept nogil:
    """Gᵀ t G: from sums of products to ∂e/∂w."""
    if real is float:
        kernel_back_of_2_float(channels, d, d_row, d_column, t, t_row, t_column)
    else:
        kernel_back_of_2_double(channels, d, d_row, d_column, t, t_row, t_column)
