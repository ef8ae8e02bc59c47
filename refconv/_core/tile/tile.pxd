"""Cython declarations of tile.h, with functions that choose a tile shape and pack b."""
from refconv._core.common.real cimport real
from refconv._core.tile.finish cimport Finish

cdef extern from "tile/tile.h" nogil:
    enum:
        WIDE_ROWS
        NARROW_ROWS
        MOST_ROWS
        MOST_SUMS
        STRIP_TILES
        LANES_float
        LANES_double
        HALF_LANES_float
        HALF_LANES_double
    ctypedef enum Kind:
        WIDE
        NARROW
        HALF
    ctypedef struct Shape:
        Kind kind
        Py_ssize_t rows
        Py_ssize_t width
    ctypedef struct Runs:
        Py_ssize_t count
        Py_ssize_t length
        Py_ssize_t step
        const Py_ssize_t *start
    void tile(Shape shape, Py_ssize_t rows, const Runs *runs, const void *a, const void *b, const void *start, void *out)
    void finished_tile(Shape shape, Py_ssize_t rows, const Runs *runs, const void *a, const void *b, const void *start,
                       const Finish *finish, void *out)
    void copy_row(const void *source, Py_ssize_t channels, Py_ssize_t width, void *to)
    void copy_turned(const void *source, Py_ssize_t depth, Py_ssize_t step, Py_ssize_t channels, Py_ssize_t width, void *to)
    void copy_tiles(Py_ssize_t length, Py_ssize_t step, const void *source, Py_ssize_t tiles, Py_ssize_t size, void *to)
    void copy_columns(Py_ssize_t length, Py_ssize_t step, const void *source, Py_ssize_t columns, void *to)


cdef inline Shape tile_shape(const real *_, Py_ssize_t channels) noexcept nogil:
    """Return the narrowest tile shape that contains all channels, or the widest if none does."""
    cdef Py_ssize_t lanes = LANES_float if real is float else LANES_double
    cdef Py_ssize_t half = HALF_LANES_float if real is float else HALF_LANES_double
    if channels <= half:
        return Shape(kind=HALF, rows=NARROW_ROWS, width=half)
    if channels <= lanes:
        return Shape(kind=NARROW, rows=NARROW_ROWS, width=lanes)
    return Shape(kind=WIDE, rows=WIDE_ROWS, width=2 * lanes)


cdef inline Py_ssize_t panels(Shape shape, Py_ssize_t channels) noexcept nogil:
    """Return the number of tiles that cover the channels."""
    return (channels + shape.width - 1) // shape.width


cdef inline void rows_of_sums(Shape shape, real *sums, real **out) noexcept nogil:
    """Write pointers to the rows of a contiguous array of sums to `out`."""
    cdef Py_ssize_t p
    for p in range(shape.rows):
        out[p] = sums + p * shape.width


cdef inline void pack(const real *source, Py_ssize_t depth, Py_ssize_t depth_step, Py_ssize_t channels,
                      Py_ssize_t channel_step, Py_ssize_t width, real *packed) noexcept nogil:
    """Copy a matrix into rows of whole vectors, with zeros from v = channels on.

    IN source[k·depth_step + v·channel_step]; OUT packed[k·width + v]. The zeros are needed because idle lanes are multiplied
    like the others: uninitialised memory might contain a NaN or a denormal, which is far slower. If channels are contiguous,
    whole vectors are copied, except for the last rows, whose vectors would end outside of the source. If k is contiguous, the
    matrix is transposed square by square.
    """
    cdef Py_ssize_t k = 0, v
    if depth_step == 1 and channel_step != 1:
        copy_turned(source, depth, channel_step, channels, width, packed)
        return
    if channel_step == 1:
        while k < depth and k * depth_step + width <= (depth - 1) * depth_step + channels:
            copy_row(source + k * depth_step, channels, width, packed + k * width)
            k += 1
    for k in range(k, depth):
        for v in range(min(channels, width)):
            packed[k * width + v] = source[k * depth_step + v * channel_step]
        for v in range(channels, width):
            packed[k * width + v] = 0
