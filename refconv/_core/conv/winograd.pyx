"""Winograd's algorithm for 3×3 kernels, stride 1 and many channels.

It computes m² outputs with (m + 2)² products. The plain sum needs 9 products for one output; this algorithm needs 4 if m = 2,
and 2.25 if m = 4. (winograd.h explains the algebra.) The output is divided into tiles of m×m pixels. Each tile reads t×t
inputs, t = m + 2, and these overlap for neighbouring tiles. Transformed tiles are stored in t² planes, one for each position
in a tile. A matrix product over the channels remains for each position:

    V[q] = (Bᵀ d B)[q]       tiles × input channels
    U[q] = (G g Gᵀ)[q]       input channels × output channels
    y    = Aᵀ (V[q] · U[q]) A

registers   the sums of one tile (tile.h) of the product: some tiles × some output channels
L1          rows of V, while one panel of U is read
L2          V of one block of tiles, and its products with one panel, which are transformed to outputs from there
memory      x and y; U, read once for each block and packed like other weights: [panel][position][input channel][lanes]
threads     tasks are blocks of tiles; each output element belongs to one task

∂e/∂x is computed by the same function, with ∂e/∂y instead of x and the turned kernel.

∂e/∂w uses tiles of 2×2 pixels of ∂e/∂y. Each pixel of such a tile is multiplied by inputs from a block of 4×4, and the
products are added to the 3×3 entries of the kernel. This is again a correlation, which winograd.h writes as Gᵀ [(A ∂e/∂y) ⊙
(Bᵀ d)]. G does not depend on the tile, so it is applied once, to the sum over all tiles:

1. Transform a block of tiles: x to V = Bᵀ d B and ∂e/∂y to Z = A ∂e/∂y Aᵀ, in 16 planes each. A task is a tile.
2. In each plane, add the matrix product V[q]ᵀ · Z[q] over the tiles of the block to S[q], input channels × output channels.
   A task is a plane and a few input channels.
3. Repeat with the next block. Blocks are computed one after the other, so that each sum has the same order at any thread
   count.
4. Transform the 16 numbers of each pair of channels to its 3×3 entries: ∂e/∂w = Gᵀ S G.

A non-finite number spreads to all outputs of its tile, not only to the outputs whose window contains it. So the functions
return None or False if an output is non-finite, and conv.pyx uses another algorithm.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry
from refconv._core.tile.finish cimport Finish, changes_sums, finish_of, finish_rows
from refconv._core.tile.image cimport Image, copy_pixels, image_of, input_of, whole_image
from refconv._core.tile.tile cimport (LANES_double, LANES_float, MOST_ROWS, MOST_SUMS, Runs, Shape, panels, rows_of_sums, tile,
                                      tile_shape)
from refconv._core.conv.winograd cimport (input_transform, kernel_back_transform, kernel_transform, output_back_transform,
                                          output_transform, store_pixel)

include "common/threads.pxi"

cdef enum:
    BLOCK_BYTES = 1 << 18       # bytes of V of one block: half of a small L2 cache
    MOST_BLOCK_TILES = 96       # tiles of a block
    DW_BLOCK_TILES = 192        # tiles of a block in ∂e/∂w, which is the depth of its products
    PLANE_PADDING = 16          # elements between planes; planes a power of two apart would share cache sets
    MOST_SIDE = 4               # outputs along one side of the largest tiles
    MOST_WIDTH = 32             # lanes of a panel


cdef struct Tiling:
    # Tiles of m×m outputs over N images. The first tile of an image reads inputs from (−top, −left) on.
    Py_ssize_t N
    Image x, y                  # inputs and outputs
    Py_ssize_t top, left
    Py_ssize_t m, t             # outputs and inputs of a tile along one side, t = m + 2
    Py_ssize_t positions        # t²: the number of elements of a transformed tile, and of planes
    Py_ssize_t down, across     # tiles of one image
    Py_ssize_t count            # tiles of all images
    Py_ssize_t block            # tiles that are transformed before they are multiplied
    Shape shape                 # tile shape of the matrix products
    Py_ssize_t lanes            # for ∂e/∂w: number of input channels that are contiguous in V
    Py_ssize_t v_plane          # elements from one plane of V to the next
    Py_ssize_t z_plane          # elements from one plane of products to the next, or of Z in ∂e/∂w


cdef struct Place:
    # One tile: its image, and its first output.
    Py_ssize_t b, i, j


cdef struct Block:
    # Tiles first … end − 1.
    Py_ssize_t first, end


cdef struct Store:
    # What is added to the sums before they are stored: the bias, and the epilogue if `finishes`.
    const void *bias
    Finish finish
    bint finishes


cdef struct Steps:
    # Elements from one row of pixels to the next, and from one pixel to the next.
    Py_ssize_t row, column


cdef Tiling tiling_of(tuple input_shape, tuple output_size, Py_ssize_t O, tuple offset, Py_ssize_t m) except *:
    cdef Tiling g
    N, H, W, C = input_shape
    g.N, g.x, g.y = N, whole_image(H, W, C), whole_image(output_size[0], output_size[1], O)
    g.top, g.left = offset
    g.m, g.t, g.positions = m, m + 2, (m + 2) * (m + 2)
    g.down, g.across = (g.y.height + m - 1) // m, (g.y.width + m - 1) // m
    g.count = g.N * g.down * g.across
    return g


cdef inline Place place_of(const Tiling *g, Py_ssize_t number) noexcept nogil:
    cdef Py_ssize_t of_image = g.down * g.across, inside = number % of_image
    return Place(b=number // of_image, i=inside // g.across * g.m, j=inside % g.across * g.m)


cdef inline Py_ssize_t elements(const Image *image) noexcept nogil:
    return image.height * image.width * image.pixel


cdef inline const real *block_at(const real *x, const Image *image, Py_ssize_t row, Py_ssize_t column, Py_ssize_t side,
                                 Steps *steps, real *patch) noexcept nogil:
    """Return a pointer to side × side pixels from (row, column) on, and their steps.

    It points into the image x or to a copy in `patch`: with zeros for pixels outside of the image, and after the image's
    prologue.
    """
    cdef Py_ssize_t i, left = min(max(-column, 0), side), right = max(min(image.width - column, side), left)
    cdef bint inside = row >= 0 and column >= 0 and row + side <= image.height and column + side <= image.width
    if inside and image.scale == NULL:
        steps.row, steps.column = image.width * image.pixel, image.pixel
        return x + (row * image.width + column) * image.pixel
    steps.row, steps.column = side * image.channels, image.channels
    if not inside:
        memset(patch, 0, side * side * image.channels * sizeof(real))
    for i in range(max(-row, 0), min(image.height - row, side)):
        copy_pixels(image, right - left, x + ((row + i) * image.width + column + left) * image.pixel,
                    patch + (i * side + left) * image.channels)
    return patch


cdef class Winograd:
    """A convolution by Winograd's algorithm, with transformed kernels."""

    cdef Tiling tiling
    cdef object packed                  # the array of U and the bias
    cdef Py_ssize_t first_bias
    cdef bint is_float32

    def __init__(self, w, bias, offset, input_shape, output_size, m):
        """IN w (3, 3, C, O), bias (O,) or None.

        Calls get images of input_shape (N, H, W, C). The first output's window begins at (−top, −left) with (top, left) =
        offset. m is the side of the tiles.
        """
        self.tiling = tiling_of(tuple(input_shape), tuple(output_size), w.shape[3], offset, m)
        self.is_float32 = w.dtype == np.float32
        if self.is_float32:
            pack_all[float](self, w, bias)
        else:
            pack_all[double](self, w, bias)

    @property
    def y_shape(self):
        """Shape of y."""
        return self.tiling.N, self.tiling.y.height, self.tiling.y.width, self.tiling.y.channels

    @property
    def side(self):
        """Outputs along one side of a tile."""
        return self.tiling.m

    @property
    def nbytes(self):
        """Number of bytes of the transformed kernels."""
        return self.packed.nbytes

    def weights(self):
        """Return w and the bias, up to rounding.

        The inverse of G is applied to both axes of the transformed kernels.
        """
        inverse = np.linalg.pinv(kernel_matrix(self.tiling.m))
        taps = self.transformed()
        for _ in range(2):
            taps = np.tensordot(inverse, taps, (1, 0)).swapaxes(0, 1)
        return np.ascontiguousarray(taps, self.packed.dtype), self.packed[self.first_bias:][:self.tiling.y.channels]

    def transformed(self):
        """Return the transformed kernels (t, t, C, O)."""
        cdef Tiling *g = &self.tiling
        u = self.packed[:self.first_bias].reshape(-1, g.t, g.t, g.x.channels, g.shape.width)
        return u.transpose(1, 2, 3, 0, 4).reshape(g.t, g.t, g.x.channels, -1)[..., :g.y.channels]

    def __call__(self, x, y, add=None, low=None, high=None, scale=None, shift=None):
        """Write the outputs to y; return False if an output is non-finite, which makes others wrong.

        conv.pyx describes the arguments.
        """
        if self.is_float32:
            return compute[float](self, x, y, finish_of[float](add, low, high, y.shape), scale, shift)
        return compute[double](self, x, y, finish_of[double](add, low, high, y.shape), scale, shift)


