"""Sum of several arrays, and concatenation of their channels, for networks with branches.

Memory bandwidth limits the speed, so each array is read once. A task of the sum is a block of pixels, added in the order of
the arrays; further operations are applied to a line of elements while it is in the first-level cache. A task of the
concatenation is a block of pixels, whose channels are copied array by array.
"""
import numpy as np

from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.string cimport memcpy

from refconv._core.common.arrays cimport aligned_empty
from refconv._core.common.real cimport real

include "common/threads.pxi"

cdef enum:
    BLOCK_ELEMENTS = 4096   # elements of one task of the sum, which contains at least one pixel
    TASK_BYTES = 1 << 16    # bytes of one task of the concatenation
    BYTES_PER_STEP = 16     # bytes that are copied in one step (threads.h)


def total(arrays):
    """Return the sum of C-contiguous arrays of the same shape and type, as a new array."""
    result = aligned_empty(arrays[0].shape, arrays[0].dtype)
    combine(result.reshape(1, 1, -1, 1), [array.reshape(1, 1, -1, 1) for array in arrays])
    return result


def combine(real[:, :, :, :] y, list arrays, scale=None, shift=None, low=None, high=None):
    """Write y = min(max(scale · (x₁ + x₂ + …) + shift, low), high).

    IN arrays x₁, x₂, … (N, H, W, C), scale and shift (C,) or None, numbers low and high or None; OUT y (N, H, W, C). All may
    be slices of wider arrays, but channels must be contiguous; y must not overlap the others. A NaN stays a NaN.
    """
    cdef Py_ssize_t count = len(arrays), k, task
    cdef Py_ssize_t[:, ::1] steps = np.empty((count + 1, 4), np.intp)
    cdef tuple shape = (y.shape[0], y.shape[1], y.shape[2], y.shape[3])
    cdef const real[:, :, :, :] x = y
    cdef const real[::1] factors, offsets
    cdef Combination c
    c.rows, c.height, c.width, c.channels = y.shape[0] * y.shape[1], y.shape[1], y.shape[2], y.shape[3]
    cdef Py_ssize_t size = c.rows * c.width * c.channels
    if not size:
        return
    for k in range(count + 1):
        x = arrays[k] if k < count else y
        set_steps(x, shape, &steps[k, 0])
    c.count, c.steps = count, &steps[0, 0]
    c.low, c.high = -INFINITY if low is None else low, INFINITY if high is None else high
    c.scale = c.shift = NULL
    if scale is not None:
        factors, offsets = scale, shift
        if factors.shape[0] != c.channels or offsets.shape[0] != c.channels:
            raise ValueError(f"scale and shift must have {c.channels} elements each")
        c.scale, c.shift = &factors[0], &offsets[0]
    join_pixels(&c)
    cdef Py_ssize_t pixels = c.rows * c.width, step = max(BLOCK_ELEMENTS // c.channels, 1)
    cdef int threads = threads_for((count + 1) * size)
    for task in prange((pixels + step - 1) // step, nogil=True, schedule="static", num_threads=threads):
        combine_pixels(&c, task * step, min((task + 1) * step, pixels), <real *>NULL)


cdef struct Combination:
    # The sizes; rows are numbered through the batch.
    Py_ssize_t rows, height, width, channels
    # The number of inputs. For each input, and for y at the end: its address, and the elements from one image, one row and one
    # pixel to the next.
    Py_ssize_t count
    const Py_ssize_t *steps
    const void *scale               # NULL if there is none
    const void *shift
    double low, high                # -INFINITY and INFINITY if there are none


cdef set_steps(const real[:, :, :, :] x, tuple shape, Py_ssize_t *steps):
    """Write the address of x and its steps."""
    cdef Py_ssize_t axis
    if (x.shape[0], x.shape[1], x.shape[2], x.shape[3]) != shape:
        raise ValueError(f"the arrays must have shape {shape}, got {(x.shape[0], x.shape[1], x.shape[2], x.shape[3])}")
    if x.shape[3] > 1 and x.strides[3] != sizeof(real):
        raise ValueError("the channels of the arrays must be contiguous")
    steps[0] = <Py_ssize_t>&x[0, 0, 0, 0]
    for axis in range(3):
        steps[1 + axis] = x.strides[axis] // <Py_ssize_t>sizeof(real)


cdef void join_pixels(Combination *c) noexcept nogil:
    """Describe the rows as one long row, if all pixels of each array are equally far apart."""
    cdef Py_ssize_t k
    cdef const Py_ssize_t *step
    for k in range(c.count + 1):
        step = c.steps + 4 * k
        if (c.height > 1 and step[2] != c.width * step[3]) or (c.rows > c.height and step[1] != c.height * c.width * step[3]):
            return
    c.width, c.rows, c.height = c.width * c.rows, 1, 1


cdef void combine_pixels(const Combination *c, Py_ssize_t first, Py_ssize_t end, const real *_) noexcept nogil:
    """Compute pixels first … end − 1, which are numbered through the batch.

    The pointer selects the type.
    """
    cdef Py_ssize_t done, length
    while first < end:
        done = first % c.width
        length = min(end - first, c.width - done)
        combine_row(c, first // c.width, done, length, _)
        first += length


cdef void combine_row(const Combination *c, Py_ssize_t row, Py_ssize_t first, Py_ssize_t length, const real *_) noexcept nogil:
    """Compute some pixels of one row.

    They are one line of elements, if they are contiguous in all arrays.
    """
    cdef Py_ssize_t pixel, k, size = c.channels
    cdef bint contiguous = c.scale == NULL
    for k in range(c.count + 1):
        contiguous &= c.steps[4 * k + 3] == c.channels
    if contiguous:
        size, length = length * c.channels, 1
    for pixel in range(first, first + length):
        combine_line(c, row, pixel, size, _)


cdef inline const real *pixel_of(const Combination *c, Py_ssize_t k, Py_ssize_t row, Py_ssize_t pixel,
                                 const real *_) noexcept nogil:
    """Return a pointer to a pixel of input k, or of y if k is their number."""
    cdef const Py_ssize_t *step = c.steps + 4 * k
    return <const real *>step[0] + row // c.height * step[1] + row % c.height * step[2] + pixel * step[3]


cdef inline void combine_line(const Combination *c, Py_ssize_t row, Py_ssize_t pixel, Py_ssize_t size,
                              const real *_) noexcept nogil:
    """Compute `size` contiguous elements, from the first channel of a pixel on."""
    cdef real *y = <real *>pixel_of(c, c.count, row, pixel, _)
    cdef const real *a = pixel_of(c, 0, row, pixel, _)
    cdef const real *b
    cdef const real *scale = <const real *>c.scale
    cdef const real *shift = <const real *>c.shift
    cdef real low = <real>c.low, high = <real>c.high, value
    cdef Py_ssize_t k, i
    if c.count > 1:
        b = pixel_of(c, 1, row, pixel, _)
        for i in range(size):
            y[i] = a[i] + b[i]
    elif scale == NULL and c.low == -INFINITY and c.high == INFINITY:
        memcpy(y, a, size * sizeof(real))
    for k in range(2, c.count):
        b = pixel_of(c, k, row, pixel, _)
        for i in range(size):
            y[i] += b[i]
    if c.count > 1:
        a = y
    if scale != NULL:
        for i in range(size):
            value = scale[i] * a[i] + shift[i]
            value = low if value < low else value
            y[i] = high if value > high else value
    elif c.low != -INFINITY or c.high != INFINITY:
        for i in range(size):
            value = low if a[i] < low else a[i]
            y[i] = high if value > high else value


def add_channels(real[:, ::1] out, const real[:, ::1] a):
    """Add the first channels of `a` to `out`, in place.

    IN a (M, K); IN OUT out (M, C), C at most K.
    """
    cdef Py_ssize_t M = out.shape[0], C = out.shape[1], K = a.shape[1], step = max(BLOCK_ELEMENTS // C, 1), first
    if C == K:  # one long row
        M, C, step = 1, M * C, 1
        for first in prange(0, C, BLOCK_ELEMENTS, nogil=True, schedule="static", num_threads=threads_for(2 * C)):
            add_rows(1, min(BLOCK_ELEMENTS, C - first), 0, &a[0, 0] + first, &out[0, 0] + first)
        return
    for first in prange(0, M, step, nogil=True, schedule="static", num_threads=threads_for(2 * M * C)):
        add_rows(min(step, M - first), C, K, &a[first, 0], &out[first, 0])


cdef void add_rows(Py_ssize_t rows, Py_ssize_t C, Py_ssize_t K, const real *a, real *out) noexcept nogil:
    """Add the first C of K channels of each row of `a` to `out`."""
    cdef Py_ssize_t m, c
    for m in range(rows):
        for c in range(C):
            out[m * C + c] += a[m * K + c]


def side_by_side(arrays):
    """Return the arrays concatenated along their last axis, as a new array.

    IN C-contiguous arrays (…, C_k) of the same type, whose shapes differ only in C_k; OUT (…, ΣC_k).
    """
    cdef Py_ssize_t item = arrays[0].itemsize, last = arrays[0].ndim - 1, count = len(arrays)
    cdef Py_ssize_t width = item * sum(array.shape[last] for array in arrays)
    result = aligned_empty((*arrays[0].shape[:last], width // item), arrays[0].dtype)
    cdef Py_ssize_t pixels = result.nbytes // width, step = max(TASK_BYTES // width, 1), k, task
    cdef unsigned char[::1] out = result.reshape(-1).view(np.uint8)
    cdef const unsigned char[::1] flat_array
    cdef Py_ssize_t[:, ::1] parts = np.empty((count, 2), np.intp)  # address of each array, and the bytes of one of its pixels
    for k in range(count):
        flat_array = arrays[k].reshape(-1).view(np.uint8)
        parts[k, 0], parts[k, 1] = <Py_ssize_t>&flat_array[0] if pixels else 0, item * arrays[k].shape[last]
    cdef int threads = threads_for(pixels * width // BYTES_PER_STEP)
    for task in prange((pixels + step - 1) // step, nogil=True, schedule="static", num_threads=threads):
        copy_pixels(&parts[0, 0], count, task * step, min((task + 1) * step, pixels), &out[task * step * width])
    return result


cdef void copy_pixels(const Py_ssize_t *parts, Py_ssize_t count, Py_ssize_t first, Py_ssize_t end,
                      unsigned char *out) noexcept nogil:
    cdef Py_ssize_t pixel, k, size
    for pixel in range(first, end):
        for k in range(count):
            size = parts[2 * k + 1]
            memcpy(out, <const unsigned char *>parts[2 * k] + pixel * size, size)
            out += size
