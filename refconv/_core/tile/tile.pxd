"""Cython's view of tile.h, and the two things every user of the tile does: choose a shape, pack b."""
from refconv._core.common.real cimport real

cdef extern from "tile/tile.h" nogil:
    enum:
        WIDE_ROWS
        NARROW_ROWS
        MOST_ROWS
        MOST_SUMS
        LANES_float
        LANES_double
        HALF_LANES_float
        HALF_LANES_double
    ctypedef enum Kind:
        WIDE
        NARROW
        HALF
    void tile_float(Kind kind, Py_ssize_t rows, Py_ssize_t runs, const Py_ssize_t *run, Py_ssize_t length, Py_ssize_t step,
                    const float *const *a, const float *b, const float *start, float *const *out)
    void tile_double(Kind kind, Py_ssize_t rows, Py_ssize_t runs, const Py_ssize_t *run, Py_ssize_t length, Py_ssize_t step,
                     const double *const *a, const double *b, const double *start, double *const *out)
    void copy_row_float(const float *start, Py_ssize_t channels, Py_ssize_t width, float *to)
    void copy_row_double(const double *start, Py_ssize_t channels, Py_ssize_t width, double *to)


cdef struct Shape:
    Kind kind
    Py_ssize_t rows      # sums down: pixels, or entries of the kernel
    Py_ssize_t width     # sums across: channels


cdef inline Shape tile_shape(const real *_, Py_ssize_t channels) noexcept nogil:
    """The narrowest shape that holds all the channels, or else the widest."""
    cdef Py_ssize_t lanes = LANES_float if real is float else LANES_double
    cdef Py_ssize_t half = HALF_LANES_float if real is float else HALF_LANES_double
    if channels <= half:
        return Shape(kind=HALF, rows=NARROW_ROWS, width=half)
    if channels <= lanes:
        return Shape(kind=NARROW, rows=NARROW_ROWS, width=lanes)
    return Shape(kind=WIDE, rows=WIDE_ROWS, width=2 * lanes)


cdef inline Py_ssize_t panels(Shape shape, Py_ssize_t channels) noexcept nogil:
    """Tiles that lie side by side to cover the channels."""
    return (channels + shape.width - 1) // shape.width


cdef inline void tile(Shape shape, Py_ssize_t rows, Py_ssize_t runs, const Py_ssize_t *run, Py_ssize_t length,
                      Py_ssize_t step, const real **a, const real *b, const real *start, real **out) noexcept nogil:
    """A tile of this shape, of which so many rows are wanted; a and out have room for all."""
    if real is float:
        tile_float(shape.kind, rows, runs, run, length, step, <const float *const *>a, b, start, <float *const *>out)
    else:
        tile_double(shape.kind, rows, runs, run, length, step, <const double *const *>a, b, start, <double *const *>out)


cdef inline void rows_of_sums(Shape shape, real *sums, real **out) noexcept nogil:
    """Where a tile stores its rows if they lie one behind the other."""
    cdef Py_ssize_t p
    for p in range(shape.rows):
        out[p] = sums + p * shape.width


cdef inline void pack(const real *source, Py_ssize_t depth, Py_ssize_t depth_step, Py_ssize_t channels,
                      Py_ssize_t channel_step, Py_ssize_t width, real *packed) noexcept nogil:
    """IN source[k·depth_step + v·channel_step]; OUT packed[k·width + v], zero from v = channels on.

    Zeros, because idle lanes are multiplied like the others: what lies there by chance might be a NaN or, slower by far,
    a denormal. Where channels lie side by side, a whole vector is copied at once, as long as the source goes on behind it.
    """
    cdef Py_ssize_t k = 0, v
    if channel_step == 1:
        while k < depth and k * depth_step + width <= (depth - 1) * depth_step + channels:
            if real is float:
                copy_row_float(source + k * depth_step, channels, width, packed + k * width)
            else:
                copy_row_double(source + k * depth_step, channels, width, packed + k * width)
            k += 1
    for k in range(k, depth):
        for v in range(min(channels, width)):
            packed[k * width + v] = source[k * depth_step + v * channel_step]
        for v in range(channels, width):
            packed[k * width + v] = 0
