"""∂e/∂x of a convolution as a plain sum, for any window and number of channels.

It is also the transposed convolution. It uses the tile of direct.pyx, with other factors:

registers   the sums of a tile
L1          the input under one tile, while one panel is read
L2          that panel, which every tile of the band uses; and the band's input, read once for each panel
threads     tasks of (image, band of rows); each element belongs to one task

∂e/∂x gathers, so that no two threads write the same element. An input row u (counted from the padding's edge) is reached
by tap m of output row i when i·S + m·D = u; taps with the same remainder m·D mod S reach the same rows. Remainders repeat
every P = S / gcd(S, D) taps. So the taps split into min(k, P) phases, t = 0, 1, …, and each phase is a cross-correlation of
∂e/∂y with every P-th row of the turned kernel, with stride 1. Rows that no tap reaches get the bias, or zeros. The zeros
around ∂e/∂y are also multiplied by weights, so conv.pyx does not use this algorithm for non-finite weights.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.conv.bands cimport Conv, band_rows, conv_of, tasks_per_image
from refconv._core.tile.finish cimport Finish, changes_sums, finish_of, finish_rows
from refconv._core.tile.image cimport Image, View, image_of, rows_of, view_of
from refconv._core.tile.sweep cimport Sweep, Taps, first_inside, list_runs, period, run_panel, taps_of_phase
from refconv._core.tile.tile cimport Shape, pack, panels, tile_shape

include "common/threads.pxi"


cdef struct Plan:
    # Data that the tasks share. `pack_all` sets the first three, each call the others in its own copy.
    Conv conv
    Shape shape                         # shape of the tiles
    Py_ssize_t phases_h, phases_w       # phases down and across
    Image dy, dx
    View view                           # the columns of dy that are read
    Py_ssize_t first, end               # the rows first … end − 1 are computed
    Py_ssize_t band, bands              # rows of one task, and tasks of one image
    Finish finish                       # the limits, if `finishes`
    bint finishes


cdef struct Band:
    # The part of one task: rows first … end − 1 of one image.
    Py_ssize_t image, first, end


def conv2d_dx(dy, w, tuple input_size, window, Py_ssize_t groups):
    """Return ∂e/∂x.

    IN dy (N, rows, columns, O), w (kh, kw, C / groups, O), finite; OUT dx (N, *input_size, C).
    """
    run = Transposed(w, None, window, groups, len(dy), input_size)
    dx = aligned_empty((len(dy), *input_size, w.shape[2] * groups), w.dtype)
    run(dy, dx)
    return dx


cdef class Transposed:
    """∂e/∂x of a convolution with packed weights, which is also the transposed convolution.

    The transposed convolution adds a bias and has limits.
    """

    cdef Plan plan
    cdef object packed                  # the array of both weights and bias
    cdef Py_ssize_t first_bias          # where the bias begins, or −1 if there is none
    cdef bint is_float32

    def __init__(self, w, bias, window, groups, images, input_size):
        """IN w (kh, kw, C / groups, O), finite, bias (C,) or None.

        Calls get ∂e/∂y of images of this size, usually `images` at once.
        """
        self.plan.conv = conv_of(images, tuple(input_size), w.shape[2] * groups, w.shape[3], window, groups)
        self.is_float32 = w.dtype == np.float32
        if self.is_float32:
            pack_all[float](self, w, bias)
        else:
            pack_all[double](self, w, bias)

    @property
    def nbytes(self):
        """Number of bytes of the packed weights."""
        return self.packed.nbytes

    def __call__(self, dy, dx, low=None, high=None):
        """Write dx = min(max(∂e/∂x + bias, low), high).

        IN dy (N, rows, columns, O), numbers low and high or None; OUT dx (N, H, W, C). Both may be slices of the channels of
        wider arrays; they must not overlap.
        """
        if not dx.size:
            return
        if self.is_float32:
            compute_dx[float](self, dy, dx, finish_of[float](None, low, high, None))
        else:
            compute_dx[double](self, dy, dx, finish_of[double](None, low, high, None))


cdef pack_all(Transposed self, const real[:, :, :, ::1] w, const real[::1] bias):
    """Pack the weights and the bias, with zeros for idle lanes."""
    cdef Plan *p = &self.plan
    cdef Conv *c = &p.conv
    p.phases_h, p.phases_w = min(c.kh, period(c.D_h, c.S_h)), min(c.kw, period(c.D_w, c.S_w))
    p.shape = tile_shape[real](NULL, c.C_g)
    cdef Py_ssize_t lanes = panels(p.shape, c.C_g) * p.shape.width, size = c.kh * c.kw * c.O * lanes, g, v
    self.first_bias = -1 if bias is None else size
    self.packed = aligned_empty((size + (0 if bias is None else c.groups * lanes),), dtype_of[real](NULL))
    cdef real[::1] packed = self.packed
    if c.O and c.C:
        pack_turned(p, &w[0, 0, 0, 0], &packed[0])
    if bias is not None:
        for g in range(c.groups):
            for v in range(lanes):
                packed[size + g * lanes + v] = bias[g * c.C_g + v] if v < c.C_g else 0


cdef compute_dx(Transposed self, const real[:, :, :, :] dy, real[:, :, :, :] dx, Finish finish):
    """Compute the ∂e/∂x of all images, band by band."""
    cdef Plan p = self.plan
    p.conv.N = dy.shape[0]
    cdef Conv c = p.conv
    p.dy, p.dx = image_of(dy, (c.N, c.rows, c.columns, c.O)), image_of(dx, (c.N, c.H, c.W, c.C))
    p.finish, p.finishes = finish, changes_sums(&finish)
    cdef const real[::1] packed = self.packed
    cdef const real *start = &packed[self.first_bias] if self.first_bias >= 0 else NULL
    if p.phases_h < c.S_h or p.phases_w < c.S_w or not c.O:
        fill(&p, start, &dx[0, 0, 0, 0])  # pixels that no tap reaches
    if not c.O:
        return

    # In units of S, a row of dx has the same number as the last row of dy that it reads; tap m reads (m·D) ÷ S rows before it.
    cdef Py_ssize_t first_column = c.left // c.S_w, end_column = (c.left + c.W - 1) // c.S_w + 1
    cdef Py_ssize_t first_row = c.top // c.S_h, end_row = (c.top + c.H - 1) // c.S_h + 1
    cdef Py_ssize_t back_h = (c.kh - 1) * c.D_h // c.S_h, back_w = (c.kw - 1) * c.D_w // c.S_w
    p.view = view_of(&p.dy, first_column - back_w, end_column, first_row >= back_h and end_row <= c.rows)
    cut_into_bands(&p, first_row, end_row, end_column - first_column)
    cdef int threads = threads_for(c.N * c.rows * c.columns * c.O * c.kh * c.kw * c.C_g // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] scratch = np.empty((threads, (p.band + back_h) * p.view.pitch), dtype_of[real](NULL))
    cdef Py_ssize_t[:, ::1] run = np.empty((threads, c.kh * c.kw), np.intp)
    cdef Py_ssize_t task
    for task in prange(c.N * p.bands, nogil=True, schedule="dynamic", num_threads=threads):
        compute_band(&p, band_of(&p, task), &dy[0, 0, 0, 0], &packed[0], start, &scratch[threadid(), 0], &run[threadid(), 0],
                     &dx[0, 0, 0, 0])


cdef void fill(const Plan *p, const real *start, real *dx) noexcept nogil:
    """Set each pixel to the limited bias, or to the limited 0 if there is none."""
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t pixel, g, lanes = panels(p.shape, c.C_g) * p.shape.width, pixels = c.N * c.H * c.W
    cdef real *to
    for pixel in prange(pixels, schedule="static", num_threads=threads_for(pixels * c.C)):
        to = dx + pixel * p.dx.pixel
        if start == NULL:
            memset(to, 0, c.C * sizeof(real))
        else:
            for g in range(c.groups):
                memcpy(to + g * c.C_g, start + g * lanes, c.C_g * sizeof(real))
        if p.finishes:
            finish_rows(&p.finish, pixel, 0, 1, c.C, &to, &to)


cdef void pack_turned(const Plan *p, const real *w, real *packed) noexcept nogil:
    """Pack the weights of each phase, group and panel of input channels.

    The last tap comes first, and the output channels are along k.
    """
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t panel, count = panels(p.shape, c.C_g)
    cdef int threads = threads_for(c.kh * c.kw * c.O * count * p.shape.width)
    for panel in prange(p.phases_h * p.phases_w * c.groups * count, schedule="static", num_threads=threads):
        pack_turned_panel(p, panel // (c.groups * count), panel // count % c.groups, panel % count, w, packed)


cdef void pack_turned_panel(const Plan *p, Py_ssize_t phase, Py_ssize_t group, Py_ssize_t panel, const real *w,
                            real *packed) noexcept nogil:
    """Pack one phase's weights of input channels panel·width … (panel + 1)·width − 1 of a group."""
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t phase_h = phase // p.phases_w, phase_w = phase % p.phases_w
    cdef Taps down = taps_of_phase(c.kh, c.D_h, c.S_h, phase_h), across = taps_of_phase(c.kw, c.D_w, c.S_w, phase_w)
    cdef Py_ssize_t before = (taps_before(c.kh, period(c.D_h, c.S_h), phase_h) * c.kw
                              + down.count * taps_before(c.kw, period(c.D_w, c.S_w), phase_w))
    cdef Py_ssize_t width = p.shape.width, count = panels(p.shape, c.C_g), first = panel * width, m, n, tap
    packed += (before * c.groups * count + (group * count + panel) * down.count * across.count) * c.O_g * width
    for m in range(down.count):
        for n in range(across.count):
            tap = (down.index + m * down.index_step) * c.kw + across.index + n * across.index_step
            pack(w + (tap * c.C_g + first) * c.O + group * c.O_g, c.O_g, 1, c.C_g - first, c.O, width, packed)
            packed += c.O_g * width


