"""Convolution as a plain sum, for any window and number of channels.

An output y[b, i, j, o] is a sum of kh·kw·C_g products. One tile (tile.h) computes a few pixels times a few vectors of output
channels at once, and keeps the sums in registers until they are complete:

registers   the sums of a tile; one vector row of weights; one input value, broadcast
L1          the input under one tile, while one panel of weights is read
L2          that panel, which every tile of the band uses; and the band's input, read once for each panel
packed      weights: [group][panel of output channels][tap, input channel][lanes], zero-padded to whole vectors
threads     tasks of (image, band of rows); each output element belongs to one task

If a few images have too few pixels for this, a task computes a part of the output channels of a longer band: a short band
would read all weights for a few tiles.

A band that reads padding or has a prologue is copied into the buffer of its thread, with zeros and after the prologue; other
bands are read in place. Stride, dilation, groups and slices of channels only change offsets. direct_dx.pyx and
direct_grads.pyx compute the derivatives.
"""
import importlib

import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.conv.bands cimport Conv, band_rows, conv_of, tasks_per_image
from refconv._core.tile.finish cimport Finish, changes_sums, finish_at, finish_of
from refconv._core.tile.image cimport Image, View, image_of, input_of, rows_of, view_of
from refconv._core.tile.sweep cimport Sweep, Taps, list_runs, run_panel
from refconv._core.tile.tile cimport Shape, pack, panels, tile_shape

include "common/threads.pxi"

# The prologue as a separate pass, compiled for the same instruction set as this module.
prologue = importlib.import_module(__name__.rpartition(".")[0] + ".prologue")


cdef enum:
    LEAST_BAND_PIXELS = 128     # output pixels of a band if tasks can share its output channels instead


cdef struct Plan:
    # Data that the tasks share. `prepare` sets the first six, each call the others in its own copy.
    Conv conv
    Shape shape                         # shape of the tiles
    Py_ssize_t band, bands              # rows of one task, and bands of one image
    Py_ssize_t blocks, parts            # panels of one task, all groups counted; and parts of all panels
    Image x, y                          # inputs and outputs
    View view                           # the columns that are read
    Sweep sweep                         # sweep over a band; each task sets its number of rows
    Finish finish                       # the epilogue, if `finishes`
    bint finishes


cdef struct Part:
    # The part of one task: rows first … end − 1 of one image, and panels first_block … end_block − 1.
    Py_ssize_t image, first, end
    Py_ssize_t first_block, end_block


cdef struct Weights:
    # Packed weights, and the packed bias, with which the sums start, or NULL.
    const void *packed
    const void *start


cdef class Direct:
    """A convolution as a plain sum, with packed weights."""

    cdef Plan plan
    cdef object packed                  # the array of both weights and bias
    cdef object window
    cdef Weights weights
    cdef bint is_float32

    def __init__(self, w, bias, window, groups, images, input_size):
        """IN w (kh, kw, C / groups, O), bias (O,) or None.

        Calls get images of this size, usually `images` at once.
        """
        self.plan.conv = conv_of(images, tuple(input_size), w.shape[2] * groups, w.shape[3], window, groups)
        self.window, self.is_float32 = window, w.dtype == np.float32
        if self.is_float32:
            pack_all[float](self, w, bias)
        else:
            pack_all[double](self, w, bias)

    @property
    def y_shape(self):
        """Shape of y for `images` images."""
        return self.plan.conv.N, self.plan.conv.rows, self.plan.conv.columns, self.plan.conv.O

    @property
    def nbytes(self):
        """Number of bytes of the packed weights."""
        return self.packed.nbytes

    def __call__(self, x, y, add=None, low=None, high=None, scale=None, shift=None):
        """Write the outputs to y, and return True because they are always complete.

        conv.pyx describes the arguments.
        """
        cdef Plan p = self.plan
        if x.shape[:3] != (p.conv.N, p.conv.H, p.conv.W):  # in a dense layer, the batch is the width of one image
            p.conv = conv_of(len(x), x.shape[1:3], p.conv.C, p.conv.O, self.window, p.conv.groups)
            divide(&p)
        if scale is not None and p.parts > 1:  # see copies_for_prologue
            x, scale, shift = prologue.rectify(x, scale, shift), None, None
        if self.is_float32:
            compute[float](p, self.weights, x, y, finish_of[float](add, low, high, y.shape), scale, shift)
        else:
            compute[double](p, self.weights, x, y, finish_of[double](add, low, high, y.shape), scale, shift)
        return True


