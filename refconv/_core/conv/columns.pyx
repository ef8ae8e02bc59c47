"""∂e/∂x of a convolution with few input channels: first all products, then their sums.

In ∂e/∂x, the lanes of direct.pyx's tile are input channels. Three channels leave most lanes idle, and at the edges of ∂e/∂y
the tile multiplies zeros. Here the sum is computed in two steps. The contributions of each output to the inputs under its
kernel are a matrix product whose lanes are the entries of the kernel. (Other libraries call its rows "columns".)

    z[(i, j), (m, n, c)] = Σ_o dy[i, j, o] · w[m, n, c, o]

Then each input adds the contributions of all outputs and taps that reach it:

    dx[u, v, c] = Σ z[(i, j), (m, n, c)]     with  u = i·S_h + m·D_h − top,  v = j·S_w + n·D_w − left

registers   the sums of a tile; then a vector of sums
L1          the sums over the taps down for one row of inputs
L2          z of one band; neighbouring bands share some elements of z, and each band computes them again
threads     tasks of (image, band of input rows); each element of ∂e/∂x belongs to one task
"""
import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.tile.sweep cimport TASKS, Sweep, first_inside, run_sweep
from refconv._core.tile.tile cimport Runs, Shape, pack, panels, tile_shape

include "common/threads.pxi"

cdef extern from "conv/columns.h" nogil:
    void sum_down(Py_ssize_t size, Py_ssize_t down, const Py_ssize_t *row, Py_ssize_t before, Py_ssize_t outputs,
                  Py_ssize_t pitch, const void *z, void *line)
    void sum_across(Py_ssize_t channels, Py_ssize_t pixels, const Py_ssize_t *count, const Py_ssize_t *at, Py_ssize_t kernel,
                    const void *line, Py_ssize_t left, void *dx)

cdef enum:
    SLACK = 16              # elements after the end of z, and of a line, that whole vectors may read or write
    BAND_PRODUCTS = 1 << 17  # approximate number of elements of z in one task


cdef struct Band:
    # The part of one task: rows first … end − 1 of ∂e/∂x of one image. Its z begins after `before` elements of earlier rows,
    # and has `pitch` elements for each of Q output columns.
    Py_ssize_t first, end
    Py_ssize_t before, Q, pitch
    Py_ssize_t W, C


cdef struct Reach:
    # Along one axis: the number of taps that reach each input, and the offset in z of each such pair of tap and output.
    const Py_ssize_t *count
    const Py_ssize_t *at
    Py_ssize_t kernel


