r"""The convolution layer as a matrix product, in two ways, and zero stuffing.

*im2col* makes each neighbourhood a column of a matrix. A matrix with one kernel in each row, multiplied by this matrix, is the
output of the layer. *Toeplitz* writes the layer itself as one matrix T, with a row for each output and a column for each
input, so that y = T x; the matrix of the transposed layer is Tᵀ. Both need much memory: the first repeats the input, the
second stores zeros. They explain the layer and are used to check it. The derivative of im2col is col2im::

    im2col    matrix[(m, n, c), (b, i, j)]   =  x[…]
    col2im    x[…]                          +=  matrix[(m, n, c), (b, i, j)]          with […] = [b, i·S + m·D, j·S + n·D, c]

Rows and columns are numbered in the memory order of channels-last arrays: kernel entry (m, n, c) has the number
(m·kw + n)·C + c, and pixel (b, i, j) the number (b·rows + i)·columns + j. S, D and ``window`` have the same meaning as in
:mod:`refconv.reference.conv`.
"""

import numpy as np

from refconv.geometry import Window
from refconv.reference.padding import crop, zero_pad
from refconv.typing import Array, Shape

__all__ = ["col2im", "im2col", "toeplitz1d", "toeplitz2d", "zero_stuff"]


def im2col(x: Array, window: Window) -> Array:
    r"""Copy each neighbourhood of the input into one column of a matrix.

    .. math:: M_{(m,n,c),\,(b,i,j)} = x_{b,\; i S + m D,\; j S + n D,\; c}

    ``x`` (N, H, W, C) is padded first; returns (kh·kw·C, N·rows·columns).

    >>> x = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> im2col(x, Window((2, 2)))
    array([[1., 2.],
           [2., 3.],
           [4., 5.],
           [5., 6.]])

    Source: lecture row B2 (SOURCES.md).
    """
    (N, *size, C), (kh, kw) = x.shape, window.kernel
    (S_h, S_w), (D_h, D_w), (rows, columns) = window.stride, window.dilation, window.output_size(size)
    x = zero_pad(x, window)
    matrix = np.zeros((kh * kw * C, N * rows * columns), x.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for m in range(kh):
                    for n in range(kw):
                        for c in range(C):
                            entry, pixel = (m * kw + n) * C + c, (b * rows + i) * columns + j
                            matrix[entry, pixel] = x[b, i * S_h + m * D_h, j * S_w + n * D_w, c]
    return matrix


def col2im(matrix: Array, input_size: Shape, window: Window) -> Array:
    r"""Add each column of a matrix to its neighbourhood: the adjoint of :func:`im2col`.

    Where neighbourhoods overlap, their elements are added.

    .. math:: x_{b,u,v,c} = \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}} M_{(m,n,c),\,(b,i,j)}

    u and v count from the edge of the padding. The padding itself is cut off.

    ``matrix`` (kh·kw·C, N·rows·columns), ``input_size`` (H, W); returns (N, H, W, C).

    >>> col2im(np.array([[1.0, 10], [2, 20], [3, 30], [5, 50]]), (2, 3), Window((2, 2)))[0, :, :, 0]
    array([[ 1., 12., 20.],
           [ 3., 35., 50.]])

    Source: lecture row B2 (SOURCES.md).
    """
    (kh, kw), (rows, columns) = window.kernel, window.output_size(input_size)
    (S_h, S_w), (D_h, D_w) = window.stride, window.dilation
    N, C = matrix.shape[1] // (rows * columns), matrix.shape[0] // (kh * kw)
    x = np.zeros((N, *window.padded_size(input_size), C), matrix.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for m in range(kh):
                    for n in range(kw):
                        for c in range(C):
                            entry, pixel = (m * kw + n) * C + c, (b * rows + i) * columns + j
                            # forward: matrix[entry, pixel] = x[b, i * S_h + m * D_h, j * S_w + n * D_w, c]
                            x[b, i * S_h + m * D_h, j * S_w + n * D_w, c] += matrix[entry, pixel]
    return crop(x, window, input_size).copy()


def toeplitz2d(w: Array, input_size: Shape, window: Window, groups: int) -> Array:
    r"""Return the matrix T of a convolution layer on one image: y = T x.

    .. math:: T_{(i,j,o),\,(i S + m D,\; j S + n D,\; c)} = w_{m,n,c,o}, \quad \text{zero elsewhere}

    The columns of padding pixels are dropped, because these pixels are zero and add nothing.

    ``w`` (kh, kw, C / groups, O), where c counts within a group, ``input_size`` (H, W); returns (rows·columns·O, H·W·C).

    >>> w = np.array([[1.0, 2], [3, 4]]).reshape(2, 2, 1, 1)
    >>> toeplitz2d(w, (3, 3), Window((2, 2)), groups=1)
    array([[1., 2., 0., 3., 4., 0., 0., 0., 0.],
           [0., 1., 2., 0., 3., 4., 0., 0., 0.],
           [0., 0., 0., 1., 2., 0., 3., 4., 0.],
           [0., 0., 0., 0., 1., 2., 0., 3., 4.]])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    (kh, kw, C_g, O), (rows, columns) = w.shape, window.output_size(input_size)
    (S_h, S_w), (D_h, D_w), O_g = window.stride, window.dilation, O // groups
    T = np.zeros((rows * columns * O, *window.padded_size(input_size), C_g * groups), w.dtype)
    for i in range(rows):
        for j in range(columns):
            for o in range(O):
                for m in range(kh):
                    for n in range(kw):
                        for c in range(C_g):
                            row, u, v = (i * columns + j) * O + o, i * S_h + m * D_h, j * S_w + n * D_w
                            T[row, u, v, o // O_g * C_g + c] = w[m, n, c, o]
    return crop(T, window, input_size).copy().reshape(len(T), -1)


def toeplitz1d(w: Array, input_size: Shape, window: Window, groups: int) -> Array:
    r"""Return the matrix T of a convolution layer on one signal: y = T x.

    .. math:: T_{(i,o),\,(i S + m D,\; c)} = w_{m,c,o}, \quad \text{zero elsewhere}

    The columns of padding pixels are dropped, because these pixels are zero and add nothing.

    ``w`` (k, C / groups, O), where c counts within a group, ``input_size`` (n,); returns (outputs·O, n·C).

    >>> toeplitz1d(np.array([1.0, 2, 3]).reshape(3, 1, 1), (5,), Window((3,)), groups=1)
    array([[1., 2., 3., 0., 0.],
           [0., 1., 2., 3., 0.],
           [0., 0., 1., 2., 3.]])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    (k, C_g, O), (outputs,) = w.shape, window.output_size(input_size)
    (S,), (D,), O_g = window.stride, window.dilation, O // groups
    T = np.zeros((outputs * O, *window.padded_size(input_size), C_g * groups), w.dtype)
    for i in range(outputs):
        for o in range(O):
            for m in range(k):
                for c in range(C_g):
                    T[i * O + o, i * S + m * D, o // O_g * C_g + c] = w[m, c, o]
    return crop(T, window, input_size).copy().reshape(len(T), -1)


def zero_stuff(x: Array, stride: Shape) -> Array:
    r"""Insert S − 1 zeros between neighbouring pixels of images or elements of signals.

    .. math:: y_{b,\; i S,\; j S,\; c} = x_{b,i,j,c}, \quad \text{zero elsewhere}

    ``x`` (N, H, W, C) or (N, n, C), ``stride`` has one S for each axis; returns (N, (H − 1)·S + 1, (W − 1)·S + 1, C) or
    (N, (n − 1)·S + 1, C).

    >>> zero_stuff(np.array([1.0, 2, 3]).reshape(1, 3, 1), (2,))[0, :, 0]
    array([1., 0., 2., 0., 3.])

    Source: lecture row C2 (SOURCES.md).
    """
    N, *size, C = x.shape
    # A kernel with one tap and this stride would read x from y, so y has the size of its input.
    y = np.zeros((N, *Window((1,) * len(stride), stride).transposed_output_size(size), C), x.dtype)
    for b, *pixel, c in np.ndindex(x.shape):
        stuffed = (i * S for i, S in zip(pixel, stride, strict=True))
        y[(b, *stuffed, c)] = x[(b, *pixel, c)]
    return y