cdef void compute_band(const Plan *p, Band part, const real *dy, const real *packed, const real *start, real *scratch,
                       Py_ssize_t *run, real *dx) noexcept nogil:
    """Compute a band of one image's ∂e/∂x, from row first·S − top on, phase by phase."""
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t back_h = (c.kh - 1) * c.D_h // c.S_h, pixel = p.dx.pixel
    cdef Py_ssize_t m, n, rest_h, rest_w, row, column
    cdef Taps down, across
    cdef const real *source
    cdef Sweep sweep
    sweep.x_row, sweep.x_column, sweep.y_row, sweep.y_column = p.view.pitch, p.view.pixel, c.S_h * c.W * pixel, c.S_w * pixel
    sweep.channels = c.C_g
    dy = rows_of(dy + part.image * c.rows * c.columns * p.dy.pixel, &p.dy, p.view, part.first - back_h, part.end,
                 scratch)
    dx += part.image * c.H * c.W * pixel
    for m in range(p.phases_h):
        down = taps_of_phase(c.kh, c.D_h, c.S_h, m)
        rest_h = m * c.D_h % c.S_h
        row = max(part.first, first_inside(c.top, rest_h, c.S_h))
        sweep.rows = min(part.end, first_inside(c.top + c.H, rest_h, c.S_h)) - row
        for n in range(p.phases_w):
            across = taps_of_phase(c.kw, c.D_w, c.S_w, n)
            rest_w = n * c.D_w % c.S_w
            column = first_inside(c.left, rest_w, c.S_w)
            sweep.columns = first_inside(c.left + c.W, rest_w, c.S_w) - column
            sweep.runs = list_runs(down, across, p.view.pitch, p.view.pixel, c.O_g, run)
            source = dy + (row - part.first + back_h) * p.view.pitch + (column - p.view.left) * p.view.pixel
            if sweep.rows > 0 and sweep.columns > 0:
                run_groups(p, &sweep, source, packed, start, dx + ((rest_h + row * c.S_h - c.top) * c.W
                                                                   + rest_w + column * c.S_w - c.left) * pixel)
            packed += c.groups * panels(p.shape, c.C_g) * p.shape.width * sweep.runs.count * sweep.runs.length


