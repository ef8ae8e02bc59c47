r"""Max and average pooling and their derivatives, as loops.

Index letters: image b, output pixel (i, j), entry (m, n) of the window, channel c. The window's entry (m, n) at output
(i, j) reads input pixel

    (u, v) = (i·S + m·D − top, j·S + n·D − left)

and, unlike a convolution's, it reads nothing where that lies outside of the image: padding never wins a maximum, and no
zero of the padding enters a sum. That is why the loops ask where (u, v) is, and do not pad x.

The derivatives send ∂e/∂y back to where it came from: all of it to the winner, or a share to each member of an average.
"""

import numpy as np

__all__ = [
    "avg_pool1d",
    "avg_pool1d_dx",
    "avg_pool2d",
    "avg_pool2d_dx",
    "counts",
    "max_pool1d",
    "max_pool1d_dx",
    "max_pool1d_with_argmax",
    "max_pool2d",
    "max_pool2d_dx",
    "max_pool2d_with_argmax",
    "wins",
]


def max_pool2d(x, window):
    r"""The largest value under the window: :func:`max_pool2d_with_argmax` without the place.

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)
    >>> max_pool2d(x, Window((2, 2), stride=2))[0, :, :, 0]
    array([[4., 5.],
           [7., 9.]])

    Source: A11, C9.
    """
    return max_pool2d_with_argmax(x, window)[0]


def max_pool2d_with_argmax(x, window):
    r"""The largest value under the window, and the pixel where it was found.

    .. math:: y_{b,i,j,c} = \max_{m,n} \; x_{b,\; i S + m D - \mathrm{top},\; j S + n D - \mathrm{left},\; c}

    ``x`` (N, H, W, C); returns y (N, rows, columns, C) and the winners' positions u·W + v, of the same shape. Of equal
    values the first in row-major order wins (:func:`wins`).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 7, 3], [4, 5, 7]]).reshape(1, 2, 3, 1)
    >>> y, argmax = max_pool2d_with_argmax(x, Window((2, 2)))
    >>> y[0, :, :, 0], argmax[0, :, :, 0]
    (array([[7., 7.]]), array([[1, 1]]))

    Source: A11, B5.
    """
    (N, H, W, C), (kh, kw), (S_h, S_w), (D_h, D_w) = x.shape, window.kernel, window.stride, window.dilation
    (top, _bottom), (left, _right) = window.pads((H, W))
    y = np.empty((N, *window.output_size((H, W)), C), x.dtype)
    argmax = np.full(y.shape, -1, np.intp)
    for b, i, j, c in np.ndindex(y.shape):
        for m in range(kh):
            for n in range(kw):
                u, v = i * S_h + m * D_h - top, j * S_w + n * D_w - left
                inside = 0 <= u < H and 0 <= v < W
                if inside and (argmax[b, i, j, c] < 0 or wins(x[b, u, v, c], y[b, i, j, c])):
                    y[b, i, j, c], argmax[b, i, j, c] = x[b, u, v, c], u * W + v
    return y, argmax


def wins(value, best):
    """Whether a value replaces the best one so far: if it is larger, or if it is NaN, which must not get lost.

    >>> wins(2.0, 1.0), wins(1.0, 1.0), wins(float("nan"), 1.0), wins(1.0, float("nan"))
    (True, False, True, False)
    """
    return value > best or value != value


