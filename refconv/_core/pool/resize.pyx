"""Padding, upsampling and adaptive pooling, and their derivatives.

Upsampling and adaptive pooling multiply by a sparse matrix along each axis: each output is a weighted sum of a few inputs. The
derivative multiplies by the transposed matrix: each input gathers from the outputs that read it. So one kernel computes both,
with the entries of one matrix or the other, and a task is one row of the result. A sum of many entries is computed block by
block (sums.h).

Padding with zeros copies rows, and so does its derivative; a task is a row of the padded or the inner image. In the other
modes, the derivative adds the padding to the edges. These modes are a few NumPy operations on slices.
"""
import numpy as np

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from refconv._core.common.arrays cimport aligned_empty, dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, block_count, carry, carry_block, pairwise_sum

include "common/threads.pxi"

MODES = {"zeros": "constant", "reflect": "reflect", "edge": "edge"}   # our names of the modes: NumPy's names


def upsample2d(x, scale, mode):
    """Return images enlarged by an integer factor for each axis.

    IN x (N, H, W, C); OUT y (N, H·scale[0], W·scale[1], C).
    """
    down, across = (entries(n, s, mode, x.dtype) for n, s in zip(x.shape[1:3], scale))
    return weigh(x, *down, *across)


def upsample2d_dx(dy, scale, mode):
    """Return ∂e/∂x.

    IN dy (N, H·scale[0], W·scale[1], C); OUT dx (N, H, W, C).
    """
    down, across = (transposed(entries(n // s, s, mode, dy.dtype), n // s) for n, s in zip(dy.shape[1:3], scale))
    return weigh(dy, *down, *across)


def adaptive_avg_pool2d(x, output_size):
    """Return the means of the pixels that the outputs cover.

    IN x (N, H, W, C); OUT y (N, *output_size, C).
    """
    down, across = (shares(n, k, x.dtype) for n, k in zip(x.shape[1:3], output_size))
    return weigh(x, *down, *across)


def adaptive_avg_pool2d_dx(dy, input_size):
    """Return ∂e/∂x.

    IN dy (N, rows, columns, C); OUT dx (N, *input_size, C).
    """
    down, across = (transposed(shares(n, k, dy.dtype), n) for n, k in zip(input_size, dy.shape[1:3]))
    return weigh(dy, *down, *across)


cdef shares(Py_ssize_t n, Py_ssize_t k, dtype):
    """Return the sparse matrix of one axis of adaptive pooling, like `entries`.

    Output i is the mean of inputs ⌊i·n / k⌋ to ⌈(i + 1)·n / k⌉ − 1.
    """
    i = np.arange(k)
    first, end = i * n // k, -(-(i + 1) * n // k)
    count = end - first
    start = np.append(0, np.cumsum(count))
    index = np.arange(start[k]) - np.repeat(start[:k] - first, count)
    return start.astype(np.intp), index.astype(np.intp), np.repeat(1 / count, count).astype(dtype)


cdef entries(Py_ssize_t n, Py_ssize_t s, mode, dtype):
    """Return the sparse matrix of one axis: start, index and weight.

    Output i is the sum of weight[e] · input[index[e]] for e = start[i] … start[i + 1] − 1.
    """
    i = np.arange(n * s)
    if mode == "nearest":
        index, weight = (i // s)[:, None], np.ones((n * s, 1))
    else:
        before, rest = np.divmod(2 * i + 1 - s, 2 * s)
        index = np.clip(np.stack([before, before + 1], 1), 0, n - 1)
        weight = np.stack([2 * s - rest, rest], 1) / (2 * s)
    read = weight > 0   # an output at an input's centre must not read the next input, which may be infinite
    start = np.append(0, np.cumsum(read.sum(1)))
    return start.astype(np.intp), index[read].astype(np.intp), weight[read].astype(dtype)


cdef transposed(matrix, Py_ssize_t n):
    """Return the transposed sparse matrix.

    Input u gathers weight[e] · output[index[e]] for e = start[u] … start[u + 1] − 1.
    """
    start, index, weight = matrix
    order = np.argsort(index, kind="stable")
    outputs = np.repeat(np.arange(len(start) - 1), np.diff(start))
    return np.searchsorted(index[order], np.arange(n + 1)).astype(np.intp), outputs[order], weight[order]


def weigh(const real[:, :, :, ::1] x, const Py_ssize_t[::1] start_h, const Py_ssize_t[::1] index_h,
          const real[::1] weight_h, const Py_ssize_t[::1] start_w, const Py_ssize_t[::1] index_w,
          const real[::1] weight_w):
    """Multiply images by a sparse matrix along each axis.

    IN x (N, H, W, C), start, index and weight for each axis; OUT y (N, rows, columns, C).
    """
    cdef Py_ssize_t N = x.shape[0], W = x.shape[2], C = x.shape[3]
    cdef Py_ssize_t rows = start_h.shape[0] - 1, columns = start_w.shape[0] - 1, size = columns * C, row
    result = aligned_empty((N, rows, columns, C), dtype_of[real](NULL))
    cdef real[:, :, :, ::1] y = result
    cdef Py_ssize_t down = longest(start_h), across = longest(start_w)
    cdef int threads = threads_for(N * rows * size * down * across)
    cdef bint is_long = down * across > SUM_BLOCK
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * size if is_long else 0), dtype_of[real](NULL))
    cdef Axis axis = Axis(columns=columns, C=C, longest=across, pieces=1, place=&start_w[0], pitch=1, index=&index_w[0])
    cdef Py_ssize_t[:, ::1] place
    if is_long:
        axis.pieces, axis.pitch, starts = block_count(across), columns, np.asarray(start_w)
        place = np.minimum(starts[:-1] + SUM_BLOCK * np.arange(axis.pieces + 1)[:, None], starts[1:])
        axis.place = &place[0, 0]
    for row in prange(N * rows, nogil=True, schedule="static", num_threads=threads):
        make_row(&axis, Inputs(first=start_h[row % rows], end=start_h[row % rows + 1], pitch=W * C, index=&index_h[0]),
                 &x[row // rows, 0, 0, 0], &weight_h[0], &weight_w[0], &scratch[threadid(), 0] if is_long else NULL,
                 &y[row // rows, row % rows, 0, 0])
    return result


cdef struct Axis:
    # The outputs of a row, their channels, and the inputs that each output reads: at most `longest`, in pieces of SUM_BLOCK.
    # In piece k, output j reads the entries place[k·pitch + j] … place[(k + 1)·pitch + j] − 1.
    Py_ssize_t columns, C, longest, pieces, pitch
    const Py_ssize_t *place
    const Py_ssize_t *index


cdef struct Inputs:
    # The input rows that one output row reads: rows index[e] for the entries e = first … end − 1 of the other axis.
    Py_ssize_t first, end
    Py_ssize_t pitch                # elements between input rows
    const Py_ssize_t *index


cdef Py_ssize_t longest(const Py_ssize_t[::1] start):
    """Return the largest number of entries that an output of an axis has."""
    cdef Py_ssize_t i, most = 0
    for i in range(start.shape[0] - 1):
        most = max(most, start[i + 1] - start[i])
    return most


cdef void make_row(const Axis *axis, Inputs rows, const real *image, const real *weight, const real *weights, real *block,
                   real *y) noexcept nogil:
    """Compute one output row.

    `weight` contains a weight for each entry of `rows`, and `weights` one for each entry of `axis`. `block` is a buffer of two
    rows, which is zero before and after the call. It is NULL if no sum has more than SUM_BLOCK terms.
    """
    cdef Py_ssize_t e, k, most, terms = 0, number = 0, size = axis.columns * axis.C
    memset(y, 0, size * sizeof(real))
    if block == NULL:  # short sums are not divided into blocks
        for e in range(rows.first, rows.end):
            add_row(axis, image + rows.index[e] * rows.pitch, weight[e], axis.place, weights, y)
        return
    for e in range(rows.first, rows.end):
        for k in range(axis.pieces):
            most = min(axis.longest - k * SUM_BLOCK, SUM_BLOCK)
            if terms + most > SUM_BLOCK:
                carry_block(number, size, block, block + size, y)
                number += 1
                terms = 0
            terms += most
            add_row(axis, image + rows.index[e] * rows.pitch, weight[e], axis.place + k * axis.pitch, weights, block)
    carry(size, block, block + size)
    carry(size, block + size, y)


cdef void add_row(const Axis *axis, const real *x, real weight, const Py_ssize_t *place, const real *weights,
                  real *y) noexcept nogil:
    """Add one piece of one input row, times its weight, to one output row."""
    cdef Py_ssize_t j, e, c, columns = axis.columns, C = axis.C, pitch = axis.pitch
    cdef const Py_ssize_t *index = axis.index
    cdef const real *pixel
    cdef real product
    for j in range(columns):
        for e in range(place[j], place[j + pitch]):
            pixel = x + index[e] * C
            product = weight * weights[e]
            for c in range(C):
                y[j * C + c] += product * pixel[c]


def pad(x, window, mode):
    """Return images with the window's pads around them.

    IN x (N, H, W, C); OUT y, padded.
    """
    cdef tuple pads = window.pads(x.shape[1:3])
    if mode != "zeros":
        return np.pad(x, ((0, 0), *pads, (0, 0)), MODES[mode])
    (top, bottom), (left, right) = pads
    y = aligned_empty((x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3]), x.dtype)
    if x.dtype == np.float32:
        frame[float](x, top, left, y)
    else:
        frame[double](x, top, left, y)
    return y


cdef frame(const real[:, :, :, ::1] x, Py_ssize_t top, Py_ssize_t left, real[:, :, :, ::1] y):
    """Write zeros to y, and x inside of them."""
    cdef Py_ssize_t height = x.shape[1], C = x.shape[3], inner = x.shape[2] * C, outer = y.shape[2] * C, row, u, b
    cdef real *to
    for row in prange(y.shape[0] * y.shape[1], nogil=True, num_threads=threads_for(y.shape[0] * y.shape[1] * outer)):
        b, u = row // y.shape[1], row % y.shape[1] - top
        to = &y[0, 0, 0, 0] + row * outer
        if u < 0 or u >= height:
            memset(to, 0, outer * sizeof(real))
        else:
            memset(to, 0, left * C * sizeof(real))
            memcpy(to + left * C, &x[b, u, 0, 0], inner * sizeof(real))
            memset(to + left * C + inner, 0, (outer - inner - left * C) * sizeof(real))


def pad_dx(dy, input_size, window, mode):
    """Return ∂e/∂x.

    IN dy, padded; OUT dx (N, *input_size, C).
    """
    (top, bottom), (left, right) = window.pads(input_size)
    if mode == "zeros":
        dx = aligned_empty((dy.shape[0], *input_size, dy.shape[3]), dy.dtype)
        if dy.dtype == np.float32:
            inside[float](dy, top, left, dx)
        else:
            inside[double](dy, top, left, dx)
        return dx
    rows = folded(dy, top, bottom, mode)
    return np.ascontiguousarray(folded(rows.swapaxes(1, 2), left, right, mode).swapaxes(1, 2))


cdef inside(const real[:, :, :, ::1] dy, Py_ssize_t top, Py_ssize_t left, real[:, :, :, ::1] dx):
    """Copy the part of dy that frame copied."""
    cdef Py_ssize_t height = dx.shape[1], size = dx.shape[2] * dx.shape[3], row
    for row in prange(dx.shape[0] * height, nogil=True, num_threads=threads_for(dx.shape[0] * height * size)):
        memcpy(&dx[0, 0, 0, 0] + row * size, &dy[row // height, row % height + top, left, 0], size * sizeof(real))


cdef folded(dy, Py_ssize_t before, Py_ssize_t after, mode):
    """Remove the pads of axis 1, and add their elements to the elements that they are copies of."""
    end = dy.shape[1] - after
    dx = dy[:, before:end].copy()
    if mode == "edge":
        dx[:, 0] += border(dy[:, :before])
        dx[:, end - before - 1] += border(dy[:, end:])
    elif mode == "reflect":
        dx[:, 1:before + 1] += dy[:, :before][:, ::-1]
        dx[:, end - before - 1 - after:end - before - 1] += dy[:, end:][:, ::-1]
    return dx


cdef border(copies):
    """Return the sum over axis 1."""
    return copies.sum(1) if copies.shape[1] <= SUM_BLOCK else pairwise_sum(copies.swapaxes(0, 1).copy())
