"""∂e/∂w of a convolution as a plain sum, for any window and number of channels.

It uses the tile of direct.pyx, with other factors:

registers   the sums of a tile
L1          the input under one tile, while one panel is read
L2          that panel, which every tile of the band uses; and the band's input, read once for each panel
threads     tasks of (chunk of rows, entries of the kernel); each element has a separate sum in each chunk

∂e/∂w[m,n,c,o] sums over all pixels of all images, in blocks of some output rows (sums.h). Rows of the tile are the kernel's
entries (m, n, c), k runs over pixels, and ∂e/∂y is packed instead of the weights. If there are many pixels, the output rows of
all images are divided into chunks with separate sums, which are added in order at the end. If there are few pixels, the
entries are divided into parts, which share the copies of x and ∂e/∂y. All these numbers depend only on shapes, so the result
has the same bits at any thread count.
"""
import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry
from refconv._core.conv.bands cimport Conv, conv_of
from refconv._core.tile.image cimport Image, View, rows_of, view_of, whole_image
from refconv._core.tile.sweep cimport LEAST_CHUNK_PIXELS, MOST_PARTIAL_SUMS, TASKS
from refconv._core.tile.tile cimport MOST_ROWS, MOST_SUMS, Runs, Shape, pack, panels, rows_of_sums, tile, tile_shape

include "common/threads.pxi"

cdef enum:
    DW_BLOCK_PIXELS = SUM_BLOCK  # output pixels of one packed block of ∂e/∂y
    MOST_COPIED_BLOCKS = 32      # blocks of each chunk that are copied at once, for all parts


cdef struct Sums:
    # Data that the tasks of ∂e/∂w share. Output rows are numbered through all images.
    Conv conv
    Shape shape                         # shape of the tiles
    Image image                         # the images x
    View view                           # their columns that are read
    bint in_place                       # the tile reads x itself, without a copy
    bint one_run                        # the pixels of a block are equally far apart, also from row to row
    Py_ssize_t entries                  # entries (m, n, c) of the kernel
    Py_ssize_t chunks, parts            # of the output rows, and of the entries
    Py_ssize_t band, blocks             # output rows of a block, and the most blocks of a chunk
    Py_ssize_t copied, packed           # elements of the copies of x and ∂e/∂y for one block
    const Py_ssize_t *entry             # offset in x of each entry


cdef struct Buffers:
    # Copies of x and ∂e/∂y for each slot, and buffers for each thread.
    Py_ssize_t step                     # slots of each chunk, or 0 if there is one slot for each thread
    void *copies
    void *packed
    Py_ssize_t *start                   # offset in x of the first pixel of each output row of a block
    void *group                         # sums of groups of blocks, which are zero between tasks; NULL if there are few blocks


cdef struct Block:
    # Output rows row … end − 1, and what the tile reads for them.
    Py_ssize_t row, end
    const void *x
    const void *packed                  # ∂e/∂y
    const Py_ssize_t *start


