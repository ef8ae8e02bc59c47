"""Convolution with few channels, ReLU and 2×2 max pooling as one fused function.

LeNet contains these three layers twice. As separate operators, each one writes all of its outputs to memory, and the next one
reads them again. In the fused function, the outputs of one image stay in the caches until the largest of each four is known.
Only that output is written, with its number 2r + s in the window, or NO_WINNER if ReLU sets it to zero.
conv_relu_pool_grads.pyx computes the derivatives.

registers   the sums of a tile (tile.h); for one input channel, 2×2 outputs of LANE_OUTPUTS channels, one window per lane
            (conv_relu_pool.h)
sums        one block, because conv.pyx computes larger kernels
L1          one image of x with its zeros, its sums, and the kernels
threads     tasks of (image, band of rows of windows)
"""
import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK
from refconv._core.fused.conv_relu_pool cimport (LANE_OUTPUTS, MOST_LANES, SLACK, WINDOW_LANES_double, WINDOW_LANES_float,
                                                 Layer, largest, layer_of, windows)
from refconv._core.tile.image cimport Image, View, rows_of, view_of, whole_image
from refconv._core.tile.sweep cimport TASKS, Sweep, Taps, list_runs, run_sweep
from refconv._core.tile.tile cimport Shape, panels, tile_shape

include "common/threads.pxi"

cdef enum:
    BAND_OUTPUTS = 2048         # output pixels of the convolution in one task

MOST_CHANNELS = 16  # input channels; with more, separate operators are as fast, and faster with Winograd's algorithm


cdef struct Plan:
    # Data that the tasks of the forward pass share.
    Layer conv
    Shape shape                         # shape of the tiles, if there are several input channels
    Image image                         # the sizes of x
    View view                           # the columns that are read
    Sweep sweep                         # sweep over a band
    Py_ssize_t band, bands              # rows of windows in one task, and tasks of one image
    Py_ssize_t rows_in                  # elements of a band's input


cdef struct Band:
    # The part of one task: rows first … end − 1 of the windows of one image.
    Py_ssize_t image, first, end


cdef Py_ssize_t lanes_of(const real *_) noexcept nogil:
    return WINDOW_LANES_float if real is float else WINDOW_LANES_double


def takes(window, Py_ssize_t C, Py_ssize_t groups):
    """Return True if this kernel supports a convolution with this window and C inputs."""
    short = window.kernel[0] * window.kernel[1] * C <= SUM_BLOCK
    return groups == 1 and window.stride == (1, 1) and window.dilation == (1, 1) and C <= MOST_CHANNELS and short


def forward(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias, window):
    """Return the pooled outputs y and the numbers of their winners.

    IN x (N, H, W, C), w (kh, kw, C, O), bias (O,) or None; OUT y and winners, both (N, P, Q, O).
    """
    cdef Plan p
    p.conv = layer_of((x.shape[0], x.shape[1], x.shape[2], x.shape[3]), window, w.shape[3])
    cdef Layer c = p.conv
    p.shape = tile_shape[real](NULL, c.O)
    if c.C == 1:
        p.shape.width = LANE_OUTPUTS
    cdef Py_ssize_t depth = c.kh * c.kw * c.C, width = panels(p.shape, c.O) * p.shape.width
    dtype = dtype_of[real](NULL)
    result = aligned_empty((c.N, c.P, c.Q, c.O), dtype)
    numbers = np.empty((c.N, c.P, c.Q, c.O), np.uint8)
    if not result.size:
        return result, numbers
    cdef real[:, :, :, ::1] y = result
    cdef unsigned char[:, :, :, ::1] winners = numbers
    cdef real[::1] packed = aligned_empty((depth * width,), dtype), start = np.zeros(width, dtype)
    pack_outputs(&w[0, 0, 0, 0], depth, c.O, p.shape.width, &packed[0])
    if bias is not None:
        start[:c.O] = bias

    set_view(&p)
    cdef Py_ssize_t[::1] run = np.empty(c.kh * c.kw, np.intp)
    p.sweep = Sweep(rows=0, columns=2 * c.Q, x_row=p.view.pitch, x_column=c.C, y_row=2 * c.Q * c.O, y_column=c.O,
                    channels=c.O, runs=list_runs(all_taps(c.kh), all_taps(c.kw), p.view.pitch, c.C, c.C, &run[0]))
    p.bands = max((TASKS + c.N - 1) // c.N, (4 * c.P * c.Q + BAND_OUTPUTS - 1) // BAND_OUTPUTS)
    p.band = (c.P + p.bands - 1) // p.bands
    p.bands = (c.P + p.band - 1) // p.band
    p.rows_in = (2 * p.band + c.kh - 1) * (c.pitch + 2) + SLACK
    cdef Py_ssize_t sums = 4 * p.band * c.Q * c.O + SLACK, task
    cdef int threads = threads_for(c.N * c.P * c.Q * c.O * depth // 2)
    # Zeros, because idle lanes are multiplied like the others, and uninitialised memory could contain slow denormals.
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * p.rows_in + sums), dtype)
    for task in prange(c.N * p.bands, nogil=True, schedule="dynamic", num_threads=threads):
        forward_band(&p, band_of(&p, task), &x[0, 0, 0, 0], &packed[0], &start[0], &scratch[threadid(), 0], &y[0, 0, 0, 0],
                     &winners[0, 0, 0, 0])
    return result, numbers


