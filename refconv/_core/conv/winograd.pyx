"""Convolution with 3×3 kernels, stride 1 and many channels by Winograd's algorithm: (m + 2)² products make m² outputs.

The plain sum needs 9 products for an output; this one 4 with m = 2, and 2.25 with m = 4. (winograd.h has the algebra.)
The output is cut into tiles of m×m pixels. Each sees t×t inputs, t = m + 2, which overlap those of its neighbours. Transformed
tiles lie in t² planes, one for each position in a tile; for each position a matrix product over the channels remains:

    V[q] = (Bᵀ d B)[q]       tiles × input channels
    U[q] = (G g Gᵀ)[q]       input channels × output channels
    y    = Aᵀ (V[q] · U[q]) A

registers   the sums of one tile (tile.h) of the product: some tiles × some output channels
L1          rows of V, while one panel of U streams past them
L2          V of one block of tiles, and the products of one panel with it; from there they are transformed to outputs
memory      x, y, and once for each block U, which is packed like any weights: [panel][position][input channel][lanes]
threads     tasks are blocks of tiles; each output element belongs to one task

∂e/∂x is the same function with ∂e/∂y for x and the kernel turned. ∂e/∂w sums transformed products over the tiles, and goes
back once at the end: Gᵀ (Σ V[q]ᵀ · Z[q]) G with Z = A ∂e/∂y Aᵀ. There the two transforms, and then the products, are each cut
into tasks; the blocks follow one another, so that each sum has one order at any thread count.

A number that is not finite reaches all outputs of its tile, not only those whose window holds it. So the functions return None
where an output is not finite, and another algorithm decides whether it should be.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry
from refconv._core.tile.tile cimport LANES_double, LANES_float, MOST_ROWS, MOST_SUMS, Shape, panels, rows_of_sums, tile, tile_shape
from refconv._core.conv.winograd cimport (input_transform, kernel_back_transform, kernel_transform, output_back_transform,
                                     output_transform)

include "common/threads.pxi"

cdef enum:
    BLOCK_BYTES = 1 << 18   # of one block's V: half of a small L2
    MOST_TILES = 96         # of a block
    DW_TILES = 192          # of a block of ∂e/∂w: the depth of its products
    LINE = 16               # elements between planes, which else lie a power of two apart and share cache sets
    MOST_WIDTH = 32         # lanes of a panel


cdef struct Tiling:
    # Tiles of m×m outputs over N images of rows × columns, the first of which reads inputs from (−top, −left) on.
    Py_ssize_t N, H, W, C
    Py_ssize_t rows, columns, O
    Py_ssize_t top, left
    Py_ssize_t m, t             # outputs and inputs of a tile along one side
    Py_ssize_t down, across     # tiles of one image
    Py_ssize_t count            # of all images


cdef struct Place:
    # One tile: its image, and its first output.
    Py_ssize_t b, i, j


cdef Tiling tiling_of(tuple input_shape, tuple output_size, Py_ssize_t O, tuple offset, Py_ssize_t m):
    cdef Tiling g
    g.N, g.H, g.W, g.C = input_shape
    g.rows, g.columns = output_size
    g.top, g.left = offset
    g.O, g.m, g.t = O, m, m + 2
    g.down, g.across = (g.rows + m - 1) // m, (g.columns + m - 1) // m
    g.count = g.N * g.down * g.across
    return g


cdef inline Place place_of(const Tiling *g, Py_ssize_t number) noexcept nogil:
    cdef Py_ssize_t of_image = g.down * g.across, inside = number % of_image
    return Place(b=number // of_image, i=inside // g.across * g.m, j=inside % g.across * g.m)


cdef inline const real *block_at(const real *image, Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels,
                                 Py_ssize_t row, Py_ssize_t column, Py_ssize_t side, Py_ssize_t *pitch,
                                 real *patch) noexcept nogil:
    """side × side pixels from (row, column) on: where they lie in the image, or copied with zeros for those outside."""
    cdef Py_ssize_t i, left = min(max(-column, 0), side), right = max(min(width - column, side), left)
    if row >= 0 and column >= 0 and row + side <= height and column + side <= width:
        pitch[0] = width * channels
        return image + (row * width + column) * channels
    pitch[0] = side * channels
    memset(patch, 0, side * side * channels * sizeof(real))
    for i in range(max(-row, 0), min(height - row, side)):
        memcpy(patch + (i * side + left) * channels, image + ((row + i) * width + column + left) * channels,
               (right - left) * channels * sizeof(real))
    return patch


def conv2d(const real[:, :, :, ::1] x, const real[:, :, :, ::1] w, const real[::1] bias, tuple offset,
           tuple output_size, Py_ssize_t m):
    """IN x (N, H, W, C), w (3, 3, C, O), bias (O,) or None; OUT y (N, *output_size, O).

    The first output's window begins at (−top, −left) with (top, left) = offset. None if an output is not finite.
    """
    cdef Py_ssize_t O = w.shape[3]
    cdef Tiling g = tiling_of((x.shape[0], x.shape[1], x.shape[2], x.shape[3]), output_size, O, offset, m)
    dtype = dtype_of[real](NULL)
    result = aligned_empty((g.N, g.rows, g.columns, O), dtype)
    cdef real[:, :, :, ::1] y = result
    cdef Shape shape = tile_shape[real](NULL, O)
    cdef real[::1] packed = aligned_empty((g.t * g.t * g.C * panels(shape, O) * shape.width,), dtype)
    pack_kernels(&g, shape, &w[0, 0, 0, 0], &packed[0])

    cdef Py_ssize_t tiles = min(BLOCK_BYTES // (g.t * g.t * g.C * sizeof(real)), MOST_TILES)
    tiles = max(tiles // shape.rows, 1) * shape.rows
    cdef Py_ssize_t v_plane = tiles * g.C + LINE, sum_plane = tiles * shape.width + LINE
    cdef Py_ssize_t task, tasks = (g.count + tiles - 1) // tiles
    cdef int threads = num_threads()
    cdef real[:, ::1] v = aligned_empty((threads, g.t * g.t * v_plane), dtype)
    cdef real[:, ::1] sums = aligned_empty((threads, g.t * g.t * sum_plane), dtype)
    cdef real[:, ::1] patch = aligned_empty((threads, g.t * g.t * g.C), dtype)
    cdef real[:, ::1] poison = np.zeros((tasks, MOST_WIDTH), dtype)
    cdef const real *offsets = NULL if bias is None else &bias[0]
    for task in prange(tasks, nogil=True, schedule="dynamic", num_threads=threads):
        transform_inputs(&g, &x[0, 0, 0, 0], task * tiles, min((task + 1) * tiles, g.count), &patch[threadid(), 0],
                         v_plane, &v[threadid(), 0])
        multiply(&g, shape, &packed[0], offsets, task * tiles, min((task + 1) * tiles, g.count), v_plane,
                 &v[threadid(), 0], sum_plane, &sums[threadid(), 0], &poison[task, 0], &y[0, 0, 0, 0])
    return result if not np.asarray(poison).any() else None


cdef void pack_kernels(const Tiling *g, Shape shape, const real *w, real *packed) noexcept nogil:
    """U: [panel][position][input channel][lanes], zero beyond the last output channel."""
    cdef Py_ssize_t plane = g.C * shape.width, panel, c, q, width, block
    cdef real *to
    for block in prange(panels(shape, g.O) * g.C, schedule="static", num_threads=num_threads()):
        panel, c = block // g.C, block % g.C
        width = min(shape.width, g.O - panel * shape.width)
        to = packed + panel * g.t * g.t * plane + c * shape.width
        kernel_transform(g.m, width, w + c * g.O + panel * shape.width, 3 * g.C * g.O, g.C * g.O, to, g.t * plane, plane)
        for q in range(g.t * g.t):
            memset(to + q * plane + width, 0, (shape.width - width) * sizeof(real))


cdef void transform_inputs(const Tiling *g, const real *x, Py_ssize_t first, Py_ssize_t end, real *patch,
                           Py_ssize_t plane, real *v) noexcept nogil:
    """V of tiles first … end − 1: [position][tile][input channel]."""
    cdef Py_ssize_t number, pitch
    cdef const real *block
    cdef Place at
    for number in range(first, end):
        at = place_of(g, number)
        block = block_at(x + at.b * g.H * g.W * g.C, g.H, g.W, g.C, at.i - g.top, at.j - g.left, g.t, &pitch, patch)
        input_transform(g.m, g.C, block, pitch, g.C, v + (number - first) * g.C, g.t * plane, plane)


cdef void multiply(const Tiling *g, Shape shape, const real *packed, const real *bias, Py_ssize_t first, Py_ssize_t end,
                   Py_ssize_t v_plane, const real *v, Py_ssize_t sum_plane, real *sums, real *poison,
                   real *y) noexcept nogil:
    """The products of one block, and from them its outputs, a panel of output channels at a time."""
    cdef const real *a[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef Py_ssize_t panel, q, done, p, zero = 0, count = end - first, positions = g.t * g.t
    for panel in range(panels(shape, g.O)):
        for q in range(positions):
            done = 0
            while done < count:
                rows_of_sums(shape, sums + q * sum_plane + done * shape.width, out)
                for p in range(shape.rows):
                    a[p] = v + q * v_plane + min(done + p, count - 1) * g.C
                tile(shape, count - done, 1, &zero, g.C, 1, a, packed + (panel * positions + q) * g.C * shape.width,
                     <const real *>NULL, out)
                done += shape.rows
        for p in range(count):
            store(g, place_of(g, first + p), shape.width, panel * shape.width, bias, sums + p * shape.width, sum_plane,
                  poison, y)


cdef inline void store(const Tiling *g, Place at, Py_ssize_t width, Py_ssize_t channel, const real *bias,
                       const real *sums, Py_ssize_t plane, real *poison, real *y) noexcept nogil:
    """One tile's outputs. 0 · y is 0, or NaN where y is not finite, and stays in poison."""
    cdef real outputs[4 * 4 * MOST_WIDTH]
    cdef real nothing = 0  # of y's type: a plain 0 would make all of it double
    cdef Py_ssize_t i, j, o, channels = min(width, g.O - channel)
    cdef const real *source
    cdef real *to
    output_transform(g.m, width, sums, g.t * plane, plane, outputs, g.m * width, width)
    for i in range(min(g.m, g.rows - at.i)):
        for j in range(min(g.m, g.columns - at.j)):
            source = outputs + (i * g.m + j) * width
            to = y + ((at.b * g.rows + at.i + i) * g.columns + at.j + j) * g.O + channel
            for o in range(channels):
                to[o] = source[o] + (bias[channel + o] if bias != NULL else 0)
                poison[o] += nothing * to[o]