def copies_for_prologue(layer):
    """Return True if the prologue needs a copy of x.

    Otherwise, several tasks would compute it for the same pixels.
    """
    cdef Plan p
    p.conv = conv_of(layer.images, tuple(layer.input_size), layer.C, layer.O, layer.window, layer.groups)
    if layer.itemsize == sizeof(float):
        p.shape = tile_shape(<const float *>NULL, p.conv.O_g)
    else:
        p.shape = tile_shape(<const double *>NULL, p.conv.O_g)
    divide(&p)
    return p.parts > 1


def conv2d(x, w, bias, window, groups):
    """Return the output y of a convolution layer.

    IN x (N, H, W, C), w (kh, kw, C / groups, O), bias (O,) or None; OUT y (N, rows, columns, O).
    """
    run = Direct(w, bias, window, groups, len(x), x.shape[1:3])
    y = aligned_empty(run.y_shape, w.dtype)
    run(x, y)
    return y


cdef pack_all(Direct self, const real[:, :, :, ::1] w, const real[::1] bias):
    """Pack the weights and the bias, with zeros for idle lanes."""
    cdef Conv c = self.plan.conv
    cdef Shape shape = tile_shape[real](NULL, c.O_g)
    cdef Py_ssize_t lanes = c.groups * panels(shape, c.O_g) * shape.width, size = lanes * c.kh * c.kw * c.C_g
    self.packed = aligned_empty((size + (0 if bias is None else lanes),), dtype_of[real](NULL))
    cdef real[::1] packed = self.packed
    self.plan.shape = shape
    if not (c.O and c.rows > 0 and c.columns > 0):
        return
    divide(&self.plan)
    pack_weights(&c, shape, &w[0, 0, 0, 0], &packed[0])
    self.weights = Weights(packed=&packed[0], start=NULL)
    if bias is not None:
        pack_bias(&c, shape, &bias[0], &packed[size])
        self.weights.start = &packed[size]


cdef void pack_bias(const Conv *c, Shape shape, const real *bias, real *start) noexcept nogil:
    """Copy the bias of each group into whole panels."""
    cdef Py_ssize_t g, v, width = panels(shape, c.O_g) * shape.width
    for g in range(c.groups):
        for v in range(width):
            start[g * width + v] = bias[g * c.O_g + v] if v < c.O_g else 0


cdef void pack_weights(const Conv *c, Shape shape, const real *w, real *packed) noexcept nogil:
    """Pack the weights of each group and panel of output channels.

    The taps are in order, and the input channels along k.
    """
    cdef Py_ssize_t taps = c.kh * c.kw, size = taps * c.C_g * shape.width, count = panels(shape, c.O_g)
    cdef Py_ssize_t block, first, t
    for block in prange(c.groups * count, schedule="static", num_threads=threads_for(c.groups * count * size)):
        first = block % count * shape.width
        for t in range(taps):
            pack(w + t * c.C_g * c.O + block // count * c.O_g + first, c.C_g, c.O, c.O_g - first, 1, shape.width,
                 packed + block * size + t * c.C_g * shape.width)