def kernel_matrix(m):
    """Return the matrix G of the transform of kernels, t × 3."""
    # The last row of G is (0, 0, 1), so the transform of a kernel whose last column is e_k has the last column G e_k.
    units = np.zeros((3, 3, 1, 3))
    units[np.arange(3), 2, 0, np.arange(3)] = 1
    return Winograd(units, None, (0, 0), (1, 3, 3, 1), (1, 1), m).transformed()[:, -1, 0]


def can_restore(w):
    """Return True if the transformed kernels are finite, so that Winograd.weights can restore w."""
    limit = np.finfo(w.dtype).max / 4
    return -limit < w.min() and w.max() < limit  # False if there is a NaN


def conv2d(x, w, bias, offset, output_size, m):
    """Return the output y of a convolution, or None if an output is non-finite.

    IN x (N, H, W, C), w (3, 3, C, O), bias (O,) or None; OUT y (N, *output_size, O). Winograd describes the other arguments.
    """
    run = Winograd(w, bias, offset, x.shape, output_size, m)
    y = aligned_empty(run.y_shape, w.dtype)
    return y if run(x, y) else None


cdef pack_all(Winograd self, const real[:, :, :, ::1] w, const real[::1] bias):
    cdef Tiling *g = &self.tiling
    g.shape = tile_shape[real](NULL, g.y.channels)
    cdef Py_ssize_t lanes = panels(g.shape, g.y.channels) * g.shape.width, o
    self.first_bias = g.positions * g.x.channels * lanes
    self.packed = aligned_empty((self.first_bias + lanes,), dtype_of[real](NULL))
    cdef real[::1] packed = self.packed
    pack_kernels(g, &w[0, 0, 0, 0], &packed[0])
    for o in range(lanes):
        packed[self.first_bias + o] = bias[o] if bias is not None and o < g.y.channels else 0
    g.block = min(BLOCK_BYTES // (g.positions * g.x.channels * sizeof(real)), MOST_BLOCK_TILES)
    g.block = max(g.block // g.shape.rows, 1) * g.shape.rows
    g.v_plane, g.z_plane = g.block * g.x.channels + PLANE_PADDING, g.block * g.shape.width + PLANE_PADDING


cdef bint compute(Winograd self, const real[:, :, :, :] x, real[:, :, :, :] y, Finish finish, const real[::1] scale,
                  const real[::1] shift) except -1:
    """Compute the outputs of all images, block by block; return True if they are finite."""
    cdef Tiling g = self.tiling
    g.N, g.count = x.shape[0], x.shape[0] * g.down * g.across
    cdef Py_ssize_t C = g.x.channels, O = g.y.channels, task, tasks = (g.count + g.block - 1) // g.block
    g.x = input_of(x, (g.N, g.x.height, g.x.width, C), scale, shift)
    g.y = image_of(y, (g.N, g.y.height, g.y.width, O))
    dtype = dtype_of[real](NULL)
    cdef int threads = threads_for(g.count * g.positions * C * O // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] v = aligned_empty((threads, g.positions * g.v_plane), dtype)
    cdef real[:, ::1] sums = aligned_empty((threads, g.positions * g.z_plane), dtype)
    cdef real[:, ::1] patch = aligned_empty((threads, g.positions * C), dtype)
    poisons = np.zeros((tasks, MOST_WIDTH), dtype)
    cdef real[:, ::1] poison = poisons
    cdef const real[::1] packed = self.packed
    cdef Store store = Store(bias=&packed[self.first_bias], finish=finish, finishes=changes_sums(&finish))
    for task in prange(tasks, nogil=True, schedule="dynamic", num_threads=threads):
        transform_inputs(&g, block_of(&g, task), &x[0, 0, 0, 0], &patch[threadid(), 0], &v[threadid(), 0])
        multiply(&g, block_of(&g, task), &packed[0], &store, &v[threadid(), 0], &sums[threadid(), 0], &poison[task, 0],
                 &y[0, 0, 0, 0])
    return not poisons.any()


cdef inline Block block_of(const Tiling *g, Py_ssize_t task) noexcept nogil:
    return Block(first=task * g.block, end=min((task + 1) * g.block, g.count))


cdef void pack_kernels(const Tiling *g, const real *w, real *packed) noexcept nogil:
    """Compute U as [panel][position][input channel][lanes], zero beyond the last output channel."""
    cdef Py_ssize_t C = g.x.channels, O = g.y.channels, plane = C * g.shape.width, panel, c, q, width, block
    cdef real *to
    for block in prange(panels(g.shape, O) * C, schedule="static", num_threads=threads_for(g.positions * C * O)):
        panel, c = block // C, block % C
        width = min(g.shape.width, O - panel * g.shape.width)
        to = packed + panel * g.positions * plane + c * g.shape.width
        kernel_transform(g.m, width, w + c * O + panel * g.shape.width, 3 * C * O, C * O, to, g.t * plane, plane)
        for q in range(g.positions):
            memset(to + q * plane + width, 0, (g.shape.width - width) * sizeof(real))


cdef void transform_inputs(const Tiling *g, Block tiles, const real *x, real *patch, real *v) noexcept nogil:
    """Compute V of the tiles as [position][tile][input channel]."""
    cdef Py_ssize_t C = g.x.channels, number
    cdef const real *inputs
    cdef Steps steps
    cdef Place at
    for number in range(tiles.first, tiles.end):
        at = place_of(g, number)
        inputs = block_at(x + at.b * elements(&g.x), &g.x, at.i - g.top, at.j - g.left, g.t, &steps, patch)
        input_transform(g.m, C, inputs, steps.row, steps.column, v + (number - tiles.first) * C, g.t * g.v_plane, g.v_plane)


cdef void multiply(const Tiling *g, Block tiles, const real *packed, const Store *store, const real *v, real *sums,
                   real *poison, real *y) noexcept nogil:
    """Compute the products of one block and its outputs, panel by panel of output channels."""
    cdef const real *a[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef Py_ssize_t C = g.x.channels, width = g.shape.width, count = tiles.end - tiles.first, panel, q, done, p, zero = 0
    cdef Runs channels = Runs(count=1, length=C, step=1, start=&zero)
    for panel in range(panels(g.shape, g.y.channels)):
        for q in range(g.positions):
            done = 0
            while done < count:
                rows_of_sums(g.shape, sums + q * g.z_plane + done * width, out)
                for p in range(g.shape.rows):
                    a[p] = v + q * g.v_plane + min(done + p, count - 1) * C
                tile(g.shape, count - done, &channels, a, packed + (panel * g.positions + q) * C * width, NULL, out)
                done += g.shape.rows
        for p in range(count):
            store_tile(g, place_of(g, tiles.first + p), panel * width, store, sums + p * width, poison, y)


cdef inline void store_tile(const Tiling *g, Place at, Py_ssize_t channel, const Store *store, const real *sums, real *poison,
                            real *y) noexcept nogil:
    """Store one tile's outputs, and add 0 · (sum + bias) to poison.

    Poison becomes NaN if any of these is non-finite.
    """
    cdef real outputs[MOST_SIDE * MOST_SIDE * MOST_WIDTH]
    cdef Py_ssize_t width = g.shape.width, channels = min(width, g.y.channels - channel), i, j, pixel
    cdef real *to
    output_transform(g.m, width, sums, g.t * g.z_plane, g.z_plane, &outputs[0], g.m * width, width)
    for i in range(min(g.m, g.y.height - at.i)):
        for j in range(min(g.m, g.y.width - at.j)):
            pixel = (at.b * g.y.height + at.i + i) * g.y.width + at.j + j
            to = y + pixel * g.y.pixel + channel
            store_pixel(channels, outputs + (i * g.m + j) * width, <const real *>store.bias + channel, poison, to)
            if store.finishes:
                finish_rows(&store.finish, pixel, channel, 1, channels, &to, &to)


def conv2d_dw(const real[:, :, :, ::1] x, const real[:, :, :, ::1] dy, tuple offset):
    """Return ∂e/∂w, or None if an element is non-finite.

    IN x (N, H, W, C), dy (N, rows, columns, O); OUT dw (3, 3, C, O).
    """
    cdef Py_ssize_t C = x.shape[3], O = dy.shape[3]
    cdef Tiling g = tiling_of((x.shape[0], x.shape[1], x.shape[2], C), (dy.shape[1], dy.shape[2]), O, offset, 2)
    dtype = dtype_of[real](NULL)
    g.shape = tile_shape[real](NULL, O)
    g.lanes = LANES_float if real is float else LANES_double
    g.block = min(DW_BLOCK_TILES, g.count)
    g.v_plane = (C + g.lanes - 1) // g.lanes * g.block * g.lanes + PLANE_PADDING
    g.z_plane = panels(g.shape, O) * g.block * g.shape.width + PLANE_PADDING
    cdef real[::1] v = aligned_empty((g.positions * g.v_plane,), dtype)
    cdef real[::1] z = np.zeros(g.positions * g.z_plane, dtype)  # lanes beyond the last output channel stay zero
    cdef real[:, :, ::1] sums = np.zeros((g.positions, C, O), dtype), group = sums
    cdef bint grouped = g.count > g.block * SUM_BLOCK
    if grouped:
        group = np.zeros((g.positions, C, O), dtype)
    cdef int threads = threads_for(g.block * g.positions * C * O // MULTIPLY_ADDS_PER_STEP)
    cdef real[:, ::1] patch = aligned_empty((threads, g.positions * max(C, O)), dtype)
    cdef Py_ssize_t parts = (C + g.shape.rows - 1) // g.shape.rows, first, count, k, task
    for first in range(0, g.count, g.block):
        count = min(g.block, g.count - first)
        for k in prange(count, nogil=True, schedule="static", num_threads=threads):
            transform_pair(&g, first, k, &x[0, 0, 0, 0], &dy[0, 0, 0, 0], &patch[threadid(), 0], &v[0], &z[0])
        for task in prange(g.positions * parts, nogil=True, schedule="static", num_threads=threads):
            add_products(&g, task % parts * g.shape.rows, count, &v[task // parts * g.v_plane],
                         &z[task // parts * g.z_plane], &group[task // parts, 0, 0])
        if grouped and ((first // g.block + 1) % SUM_BLOCK == 0 or first + count == g.count):
            for task in prange(g.positions, nogil=True, schedule="static", num_threads=threads):
                carry(C * O, &group[task, 0, 0], &sums[task, 0, 0])
    result = kernels_of_sums[real](sums, threads)
    return result if np.isfinite(result).all() else None


cdef object kernels_of_sums(const real[:, :, ::1] sums, int threads):
    """Return ∂e/∂w = Gᵀ S G from the sums of each position."""
    cdef Py_ssize_t C = sums.shape[1], O = sums.shape[2], c
    result = np.empty((3, 3, C, O), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] dw = result
    for c in prange(C, nogil=True, schedule="static", num_threads=threads):
        kernel_back_transform(O, &sums[0, c, 0], 4 * C * O, C * O, &dw[0, 0, c, 0], 3 * C * O, C * O)
    return result


cdef void transform_pair(const Tiling *g, Py_ssize_t first, Py_ssize_t k, const real *x, const real *dy, real *patch, real *v,
                         real *z) noexcept nogil:
    """Transform tile first + k, the k-th of its block, of x and of ∂e/∂y.

    OUT V [position][lanes of channels][tile][lane] and Z [position][panel][tile][lane].
    """
    cdef Place at = place_of(g, first + k)
    cdef Py_ssize_t C = g.x.channels, O = g.y.channels, lanes = g.lanes, width = g.shape.width, n, c
    cdef Steps steps
    cdef const real *pixels = block_at(x + at.b * elements(&g.x), &g.x, at.i - g.top, at.j - g.left, g.t, &steps, patch)
    for n in range((C + lanes - 1) // lanes):
        c = n * lanes
        input_transform(2, min(lanes, C - c), pixels + c, steps.row, C, v + c * g.block + k * lanes, g.t * g.v_plane,
                        g.v_plane)
    pixels = block_at(dy + at.b * elements(&g.y), &g.y, at.i, at.j, g.m, &steps, patch)
    for n in range(panels(g.shape, O)):
        c = n * width
        output_back_transform(min(width, O - c), pixels + c, steps.row, O, z + c * g.block + k * width, g.t * g.z_plane,
                              g.z_plane)


cdef void add_products(const Tiling *g, Py_ssize_t channel, Py_ssize_t count, const real *v, const real *z,
                       real *sums) noexcept nogil:
    """Add Σ V[tile, c] · Z[tile, o] over the block's tiles to sums[c, o].

    The call computes one position and a few input channels c.
    """
    cdef const real *a[MOST_ROWS]
    cdef real *out[MOST_ROWS]
    cdef real products[MOST_SUMS]
    cdef Py_ssize_t O = g.y.channels, filled = min(g.shape.rows, g.x.channels - channel), zero = 0
    cdef Py_ssize_t p, c, o, panel, first, width
    cdef Runs tiles = Runs(count=1, length=count, step=g.lanes, start=&zero)
    for p in range(g.shape.rows):
        c = channel + (p if p < filled else 0)
        a[p] = v + c // g.lanes * g.block * g.lanes + c % g.lanes
    rows_of_sums(g.shape, products, out)
    for panel in range(panels(g.shape, O)):
        first = panel * g.shape.width
        width = min(g.shape.width, O - first)
        tile(g.shape, filled, &tiles, a, z + first * g.block, NULL, out)
        for p in range(filled):
            for o in range(width):
                sums[(channel + p) * O + first + o] += products[p * g.shape.width + o]