cdef inline void run_groups(const Plan *p, const Sweep *sweep, const real *dy, const real *packed, const real *start,
                            real *dx) noexcept nogil:
    """Compute one phase of a band, all groups."""
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t depth = sweep.runs.count * sweep.runs.length, width = p.shape.width, count = panels(p.shape, c.C_g)
    cdef Py_ssize_t block, g
    for block in range(c.groups * count):
        g = block // count
        run_panel(sweep, p.shape, block % count, dy + g * c.O_g, packed + block * depth * width,
                  start + block * width if start != NULL else NULL, &p.finish if p.finishes else NULL, dx + g * c.C_g)


cdef void cut_into_bands(Plan *p, Py_ssize_t first, Py_ssize_t end, Py_ssize_t columns) noexcept nogil:
    """Divide the rows first … end − 1 of each image into bands."""
    p.first, p.end = first, end
    p.band = band_rows(p.shape, tasks_per_image(p.conv.N), end - first, columns)
    p.bands = (end - first + p.band - 1) // p.band


cdef inline Band band_of(const Plan *p, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t first = p.first + task % p.bands * p.band
    return Band(image=task // p.bands, first=first, end=min(first + p.band, p.end))


cdef Py_ssize_t taps_before(Py_ssize_t kernel, Py_ssize_t P, Py_ssize_t t) noexcept nogil:
    """Return the number of taps in all phases before phase t."""
    return kernel // P * t + min(kernel % P, t)
