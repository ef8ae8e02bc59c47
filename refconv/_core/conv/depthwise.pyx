"""Convolutions whose groups have G inputs and G outputs, with G = 1 (depthwise), 2 or 4.

Each sum is short, kh·kw·G products, and most of the time is spent on loads and stores. So the lanes of vectors are channels,
as in memory, and one vector spans several groups (depthwise.h).

registers   the sums of four pixels for one vector of channels, until they are complete
L1          the input under four pixels, all channels; all weights, not packed
threads     tasks of (image, band of rows); each output element belongs to one task

Inputs are not copied, and there are no zeros around the image: the sum skips taps outside of the image. The row of an output
decides which rows of taps remain, and its column which columns. So each axis is divided once into spans of outputs that use
the same taps: a long span in the middle and short ones at the edges. A span of rows and a span of columns define a rectangle
of outputs with the same rectangle of taps. It is computed row by row, or column by column if it is narrow, as at the left and
right edges.

∂e/∂x gathers: it is the same sweep over ∂e/∂y, in phases of the stride as in direct.pyx, with inputs and outputs of each
group exchanged in the weights.

∂e/∂w[m,n,c,o] sums over all pixels of all images, in blocks of SUM_BLOCK pixels (sums.h). The sums of a few taps stay in
registers along a span of a row. The output rows of all images are divided into chunks, by shapes only. Each chunk has separate
sums, which are added in order at the end.

The skipped products, 0 · w in y and 0 · ∂e/∂y in ∂e/∂w, are zero for finite numbers only. conv.pyx checks the weights first.
If ∂e/∂y is non-finite, so is ∂e/∂w; then the function returns None, and conv.pyx uses another algorithm.
"""
import importlib

import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.conv.depthwise cimport SWEEP_PIXELS, Line, Patch, gather, kernel_for, lanes_of, sweep
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry, carry_block
from refconv._core.tile.finish cimport Finish, changes_sums, finish_at, finish_of
from refconv._core.tile.image cimport Image, image_of, whole_image
from refconv._core.tile.sweep cimport (BAND_PIXELS, LEAST_CHUNK_PIXELS, MOST_PARTIAL_SUMS, TASKS, Taps, first_inside, period,
                                       taps_of_phase)

include "common/threads.pxi"

# The prologue, compiled for the same instruction set as this module.
prologue = importlib.import_module(__name__.rpartition(".")[0] + ".prologue")


cdef struct Span:
    # Outputs along one axis that use the same taps: the first output y, its first tap w, and the input x that this tap reads;
    # then the steps from output to output, in the outputs and in the inputs, and the steps from tap to tap.
    Py_ssize_t outputs, taps
    Py_ssize_t y, w, x
    Py_ssize_t y_step, x_step
    Py_ssize_t w_tap, x_tap


cdef struct Outputs:
    # Outputs number first … end − 1 of an axis. Number k is output y_first + k·y_step, and its tap 0 reads the input at
    # k·x_step plus the offset of that tap.
    Py_ssize_t first, end
    Py_ssize_t y_first, y_step
    Py_ssize_t x_step


cdef struct Progress:
    # Progress of the sums of one chunk of ∂e/∂w: the number of elements of a block, the number of pixels added to the current
    # block, the number of blocks before it, and the first element to which the next pixels are added.
    Py_ssize_t size, pixels, number
    Py_ssize_t first


cdef struct Layer:
    # Data that the tasks of one pass share.
    Py_ssize_t C, G, kw             # channels, channels of a group, columns of the kernel
    Image x, y                      # inputs and outputs
    Py_ssize_t x_row, y_row         # elements between rows
    int kernel                      # number of the compiled kernel in depthwise.h
    const Span *rows                # the spans of both axes
    const Span *columns
    Py_ssize_t row_spans, column_spans
    Finish finish                   # the epilogue, if `finishes`
    bint finishes
    Py_ssize_t bands                # number of equal parts of each span of rows; a task computes one part of each span
    Py_ssize_t width                # for ∂e/∂w: number of channels, rounded up to whole vectors
    Py_ssize_t sums                 # for ∂e/∂w: elements of a block


def takes(Py_ssize_t C_g, Py_ssize_t O, Py_ssize_t groups, dtype):
    """Return True if a compiled kernel exists for groups of C_g inputs and O outputs in total."""
    return groups > 1 and O == C_g * groups and kernels(C_g, O, dtype) >= 0