def conv2d_dx(const real[:, :, :, ::1] dy, const real[:, :, :, ::1] w, tuple input_size, window):
    """Return ∂e/∂x of a convolution with few input channels.

    IN dy (N, rows, columns, O), w (kh, kw, C, O), finite; OUT dx (N, *input_size, C).
    """
    cdef Py_ssize_t N = dy.shape[0], Q = dy.shape[2], O = dy.shape[3], kh = w.shape[0], kw = w.shape[1], C = w.shape[2]
    cdef Py_ssize_t H = input_size[0], W = input_size[1], S = window.stride[0], reach = (kh - 1) * window.dilation[0], none = 0
    cdef Py_ssize_t top = window.pads(input_size)[0][0], left = window.pads(input_size)[1][0], panel, task
    cdef Shape shape = tile_shape[real](NULL, kh * kw * C)
    cdef Py_ssize_t pitch = panels(shape, kh * kw * C) * shape.width
    dtype = dtype_of[real](NULL)
    cdef real[::1] packed = aligned_empty((pitch * O,), dtype)
    for panel in range(0, pitch, shape.width):
        pack(&w[0, 0, 0, 0] + panel * O, O, 1, kh * kw * C - panel, O, shape.width, &packed[panel * O])
    cdef Sweep plan = Sweep(rows=1, columns=0, x_row=0, x_column=O, y_row=0, y_column=pitch, channels=pitch,
                            runs=Runs(count=1, length=O, step=1, start=&none))
    row_counts, row_places = reaching(kh, S, window.dilation[0], top, H, dy.shape[1], Q * pitch, kw * C)
    column_counts, column_places = reaching(kw, window.stride[1], window.dilation[1], left, W, Q, pitch, C)
    cdef Reach down = reach_of(row_counts, row_places), across = reach_of(column_counts, column_places)

    result = aligned_empty((N, H, W, C), dtype)
    cdef real[:, :, :, ::1] dx = result
    cdef Py_ssize_t band = band_rows(N, H, S, reach, BAND_PRODUCTS // (Q * pitch)), bands = (H + band - 1) // band
    cdef Py_ssize_t most = min((band - 1 + reach) // S + 1, dy.shape[1]) * Q * pitch + SLACK
    cdef int threads = threads_for(N * dy.shape[1] * Q * O * pitch // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] z = np.zeros((threads, most), dtype), line = np.zeros((threads, Q * pitch + SLACK), dtype)
    cdef Py_ssize_t first, end, start, stop
    for task in prange(N * bands, nogil=True, schedule="dynamic", num_threads=threads):
        first, end = task % bands * band, min((task % bands + 1) * band, H)
        start = first_inside(first + top, reach, S)
        stop = max(min((end - 1 + top) // S + 1, dy.shape[1]), start)
        make_band(plan, shape, &dy[task // bands, 0, 0, 0] + start * Q * O, &packed[0], (stop - start) * Q, &z[threadid(), 0])
        add_band(&down, &across, Band(first=first, end=end, before=start * Q * pitch, Q=Q, pitch=pitch, W=W, C=C),
                 &z[threadid(), 0], &line[threadid(), 0], &dx[task // bands, 0, 0, 0])
    return result


cdef Py_ssize_t band_rows(Py_ssize_t images, Py_ssize_t H, Py_ssize_t S, Py_ssize_t reach, Py_ssize_t most_rows) noexcept:
    """Return the number of input rows of a task.

    It is small enough that all threads have work and z stays in L2, but larger than the number of rows that two bands share.
    """
    cdef Py_ssize_t bands = (TASKS + images - 1) // max(images, 1)
    return max(min(max(min((H + bands - 1) // bands, most_rows * S - reach), reach + S), H), 1)


cdef Reach reach_of(const Py_ssize_t[::1] counts, const Py_ssize_t[:, ::1] places):
    return Reach(count=&counts[0], at=&places[0, 0], kernel=places.shape[1])


cdef tuple reaching(Py_ssize_t kernel, Py_ssize_t S, Py_ssize_t D, Py_ssize_t pad, Py_ssize_t inputs, Py_ssize_t outputs,
                    Py_ssize_t output_step, Py_ssize_t tap_step):
    """Return the number of taps that reach each input of an axis, and their offsets in z.

    The offset of a pair of tap and output is output · output_step + tap · tap_step.
    """
    counts, places = np.zeros(inputs, np.intp), np.zeros((inputs, kernel), np.intp)
    cdef Py_ssize_t[::1] count = counts
    cdef Py_ssize_t[:, ::1] place = places
    cdef Py_ssize_t u, m, ahead
    for u in range(inputs):
        for m in range(kernel):
            ahead = u + pad - m * D  # = i·S
            if ahead >= 0 and ahead % S == 0 and ahead // S < outputs:
                place[u, count[u]] = ahead // S * output_step + m * tap_step
                count[u] += 1
    return counts, places


cdef void make_band(Sweep plan, Shape shape, const real *dy, const real *packed, Py_ssize_t pixels, real *z) noexcept nogil:
    """Compute z of some output rows of one image, as one line of pixels."""
    plan.columns = pixels
    run_sweep(&plan, shape, dy, packed, <const real *>NULL, z)


cdef void add_band(const Reach *down, const Reach *across, Band band, const real *z, real *line, real *dx) noexcept nogil:
    """Compute the band's rows of ∂e/∂x of one image."""
    cdef Py_ssize_t u, row = band.W * band.C
    for u in range(band.first, band.end):
        sum_down(across.kernel * band.C, down.count[u], down.at + u * down.kernel, band.before, band.Q, band.pitch, z, line)
        sum_across(band.C, band.W, across.count, across.at, across.kernel, line, (band.end - u) * row, dx + u * row)
