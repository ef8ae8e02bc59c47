"""Convolution as a matrix product: im2col, col2im, Toeplitz matrices and zero stuffing.

A row of the matrix of im2col contains the inputs under one kernel entry (m, n, c) for all output pixels. Each element belongs
to one task, which adds in the order of refconv.reference, so both agree to the last bit, at any thread count. Only a sum of
more than SUM_BLOCK elements is computed block by block (sums.h).

im2col      a task is one row of the matrix for one image: it copies inputs, and writes zeros for taps outside of the image
col2im      a task is one row of one image: it gathers from all rows of the matrix that contain its pixels

A Toeplitz matrix T is mostly zeros, and memory bandwidth limits the speed, not arithmetic: NumPy fills in the other elements,
one kernel entry at a time.
"""
import numpy as np

from cython.parallel cimport prange, threadid

from refconv._core.common.arrays cimport dtype_of
from refconv._core.common.real cimport real
from refconv._core.common.sums cimport SUM_BLOCK, carry, carry_block
from refconv.geometry import Window

include "common/threads.pxi"


cdef struct Patches:
    Py_ssize_t N, H, W, C               # images
    Py_ssize_t rows, columns            # outputs
    Py_ssize_t kh, kw, S_h, S_w, D_h, D_w, top, left


cdef Patches patches_of(Py_ssize_t N, tuple input_size, Py_ssize_t C, window):
    cdef Patches p
    p.N, p.C = N, C
    p.H, p.W = input_size
    p.rows, p.columns = window.output_size(input_size)
    p.kh, p.kw = window.kernel
    p.S_h, p.S_w = window.stride
    p.D_h, p.D_w = window.dilation
    (p.top, _), (p.left, _) = window.pads(input_size)
    return p