cdef int kernels(Py_ssize_t G, Py_ssize_t C, dtype):
    return kernel_for(<const float *>NULL, C, G) if dtype == np.float32 else kernel_for(<const double *>NULL, C, G)


cdef class Depthwise:
    """A convolution with small groups, which reads w itself."""

    cdef object w, bias, rows, columns
    cdef tuple x_shape
    cdef readonly tuple y_shape         # for `images` images
    cdef bint is_float32
    cdef readonly Py_ssize_t nbytes     # of packed weights: 0

    def __init__(self, w, bias, window, images, input_size):
        """IN w (kh, kw, G, C), finite, bias (C,) or None.

        Calls get images of this size, usually `images` at once.
        """
        cdef tuple size = tuple(input_size), output_size = window.output_size(size)
        self.w, self.bias, self.is_float32 = w, bias, w.dtype == np.float32
        self.rows, self.columns = both_axes(window, size, output_size, False)
        self.x_shape, self.y_shape = (images, *size, w.shape[3]), (images, *output_size, w.shape[3])

    def __call__(self, x, y, add=None, low=None, high=None, scale=None, shift=None):
        """Write the outputs to y and return True, because they are always complete.

        conv.pyx describes the arguments.
        """
        if scale is not None:
            x = prologue.rectify(x, scale, shift)
        if self.is_float32:
            compute[float](self, x, y, finish_of[float](add, low, high, y.shape))
        else:
            compute[double](self, x, y, finish_of[double](add, low, high, y.shape))
        return True


cdef compute(Depthwise self, const real[:, :, :, :] x, real[:, :, :, :] y, Finish finish):
    cdef tuple images = (x.shape[0],)
    cdef Image inputs = image_of(x, images + self.x_shape[1:]), outputs = image_of(y, images + self.y_shape[1:])
    cdef Layer g = layer_of(inputs, outputs, self.w.shape[2], self.w.shape[1])
    g.finish, g.finishes = finish, changes_sums(&finish)
    if y.shape[0] and g.C:
        sweep_images[real](&g, x.shape[0], &x[0, 0, 0, 0], self.w, self.bias, &y[0, 0, 0, 0], self.rows, self.columns)


def conv2d(x, w, bias, window):
    """Return the output y of a convolution with small groups.

    IN x (N, H, W, C), w (kh, kw, G, C), finite, bias (C,) or None; OUT y (N, rows, columns, C).
    """
    run = Depthwise(w, bias, window, len(x), x.shape[1:3])
    y = aligned_empty(run.y_shape, w.dtype)
    run(x, y)
    return y