def max_pool2d_dx(dy, argmax, input_size):
    r"""∂e/∂x of :func:`max_pool2d`: all of ∂e/∂y goes to the winner, nothing to the others.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \sum_{i,j:\, \mathrm{argmax}_{b,i,j,c} = u W + v}
              \frac{\partial e}{\partial y_{b,i,j,c}}

    ``dy`` and ``argmax`` (N, rows, columns, C), ``input_size`` (H, W); returns (N, H, W, C).

    >>> dy, argmax = np.array([1.0, 10]).reshape(1, 1, 2, 1), np.array([1, 5]).reshape(1, 1, 2, 1)
    >>> max_pool2d_dx(dy, argmax, (2, 3))[0, :, :, 0]
    array([[ 0.,  1.,  0.],
           [ 0.,  0., 10.]])

    Source: B5.
    """
    (N, rows, columns, C), (H, W) = dy.shape, input_size
    dx = np.zeros((N, H, W, C), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for c in range(C):
                    u, v = divmod(argmax[b, i, j, c], W)
                    dx[b, u, v, c] += dy[b, i, j, c]
    return dx


def avg_pool2d(x, window, count_include_pad):
    r"""The mean of the values under the window.

    .. math:: y_{b,i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{m,n}
              x_{b,\; i S + m D - \mathrm{top},\; j S + n D - \mathrm{left},\; c}

    ``x`` (N, H, W, C); returns (N, rows, columns, C). :func:`counts` says by how many elements a sum is divided.

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)
    >>> avg_pool2d(x, Window((2, 2), stride=2), count_include_pad=False)[0, :, :, 0]
    array([[2., 3.],
           [4., 6.]])

    Source: A11, C9.
    """
    (N, H, W, C), (kh, kw), (S_h, S_w), (D_h, D_w) = x.shape, window.kernel, window.stride, window.dilation
    (top, _bottom), (left, _right) = window.pads((H, W))
    count_h, count_w = counts(window, (H, W), count_include_pad)
    y = np.zeros((N, len(count_h), len(count_w), C), x.dtype)
    for b, i, j, c in np.ndindex(y.shape):
        for m in range(kh):
            for n in range(kw):
                u, v = i * S_h + m * D_h - top, j * S_w + n * D_w - left
                if 0 <= u < H and 0 <= v < W:
                    y[b, i, j, c] += x[b, u, v, c]
        y[b, i, j, c] /= count_h[i] * count_w[j]
    return y


def avg_pool2d_dx(dy, window, input_size, count_include_pad):
    r"""∂e/∂x of :func:`avg_pool2d`: each pixel under the window gets an equal share of ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} =
              \sum_{\substack{i,m:\, i S + m D - \mathrm{top} = u \\ j,n:\, j S + n D - \mathrm{left} = v}}
              \frac{1}{\mathrm{count}_{i,j}} \; \frac{\partial e}{\partial y_{b,i,j,c}}

    ``dy`` (N, rows, columns, C), ``input_size`` (H, W); returns (N, H, W, C).

    >>> from refconv.geometry import Window
    >>> dy = np.array([6.0, 12]).reshape(1, 1, 2, 1)
    >>> avg_pool2d_dx(dy, Window((3, 2)), (3, 3), count_include_pad=False)[0, :, :, 0]
    array([[1., 3., 2.],
           [1., 3., 2.],
           [1., 3., 2.]])

    Source: A11, B5.
    """
    (N, _, _, C), (H, W), (kh, kw) = dy.shape, input_size, window.kernel
    (S_h, S_w), (D_h, D_w) = window.stride, window.dilation
    (top, _bottom), (left, _right) = window.pads((H, W))
    count_h, count_w = counts(window, (H, W), count_include_pad)
    dx = np.zeros((N, H, W, C), dy.dtype)
    for b, i, j, c in np.ndindex(dy.shape):
        for m in range(kh):
            for n in range(kw):
                u, v = i * S_h + m * D_h - top, j * S_w + n * D_w - left
                if 0 <= u < H and 0 <= v < W:
                    dx[b, u, v, c] += dy[b, i, j, c] / (count_h[i] * count_w[j])
    return dx


def counts(window, input_size, count_include_pad):
    """Along each axis, the number of elements that each output's window counts.

    These are the ones that lie in the input; with ``count_include_pad``, the ones in its declared padding as well. What
    ``ceil_mode`` adds beyond the padding never counts.

    >>> from refconv.geometry import Window
    >>> window = Window((3,), stride=2, padding=1, ceil_mode=True)
    >>> counts(window, (4,), count_include_pad=False), counts(window, (4,), count_include_pad=True)
    ([[2, 3, 1]], [[3, 3, 2]])

    Source: A11.
    """
    result = []
    for axis, outputs in enumerate(window.output_size(input_size)):
        k, S, D, size = window.kernel[axis], window.stride[axis], window.dilation[axis], input_size[axis]
        before, after = window.pads(input_size)[axis]
        first, end = (-before, size + after) if count_include_pad else (0, size)
        result.append([sum(first <= i * S + m * D - before < end for m in range(k)) for i in range(outputs)])
    return result


def max_pool1d(x, window):
    r"""The largest value under the window of a signal: :func:`max_pool1d_with_argmax` without the place.

    >>> from refconv.geometry import Window
    >>> max_pool1d(np.array([1.0, 5, 2, 3]).reshape(1, 4, 1), Window((2,)))[0, :, 0]
    array([5., 5., 3.])

    Source: A11.
    """
    return max_pool1d_with_argmax(x, window)[0]


def max_pool1d_with_argmax(x, window):
    r"""The largest value under the window of a signal, and where it was found.

    .. math:: y_{b,i,c} = \max_m \; x_{b,\; i S + m D - \mathrm{left},\; c}

    ``x`` (N, n, C); returns y (N, outputs, C) and the winners' positions u, of the same shape.

    >>> from refconv.geometry import Window
    >>> y, argmax = max_pool1d_with_argmax(np.array([1.0, 5, 2, 3]).reshape(1, 4, 1), Window((2,)))
    >>> y[0, :, 0], argmax[0, :, 0]
    (array([5., 5., 3.]), array([1, 1, 3]))

    Source: A11, B5.
    """
    (N, size, C), (k,), (S,), (D,) = x.shape, window.kernel, window.stride, window.dilation
    ((left, _right),) = window.pads((size,))
    y = np.empty((N, *window.output_size((size,)), C), x.dtype)
    argmax = np.full(y.shape, -1, np.intp)
    for b, i, c in np.ndindex(y.shape):
        for m in range(k):
            u = i * S + m * D - left
            if 0 <= u < size and (argmax[b, i, c] < 0 or wins(x[b, u, c], y[b, i, c])):
                y[b, i, c], argmax[b, i, c] = x[b, u, c], u
    return y, argmax


def max_pool1d_dx(dy, argmax, input_size):
    r"""∂e/∂x of :func:`max_pool1d`.

    .. math:: \frac{\partial e}{\partial x_{b,u,c}} = \sum_{i:\, \mathrm{argmax}_{b,i,c} = u}
              \frac{\partial e}{\partial y_{b,i,c}}

    ``dy`` and ``argmax`` (N, outputs, C), ``input_size`` (n,); returns (N, n, C).

    >>> dy, argmax = np.array([1.0, 10, 100]).reshape(1, 3, 1), np.array([1, 1, 3]).reshape(1, 3, 1)
    >>> max_pool1d_dx(dy, argmax, (4,))[0, :, 0]
    array([  0.,  11.,   0., 100.])

    Source: B5.
    """
    N, outputs, C = dy.shape
    dx = np.zeros((N, *input_size, C), dy.dtype)
    for b in range(N):
        for i in range(outputs):
            for c in range(C):
                dx[b, argmax[b, i, c], c] += dy[b, i, c]
    return dx


def avg_pool1d(x, window, count_include_pad):
    r"""The mean of the values under the window of a signal.

    .. math:: y_{b,i,c} = \frac{1}{\mathrm{count}_i} \sum_m x_{b,\; i S + m D - \mathrm{left},\; c}

    ``x`` (N, n, C); returns (N, outputs, C).

    >>> from refconv.geometry import Window
    >>> avg_pool1d(np.array([1.0, 5, 3, 7]).reshape(1, 4, 1), Window((2,), padding=((1, 0),)), False)[0, :, 0]
    array([1., 3., 4., 5.])

    Source: A11.
    """
    (N, size, C), (k,), (S,), (D,) = x.shape, window.kernel, window.stride, window.dilation
    ((left, _right),) = window.pads((size,))
    (count,) = counts(window, (size,), count_include_pad)
    y = np.zeros((N, len(count), C), x.dtype)
    for b, i, c in np.ndindex(y.shape):
        for m in range(k):
            u = i * S + m * D - left
            if 0 <= u < size:
                y[b, i, c] += x[b, u, c]
        y[b, i, c] /= count[i]
    return y


def avg_pool1d_dx(dy, window, input_size, count_include_pad):
    r"""∂e/∂x of :func:`avg_pool1d`.

    .. math:: \frac{\partial e}{\partial x_{b,u,c}} = \sum_{i,m:\, i S + m D - \mathrm{left} = u}
              \frac{1}{\mathrm{count}_i} \; \frac{\partial e}{\partial y_{b,i,c}}

    ``dy`` (N, outputs, C), ``input_size`` (n,); returns (N, n, C).

    >>> from refconv.geometry import Window
    >>> avg_pool1d_dx(np.array([2.0, 4, 6]).reshape(1, 3, 1), Window((2,)), (4,), False)[0, :, 0]
    array([1., 3., 5., 3.])

    Source: A11.
    """
    (N, _, C), (size,), (k,), (S,), (D,) = dy.shape, input_size, window.kernel, window.stride, window.dilation
    ((left, _right),) = window.pads(input_size)
    (count,) = counts(window, input_size, count_include_pad)
    dx = np.zeros((N, size, C), dy.dtype)
    for b, i, c in np.ndindex(dy.shape):
        for m in range(k):
            u = i * S + m * D - left
            if 0 <= u < size:
                dx[b, u, c] += dy[b, i, c] / count[i]
    return dx
