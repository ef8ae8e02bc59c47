"""∂e/∂w of a convolution as a plain sum, for any window and number of channels.

It uses the tile of direct.pyx, with other factors:

registers   the sums of a tile
L1          the input under one tile, while one panel is read
L2          that panel, which every tile of the band uses; and the band's input, read once for each panel
threads     tasks of (chunk of rows, entries of the kernel); each element has a separate sum in each chunk

∂e/∂w[m,n,c,o] sums over all pixels of all images, in blocks of some output rows of one image (sums.h). Rows of the tile are
the kernel's entries (m, n, c), k runs over pixels, and ∂e/∂y is packed instead of the weights. If there are many pixels, the
output rows of all images are divided into chunks with separate sums, which are added in order at the end. If there are few
pixels, the entries are divided into parts. Both numbers depend only on shapes, so the result has the same bits at any thread
count.
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


cdef struct Plan:
    # Data that the tasks of one pass share.
    Conv conv
    Shape shape                         # shape of the tiles
    Image image                         # x, which is read by the tile
    View view                           # its columns that are read
    Py_ssize_t band                     # output rows of a block
    const Py_ssize_t *entry             # offset in x of each entry (m, n, c) of the kernel
    const Py_ssize_t *row               # offset in x of each output row of a band


cdef struct Part:
    # The part of one task: entries of the kernel, and output rows, numbered through all images.
    Py_ssize_t first_entry, end_entry
    Py_ssize_t row, end_row


def conv2d_dw(const real[:, :, :, ::1] x, const real[:, :, :, ::1] dy, window, Py_ssize_t groups):
    """Return ∂e/∂w.

    IN x (N, H, W, C), dy (N, rows, columns, O); OUT dw (kh, kw, C / groups, O).
    """
    cdef Plan p
    p.conv = conv_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], dy.shape[3], window, groups)
    cdef Conv c = p.conv
    dtype = dtype_of[real](NULL)
    result = np.zeros((c.kh, c.kw, c.C_g, c.O), dtype)
    if not x.shape[0] or not result.size:
        return result
    p.shape = tile_shape[real](NULL, c.O_g)
    cdef Py_ssize_t entries = c.kh * c.kw * c.C_g, weights = entries * c.O, rows = c.N * c.rows
    cdef Py_ssize_t chunks = max(min(min(rows * c.columns // LEAST_CHUNK_PIXELS, MOST_PARTIAL_SUMS // weights), TASKS), 1)
    cdef Py_ssize_t parts = max(min(TASKS // chunks, (entries + p.shape.rows - 1) // p.shape.rows), 1)
    cdef real[:, ::1] partial = result.reshape(1, weights) if chunks == 1 else np.zeros((chunks, weights), dtype)

    cdef Py_ssize_t span_h = (c.kh - 1) * c.D_h + 1, span_w = (c.kw - 1) * c.D_w + 1
    p.band = min(max(DW_BLOCK_PIXELS // c.columns, 1), c.rows)
    p.image = whole_image(c.H, c.W, c.C)
    p.view = view_of(&p.image, -c.left, (c.columns - 1) * c.S_w + span_w - c.left, False)
    cdef Py_ssize_t[::1] entry = entry_offsets(&c, p.view.pitch)
    cdef Py_ssize_t[::1] row = np.arange(p.band, dtype=np.intp) * (c.S_h * p.view.pitch)
    p.entry, p.row = &entry[0], &row[0]

    cdef int threads = threads_for(rows * c.columns * weights // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] scratch = np.empty((threads, ((p.band - 1) * c.S_h + span_h) * p.view.pitch), dtype)
    cdef real[:, ::1] packed = aligned_empty((threads, panels(p.shape, c.O_g) * p.shape.width * p.band * c.columns), dtype)
    # The most blocks that a chunk can have: it has up to rows // chunks + 1 output rows, and a block ends with each image.
    cdef Py_ssize_t blocks = (rows // chunks + 1) // p.band + (rows // chunks) // c.rows + 2, task
    cdef real[:, ::1] group = np.zeros((threads, weights if blocks > SUM_BLOCK else 0), dtype)
    for task in prange(chunks * parts, nogil=True, schedule="dynamic", num_threads=threads):
        conv2d_dw_part(&p, part_of(task // parts, chunks, rows, task % parts, parts, entries), &x[0, 0, 0, 0],
                       &dy[0, 0, 0, 0], &scratch[threadid(), 0], &packed[threadid(), 0],
                       &group[threadid(), 0] if group.shape[1] else NULL, &partial[task // parts, 0])
    if chunks > 1:
        add_chunks[real](partial, result.reshape(-1))
    return result


cdef object entry_offsets(const Conv *c, Py_ssize_t pitch):
    """Return the offset in x, with rows of `pitch` elements, of each kernel entry (m, n, c)."""
    offsets = np.empty(c.kh * c.kw * c.C_g, np.intp)
    cdef Py_ssize_t[::1] entry = offsets
    cdef Py_ssize_t e, tap
    for e in range(entry.shape[0]):
        tap = e // c.C_g
        entry[e] = tap // c.kw * c.D_h * pitch + tap % c.kw * c.D_w * c.C + e % c.C_g
    return offsets


cdef inline Part part_of(Py_ssize_t chunk, Py_ssize_t chunks, Py_ssize_t rows, Py_ssize_t part, Py_ssize_t parts,
                         Py_ssize_t entries) noexcept nogil:
    """Return chunk number `chunk` of the output rows with part number `part` of the entries."""
    cdef Py_ssize_t per_part = (entries + parts - 1) // parts
    return Part(first_entry=part * per_part, end_entry=min((part + 1) * per_part, entries),
                row=chunk * rows // chunks, end_row=(chunk + 1) * rows // chunks)


cdef void add_chunks(const real[:, ::1] partial, real[::1] dw):
    """Add the sums of all chunks to dw, in order."""
    cdef Py_ssize_t k, chunk
    for k in prange(dw.shape[0], nogil=True, num_threads=threads_for(partial.shape[0] * dw.shape[0])):
        for chunk in range(partial.shape[0]):
            dw[k] += partial[chunk, k]


cdef void conv2d_dw_part(const Plan *p, Part part, const real *x, const real *dy, real *scratch, real *packed, real *group,
                         real *dw) noexcept nogil:
    """Add the products of some output rows to some entries of ∂e/∂w.

    Output rows are numbered through all images. `group` is a buffer of dw's size for groups of blocks, which is zero before
    and after the call. It is NULL if there are at most SUM_BLOCK blocks.
    """
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t row = part.row, b, i, g, panel, count, number = 0
    cdef Py_ssize_t start = part.first_entry * c.O, size = (part.end_entry - part.first_entry) * c.O
    cdef const real *image
    while row < part.end_row:
        b, i = row // c.rows, row % c.rows
        count = min(min(p.band, c.rows - i), part.end_row - row)
        image = rows_of(x + b * c.H * c.W * c.C, &p.image, p.view, i * c.S_h - c.top,
                        (i + count - 1) * c.S_h + (c.kh - 1) * c.D_h + 1 - c.top, scratch)
        for g in range(c.groups):
            for panel in range(panels(p.shape, c.O_g)):
                pack(dy + row * c.columns * c.O + g * c.O_g + panel * p.shape.width, count * c.columns, c.O,
                     c.O_g - panel * p.shape.width, 1, p.shape.width, packed + panel * p.shape.width * count * c.columns)
            add_products(p, part, count, image + g * c.C_g, packed, (dw if group == NULL else group) + g * c.O_g)
        row += count
        number += 1
        if group != NULL and (number % SUM_BLOCK == 0 or row == part.end_row):
            carry(size, group + start, dw + start)


cdef void add_products(const Plan *p, Part part, Py_ssize_t rows, const real *image, const real *packed,
                       real *dw) noexcept nogil:
    """Add the products x · ∂e/∂y of all pixels of `rows` rows to dw[e, o], tile by tile.

    The rows of a tile are entries e of the part.
    """
    cdef const Conv *c = &p.conv
    cdef Shape shape = p.shape
    cdef const real *a[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef real sums[MOST_SUMS]
    cdef Runs pixels = Runs(count=rows, length=c.columns, step=c.S_w * c.C, start=p.row)
    cdef Py_ssize_t e = part.first_entry, i, v, filled, panel, width
    if c.columns == 1:  # with one column, the pixels of all rows form a single run
        pixels = Runs(count=1, length=rows, step=p.row[1] - p.row[0] if rows > 1 else 1, start=p.row)
    rows_of_sums(shape, sums, out)
    while e < part.end_entry:
        filled = min(shape.rows, part.end_entry - e)
        for i in range(shape.rows):
            a[i] = image + p.entry[e + i if i < filled else e]
        for panel in range(panels(shape, c.O_g)):
            width = min(shape.width, c.O_g - panel * shape.width)
            tile(shape, filled, &pixels, a, packed + panel * shape.width * rows * c.columns, NULL, out)
            for i in range(filled):
                for v in range(width):
                    dw[(e + i) * c.O + panel * shape.width + v] += sums[i * shape.width + v]
        e += filled
