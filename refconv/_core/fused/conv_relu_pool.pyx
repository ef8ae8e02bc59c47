"""A convolution with few channels, ReLU and a 2×2 max pool behind it as one function, as LeNet begins twice.

Apart, each of the three writes all of its outputs for the next to read, and the way back does the same. Together, the outputs of
one image stay in the caches until the largest of each four is found, and only that is written, with its number 2r + s in
the window, or OFF where ReLU lets nothing through. Back, one output of four at most has a derivative: both ∂e/∂w and ∂e/∂x
are sums over winners, a quarter of the products or fewer.

registers   forward the sums of a tile (tile.h); of one channel, 2×2 outputs of LANE_OUTPUTS channels in all windows of a row
            (conv_relu_pool.h); back, three to fifteen vectors of sums
sums        forward one block, as larger kernels are left to conv.pyx; ∂e/∂w in blocks of winners, groups and chunks (sums.h)
L1          one image of x with its zeros, its sums or its ∂e/∂x, and the kernels
threads     forward tasks of (image, band of rows); back chunks of images, cut by shapes alone, each with sums of its own for
            ∂e/∂w, which are added in order at the end: the same bits at any thread count

Back, the zeros between winners are left out, and around each kernel lie zeros that ∂e/∂y is multiplied with. With ∞ or NaN
among the numbers that is another sum than the formula's; then the function refuses.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry
from refconv._core.tile.sweep cimport (MOST_PARTIAL, TASKS, Sweep, Taps, View, list_runs, rows_of, run_sweep,
                                  view_of)
from refconv._core.tile.tile cimport Shape, panels, tile_shape

include "common/threads.pxi"

cdef extern from "fused/conv_relu_pool.h" nogil:
    enum:
        OFF
        LANE_OUTPUTS
        MOST_PATCH_VECTORS
        MOST_PATCH_ROWS
        WINDOW_LANES_float
        WINDOW_LANES_double
        PATCH_LANES_float
        PATCH_LANES_double
    void largest_float(const float *a, const float *b, const float *c, const float *d, float *best, unsigned char *winner)
    void largest_double(const double *a, const double *b, const double *c, const double *d, double *best, unsigned char *winner)
    void windows_float(Py_ssize_t kh, Py_ssize_t kw, Py_ssize_t pitch, Py_ssize_t half, const float *even, const float *w,
                       const float *start, float *out)
    void windows_double(Py_ssize_t kh, Py_ssize_t kw, Py_ssize_t pitch, Py_ssize_t half, const double *even, const double *w,
                        const double *start, double *out)
    Py_ssize_t patches_float(Py_ssize_t vectors, Py_ssize_t rows, Py_ssize_t count, const Py_ssize_t *at,
                             const float *weight, const float *source, Py_ssize_t pitch, float *out, Py_ssize_t out_pitch)
    Py_ssize_t patches_double(Py_ssize_t vectors, Py_ssize_t rows, Py_ssize_t count, const Py_ssize_t *at,
                              const double *weight, const double *source, Py_ssize_t pitch, double *out,
                              Py_ssize_t out_pitch)
    float total_float(const float *x, Py_ssize_t count)
    double total_double(const double *x, Py_ssize_t count)
    bint all_finite_float(const float *x, Py_ssize_t count)
    bint all_finite_double(const double *x, Py_ssize_t count)

cdef enum:
    MOST_LANES = 16
    SLACK = 3 * MOST_LANES      # elements that whole vectors may read behind a row
    BAND_OUTPUTS = 2048         # of the convolution in one task

MOST_CHANNELS = 16  # of the input: with more, dense sums in registers are as fast, and Winograd's are faster


cdef struct Layer:
    Py_ssize_t N, H, W, C               # input
    Py_ssize_t kh, kw, top, left
    Py_ssize_t height, pitch            # rows of an image with its zeros, and elements of each
    Py_ssize_t P, Q, O                  # windows of the pool down and across, channels


cdef Layer layer_of(const real[:, :, :, ::1] x, window, Py_ssize_t O):
    cdef Layer c
    c.N, c.H, c.W, c.C, c.O = x.shape[0], x.shape[1], x.shape[2], x.shape[3], O
    c.kh, c.kw = window.kernel
    (c.top, bottom), (c.left, right) = window.pads((c.H, c.W))
    c.height, c.pitch = c.H + c.top + bottom, (c.W + c.left + right) * c.C
    c.P, c.Q = (c.height - c.kh + 1) // 2, (c.pitch // c.C - c.kw + 1) // 2
    return c


cdef Py_ssize_t lanes_of(const real *_) noexcept nogil:
    return WINDOW_LANES_float if real is float else WINDOW_LANES_double


def takes(window, Py_ssize_t C, Py_ssize_t groups):
    """Whether a convolution with this window, C inputs and 2×2 pooling behind it is computed here."""
    short = window.kernel[0] * window.kernel[1] * C <= SUM_BLOCK
    return groups == 1 and window.stride == (1, 1) and window.dilation == (1, 1) and C <= MOST_CHANNELS and short


def forward(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias, window):
    """IN x (N, H, W, C), w (kh, kw, C, O), bias (O,) or None; OUT y and winners, both (N, P, Q, O)."""
    cdef Layer c = layer_of(x, window, w.shape[3])
    cdef Shape shape = tile_shape[real](NULL, c.O)
    if c.C == 1:
        shape.width = LANE_OUTPUTS
    cdef Py_ssize_t depth = c.kh * c.kw * c.C, width = panels(shape, c.O) * shape.width
    dtype = dtype_of[real](NULL)
    result = aligned_empty((c.N, c.P, c.Q, c.O), dtype)
    numbers = np.empty((c.N, c.P, c.Q, c.O), np.uint8)
    if not result.size:
        return result, numbers
    cdef real[:, :, :, ::1] y = result
    cdef unsigned char[:, :, :, ::1] winners = numbers
    cdef real[::1] packed = aligned_empty((depth * width,), dtype), start = np.zeros(width, dtype)
    pack_outputs(&w[0, 0, 0, 0], depth, c.O, shape.width, &packed[0])
    if bias is not None:
        start[:c.O] = bias

    cdef View view = view_of(-c.left, c.pitch // c.C - c.left, c.W, c.C)
    cdef Py_ssize_t[::1] run = np.empty(c.kh * c.kw, np.intp)
    cdef Sweep plan = Sweep(rows=0, columns=2 * c.Q, x_row=view.pitch, x_column=c.C, y_row=2 * c.Q * c.O, y_column=c.O,
                            channels=c.O, runs=0, length=0, run=NULL)
    list_runs(all_taps(c.kh), all_taps(c.kw), view.pitch, c.C, c.C, &plan, &run[0])
    cdef Py_ssize_t bands = max((TASKS + c.N - 1) // c.N, (4 * c.P * c.Q + BAND_OUTPUTS - 1) // BAND_OUTPUTS)
    cdef Py_ssize_t band = (c.P + bands - 1) // bands, task
    bands = (c.P + band - 1) // band
    cdef Py_ssize_t rows_in = (2 * band + c.kh - 1) * (c.pitch + 2) + SLACK, sums = 4 * band * c.Q * c.O + SLACK
    cdef int threads = threads_for(c.N * c.P * c.Q * c.O * depth // 2)
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * rows_in + sums), dtype)  # zeros: idle lanes must not meet a denormal
    for task in prange(c.N * bands, nogil=True, schedule="dynamic", num_threads=threads):
        forward_band(&c, plan, shape, view, &x[task // bands, 0, 0, 0], &packed[0], &start[0], task % bands * band,
                     min((task % bands + 1) * band, c.P), &scratch[threadid(), 0], rows_in, &y[task // bands, 0, 0, 0],
                     &winners[task // bands, 0, 0, 0])
    return result, numbers


cdef Taps all_taps(Py_ssize_t kernel) noexcept nogil:
    return Taps(count=kernel, index=0, index_step=1, offset=0, offset_step=1)


cdef void pack_outputs(const real *w, Py_ssize_t depth, Py_ssize_t O, Py_ssize_t width, real *packed) noexcept nogil:
    """[tap, input channel][O] to [panel][tap, input channel][width], with zeros beyond the last output."""
    cdef Py_ssize_t panel, k, o
    for panel in range((O + width - 1) // width):
        for k in range(depth):
            for o in range(panel * width, (panel + 1) * width):
                packed[0] = w[k * O + o] if o < O else 0
                packed += 1


cdef void forward_band(const Layer *c, Sweep plan, Shape shape, View view, const real *image, const real *packed,
                       const real *start, Py_ssize_t first, Py_ssize_t end, real *scratch, Py_ssize_t rows_in, real *y,
                       unsigned char *winners) noexcept nogil:
    """Rows first … end − 1 of one image's windows."""
    cdef Py_ssize_t rows = 2 * (end - first) + c.kh - 1, p, at
    cdef const real *x = rows_of(image, c.H, c.W, c.C, view, 2 * first - c.top, 2 * first - c.top + rows, scratch)
    cdef real *sums = scratch + 2 * rows_in
    if c.C == 1:
        even_before_odd(x, rows, view.pitch, scratch + rows_in)
        for p in range(first, end):
            windows_of_row(c, scratch + rows_in + (p - first) * 2 * (view.pitch + view.pitch % 2), packed, start,
                           y + p * c.Q * c.O, winners + p * c.Q * c.O)
    else:
        plan.rows = 2 * (end - first)
        run_sweep(&plan, shape, x, packed, start, sums)
        for p in range(first, end):
            at = p * c.Q * c.O
            largest_of_rows(sums + (p - first) * 2 * plan.y_row, c.Q, c.O, y + at, winners + at)