cdef void set_view(Plan *p) noexcept nogil:
    cdef const Layer *c = &p.conv
    p.image = whole_image(c.H, c.W, c.C)
    p.view = view_of(&p.image, -c.left, c.pitch // c.C - c.left, False)


cdef inline Band band_of(const Plan *p, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t first = task % p.bands * p.band
    return Band(image=task // p.bands, first=first, end=min(first + p.band, p.conv.P))


cdef Taps all_taps(Py_ssize_t kernel) noexcept nogil:
    return Taps(count=kernel, index=0, index_step=1, offset=0, offset_step=1)


cdef void pack_outputs(const real *w, Py_ssize_t depth, Py_ssize_t O, Py_ssize_t width, real *packed) noexcept nogil:
    """Pack weights [tap, input channel][O] as [panel][tap, input channel][width].

    Elements beyond the last output are zero.
    """
    cdef Py_ssize_t panel, k, o
    for panel in range((O + width - 1) // width):
        for k in range(depth):
            for o in range(panel * width, (panel + 1) * width):
                packed[0] = w[k * O + o] if o < O else 0
                packed += 1


cdef void forward_band(const Plan *plan, Band part, const real *x, const real *packed, const real *start, real *scratch,
                       real *y, unsigned char *winners) noexcept nogil:
    """Compute a band of one image's windows."""
    cdef const Layer *c = &plan.conv
    cdef Sweep sweep = plan.sweep
    cdef Py_ssize_t rows = 2 * (part.end - part.first) + c.kh - 1, line = c.Q * c.O, p
    cdef real *even = scratch + plan.rows_in
    cdef real *sums = even + plan.rows_in
    x = rows_of(x + part.image * c.H * c.W * c.C, &plan.image, plan.view, 2 * part.first - c.top,
                2 * part.first - c.top + rows, scratch)
    y += (part.image * c.P + part.first) * line
    winners += (part.image * c.P + part.first) * line
    if c.C == 1:
        even_before_odd(x, rows, plan.view.pitch, even)
        for p in range(part.end - part.first):
            windows_of_row(c, even + p * 2 * (plan.view.pitch + plan.view.pitch % 2), packed, start, y + p * line,
                           winners + p * line)
    else:
        sweep.rows = 2 * (part.end - part.first)
        run_sweep(&sweep, plan.shape, x, packed, start, sums)
        for p in range(part.end - part.first):
            largest_of_rows(sums + p * 2 * sweep.y_row, c.Q, c.O, y + p * line, winners + p * line)


cdef void even_before_odd(const real *x, Py_ssize_t rows, Py_ssize_t columns, real *to) noexcept nogil:
    """Copy each row with its even columns before its odd columns."""
    cdef Py_ssize_t half = (columns + 1) // 2, i, j
    for i in range(rows):
        for j in range(half):
            to[2 * i * half + j] = x[i * columns + 2 * j]
        for j in range(columns // 2):
            to[(2 * i + 1) * half + j] = x[i * columns + 2 * j + 1]


cdef void windows_of_row(const Layer *c, const real *x, const real *packed, const real *start, real *y,
                         unsigned char *winners) noexcept nogil:
    """Compute one row of windows of an image with one channel, a vector of windows at a time."""
    cdef Py_ssize_t lanes = lanes_of[real](NULL), half = (c.pitch + 1) // 2, taps = c.kh * c.kw, q = 0, o, outputs
    cdef Py_ssize_t position = LANE_OUTPUTS * lanes
    cdef real sums[4 * LANE_OUTPUTS * MOST_LANES]
    cdef real best[LANE_OUTPUTS * MOST_LANES]
    cdef unsigned char number[LANE_OUTPUTS * MOST_LANES]
    cdef const real *a
    while q < c.Q:
        outputs = 0
        while outputs < c.O:
            windows(c.kh, c.kw, 2 * half, half, x + q, packed + outputs * taps, start + outputs, &sums[0])
            for o in range(LANE_OUTPUTS):
                a = sums + o * lanes
                largest(a, a + position, a + 2 * position, a + 3 * position, best + o * lanes, number + o * lanes)
            side_by_side(lanes, best, number, min(lanes, c.Q - q), min(LANE_OUTPUTS, c.O - outputs), c.O,
                         y + q * c.O + outputs, winners + q * c.O + outputs)
            outputs += LANE_OUTPUTS
        q += lanes


cdef inline void side_by_side(Py_ssize_t lanes, const real *best, const unsigned char *number, Py_ssize_t count,
                              Py_ssize_t outputs, Py_ssize_t O, real *y, unsigned char *winners) noexcept nogil:
    """Store `count` windows of some outputs, transposed.

    Contiguous windows of each output become contiguous outputs of each window.
    """
    cdef Py_ssize_t l, o
    for l in range(count):
        if outputs == LANE_OUTPUTS:  # a constant count lets the compiler unroll the inner loop
            for o in range(LANE_OUTPUTS):
                y[l * O + o], winners[l * O + o] = best[o * lanes + l], number[o * lanes + l]
        else:
            for o in range(outputs):
                y[l * O + o], winners[l * O + o] = best[o * lanes + l], number[o * lanes + l]


cdef void largest_of_rows(const real *sums, Py_ssize_t Q, Py_ssize_t O, real *y, unsigned char *winners) noexcept nogil:
    """Pool two rows of outputs, each (2·Q, O), to one row of windows.

    Each step computes a vector of channels.
    """
    cdef Py_ssize_t lanes = lanes_of[real](NULL), q, o, l
    cdef real best[MOST_LANES]
    cdef unsigned char number[MOST_LANES]
    cdef const real *upper
    cdef const real *lower
    for q in range(Q):
        o = 0
        while o < O:
            upper = sums + 2 * q * O + o
            lower = upper + 2 * Q * O
            if o + lanes <= O:
                largest(upper, upper + O, lower, lower + O, y + q * O + o, winners + q * O + o)
            else:
                largest(upper, upper + O, lower, lower + O, &best[0], number)
                for l in range(O - o):
                    y[q * O + o + l] = best[l]
                    winners[q * O + o + l] = number[l]
            o += lanes
