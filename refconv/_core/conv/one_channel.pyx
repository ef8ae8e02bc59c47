"""Convolution of images with one channel, such as the digits that LeNet reads.

The lanes of direct.pyx's tile are output channels: LeNet's six leave most lanes idle, and each product needs a broadcast. Here
lanes are the pixels of an output row (one_channel.h), with two rows and six output channels at a time. The last vector of a
row overlaps the one before, so that it does not read beyond the row. In the registers, the sums of one channel are contiguous;
the channels are interleaved when they are stored.

registers   2 × 6 sums, two vectors of x, one weight; a kernel of more than SUM_BLOCK taps is divided into blocks of its rows
            (sums.h)
L1          the image rows under these sums; all weights: [six outputs][tap][6], zero beyond the last output
threads     tasks of (image, band of rows); each output element belongs to one task
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry, carry_block
from refconv._core.tile.image cimport Image, View, rows_of, view_of, whole_image

include "common/threads.pxi"

cdef extern from "conv/one_channel.h" nogil:
    enum:
        PIXEL_ROWS
        PIXEL_OUTPUTS
        LANES_OF_PIXELS_float
        LANES_OF_PIXELS_double
    ctypedef struct TapGrid:
        Py_ssize_t kh, kw, down, across
    void pixels(TapGrid taps, const void *x, Py_ssize_t next_row, const void *w, const void *start, void *out)
    void interleave(const void *lines, void *out)

cdef enum:
    BAND_ROWS = 16              # output rows of one task
    MOST_TILE_SUMS = 2 * 6 * 16  # sums of one tile

LEAST_COLUMNS = LANES_OF_PIXELS_float  # a row must fill a vector of either type


def takes(window, tuple output_size):
    """Return True if a row fills a vector and the window suits the kernel."""
    return window.stride[1] == 1 and output_size[1] >= LEAST_COLUMNS and window.kernel[1] <= SUM_BLOCK


cdef struct Band:
    # The band of output rows that one task computes, and the window over the input.
    TapGrid taps
    Py_ssize_t row                      # elements between the windows of two output rows
    Py_ssize_t columns, O


def conv2d(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias, window, tuple output_size):
    """Return the output y of a convolution of images with one channel.

    IN x (N, H, W, 1), w (kh, kw, 1, O), bias (O,) or None; OUT y (N, *output_size, O). The stride along a row must be 1.
    """
    cdef Py_ssize_t N = x.shape[0], H = x.shape[1], W = x.shape[2], O = w.shape[3], taps = w.shape[0] * w.shape[1]
    cdef Py_ssize_t rows, columns, S, D_h, D_w, top, left, blocks = (O + PIXEL_OUTPUTS - 1) // PIXEL_OUTPUTS
    rows, columns = output_size
    S, (D_h, D_w) = window.stride[0], window.dilation
    (top, _), (left, _) = window.pads((H, W))
    dtype = dtype_of[real](NULL)
    result = aligned_empty((N, rows, columns, O), dtype)
    cdef real[:, :, :, ::1] y = result
    side_by_side = np.zeros((taps + 1, blocks * PIXEL_OUTPUTS), dtype)
    side_by_side[:taps, :O] = np.asarray(w).reshape(taps, O)
    if bias is not None:
        side_by_side[taps, :O] = bias  # the row after the taps
    packed = side_by_side.reshape(taps + 1, blocks, PIXEL_OUTPUTS).swapaxes(0, 1)
    cdef real[:, :, ::1] weights = np.ascontiguousarray(packed)

    cdef Image size = whole_image(H, W, 1)
    cdef View view = view_of(&size, -left, columns + (w.shape[1] - 1) * D_w - left, False)
    cdef Band band = Band(taps=TapGrid(w.shape[0], w.shape[1], D_h * view.pitch, D_w), row=S * view.pitch, columns=columns,
                          O=O)
    cdef Py_ssize_t bands = (rows + BAND_ROWS - 1) // BAND_ROWS, reach = (w.shape[0] - 1) * D_h, task, first, end
    # Twice the usual number of steps, because pixels are read more often than in direct.pyx's tile.
    cdef int threads = threads_for(2 * N * rows * columns * taps * O // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] scratch = np.empty((threads, ((BAND_ROWS - 1) * S + reach + 1) * view.pitch), dtype)
    cdef const real *image
    for task in prange(N * bands, nogil=True, schedule="dynamic", num_threads=threads):
        first = task % bands * BAND_ROWS
        end = min(first + BAND_ROWS, rows)
        image = rows_of(&x[task // bands, 0, 0, 0], &size, view, first * S - top, (end - 1) * S + reach + 1 - top,
                        &scratch[threadid(), 0])
        make_band(&band, image, &weights[0, 0, 0], end - first, &y[task // bands, first, 0, 0])
    return result


cdef void make_band(const Band *band, const real *x, const real *weights, Py_ssize_t rows, real *y) noexcept nogil:
    """Compute some output rows of one image.

    Each step computes two rows, one vector of pixels and six channels.
    """
    cdef Py_ssize_t lanes = LANES_OF_PIXELS_float if real is float else LANES_OF_PIXELS_double
    cdef Py_ssize_t taps = band.taps.kh * band.taps.kw, i = 0, j, o, r, lower
    cdef real out[MOST_TILE_SUMS]
    cdef const real *w
    while i < rows:
        lower = 1 if i + 1 < rows else 0  # the last of an odd number of rows is computed twice
        j = 0
        while j < band.columns:
            j = min(j, band.columns - lanes)
            w, o = weights, 0
            while o < band.O:
                sums_of_taps(band.taps, x + i * band.row + j, lower * band.row, w, w + taps * PIXEL_OUTPUTS, &out[0])
                for r in range(lower + 1):
                    store(out + r * PIXEL_OUTPUTS * lanes, lanes, min(PIXEL_OUTPUTS, band.O - o), band.O,
                          y + ((i + r) * band.columns + j) * band.O + o)
                w += (taps + 1) * PIXEL_OUTPUTS
                o += PIXEL_OUTPUTS
            j += lanes
        i += PIXEL_ROWS


cdef inline void sums_of_taps(TapGrid taps, const real *x, Py_ssize_t next_row, const real *w, const real *start,
                              real *out) noexcept nogil:
    if taps.kh * taps.kw <= SUM_BLOCK:
        pixels(taps, x, next_row, w, start, out)
    else:
        long_pixels(taps, x, next_row, w, start, out)


cdef void long_pixels(TapGrid taps, const real *x, Py_ssize_t next_row, const real *w, const real *start,
                      real *out) noexcept nogil:
    """Compute the sums of a large kernel in blocks of its rows, at most SUM_BLOCK taps each."""
    cdef Py_ssize_t step = SUM_BLOCK // taps.kw, kh = taps.kh, number, m
    cdef Py_ssize_t size = PIXEL_ROWS * PIXEL_OUTPUTS * (LANES_OF_PIXELS_float if real is float else LANES_OF_PIXELS_double)
    cdef real block[MOST_TILE_SUMS]
    cdef real group[MOST_TILE_SUMS]
    cdef real zeros[PIXEL_OUTPUTS]
    memset(zeros, 0, sizeof(zeros))
    memset(group, 0, sizeof(group))
    memset(out, 0, size * sizeof(real))
    for number in range((kh + step - 1) // step):
        m = number * step
        taps.kh = min(step, kh - m)
        pixels(taps, x + m * taps.down, next_row, w + m * taps.kw * PIXEL_OUTPUTS,
               start if number == 0 else <const real *>zeros, &block[0])
        carry_block(number, size, block, group, out)
    carry(size, group, out)


cdef inline void store(const real *out, Py_ssize_t lanes, Py_ssize_t channels, Py_ssize_t O, real *y) noexcept nogil:
    """Copy one row from out[channel][pixel] to y[pixel][channel]."""
    cdef Py_ssize_t l, o
    if channels == O == PIXEL_OUTPUTS:
        interleave(out, y)
    else:
        for l in range(lanes):
            for o in range(channels):
                y[l * O + o] = out[o * lanes + l]