def im2col(const real[:, :, :, ::1] x, window):
    """Return the matrix whose columns are the patches of all output pixels.

    IN x (N, H, W, C); OUT (kh·kw·C, N·rows·columns).
    """
    cdef Patches p = patches_of(x.shape[0], (x.shape[1], x.shape[2]), x.shape[3], window)
    cdef Py_ssize_t entries = p.kh * p.kw * p.C, image = p.H * p.W * p.C, pixels = p.rows * p.columns, task
    result = np.empty((entries, p.N * pixels), dtype_of[real](NULL))
    if not result.size:
        return result
    cdef real[:, ::1] matrix = result
    cdef const real *source = &x[0, 0, 0, 0]
    cdef real *target = &matrix[0, 0]
    for task in prange(entries * p.N, nogil=True, schedule="static", num_threads=threads_for(entries * p.N * pixels)):
        copy_entry(&p, source + task % p.N * image, task // p.N, target + task * pixels)
    return result


cdef void copy_entry(const Patches *p, const real *x, Py_ssize_t entry, real *to) noexcept nogil:
    """Copy the inputs under one kernel entry of one image, for all output pixels in order."""
    cdef Py_ssize_t tap = entry // p.C, c = entry % p.C, i, j, u, v
    cdef Py_ssize_t above = p.top - tap // p.kw * p.D_h, before = p.left - tap % p.kw * p.D_w
    for i in range(p.rows):
        u = i * p.S_h - above
        for j in range(p.columns):
            v = j * p.S_w - before
            to[i * p.columns + j] = x[(u * p.W + v) * p.C + c] if 0 <= u < p.H and 0 <= v < p.W else 0


def col2im(const real[:, ::1] matrix, tuple input_size, window):
    """Return the images that the patches add up to: the adjoint of im2col.

    IN matrix (kh·kw·C, N·rows·columns); OUT x (N, *input_size, C).
    """
    cdef Patches p = patches_of(0, input_size, matrix.shape[0] // (window.kernel[0] * window.kernel[1]), window)
    p.N = matrix.shape[1] // (p.rows * p.columns)
    result = np.zeros((p.N, p.H, p.W, p.C), dtype_of[real](NULL))
    if not result.size:
        return result
    cdef real[:, :, :, ::1] x = result
    cdef const real *source = &matrix[0, 0]
    cdef Py_ssize_t task
    cdef int threads = threads_for(matrix.shape[0] * matrix.shape[1])
    cdef bint is_long = min(p.kh, p.rows) * min(p.kw, p.columns) > SUM_BLOCK
    cdef real[:, ::1] scratch = np.zeros((threads, 2 * p.W * p.C if is_long else 0), dtype_of[real](NULL))
    for task in prange(p.N * p.H, nogil=True, schedule="static", num_threads=threads):
        gather_row(&p, source + task // p.H * p.rows * p.columns, task % p.H,
                   &scratch[threadid(), 0] if is_long else NULL, &x[task // p.H, task % p.H, 0, 0])
    return result


cdef void gather_row(const Patches *p, const real *image, Py_ssize_t u, real *block, real *x) noexcept nogil:
    """Compute row u of one image; `image` points to the image's first column in the matrix.

    The last tap comes first, so that i and j increase. `block` is a buffer of two rows, which is zero before and after the
    call. It is NULL if sums have at most SUM_BLOCK terms.
    """
    cdef Py_ssize_t m, n, c, i, j, v, entry, reach, taps = 0, number = 0, size = p.W * p.C
    cdef real *to = x if block == NULL else block
    for m in range(p.kh - 1, -1, -1):
        reach = u + p.top - m * p.D_h
        i = reach // p.S_h
        if reach < 0 or reach % p.S_h != 0 or i >= p.rows:
            continue
        for n in range(p.kw - 1, -1, -1):
            for c in range(p.C):
                entry = (m * p.kw + n) * p.C + c
                for j in range(p.columns):
                    v = j * p.S_w + n * p.D_w - p.left
                    if 0 <= v < p.W:
                        to[v * p.C + c] += image[(entry * p.N * p.rows + i) * p.columns + j]
            taps += 1
            if block != NULL and taps % SUM_BLOCK == 0:
                carry_block(number, size, block, block + size, x)
                number += 1
    if block != NULL:
        carry(size, block, block + size)
        carry(size, block + size, x)


def toeplitz2d(w, input_size, window, groups):
    """Return the matrix T of a convolution of images.

    IN w (kh, kw, C / groups, O); OUT T (rows·columns·O, H·W·C).
    """
    (kh, kw, C_g, O), (rows, columns) = w.shape, window.output_size(input_size)
    (S_h, S_w), (D_h, D_w), O_g = window.stride, window.dilation, O // groups
    (top, _), (left, _) = window.pads(input_size)
    T = np.zeros((rows, columns, O, *input_size, C_g * groups), w.dtype)
    for m in range(kh):
        i, u = reached(rows, m * D_h - top, S_h, input_size[0])
        for n in range(kw):
            j, v = reached(columns, n * D_w - left, S_w, input_size[1])
            for g in range(groups):
                o, c = slice(g * O_g, (g + 1) * O_g), slice(g * C_g, (g + 1) * C_g)
                T[i[:, None], j, o, u[:, None], v, c] = w[m, n, :, o].T
    return T.reshape(rows * columns * O, -1)


def reached(outputs, offset, stride, size):
    """Return the outputs for which a tap is inside of the input, and the inputs that it reads."""
    i = np.arange(outputs)
    u = i * stride + offset
    inside = (u >= 0) & (u < size)
    return i[inside], u[inside]


def toeplitz1d(w, input_size, window, groups):
    """Return the matrix T of a convolution of signals.

    IN w (k, C / groups, O); OUT T (outputs·O, n·C).
    """
    return toeplitz2d(w[None], (1, *input_size), window.with_axis_before(), groups)


def zero_stuff(x, stride):
    """Return x with S − 1 zeros between neighbours along each spatial axis.

    IN x (N, H, W, C) or (N, n, C).
    """
    N, *size, C = x.shape
    y = np.zeros((N, *Window((1,) * len(stride), stride).transposed_output_size(size), C), x.dtype)
    y[(slice(None), *(slice(None, None, S) for S in stride))] = x
    return y