def conv2d_dw(const real[:, :, :, ::1] x, const real[:, :, :, ::1] dy, window, Py_ssize_t groups):
    """Return ∂e/∂w.

    IN x (N, H, W, C), dy (N, rows, columns, O); OUT dw (kh, kw, C / groups, O).
    """
    cdef Sums p
    p.conv = conv_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], dy.shape[3], window, groups)
    cdef Conv c = p.conv
    dtype = dtype_of[real](NULL)
    result = np.zeros((c.kh, c.kw, c.C_g, c.O), dtype)
    if not x.shape[0] or not result.size:
        return result
    plan_sums[real](&p, NULL)
    cdef Py_ssize_t[::1] entry = entry_offsets(&c, p.view.pitch)
    p.entry = &entry[0]
    cdef Py_ssize_t weights = p.entries * c.O, first, task
    cdef real[:, ::1] partial = result.reshape(1, weights) if p.chunks == 1 else np.zeros((p.chunks, weights), dtype)

    cdef int threads = threads_for(c.N * c.rows * c.columns * weights // MULTIPLY_ADDS_PER_STEP)
    cdef Buffers buffers
    buffers.step = min(p.blocks, MOST_COPIED_BLOCKS) if p.parts > 1 else 0
    cdef Py_ssize_t slots = p.chunks * buffers.step if buffers.step else threads
    cdef real[::1] copies = np.empty(slots * p.copied + 1, dtype), packed = aligned_empty((slots * p.packed,), dtype)
    cdef real[::1] group = np.zeros(threads * weights if p.blocks > SUM_BLOCK else 1, dtype)
    cdef Py_ssize_t[::1] start = np.empty(slots * p.band, np.intp)
    buffers.copies, buffers.packed, buffers.start = &copies[0], &packed[0], &start[0]
    buffers.group = &group[0] if p.blocks > SUM_BLOCK else NULL
    for first in range(0, p.blocks, buffers.step or p.blocks):
        if buffers.step:  # the parts of a chunk share the copies of its blocks
            for task in prange(slots, nogil=True, schedule="dynamic", num_threads=threads):
                copy_block(&p, block_of(&p, task // buffers.step, first + task % buffers.step), &buffers, task,
                           &x[0, 0, 0, 0], &dy[0, 0, 0, 0])
        for task in prange(p.chunks * p.parts, nogil=True, schedule="dynamic", num_threads=threads):
            add_blocks(&p, task, first, &buffers, threadid(), &x[0, 0, 0, 0], &dy[0, 0, 0, 0],
                       &partial[task // p.parts, 0])
    if p.chunks > 1:
        add_chunks[real](partial, result.reshape(-1))
    return result


cdef void plan_sums(Sums *p, const real *_) noexcept:
    """Divide the pixels and the entries of the kernel. The window's sizes in p.conv are given."""
    cdef Conv c = p.conv
    cdef Py_ssize_t rows = c.N * c.rows
    cdef Py_ssize_t span_h = (c.kh - 1) * c.D_h + 1, span_w = (c.kw - 1) * c.D_w + 1
    p.shape = tile_shape[real](NULL, c.O_g)
    p.entries = c.kh * c.kw * c.C_g
    p.chunks = max(min(min(rows * c.columns // LEAST_CHUNK_PIXELS, MOST_PARTIAL_SUMS // (p.entries * c.O)), TASKS), 1)
    p.parts = max(min(TASKS // p.chunks, (p.entries + p.shape.rows - 1) // p.shape.rows), 1)
    p.band = min(max(DW_BLOCK_PIXELS // c.columns, 1), rows)
    p.blocks = (rows + p.chunks - 1) // p.chunks // p.band + 1

    p.image = whole_image(c.H, c.W, c.C)
    p.view = view_of(&p.image, -c.left, (c.columns - 1) * c.S_w + span_w - c.left, False)
    p.in_place = not p.view.copied and c.top == 0 and (c.rows - 1) * c.S_h + span_h <= c.H
    p.view.copied = not p.in_place
    p.one_run = p.in_place and c.S_h == 1 and c.H == c.rows and c.W == c.columns * c.S_w
    # n output rows of an image read at most n·S + span input rows, and a block is part of up to band ÷ rows + 2 images.
    p.copied = 0 if p.in_place else (p.band * c.S_h + (p.band // c.rows + 2) * span_h) * p.view.pitch
    p.packed = c.groups * panels(p.shape, c.O_g) * p.shape.width * p.band * c.columns


cdef object entry_offsets(const Conv *c, Py_ssize_t pitch):
    """Return the offset in x, with rows of `pitch` elements, of each kernel entry (m, n, c)."""
    offsets = np.empty(c.kh * c.kw * c.C_g, np.intp)
    cdef Py_ssize_t[::1] entry = offsets
    cdef Py_ssize_t e, tap
    for e in range(entry.shape[0]):
        tap = e // c.C_g
        entry[e] = tap // c.kw * c.D_h * pitch + tap % c.kw * c.D_w * c.C + e % c.C_g
    return offsets


cdef inline Block block_of(const Sums *p, Py_ssize_t chunk, Py_ssize_t number) noexcept nogil:
    """Return the output rows of a block. The last block of a chunk may be empty."""
    cdef Py_ssize_t rows = p.conv.N * p.conv.rows, end = (chunk + 1) * rows // p.chunks
    cdef Py_ssize_t row = min(chunk * rows // p.chunks + number * p.band, end)
    return Block(row=row, end=min(row + p.band, end), x=NULL, packed=NULL, start=NULL)


cdef inline Block with_copies(const Sums *p, Block block, const Buffers *buffers, Py_ssize_t slot,
                              const real *x) noexcept nogil:
    """Return the block with pointers to what the tile reads: the copies in a slot, or x itself."""
    block.x = x if p.in_place else <const real *> buffers.copies + slot * p.copied
    block.packed, block.start = <const real *> buffers.packed + slot * p.packed, buffers.start + slot * p.band
    return block


cdef void copy_block(const Sums *p, Block block, const Buffers *buffers, Py_ssize_t slot, const real *x,
                     const real *dy) noexcept nogil:
    """Copy the rows of x that a block reads, and pack its ∂e/∂y.

    If x is read in place, only the positions of its rows are written.
    """
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t row = block.row, pixels = (block.end - block.row) * c.columns, width = p.shape.width
    cdef Py_ssize_t b, i, count, n, g, panel, offset = 0
    cdef real *copy = <real *> buffers.copies + slot * p.copied
    cdef real *packed = <real *> buffers.packed + slot * p.packed
    cdef Py_ssize_t *start = buffers.start + slot * p.band
    while row < block.end:
        b, i = row // c.rows, row % c.rows
        count = min(c.rows - i, block.end - row)
        if p.in_place:
            offset = (b * c.H + i * c.S_h) * p.view.pitch
        else:
            rows_of(x + b * c.H * c.W * c.C, &p.image, p.view, i * c.S_h - c.top,
                    (i + count - 1) * c.S_h + (c.kh - 1) * c.D_h + 1 - c.top, copy + offset)
        for n in range(count):
            start[row - block.row + n] = offset + n * c.S_h * p.view.pitch
        offset += ((count - 1) * c.S_h + (c.kh - 1) * c.D_h + 1) * p.view.pitch
        row += count
    for g in range(c.groups if pixels else 0):
        for panel in range(panels(p.shape, c.O_g)):
            pack(dy + block.row * c.columns * c.O + g * c.O_g + panel * width, pixels, c.O, c.O_g - panel * width, 1, width,
                 packed)
            packed += width * pixels


cdef void add_blocks(const Sums *p, Py_ssize_t task, Py_ssize_t first, const Buffers *buffers, Py_ssize_t thread,
                     const real *x, const real *dy, real *dw) noexcept nogil:
    """Add the products of some blocks of a chunk to one part of ∂e/∂w.

    The blocks begin with number `first`: all blocks that were copied, or all blocks of the chunk.
    """
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t chunk = task // p.parts, number = first, g, slot = thread
    cdef Py_ssize_t end = min(first + buffers.step, p.blocks) if buffers.step else p.blocks
    cdef Py_ssize_t tiles = ((p.entries + p.parts - 1) // p.parts + p.shape.rows - 1) // p.shape.rows
    cdef Py_ssize_t entry = min(task % p.parts * tiles * p.shape.rows, p.entries)
    cdef Py_ssize_t end_entry = min(entry + tiles * p.shape.rows, p.entries)
    cdef real *group = <real *> buffers.group + thread * p.entries * c.O if buffers.group != NULL else dw
    cdef Block block
    while number < end:
        block = block_of(p, chunk, number)
        if buffers.step:
            slot = chunk * buffers.step + number - first
        else:
            copy_block(p, block, buffers, slot, x, dy)
        block = with_copies(p, block, buffers, slot, x)
        for g in range(c.groups if block.row < block.end else 0):
            add_products(p, &block, g, entry, end_entry, group)
        number += 1
        if buffers.group != NULL and (number % SUM_BLOCK == 0 or number == end):
            carry((end_entry - entry) * c.O, group + entry * c.O, dw + entry * c.O)


cdef void add_products(const Sums *p, const Block *block, Py_ssize_t g, Py_ssize_t first, Py_ssize_t end,
                       real *dw) noexcept nogil:
    """Add the products x · ∂e/∂y of all pixels of a block to dw[e, o], tile by tile.

    The call computes the entries e = first … end − 1 of one group.
    """
    cdef const Conv *c = &p.conv
    cdef Shape shape = p.shape
    cdef const real *a[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef real sums[MOST_SUMS]
    cdef const real *x = <const real *> block.x + g * c.C_g
    cdef Py_ssize_t pixels = (block.end - block.row) * c.columns, size = shape.width * pixels
    cdef const real *packed = <const real *> block.packed + g * panels(shape, c.O_g) * size
    cdef Runs runs = Runs(count=block.end - block.row, length=c.columns, step=c.S_w * c.C, start=block.start)
    cdef Py_ssize_t e = first, i, v, filled, panel, width
    if p.one_run:
        runs.count, runs.length = 1, pixels
    rows_of_sums(shape, sums, out)
    while e < end:
        filled = min(shape.rows, end - e)
        for i in range(shape.rows):
            a[i] = x + p.entry[e + i if i < filled else e]
        for panel in range(panels(shape, c.O_g)):
            width = min(shape.width, c.O_g - panel * shape.width)
            tile(shape, filled, &runs, a, packed + panel * size, NULL, out)
            for i in range(filled):
                for v in range(width):
                    dw[(e + i) * c.O + g * c.O_g + panel * shape.width + v] += sums[i * shape.width + v]
        e += filled


cdef void add_chunks(const real[:, ::1] partial, real[::1] dw):
    """Add the sums of all chunks to dw, in order."""
    cdef Py_ssize_t k, chunk
    for k in prange(dw.shape[0], nogil=True, num_threads=threads_for(partial.shape[0] * dw.shape[0])):
        for chunk in range(partial.shape[0]):
            dw[k] += partial[chunk, k]