cdef void even_before_odd(const real *x, Py_ssize_t rows, Py_ssize_t columns, real *to) noexcept nogil:
    """Each row with its even columns in front of its odd ones."""
    cdef Py_ssize_t half = (columns + 1) // 2, i, j
    for i in range(rows):
        for j in range(half):
            to[2 * i * half + j] = x[i * columns + 2 * j]
        for j in range(columns // 2):
            to[(2 * i + 1) * half + j] = x[i * columns + 2 * j + 1]


cdef void windows_of_row(const Layer *c, const real *x, const real *packed, const real *start, real *y,
                         unsigned char *winners) noexcept nogil:
    """One row of windows on an image of one channel, a vector of them at a time."""
    cdef Py_ssize_t lanes = lanes_of[real](NULL), half = (c.pitch + 1) // 2, taps = c.kh * c.kw, q = 0, o, outputs
    cdef Py_ssize_t position = LANE_OUTPUTS * lanes
    cdef real sums[4 * LANE_OUTPUTS * MOST_LANES]
    cdef real best[LANE_OUTPUTS * MOST_LANES]
    cdef unsigned char number[LANE_OUTPUTS * MOST_LANES]
    while q < c.Q:
        outputs = 0
        while outputs < c.O:
            windows(c, 2 * half, half, x + q, packed + outputs * taps, start + outputs, sums)
            for o in range(LANE_OUTPUTS):
                largest(sums + o * lanes, position, 2 * position, 3 * position, best + o * lanes, number + o * lanes)
            side_by_side(lanes, best, number, min(lanes, c.Q - q), min(LANE_OUTPUTS, c.O - outputs), c.O,
                         y + q * c.O + outputs, winners + q * c.O + outputs)
            outputs += LANE_OUTPUTS
        q += lanes


cdef inline void side_by_side(Py_ssize_t lanes, const real *best, const unsigned char *number, Py_ssize_t windows,
                              Py_ssize_t outputs, Py_ssize_t O, real *y, unsigned char *winners) noexcept nogil:
    """The windows of some outputs, which lie behind one another, to outputs side by side at each window."""
    cdef Py_ssize_t l, o
    for l in range(windows):
        if outputs == LANE_OUTPUTS:  # a number that the compiler knows makes a straight line of the inner loop
            for o in range(LANE_OUTPUTS):
                y[l * O + o], winners[l * O + o] = best[o * lanes + l], number[o * lanes + l]
        else:
            for o in range(outputs):
                y[l * O + o], winners[l * O + o] = best[o * lanes + l], number[o * lanes + l]


cdef void largest_of_rows(const real *sums, Py_ssize_t Q, Py_ssize_t O, real *y, unsigned char *winners) noexcept nogil:
    """One row of windows on two rows of outputs, each (2·Q, O), a vector of channels at a time."""
    cdef Py_ssize_t lanes = lanes_of[real](NULL), q, o, l
    cdef real best[MOST_LANES]
    cdef unsigned char number[MOST_LANES]
    for q in range(Q):
        o = 0
        while o < O:
            if o + lanes <= O:
                largest(sums + 2 * q * O + o, O, 2 * Q * O, (2 * Q + 1) * O, y + q * O + o, winners + q * O + o)
            else:
                largest(sums + 2 * q * O + o, O, 2 * Q * O, (2 * Q + 1) * O, best, number)
                for l in range(O - o):
                    y[q * O + o + l] = best[l]
                    winners[q * O + o + l] = number[l]
            o += lanes


cdef inline void windows(const Layer *c, Py_ssize_t pitch, Py_ssize_t half, const real *even, const real *w,
                         const real *start, real *out) noexcept nogil:
    if real is float:
        windows_float(c.kh, c.kw, pitch, half, even, w, start, out)
    else:
        windows_double(c.kh, c.kw, pitch, half, even, w, start, out)


cdef inline void largest(const real *a, Py_ssize_t b, Py_ssize_t c, Py_ssize_t d, real *best,
                         unsigned char *number) noexcept nogil:
    """Of the vectors at a and so many elements behind it."""
    if real is float:
        largest_float(a, a + b, a + c, a + d, best, number)
    else:
        largest_double(a, a + b, a + c, a + d, best, number)


cdef struct Back:
    # Where things lie on the way back, in elements.
    Py_ssize_t row, entries         # ∂e/∂w of one output: rows of whole vectors, and all of them
    Py_ssize_t kernel_row, kernel   # a kernel for ∂e/∂x: rows with zeros on both sides, and all of them


cdef Py_ssize_t patch_lanes(const real *_) noexcept nogil:
    return PATCH_LANES_float if real is float else PATCH_LANES_double


cdef Back back_of(const Layer *c, Py_ssize_t lanes):
    cdef Back k
    k.row = whole(c.kw * c.C, lanes)
    k.entries = (c.kh + MOST_PATCH_ROWS) * k.row
    k.kernel_row = c.C + whole((c.kw + 1) * c.C, lanes)
    k.kernel = (c.kh + 2 + MOST_PATCH_ROWS) * k.kernel_row
    return k


cdef inline Py_ssize_t whole(Py_ssize_t count, Py_ssize_t lanes) noexcept nogil:
    """Elements of so many in whole vectors."""
    return (count + lanes - 1) // lanes * lanes


def backward(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[:, :, :, ::1] dy,
             const unsigned char[:, :, :, ::1] winners, window, bint want_dx):
    """IN what forward took and returned, and dy (N, P, Q, O); OUT dx or None, dw, db; None if a number is not finite."""
    cdef Layer c = layer_of(x, window, w.shape[3])
    cdef Back k = back_of(&c, patch_lanes[real](NULL))
    dtype = dtype_of[real](NULL)
    inputs = np.zeros((c.N, c.H, c.W, c.C), dtype) if want_dx else None
    if not c.N:
        return inputs, np.zeros_like(w), np.zeros(c.O, dtype)
    if not all_finite(&w[0, 0, 0, 0], c.kh * c.kw * c.C * c.O):
        return None
    cdef Py_ssize_t chunks = max(min(c.N, TASKS, MOST_PARTIAL // (c.O * k.entries)), 1), chunk
    cdef Py_ssize_t image = (c.height + MOST_PATCH_ROWS) * c.pitch + SLACK
    cdef int threads = threads_for(c.N * c.P * c.Q * c.O * k.row)
    kernel_sums, bias_sums = np.zeros((chunks, c.O, k.entries), dtype), np.zeros((chunks, c.O), dtype)
    cdef real[:, :, ::1] dw = kernel_sums
    cdef real[:, ::1] db = bias_sums, scratch = np.zeros((threads, 2 * image), dtype)
    cdef real[:, ::1] weight = np.empty((threads, max(c.P * c.Q, c.O)), dtype)
    cdef Py_ssize_t[:, ::1] at = np.empty((threads, max(c.P * c.Q, c.O)), np.intp)
    # A group of sums, for chunks of more than SUM_BLOCK blocks.
    cdef bint grouped = (c.N + chunks - 1) // chunks * block_count(c.P * c.Q) > SUM_BLOCK
    cdef real[:, ::1] group = np.zeros((threads, c.O * (k.entries + 1) if grouped else 0), dtype)
    cdef real[:, :, :, ::1] dx = inputs
    cdef real[::1] kernels = shifted_kernels(w, c, k) if want_dx else None
    cdef const real *shifted = &kernels[0] if want_dx else NULL
    cdef bint finite = True  # &= makes it the threads' common answer; what is assigned in a prange, the last chunk decides
    for chunk in prange(chunks, nogil=True, schedule="dynamic", num_threads=threads):
        finite &= back_through_images(&c, &k, chunk * c.N // chunks, (chunk + 1) * c.N // chunks, &x[0, 0, 0, 0], shifted,
                                      &dy[0, 0, 0, 0], &winners[0, 0, 0, 0], &scratch[threadid(), 0], image,
                                      &weight[threadid(), 0], &at[threadid(), 0], &dx[0, 0, 0, 0] if want_dx else NULL,
                                      &group[threadid(), 0] if grouped else NULL, &dw[chunk, 0, 0], &db[chunk, 0])
    if not finite:
        return None
    rows = kernel_sums.sum(0).reshape(c.O, -1, k.row)[:, :c.kh, :c.kw * c.C]
    return inputs, rows.transpose(1, 2, 0).reshape(c.kh, c.kw, c.C, c.O), bias_sums.sum(0)


cdef object shifted_kernels(const real[:, :, :, ::1] w, Layer c, Back k):
    """The kernels, output by output, each in the middle of zeros: whoever begins to read earlier sees it shifted."""
    table = np.zeros((c.O, k.kernel // k.kernel_row, k.kernel_row), dtype_of[real](NULL))
    table[:, 1 : 1 + c.kh, c.C : (1 + c.kw) * c.C] = np.asarray(w).reshape(c.kh, c.kw * c.C, c.O).transpose(2, 0, 1)
    return table.reshape(-1)


cdef bint back_through_images(const Layer *c, const Back *k, Py_ssize_t first, Py_ssize_t end, const real *x,
                              const real *kernels, const real *dy, const unsigned char *winners, real *scratch,
                              Py_ssize_t size, real *weight, Py_ssize_t *at, real *dx, real *group, real *dw,
                              real *db) noexcept nogil:
    """Adds the share of images first … end − 1 to dw and db, and makes their dx; False if a number is not finite.

    group has the elements of dw and of db, and is zero before and after; NULL if SUM_BLOCK blocks are all.
    """
    cdef Py_ssize_t b, o, i, found, number = 0, outputs = c.P * c.Q * c.O, inside = (c.top * c.pitch) + c.left * c.C
    cdef Py_ssize_t width = c.W * c.C
    for b in range(first, end):
        if not (all_finite(x + b * c.H * width, c.H * width) and all_finite(dy + b * outputs, outputs)):
            return False
        for i in range(c.H):  # with its zeros around it, which nothing overwrites
            memcpy(scratch + inside + i * c.pitch, x + (b * c.H + i) * width, width * sizeof(real))
        for o in range(c.O):
            found = winners_of_output(c, dy + b * outputs + o, winners + b * outputs + o, weight, at)
            add_winners(c, k, found, at, weight, scratch, number, NULL if group == NULL else group + o * (k.entries + 1),
                        dw + o * k.entries, db + o)
        number += block_count(c.P * c.Q)
        if dx != NULL:
            memset(scratch + size, 0, size * sizeof(real))
            back_to_inputs(c, k, kernels, dy + b * outputs, winners + b * outputs, weight, at, scratch + size)
            for i in range(c.H):
                memcpy(dx + (b * c.H + i) * width, scratch + size + inside + i * c.pitch, width * sizeof(real))
    if group != NULL:
        for o in range(c.O):
            carry_group(k, group + o * (k.entries + 1), dw + o * k.entries, db + o)
    return True


cdef void add_winners(const Layer *c, const Back *k, Py_ssize_t found, const Py_ssize_t *at, const real *weight, const real *x,
                      Py_ssize_t number, real *group, real *dw, real *db) noexcept nogil:
    """Add the winners of one output and image, blocks `number` and following, to the group, or without one to dw and db."""
    cdef Py_ssize_t first = 0, count
    cdef real *to = dw if group == NULL else group
    cdef real *bias_to = db if group == NULL else group + k.entries
    while first < c.P * c.Q:
        count = min(found - first, SUM_BLOCK)
        if count > 0:
            bias_to[0] += total(weight + first, count)
            add_patches(count, at + first, weight + first, x, c.pitch, c.kh, c.kw * c.C, to, k.row)
        first += SUM_BLOCK
        number += 1
        if group != NULL and number % SUM_BLOCK == 0:
            carry_group(k, group, dw, db)


cdef void carry_group(const Back *k, real *group, real *dw, real *db) noexcept nogil:
    """Add the group of one output to dw and db; it becomes zero."""
    carry(k.entries, group, dw)
    carry(1, group + k.entries, db)


cdef Py_ssize_t winners_of_output(const Layer *c, const real *dy, const unsigned char *winners, real *weight,
                                  Py_ssize_t *at) noexcept nogil:
    """Lists what the winners of the channel at dy see of the image, each with its ∂e/∂y; returns their number."""
    cdef Py_ssize_t O = c.O, Q = c.Q, two = 2 * c.C, window, p, q, found = 0  # not read from c again after each store
    cdef Py_ssize_t sees[OFF + 1]
    for p in range(OFF + 1):
        sees[p] = p // 2 * c.pitch + p % 2 * c.C
    for p in range(c.P):
        window = 2 * p * c.pitch
        for q in range(Q):
            weight[found] = dy[0]
            at[found] = window + sees[winners[0]]
            found += winners[0] != OFF  # counted, not jumped over: nobody could foretell it
            window += two
            dy += O
            winners += O
    return found


cdef void back_to_inputs(const Layer *c, const Back *k, const real *kernels, const real *dy, const unsigned char *winners,
                         real *weight, Py_ssize_t *at, real *dx) noexcept nogil:
    """Adds to dx, window by window, the kernels of its winners, each shifted to where its winner sees."""
    cdef Py_ssize_t O = c.O, size = k.kernel, kernel, p, q, o, block, found
    cdef Py_ssize_t shift[OFF + 1]
    for p in range(OFF + 1):
        shift[p] = (1 - p // 2) * k.kernel_row + (1 - p % 2) * c.C
    for p in range(c.P):
        for q in range(c.Q):
            found = kernel = 0
            for o in range(O):
                weight[found] = dy[o]
                at[found] = kernel + shift[winners[o]]
                found += winners[o] != OFF
                kernel += size
            dy += O
            winners += O
            for block in range(block_count(found)):
                o = block * SUM_BLOCK
                add_patches(min(found - o, SUM_BLOCK), at + o, weight + o, kernels, k.kernel_row, c.kh + 1, (c.kw + 1) * c.C,
                            dx + 2 * p * c.pitch + 2 * q * c.C, c.pitch)


cdef inline void add_patches(Py_ssize_t count, const Py_ssize_t *at, const real *weight, const real *source,
                             Py_ssize_t pitch, Py_ssize_t rows, Py_ssize_t width, real *out,
                             Py_ssize_t out_pitch) noexcept nogil:
    """Add the patches, so many rows of so many elements each, or some more: whole vectors, a few rows at a time."""
    cdef Py_ssize_t lanes = patch_lanes[real](NULL), left = (width + lanes - 1) // lanes, vectors, done
    while left > 0:
        vectors = min(left, MOST_PATCH_VECTORS)
        done = 0
        while done < rows:
            done += patches(vectors, rows - done, count, at, weight, source + done * pitch, pitch, out + done * out_pitch,
                            out_pitch)
        source += vectors * lanes
        out += vectors * lanes
        left -= vectors


cdef inline Py_ssize_t patches(Py_ssize_t vectors, Py_ssize_t rows, Py_ssize_t count, const Py_ssize_t *at,
                               const real *weight, const real *source, Py_ssize_t pitch, real *out,
                               Py_ssize_t out_pitch) noexcept nogil:
    if real is float:
        return patches_float(vectors, rows, count, at, weight, source, pitch, out, out_pitch)
    else:
        return patches_double(vectors, rows, count, at, weight, source, pitch, out, out_pitch)


cdef inline real total(const real *numbers, Py_ssize_t count) noexcept nogil:
    if real is float:
        return total_float(numbers, count)
    else:
        return total_double(numbers, count)


cdef inline bint all_finite(const real *numbers, Py_ssize_t count) noexcept nogil:
    if real is float:
        return all_finite_float(numbers, count)
    else:
        return all_finite_double(numbers, count)
