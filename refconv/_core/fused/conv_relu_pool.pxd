"""Cython declarations of conv_relu_pool.h, and sizes for the forward and backward pass."""

cdef extern from "fused/conv_relu_pool.h" nogil:
    enum:
        NO_WINNER
        LANE_OUTPUTS
        MOST_PATCH_ROWS
        WINDOW_LANES_float
        WINDOW_LANES_double
        PATCH_LANES_float
        PATCH_LANES_double
    ctypedef struct PatchSize:
        Py_ssize_t rows
        Py_ssize_t width
        Py_ssize_t pitch
        Py_ssize_t out_pitch
    void largest(const void *a, const void *b, const void *c, const void *d, void *best, unsigned char *winner)
    void windows(Py_ssize_t kh, Py_ssize_t kw, Py_ssize_t pitch, Py_ssize_t half, const void *even, const void *w,
                 const void *start, void *out)
    void add_patches(Py_ssize_t count, const Py_ssize_t *at, const void *weight, const void *source, const PatchSize *size,
                     void *out)
    void add_total(const void *x, Py_ssize_t count, void *total)
    bint all_finite(const void *x, Py_ssize_t count)


cdef enum:
    MOST_LANES = 16
    SLACK = 3 * MOST_LANES      # elements after the end of a row that whole vectors may read


cdef struct Layer:
    Py_ssize_t N, H, W, C               # input
    Py_ssize_t kh, kw, top, left
    Py_ssize_t height, pitch            # rows of an image with its zeros, and elements of each
    Py_ssize_t P, Q, O                  # windows of the pool down and across, output channels


cdef inline Layer layer_of(tuple x_shape, window, Py_ssize_t O):
    cdef Layer c
    c.N, c.H, c.W, c.C = x_shape
    c.O = O
    c.kh, c.kw = window.kernel
    (c.top, bottom), (c.left, right) = window.pads((c.H, c.W))
    c.height, c.pitch = c.H + c.top + bottom, (c.W + c.left + right) * c.C
    c.P, c.Q = (c.height - c.kh + 1) // 2, (c.pitch // c.C - c.kw + 1) // 2
    return c
