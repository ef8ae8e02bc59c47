"""Derivatives of a convolution as plain sums, for any window and number of channels.

They use the tile of direct.pyx, with other factors:

registers   the sums of a tile
L1          the input under one tile, while one panel is read
L2          that panel, which every tile of the band uses; and the band's input, read once for each panel
threads     tasks of (image, band of rows), or of (chunk of rows, entries of the kernel) for ∂e/∂w; each element belongs to one
            task or has a separate sum in each chunk

∂e/∂x gathers, so that no two threads write the same element. An input row u (counted from the padding's edge) is reached
by tap m of output row i when i·S + m·D = u; taps with the same remainder m·D mod S reach the same rows. Remainders repeat
every P = S / gcd(S, D) taps. So the taps split into min(k, P) phases, t = 0, 1, …, and each phase is a cross-correlation of
∂e/∂y with every P-th row of the turned kernel, with stride 1. Rows that no tap reaches stay zero. The zeros around ∂e/∂y are
also multiplied by weights, so conv.pyx does not use this algorithm for non-finite weights.

∂e/∂w[m,n,c,o] sums over all pixels of all images, in blocks of some output rows of one image (sums.h). Rows of the tile are
the kernel's entries (m, n, c), k runs over pixels, and ∂e/∂y is packed instead of the weights. If there are many pixels, the
output rows of all images are divided into chunks with separate sums, which are added in order at the end. If there are few
pixels, the entries are divided into parts. Both numbers depend only on shapes, so the result has the same bits at any thread
count.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry
from refconv._core.conv.bands cimport Conv, band_rows, conv_of, tasks_per_image
from refconv._core.tile.finish cimport Finish, finish_at
from refconv._core.tile.image cimport Image, View, rows_of, view_of, whole_image
from refconv._core.tile.sweep cimport (LEAST_CHUNK_PIXELS, MOST_PARTIAL_SUMS, TASKS, Sweep, Taps, first_inside, list_runs,
                                       period, run_panel, taps_of_phase)
from refconv._core.tile.tile cimport (MOST_ROWS, MOST_SUMS, STRIP_TILES, WIDE_ROWS, Runs, Shape, copy_columns, copy_tiles,
                                      pack, panels, rows_of_sums, tile, tile_shape)

include "common/threads.pxi"

cdef enum:
    DW_BLOCK_PIXELS = SUM_BLOCK  # output pixels of one packed block of ∂e/∂y
    CHUNK_BLOCK = 1024           # elements of ∂e/∂w to which all chunks are added at a time
    LEAST_PACKED_PANELS = 6      # panels of output channels from which ∂e/∂w packs x: fewer use it too little


cdef struct Plan:
    # Data that the tasks of one pass share.
    Conv conv
    Shape shape                         # shape of the tiles
    Image image                         # the array that is read by the tile: ∂e/∂y, or x for ∂e/∂w
    View view                           # its columns that are read
    Py_ssize_t first, end               # the rows first … end − 1 are computed
    Py_ssize_t band, bands              # rows of one task, and tasks of one image
    Py_ssize_t phases_h, phases_w       # for ∂e/∂x: phases down and across
    const Py_ssize_t *entry             # for ∂e/∂w: offset in x of each entry (m, n, c) of the kernel
    const Py_ssize_t *row               # for ∂e/∂w: offset in x of each output row of a band
    Finish finish                       # for ∂e/∂x: the epilogue, if `finishes`
    bint finishes
    Py_ssize_t packed_dy, packed_x      # for ∂e/∂w: elements of a thread's packed ∂e/∂y, and of packed x after it


cdef struct Band:
    # The part of one task: rows first … end − 1 of one image.
    Py_ssize_t image, first, end


cdef struct Part:
    # The part of one task in ∂e/∂w: entries of the kernel, and output rows, numbered through all images.
    Py_ssize_t first_entry, end_entry
    Py_ssize_t row, end_row


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


def conv2d_dx(const real[:, :, :, ::1] dy, const real[:, :, :, ::1] w, tuple input_size, window, Py_ssize_t groups,
              const real[::1] bias=None):
    """Return ∂e/∂x plus the bias of a transposed convolution.

    IN dy (N, rows, columns, O), w (kh, kw, C / groups, O), finite, bias (C,) or None; OUT dx (N, *input_size, C).
    """
    cdef Plan p
    p.conv = conv_of(dy.shape[0], input_size, w.shape[2] * groups, w.shape[3], window, groups)
    cdef Conv c = p.conv
    p.phases_h, p.phases_w = min(c.kh, period(c.D_h, c.S_h)), min(c.kw, period(c.D_w, c.S_w))
    dtype = dtype_of[real](NULL)
    all_reached = p.phases_h == c.S_h and p.phases_w == c.S_w
    result = (aligned_empty if all_reached else np.zeros)((c.N, c.H, c.W, c.C), dtype)
    if not result.size:
        return result
    if bias is not None and not all_reached:
        result += bias
    cdef real[:, :, :, ::1] dx = result
    p.shape = tile_shape[real](NULL, c.C_g)
    cdef real[::1] packed = aligned_empty((c.kh * c.kw * c.O * panels(p.shape, c.C_g) * p.shape.width,), dtype)
    pack_turned(&p, &w[0, 0, 0, 0], &packed[0])
    p.finish, p.finishes = Finish(add=NULL, add_pixel=0, low=-INFINITY, high=INFINITY), bias is not None
    if bias is not None:
        p.finish.add = &bias[0]

    # In units of S, a row of dx has the same number as the last row of dy that it reads; tap m reads (m·D) ÷ S rows before it.
    cdef Py_ssize_t first_column = c.left // c.S_w, end_column = (c.left + c.W - 1) // c.S_w + 1
    cdef Py_ssize_t back_h = (c.kh - 1) * c.D_h // c.S_h, back_w = (c.kw - 1) * c.D_w // c.S_w
    p.image = whole_image(c.rows, c.columns, c.O)
    p.view = view_of(&p.image, first_column - back_w, end_column, False)
    cut_into_bands(&p, c.top // c.S_h, (c.top + c.H - 1) // c.S_h + 1, end_column - first_column)
    cdef int threads = threads_for(c.N * c.rows * c.columns * c.O * c.kh * c.kw * c.C_g // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] scratch = np.empty((threads, (p.band + back_h) * p.view.pitch), dtype)
    cdef Py_ssize_t[:, ::1] run = np.empty((threads, c.kh * c.kw), np.intp)
    cdef Py_ssize_t task
    for task in prange(c.N * p.bands, nogil=True, schedule="dynamic", num_threads=threads):
        conv2d_dx_band(&p, band_of(&p, task), &dy[0, 0, 0, 0], &packed[0], &scratch[threadid(), 0], &run[threadid(), 0],
                       &dx[0, 0, 0, 0])
    return result


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


cdef void conv2d_dx_band(const Plan *p, Band part, const real *dy, const real *packed, real *scratch, Py_ssize_t *run,
                         real *dx) noexcept nogil:
    """Compute a band of one image's ∂e/∂x, from row first·S − top on, phase by phase."""
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t back_h = (c.kh - 1) * c.D_h // c.S_h
    cdef Py_ssize_t m, n, rest_h, rest_w, row, column, g, panel, depth
    cdef Finish finish
    cdef Taps down, across
    cdef const real *source
    cdef real *to
    cdef Sweep sweep
    sweep.x_row, sweep.x_column, sweep.y_row, sweep.y_column = p.view.pitch, c.O, c.S_h * c.W * c.C, c.S_w * c.C
    sweep.channels = c.C_g
    dy = rows_of(dy + part.image * c.rows * c.columns * c.O, &p.image, p.view, part.first - back_h, part.end, scratch)
    dx += part.image * c.H * c.W * c.C
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
            sweep.runs = list_runs(down, across, p.view.pitch, c.O, c.O_g, run)
            source = dy + (row - part.first + back_h) * p.view.pitch + (column - p.view.left) * c.O
            to = dx + (rest_h + row * c.S_h - c.top) * c.W * c.C + (rest_w + column * c.S_w - c.left) * c.C
            depth = sweep.runs.count * sweep.runs.length
            for g in range(c.groups):
                finish = finish_at(dx, &p.finish, 0, g * c.C_g)
                for panel in range(panels(p.shape, c.C_g)):
                    if sweep.rows > 0 and sweep.columns > 0:
                        run_panel(&sweep, p.shape, panel, source + g * c.O_g, packed, <const real *>NULL,
                                  &finish if p.finishes else NULL, to + g * c.C_g)
                    packed += p.shape.width * depth


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
    set_packing(&p)

    cdef int threads = threads_for(rows * c.columns * weights // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] scratch = np.empty((threads, ((p.band - 1) * c.S_h + span_h) * p.view.pitch), dtype)
    cdef real[:, ::1] packed = aligned_empty((threads, p.packed_dy + p.packed_x), dtype)
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


cdef void set_packing(Plan *p) noexcept:
    """Set how many elements a thread packs for a band of output rows."""
    cdef Py_ssize_t pixels = p.band * p.conv.columns, count = panels(p.shape, p.conv.O_g)
    p.packed_dy = count * p.shape.width * pixels
    p.packed_x = STRIP_TILES * WIDE_ROWS * pixels if count >= LEAST_PACKED_PANELS else 0


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
    """Add the sums of all chunks to dw, in order, block by block of dw."""
    cdef Py_ssize_t block, size = dw.shape[0], chunks = partial.shape[0]
    for block in prange((size + CHUNK_BLOCK - 1) // CHUNK_BLOCK, nogil=True, num_threads=threads_for(chunks * size)):
        add_block(&partial[0, block * CHUNK_BLOCK], chunks, size, min(CHUNK_BLOCK, size - block * CHUNK_BLOCK),
                  &dw[block * CHUNK_BLOCK])


cdef void add_block(const real *partial, Py_ssize_t chunks, Py_ssize_t pitch, Py_ssize_t size, real *dw) noexcept nogil:
    cdef Py_ssize_t chunk, k
    for chunk in range(chunks):
        for k in range(size):
            dw[k] += partial[chunk * pitch + k]


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
            add_products(p, part, count, image + g * c.C_g, packed, packed + p.packed_dy,
                         (dw if group == NULL else group) + g * c.O_g)
        row += count
        number += 1
        if group != NULL and (number % SUM_BLOCK == 0 or row == part.end_row):
            carry(size, group + start, dw + start)


cdef void add_products(const Plan *p, Part part, Py_ssize_t rows, const real *image, const real *packed, real *columns,
                       real *dw) noexcept nogil:
    """Add the products x · ∂e/∂y of all pixels of `rows` rows to dw[e, o], tile by tile.

    The rows of a tile are entries e of the part. All panels of ∂e/∂y read the same x, so x is packed in `columns` first if
    its pixels are far apart.
    """
    cdef const Conv *c = &p.conv
    cdef Shape shape = p.shape
    cdef const real *a[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef real sums[MOST_SUMS]
    cdef Runs pixels = Runs(count=rows, length=c.columns, step=c.S_w * c.C, start=p.row)
    cdef Py_ssize_t e = part.first_entry, size = WIDE_ROWS * rows * c.columns, number = 0, i, v, filled, panel, width
    if p.packed_x:
        pixels = Runs(count=1, length=rows * c.columns, step=WIDE_ROWS, start=p.row)
    elif c.columns == 1:  # with one column, the pixels of all rows form a single run
        pixels = Runs(count=1, length=rows, step=p.row[1] - p.row[0] if rows > 1 else 1, start=p.row)
    rows_of_sums(shape, sums, out)
    while e < part.end_entry:
        filled = min(shape.rows, part.end_entry - e)
        if p.packed_x and number % STRIP_TILES == 0:
            pack_strip(p, e, part.end_entry, rows, image, columns)
        for i in range(shape.rows):
            if p.packed_x:
                a[i] = columns + number % STRIP_TILES * size + (i if i < filled else 0)
            else:
                a[i] = image + p.entry[e + i if i < filled else e]
        for panel in range(panels(shape, c.O_g)):
            width = min(shape.width, c.O_g - panel * shape.width)
            tile(shape, filled, &pixels, a, packed + panel * shape.width * rows * c.columns, NULL, out)
            for i in range(filled):
                for v in range(width):
                    dw[(e + i) * c.O + panel * shape.width + v] += sums[i * shape.width + v]
        e += filled
        number += 1


cdef void pack_strip(const Plan *p, Py_ssize_t e, Py_ssize_t end, Py_ssize_t rows, const real *image,
                     real *columns) noexcept nogil:
    """Pack x for the next STRIP_TILES tiles, from entry e on.

    Neighbouring entries are copied together.
    """
    cdef const Conv *c = &p.conv
    cdef Py_ssize_t pixels = rows * c.columns, step = c.S_w * c.C, last = min(e + STRIP_TILES * WIDE_ROWS, end), row, k, first
    cdef Py_ssize_t count, tiles
    for row in range(rows):
        first = e
        while first < last:
            count = 1
            while first + count < last and p.entry[first + count] == p.entry[first] + count:
                count += 1
            k = (first - e) % WIDE_ROWS  # the first row of its tile
            tiles = count // WIDE_ROWS if k == 0 else 0
            count = tiles * WIDE_ROWS if tiles else min(count, WIDE_ROWS - k)
            if tiles:
                copy_tiles(c.columns, step, image + p.row[row] + p.entry[first], tiles, pixels * WIDE_ROWS,
                           columns + (first - e) * pixels + row * c.columns * WIDE_ROWS)
            else:
                copy_columns(c.columns, step, image + p.row[row] + p.entry[first], count,
                             columns + (first - e - k) * pixels + row * c.columns * WIDE_ROWS + k)
            first += count