def conv2d_dw(const real[:, :, :, ::1] x, const real[:, :, :, ::1] dy, tuple offset):
    """IN x (N, H, W, C), dy (N, rows, columns, O); OUT dw (3, 3, C, O), or None if one is not finite."""
    cdef Py_ssize_t O = dy.shape[3]
    cdef Tiling g = tiling_of((x.shape[0], x.shape[1], x.shape[2], x.shape[3]), (dy.shape[1], dy.shape[2]), O, offset, 2)
    dtype = dtype_of[real](NULL)
    cdef Shape shape = tile_shape[real](NULL, O)
    cdef Py_ssize_t lanes = LANES_float if real is float else LANES_double
    cdef Py_ssize_t blocks = (g.C + lanes - 1) // lanes, tiles = min(DW_TILES, g.count)
    cdef Py_ssize_t v_plane = blocks * tiles * lanes + LINE, z_plane = panels(shape, O) * tiles * shape.width + LINE
    cdef real[::1] v = aligned_empty((16 * v_plane,), dtype)
    cdef real[::1] z = np.zeros(16 * z_plane, dtype)  # lanes beyond the last output channel stay zero
    cdef real[:, :, ::1] sums = np.zeros((16, g.C, O), dtype), group = sums
    if g.count > tiles * SUM_BLOCK:
        group = np.zeros((16, g.C, O), dtype)
    cdef int threads = num_threads()
    cdef real[:, ::1] patch = aligned_empty((threads, 16 * max(g.C, O)), dtype)
    cdef Py_ssize_t parts = (g.C + shape.rows - 1) // shape.rows, first, count, k, task
    for first in range(0, g.count, tiles):
        count = min(tiles, g.count - first)
        for k in prange(count, nogil=True, schedule="static", num_threads=threads):
            transform_pair(&g, shape, lanes, &x[0, 0, 0, 0], &dy[0, 0, 0, 0], first + k, tiles, k, &patch[threadid(), 0],
                           v_plane, &v[0], z_plane, &z[0])
        for task in prange(16 * parts, nogil=True, schedule="static", num_threads=threads):
            add_products(&g, shape, lanes, task // parts, task % parts * shape.rows, tiles, count,
                         &v[task // parts * v_plane], &z[task // parts * z_plane], &group[task // parts, 0, 0])
        if g.count > tiles * SUM_BLOCK and ((first // tiles + 1) % SUM_BLOCK == 0 or first + count == g.count):
            for task in prange(16, nogil=True, schedule="static", num_threads=threads):
                carry(g.C * O, &group[task, 0, 0], &sums[task, 0, 0])
    result = np.empty((3, 3, g.C, O), dtype)
    cdef real[:, :, :, ::1] dw = result
    cdef Py_ssize_t c
    for c in prange(g.C, nogil=True, schedule="static", num_threads=threads):
        kernel_back_transform(O, &sums[0, c, 0], 4 * g.C * O, g.C * O, &dw[0, 0, c, 0], 3 * g.C * O, g.C * O)
    return result if np.isfinite(result).all() else None


cdef void transform_pair(const Tiling *g, Shape shape, Py_ssize_t lanes, const real *x, const real *dy, Py_ssize_t number,
                         Py_ssize_t tiles, Py_ssize_t k, real *patch, Py_ssize_t v_plane, real *v, Py_ssize_t z_plane,
                         real *z) noexcept nogil:
    """Tile `number`, the k-th of its block: V [position][block of lanes][tile][lane] and Z [position][panel][tile][lane]."""
    cdef Place at = place_of(g, number)
    cdef Py_ssize_t n, c, pitch
    cdef const real *block
    block = block_at(x + at.b * g.H * g.W * g.C, g.H, g.W, g.C, at.i - g.top, at.j - g.left, 4, &pitch, patch)
    for n in range((g.C + lanes - 1) // lanes):
        c = n * lanes
        input_transform(2, min(lanes, g.C - c), block + c, pitch, g.C, v + c * tiles + k * lanes, 4 * v_plane, v_plane)
    block = block_at(dy + at.b * g.rows * g.columns * g.O, g.rows, g.columns, g.O, at.i, at.j, 2, &pitch, patch)
    for n in range(panels(shape, g.O)):
        c = n * shape.width
        output_back_transform(min(shape.width, g.O - c), block + c, pitch, g.O, z + c * tiles + k * shape.width,
                              4 * z_plane, z_plane)


cdef void add_products(const Tiling *g, Shape shape, Py_ssize_t lanes, Py_ssize_t q, Py_ssize_t channel, Py_ssize_t tiles,
                       Py_ssize_t count, const real *v, const real *z, real *sums) noexcept nogil:
    """sums[c, o] += Σ over the block's tiles of V[tile, c] · Z[tile, o], for one position and a few input channels c."""
    cdef const real *a[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef real products[MOST_SUMS]
    cdef Py_ssize_t filled = min(shape.rows, g.C - channel), p, c, o, zero = 0, panel, first, width
    for p in range(shape.rows):
        c = channel + (p if p < filled else 0)
        a[p] = v + c // lanes * tiles * lanes + c % lanes
    rows_of_sums(shape, products, out)
    for panel in range(panels(shape, g.O)):
        first = panel * shape.width
        width = min(shape.width, g.O - first)
        tile(shape, filled, 1, &zero, count, lanes, a, z + first * tiles, <const real *>NULL, out)
        for p in range(filled):
            for o in range(width):
                sums[(channel + p) * g.O + first + o] += products[p * shape.width + o]
