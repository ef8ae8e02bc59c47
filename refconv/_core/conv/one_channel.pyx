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
from refconv._core.tile.finish cimport Finish, changes_sums, finish_of, finish_pixels
from refconv._core.tile.image cimport Image, View, image_of, input_of, rows_of, view_of

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


cdef struct Plan:
    # Data that the tasks of one call share.
    TapGrid taps
    Image x, y                          # inputs and outputs
    View view                           # the columns that are read
    Py_ssize_t S, top, reach            # stride of rows, padding rows above, rows between the first and the last tap
    Py_ssize_t row                      # elements between the windows of two output rows
    Py_ssize_t bands                    # tasks of one image
    Finish finish                       # the epilogue, if `finishes`
    bint finishes


cdef class OneChannel:
    """A convolution of images with one channel; its stride along a row is 1."""

    cdef object window, packed
    cdef tuple x_shape
    cdef readonly tuple y_shape         # for `images` images
    cdef bint is_float32

    def __init__(self, w, bias, window, images, input_size):
        """IN w (kh, kw, 1, O), bias (O,) or None.

        Calls get images of this size, usually `images` at once.
        """
        cdef Py_ssize_t taps = w.shape[0] * w.shape[1], O = w.shape[3], blocks = (O + PIXEL_OUTPUTS - 1) // PIXEL_OUTPUTS
        self.window, self.is_float32 = window, w.dtype == np.float32
        self.x_shape, self.y_shape = (images, *input_size, 1), (images, *window.output_size(input_size), O)
        side_by_side = np.zeros((taps + 1, blocks * PIXEL_OUTPUTS), w.dtype)
        side_by_side[:taps, :O] = w.reshape(taps, O)
        if bias is not None:
            side_by_side[taps, :O] = bias  # the row after the taps
        self.packed = np.ascontiguousarray(side_by_side.reshape(taps + 1, blocks, PIXEL_OUTPUTS).swapaxes(0, 1))

    @property
    def nbytes(self):
        """Number of bytes of the packed weights."""
        return self.packed.nbytes

    def __call__(self, x, y, add=None, low=None, high=None, scale=None, shift=None):
        """Write the outputs to y and return True, because they are always complete.

        conv.pyx describes the arguments.
        """
        if self.is_float32:
            compute[float](self, x, y, finish_of[float](add, low, high, y.shape), scale, shift)
        else:
            compute[double](self, x, y, finish_of[double](add, low, high, y.shape), scale, shift)
        return True


def conv2d(x, w, bias, window, output_size):
    """Return the output y of a convolution of images with one channel.

    IN x (N, H, W, 1), w (kh, kw, 1, O), bias (O,) or None; OUT y (N, *output_size, O). The stride along a row must be 1.
    """
    run = OneChannel(w, bias, window, len(x), x.shape[1:3])
    y = aligned_empty(run.y_shape, w.dtype)
    run(x, y)
    return y


cdef compute(OneChannel self, const real[:, :, :, :] x, real[:, :, :, :] y, Finish finish, const real[::1] scale,
             const real[::1] shift):
    """Compute the outputs of all images, band by band."""
    cdef Plan p
    cdef Py_ssize_t N = x.shape[0], O = y.shape[3], kh, kw, D_h, D_w, left, task
    cdef tuple images = (x.shape[0],)
    p.x = input_of(x, images + self.x_shape[1:], scale, shift)
    p.y = image_of(y, images + self.y_shape[1:])
    p.finish, p.finishes = finish, changes_sums(&finish)
    (kh, kw), (D_h, D_w), p.S = self.window.kernel, self.window.dilation, self.window.stride[0]
    (p.top, _), (left, _) = self.window.pads(self.x_shape[1:3])
    p.reach = (kh - 1) * D_h
    p.view = view_of(&p.x, -left, p.y.width + (kw - 1) * D_w - left, False)
    p.taps = TapGrid(kh, kw, D_h * p.view.pitch, D_w)
    p.row = p.S * p.view.pitch
    p.bands = (p.y.height + BAND_ROWS - 1) // BAND_ROWS
    # Twice the usual number of steps, because pixels are read more often than in direct.pyx's tile.
    cdef int threads = threads_for(2 * N * p.y.height * p.y.width * kh * kw * O // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] scratch = np.empty((threads, ((BAND_ROWS - 1) * p.S + p.reach + 1) * p.view.pitch), dtype_of[real](NULL))
    cdef const real[:, :, ::1] weights = self.packed
    for task in prange(N * p.bands, nogil=True, schedule="dynamic", num_threads=threads):
        compute_band(&p, task // p.bands, task % p.bands, &x[0, 0, 0, 0], &weights[0, 0, 0], &scratch[threadid(), 0],
                     &y[0, 0, 0, 0])


cdef void compute_band(const Plan *p, Py_ssize_t image, Py_ssize_t band, const real *x, const real *weights, real *scratch,
                       real *y) noexcept nogil:
    """Compute a band of output rows of one image, and finish it while it is in a cache."""
    cdef Py_ssize_t first = band * BAND_ROWS, rows = min(BAND_ROWS, p.y.height - first)
    cdef Py_ssize_t pixel = (image * p.y.height + first) * p.y.width
    x = rows_of(x + image * p.x.height * p.x.width * p.x.pixel, &p.x, p.view, first * p.S - p.top,
                (first + rows - 1) * p.S + p.reach + 1 - p.top, scratch)
    y += pixel * p.y.pixel
    make_band(p, x, weights, rows, y)
    if p.finishes:
        finish_pixels(&p.finish, &p.y, pixel, rows * p.y.width, y)


cdef void make_band(const Plan *p, const real *x, const real *weights, Py_ssize_t rows, real *y) noexcept nogil:
    """Compute the sums of some output rows of one image.

    Each step computes two rows, one vector of pixels and six channels.
    """
    cdef Py_ssize_t lanes = LANES_OF_PIXELS_float if real is float else LANES_OF_PIXELS_double
    cdef Py_ssize_t taps = p.taps.kh * p.taps.kw, O = p.y.channels, i = 0, j, o, r, lower
    cdef real out[MOST_TILE_SUMS]
    cdef const real *w
    while i < rows:
        lower = 1 if i + 1 < rows else 0  # the last of an odd number of rows is computed twice
        j = 0
        while j < p.y.width:
            j = min(j, p.y.width - lanes)
            w, o = weights, 0
            while o < O:
                sums_of_taps(p.taps, x + i * p.row + j, lower * p.row, w, w + taps * PIXEL_OUTPUTS, &out[0])
                for r in range(lower + 1):
                    store(out + r * PIXEL_OUTPUTS * lanes, lanes, min(PIXEL_OUTPUTS, O - o), p.y.pixel,
                          y + ((i + r) * p.y.width + j) * p.y.pixel + o)
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


cdef inline void store(const real *out, Py_ssize_t lanes, Py_ssize_t channels, Py_ssize_t pixel, real *y) noexcept nogil:
    """Copy one row from out[channel][pixel] to y[pixel][channel].

    `pixel` is the number of elements from one pixel of y to the next.
    """
    cdef Py_ssize_t l, o
    if channels == pixel == PIXEL_OUTPUTS:
        interleave(out, y)
    else:
        for l in range(lanes):
            for o in range(channels):
                y[l * pixel + o] = out[o * lanes + l]