cdef compute(Plan p, Weights weights, const real[:, :, :, :] x, real[:, :, :, :] y, Finish finish, const real[::1] scale,
             const real[::1] shift):
    """Compute the outputs of all images, task by task."""
    cdef Conv c = p.conv
    p.finish, p.finishes = finish, changes_sums(&finish)
    p.x, p.y = input_of(x, (c.N, c.H, c.W, c.C), scale, shift), image_of(y, (c.N, c.rows, c.columns, c.O))
    if not (c.N and c.O and c.rows > 0 and c.columns > 0):
        return
    cdef Py_ssize_t span_h = (c.kh - 1) * c.D_h + 1, span_w = (c.kw - 1) * c.D_w + 1
    p.view = view_of(&p.x, -c.left, (c.columns - 1) * c.S_w + span_w - c.left,
                     c.top == 0 and (c.rows - 1) * c.S_h + span_h <= c.H)
    cdef Py_ssize_t[::1] run = np.empty(c.kh * c.kw, np.intp)
    p.sweep = Sweep(rows=0, columns=c.columns, x_row=c.S_h * p.view.pitch, x_column=c.S_w * p.view.pixel,
                    y_row=c.columns * p.y.pixel, y_column=p.y.pixel, channels=c.O_g,
                    runs=list_runs(all_taps(c.kh, c.D_h), all_taps(c.kw, c.D_w), p.view.pitch, p.view.pixel, c.C_g, &run[0]))
    cdef int threads = threads_for(c.N * c.rows * c.columns * c.O * c.kh * c.kw * c.C_g // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] scratch = np.empty((threads, ((p.band - 1) * c.S_h + span_h) * p.view.pitch), dtype_of[real](NULL))
    cdef Py_ssize_t task
    for task in prange(c.N * p.parts * p.bands, nogil=True, schedule="dynamic", num_threads=threads):
        compute_part(&p, part_of(&p, task), weights, &x[0, 0, 0, 0], &scratch[threadid(), 0], &y[0, 0, 0, 0])


cdef Taps all_taps(Py_ssize_t kernel, Py_ssize_t D) noexcept nogil:
    return Taps(count=kernel, index=0, index_step=1, offset=0, offset_step=D)


cdef void divide(Plan *p) noexcept nogil:
    """Divide each image into bands of rows, and the output channels if bands would be too short."""
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t tasks = tasks_per_image(c.N), blocks = c.groups * panels(p.shape, c.O_g)
    cdef Py_ssize_t bands = min(tasks, max(c.rows * c.columns // LEAST_BAND_PIXELS, (tasks + blocks - 1) // blocks))
    p.band = band_rows(p.shape, bands, c.rows, c.columns)
    p.bands = (c.rows + p.band - 1) // p.band
    p.blocks = max(blocks * bands // tasks, 1)
    p.parts = (blocks + p.blocks - 1) // p.blocks


cdef inline Part part_of(const Plan *p, Py_ssize_t task) noexcept nogil:
    cdef Py_ssize_t first = task % p.bands * p.band, part = task // p.bands % p.parts
    return Part(image=task // (p.bands * p.parts), first=first, end=min(first + p.band, p.conv.rows),
                first_block=part * p.blocks,
                end_block=min((part + 1) * p.blocks, p.conv.groups * panels(p.shape, p.conv.O_g)))


cdef void compute_part(const Plan *p, Part part, Weights weights, const real *x, real *scratch, real *y) noexcept nogil:
    """Compute some output channels of a band of one image's output."""
    cdef const Conv *c = &p.conv
    cdef Sweep sweep = p.sweep
    cdef Py_ssize_t block, g, count = panels(p.shape, c.O_g), depth = sweep.runs.count * sweep.runs.length
    cdef Py_ssize_t first = (part.image * c.rows + part.first) * c.columns  # the part's first pixel
    cdef const real *start = <const real *>weights.start
    cdef Finish finish
    x = rows_of(x + part.image * c.H * c.W * p.x.pixel, &p.x, p.view, part.first * c.S_h - c.top,
                (part.end - 1) * c.S_h + (c.kh - 1) * c.D_h + 1 - c.top, scratch)
    y += first * p.y.pixel
    sweep.rows = part.end - part.first
    for block in range(part.first_block, part.end_block):
        g = block // count
        finish = finish_at(<const real *>NULL, &p.finish, first, g * c.O_g)
        run_panel(&sweep, p.shape, block % count, x + g * c.C_g, <const real *>weights.packed + block * depth * p.shape.width,
                  start + block * p.shape.width if start != NULL else NULL, &finish if p.finishes else NULL, y + g * c.O_g)