def conv2d_dx(const real[:, :, :, ::1] dy, const real[:, :, :, ::1] w, tuple input_size, window):
    """Return ∂e/∂x of a convolution with small groups.

    IN dy (N, rows, columns, C), w (kh, kw, G, C); OUT dx (N, *input_size, C).
    """
    cdef Py_ssize_t C = dy.shape[3], H = input_size[0], W = input_size[1]
    rows, columns = both_axes(window, input_size, (dy.shape[1], dy.shape[2]), True)
    all_reached = (rows[:, 0].sum(), columns[:, 0].sum()) == input_size
    result = (aligned_empty if all_reached else np.zeros)((dy.shape[0], H, W, C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] dx = result
    cdef Layer g = layer_of(whole_image(dy.shape[1], dy.shape[2], C), whole_image(H, W, C), w.shape[2], w.shape[1])
    if dy.shape[0] and C and H and W:
        sweep_images[real](&g, dy.shape[0], &dy[0, 0, 0, 0], turned(np.asarray(w)), None, &dx[0, 0, 0, 0], rows, columns)
    return result


cdef turned(w):
    """Return the kernels (kh, kw, G, C) with inputs and outputs of each group exchanged."""
    kh, kw, G, C = w.shape
    return w if G == 1 else w.reshape(kh, kw, G, C // G, G).swapaxes(2, 4).reshape(w.shape)


cdef tuple both_axes(window, tuple input_size, tuple output_size, bint back):
    """Return all outputs as spans of rows and spans of columns.

    The result is two tables with one span per row. The outputs are the pixels of y or, for ∂e/∂x (`back`), the pixels of x.
    """
    cdef tuple pads = window.pads(input_size)
    return tuple([
        spans_of(window.kernel[a], window.stride[a], window.dilation[a], pads[a][0], input_size[a], output_size[a], back)
        for a in range(2)
    ])


cdef spans_of(Py_ssize_t kernel, Py_ssize_t S, Py_ssize_t D, Py_ssize_t pad, Py_ssize_t inputs, Py_ssize_t outputs,
              bint back):
    """Return the spans of one axis; for ∂e/∂x, phase by phase."""
    cdef Py_ssize_t phase, rest, count = 0
    cdef Outputs reached
    table = np.empty((inputs if back else outputs, sizeof(Span) // sizeof(Py_ssize_t)), np.intp)
    cdef Py_ssize_t[:, ::1] cells = table
    cdef Span *spans = <Span *>&cells[0, 0]
    if not back:
        count = add_spans(Taps(kernel, 0, 1, -pad, D), inputs, Outputs(0, outputs, 0, 1, S), spans, 0)
        return table[:count]
    for phase in range(min(kernel, period(D, S))):
        rest = phase * D % S
        reached = Outputs(first_inside(pad, rest, S), first_inside(pad + inputs, rest, S), rest - pad, S, 1)
        count = add_spans(taps_of_phase(kernel, D, S, phase), outputs, reached, spans, count)
    return table[:count]


cdef Py_ssize_t add_spans(Taps taps, Py_ssize_t inputs, Outputs axis, Span *spans, Py_ssize_t count) noexcept:
    """Append the spans of the outputs to the first `count` spans; return the new count."""
    cdef Py_ssize_t k, x, w, n, skipped, t_end, before = count
    for k in range(axis.first, axis.end):
        x = k * axis.x_step + taps.offset
        skipped = min((-x + taps.offset_step - 1) // taps.offset_step, taps.count) if x < 0 else 0
        t_end = min((inputs - 1 - x) // taps.offset_step + 1, taps.count) if x < inputs else 0
        w = taps.index + skipped * taps.index_step
        n = max(t_end - skipped, 0)
        if count > before and spans[count - 1].w == w and spans[count - 1].taps == n:
            spans[count - 1].outputs += 1
            continue
        spans[count] = Span(outputs=1, taps=n, y=axis.y_first + k * axis.y_step, w=w,
                            x=x + skipped * taps.offset_step, y_step=axis.y_step, x_step=axis.x_step,
                            w_tap=taps.index_step, x_tap=taps.offset_step)
        count += 1
    return count


cdef sweep_images(Layer *g, Py_ssize_t images, const real *x, const real[:, :, :, ::1] w, const real[::1] bias, real *y,
                  const Py_ssize_t[:, ::1] rows, const Py_ssize_t[:, ::1] columns):
    """Compute all outputs of all images."""
    cdef Py_ssize_t task, pixels = g.y.height * g.y.width
    if not (rows.shape[0] and columns.shape[0]):
        return
    set_spans(g, rows, columns)
    g.kernel = kernel_for(x, g.C, g.G)
    g.bands = max((TASKS + images - 1) // images, (pixels + BAND_PIXELS - 1) // BAND_PIXELS)
    g.bands = min(g.bands, g.y.height)
    cdef const real *offset = NULL if bias is None else &bias[0]
    cdef int threads = threads_for(images * pixels * g.C * w.shape[0] * w.shape[1] * g.G // MULTIPLY_ADDS_PER_STEP)
    for task in prange(images * g.bands, nogil=True, schedule="dynamic", num_threads=threads):
        sweep_band(g, task // g.bands, task % g.bands, x, &w[0, 0, 0, 0], offset, y)


cdef Layer layer_of(Image x, Image y, Py_ssize_t G, Py_ssize_t kw):
    cdef Layer g
    g.C, g.G, g.kw, g.x, g.y = x.channels, G, kw, x, y
    g.finish, g.finishes = Finish(add=NULL, add_pixel=0, low=0, high=0), False
    g.x_row, g.y_row = x.width * x.pixel, y.width * y.pixel
    return g


cdef void set_spans(Layer *g, const Py_ssize_t[:, ::1] rows, const Py_ssize_t[:, ::1] columns):
    g.rows, g.row_spans = <const Span *>&rows[0, 0], rows.shape[0]
    g.columns, g.column_spans = <const Span *>&columns[0, 0], columns.shape[0]


cdef Span part_of(const Span *span, Py_ssize_t first, Py_ssize_t end) noexcept nogil:
    """Return outputs number first … end − 1 of a span."""
    cdef Span part = span[0]
    part.outputs, part.x, part.y = end - first, span.x + first * span.x_step, span.y + first * span.y_step
    return part


cdef Patch taps_in(const Layer *g, const Span *row, const Span *column, Py_ssize_t number) noexcept nogil:
    """Return the taps of a rectangle, with their steps in x and in the weights or sums.

    The array of weights or sums has `number` elements for each tap of the kernel.
    """
    return Patch(rows=row.taps, columns=column.taps, x_row=row.x_tap * g.x_row,
                 x_column=column.x_tap * g.x.pixel, w_row=row.w_tap * g.kw * number, w_column=column.w_tap * number,
                 w_input=number // g.G)


cdef void sweep_band(const Layer *g, Py_ssize_t image, Py_ssize_t band, const real *x, const real *w, const real *bias,
                     real *y) noexcept nogil:
    """Compute part number `band` of each span of rows of one image."""
    cdef Py_ssize_t r, s, count
    cdef Span row
    cdef Finish finish = finish_at(y, &g.finish, image * g.y.height * g.y.width, 0)
    x += image * g.x.height * g.x_row
    y += image * g.y.height * g.y_row
    for r in range(g.row_spans):
        count = g.rows[r].outputs
        row = part_of(g.rows + r, band * count // g.bands, (band + 1) * count // g.bands)
        for s in range(g.column_spans):
            sweep_rectangle(g, &row, g.columns + s, x, w, bias, &finish if g.finishes else NULL, y)


cdef void sweep_rectangle(const Layer *g, const Span *row, const Span *column, const real *x, const real *w, const real *bias,
                          const Finish *finish, real *y) noexcept nogil:
    """Compute a rectangle of outputs, line by line: rows, or columns if the rectangle is narrow."""
    cdef Py_ssize_t k, number = g.G * g.C, pixel = row.y * g.y.width + column.y
    cdef Patch taps = taps_in(g, row, column, number)
    cdef Line across = Line(column.outputs, g.C, column.x_step * g.x.pixel, column.y_step * g.y.pixel)
    cdef Line down = Line(row.outputs, g.C, row.x_step * g.x_row, row.y_step * g.y_row)
    cdef bint by_rows = across.pixels >= SWEEP_PIXELS
    cdef Line line = across if by_rows else down, others = down if by_rows else across
    cdef Finish part
    x += row.x * g.x_row + column.x * g.x.pixel
    w += (row.w * g.kw + column.w) * number
    y += pixel * g.y.pixel
    for k in range(others.pixels if line.pixels else 0):
        if finish != NULL:
            part = finish_at(y, finish, pixel + k * (others.y_pixel // g.y.pixel), 0)
            part.add_pixel *= line.y_pixel // g.y.pixel
        sweep(g.kernel, &taps, &line, x + k * others.x_pixel, w, bias, &part if finish != NULL else NULL,
              y + k * others.y_pixel)


def conv2d_dw(const real[:, :, :, ::1] x, const real[:, :, :, ::1] dy, window, Py_ssize_t G):
    """Return ∂e/∂w, or None if it might be non-finite.

    IN x (N, H, W, C), dy (N, rows, columns, C); OUT dw (kh, kw, G, C).
    """
    cdef Py_ssize_t C = x.shape[3], kh = window.kernel[0], kw = window.kernel[1], count = dy.shape[0] * dy.shape[1]
    dtype = dtype_of[real](NULL)
    if not (count and C):
        return np.zeros((kh, kw, G, C), dtype)
    cdef Py_ssize_t[:, ::1] rows, columns
    rows, columns = both_axes(window, (x.shape[1], x.shape[2]), (dy.shape[1], dy.shape[2]), False)
    if not (np.asarray(rows)[:, 1].all() and np.asarray(columns)[:, 1].all()):
        return None  # some outputs read only padding, so non-finite elements of their ∂e/∂y would not be noticed
    cdef Layer g = layer_of(whole_image(x.shape[1], x.shape[2], C), whole_image(dy.shape[1], dy.shape[2], C), G, kw)
    set_spans(&g, rows, columns)
    g.kernel = kernel_for(&x[0, 0, 0, 0], C, G)
    cdef Py_ssize_t lanes = lanes_of(&x[0, 0, 0, 0], g.kernel), taps = kh * kw, task
    g.width = (C + lanes - 1) // lanes * lanes
    g.sums = taps * G * g.width
    cdef Py_ssize_t chunks = max(min(min(count * dy.shape[2] // LEAST_CHUNK_PIXELS, MOST_PARTIAL_SUMS // g.sums), TASKS), 1)
    partial_sums = np.zeros((chunks, taps * G, g.width), dtype)
    cdef int threads = threads_for(count * dy.shape[2] * C * taps * G // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, :, ::1] partial = partial_sums, scratch = np.zeros((threads, 2, g.sums), dtype)
    for task in prange(chunks, nogil=True, schedule="dynamic", num_threads=threads):
        gather_chunk(&g, task * count // chunks, (task + 1) * count // chunks, &x[0, 0, 0, 0], &dy[0, 0, 0, 0],
                     &scratch[threadid(), 0, 0], &partial[task, 0, 0])
    for share in partial_sums[1:]:
        partial_sums[0] += share
    if not np.isfinite(partial_sums[0]).all():
        return None
    # The last vector ends with the last channel, so it may overlap the one before.
    places = np.concatenate((np.arange(C - lanes), np.arange(g.width - lanes, g.width)))
    return turned(partial_sums[0][:, places].reshape(kh, kw, G, C))


cdef void gather_chunk(const Layer *g, Py_ssize_t first, Py_ssize_t end, const real *x, const real *dy, real *scratch,
                       real *total) noexcept nogil:
    """Write the sums over output rows first … end − 1 of the batch to total.

    Rows are numbered through all images. `scratch` is a buffer for a block and a group, which is zero before and after the
    call.
    """
    cdef Py_ssize_t image = first // g.y.height, r, s, before, begin, stop
    cdef Progress done = Progress(size=g.sums, pixels=0, number=0, first=0)
    cdef Span row
    while image * g.y.height < end:
        for r in range(g.row_spans):
            before = image * g.y.height + g.rows[r].y
            begin, stop = max(first - before, 0), min(end - before, g.rows[r].outputs)
            if begin < stop:
                row = part_of(g.rows + r, begin, stop)
                for s in range(g.column_spans):
                    gather_rectangle(g, &row, g.columns + s, x + image * g.x.height * g.x_row,
                                     dy + image * g.y.height * g.y_row, &done, scratch, total)
        image += 1
    carry_block(done.number, g.sums, scratch, scratch + g.sums, total)
    carry(g.sums, scratch + g.sums, total)


cdef void gather_rectangle(const Layer *g, const Span *row, const Span *column, const real *x, const real *dy, Progress *done,
                           real *scratch, real *total) noexcept nogil:
    cdef Py_ssize_t k
    cdef Patch taps = taps_in(g, row, column, g.G * g.width)
    cdef Line across = Line(column.outputs, g.C, column.x_step * g.C, g.C)
    cdef Line down = Line(row.outputs, g.C, row.x_step * g.x_row, g.y_row)
    done.first = (row.w * g.kw + column.w) * g.G * g.width
    x += row.x * g.x_row + column.x * g.C
    dy += row.y * g.y_row + column.y * g.C
    if across.pixels >= SWEEP_PIXELS:
        for k in range(down.pixels):
            gather_line(g.kernel, &taps, across, x + k * down.x_pixel, dy + k * down.y_pixel, done, scratch, total)
    else:
        for k in range(across.pixels):
            gather_line(g.kernel, &taps, down, x + k * across.x_pixel, dy + k * across.y_pixel, done, scratch, total)


cdef void gather_line(int kernel, const Patch *taps, Line line, const real *x, const real *dy, Progress *done, real *scratch,
                      real *total) noexcept nogil:
    """Add a line of pixels to the block, carrying the block first if it is full."""
    cdef Py_ssize_t first = 0, pixels = line.pixels
    while first < pixels:
        line.pixels = min(pixels - first, SUM_BLOCK)
        if done.pixels + line.pixels > SUM_BLOCK:
            carry_block(done.number, done.size, scratch, scratch + done.size, total)
            done.number += 1
            done.pixels = 0
        gather(kernel, taps, &line, x + first * line.x_pixel, dy + first * line.y_pixel, scratch + done.first)
        done.pixels += line.pixels
        first += line.pixels
