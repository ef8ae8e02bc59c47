r"""Average pooling and its derivative, as loops.

Index letters: image b, output pixel (i, j), entry (m, n) of the window, channel c. The window's entry (m, n) at output
(i, j) reads input pixel

    (u, v) = (i·S + m·D − top, j·S + n·D − left)

with stride S, dilation D and padding (top, left) of the ``window``, a :class:`refconv.geometry.Window`. The loops do not pad
x: they test whether (u, v) is inside the image, and skip it if it is not.

The derivative runs over the same indices, with ∂e/∂x in place of x and ∂e/∂y in place of y::

    y [b, i, j, c]  +=  x [b, u, v, c] / count[i, j]
    dx[b, u, v, c]  +=  dy[b, i, j, c] / count[i, j]

In global pooling, the only window is the whole image, and there is one output for each channel.
"""

import numpy as np

from refconv.geometry import Window
from refconv.typing import Array, Shape

__all__ = [
    "avg_pool1d",
    "avg_pool1d_dx",
    "avg_pool2d",
    "avg_pool2d_dx",
    "counts",
    "global_avg_pool1d",
    "global_avg_pool1d_dx",
    "global_avg_pool2d",
    "global_avg_pool2d_dx",
]


def avg_pool2d(x: Array, window: Window, count_include_pad: bool) -> Array:
    r"""Compute the mean of the elements under each window.

    .. math:: y_{b,i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{m,n}
              x_{b,\; i S + m D - \mathrm{top},\; j S + n D - \mathrm{left},\; c}

    ``x`` (N, H, W, C); returns (N, rows, columns, C). :func:`counts` computes the divisor of each sum.

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)
    >>> avg_pool2d(x, Window((2, 2), stride=2), count_include_pad=False)[0, :, :, 0]
    array([[2., 3.],
           [4., 6.]])

    Source: lecture rows A11 and C9 (SOURCES.md).
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


def avg_pool2d_dx(dy: Array, window: Window, input_size: Shape, count_include_pad: bool) -> Array:
    r"""Compute ∂e/∂x of :func:`avg_pool2d`: pixels under a window get equal shares of its ∂e/∂y.

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

    Source: lecture row A11 (SOURCES.md).
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
                    # forward: y[b, i, j, c] += x[b, u, v, c] / (count_h[i] * count_w[j])
                    dx[b, u, v, c] += dy[b, i, j, c] / (count_h[i] * count_w[j])
    return dx


def counts(window: Window, input_size: Shape, count_include_pad: bool) -> list[list[int]]:
    """Return, for each axis, the number of elements that the window of each output counts.

    The window counts the elements inside the input. With ``count_include_pad`` it also counts those in the padding of
    ``window``. Elements that ``ceil_mode`` adds beyond the padding never count.

    >>> from refconv.geometry import Window
    >>> window = Window((3,), stride=2, padding=1, ceil_mode=True)
    >>> counts(window, (4,), count_include_pad=False), counts(window, (4,), count_include_pad=True)
    ([[2, 3, 1]], [[3, 3, 2]])

    Source: lecture row A11 (SOURCES.md).
    """
    result = []
    for axis, outputs in enumerate(window.output_size(input_size)):
        k, S, D, size = window.kernel[axis], window.stride[axis], window.dilation[axis], input_size[axis]
        before, after = window.pads(input_size)[axis]
        first, end = (-before, size + after) if count_include_pad else (0, size)
        result.append([sum(first <= i * S + m * D - before < end for m in range(k)) for i in range(outputs)])
    return result


def avg_pool1d(x: Array, window: Window, count_include_pad: bool) -> Array:
    r"""Compute the mean of the elements under each window of a signal.

    .. math:: y_{b,i,c} = \frac{1}{\mathrm{count}_i} \sum_m x_{b,\; i S + m D - \mathrm{left},\; c}

    ``x`` (N, n, C); returns (N, outputs, C).

    >>> from refconv.geometry import Window
    >>> avg_pool1d(np.array([1.0, 5, 3, 7]).reshape(1, 4, 1), Window((2,), padding=((1, 0),)), False)[0, :, 0]
    array([1., 3., 4., 5.])

    Source: lecture row A11 (SOURCES.md).
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


def avg_pool1d_dx(dy: Array, window: Window, input_size: Shape, count_include_pad: bool) -> Array:
    r"""Compute ∂e/∂x of :func:`avg_pool1d`.

    .. math:: \frac{\partial e}{\partial x_{b,u,c}} = \sum_{i,m:\, i S + m D - \mathrm{left} = u}
              \frac{1}{\mathrm{count}_i} \; \frac{\partial e}{\partial y_{b,i,c}}

    ``dy`` (N, outputs, C), ``input_size`` (n,); returns (N, n, C).

    >>> from refconv.geometry import Window
    >>> avg_pool1d_dx(np.array([2.0, 4, 6]).reshape(1, 3, 1), Window((2,)), (4,), False)[0, :, 0]
    array([1., 3., 5., 3.])

    Source: lecture row A11 (SOURCES.md).
    """
    (N, _, C), (size,), (k,), (S,), (D,) = dy.shape, input_size, window.kernel, window.stride, window.dilation
    ((left, _right),) = window.pads(input_size)
    (count,) = counts(window, input_size, count_include_pad)
    dx = np.zeros((N, size, C), dy.dtype)
    for b, i, c in np.ndindex(dy.shape):
        for m in range(k):
            u = i * S + m * D - left
            if 0 <= u < size:
                # forward: y[b, i, c] += x[b, u, c] / count[i]
                dx[b, u, c] += dy[b, i, c] / count[i]
    return dx


def global_avg_pool2d(x: Array) -> Array:
    r"""Compute the mean of each channel over the whole image.

    .. math:: y_{b,c} = \frac{1}{H W} \sum_{u,v} x_{b,u,v,c}

    ``x`` (N, H, W, C); returns (N, C).

    >>> global_avg_pool2d(np.array([[1.0, 10], [2, 20], [6, 60]]).reshape(1, 3, 1, 2))
    array([[ 3., 30.]])

    Source: lecture rows A11 and M6 (SOURCES.md); Lin, Chen and Yan, "Network in network", 2014.
    """
    N, H, W, C = x.shape
    y = np.zeros((N, C), x.dtype)
    for b in range(N):
        for c in range(C):
            for u in range(H):
                for v in range(W):
                    y[b, c] += x[b, u, v, c]
            y[b, c] /= H * W
    return y


def global_avg_pool2d_dx(dy: Array, input_size: Shape) -> Array:
    r"""Compute ∂e/∂x of :func:`global_avg_pool2d`: all pixels get equal shares of ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \frac{1}{H W} \; \frac{\partial e}{\partial y_{b,c}}

    ``dy`` (N, C), ``input_size`` (H, W); returns (N, H, W, C).

    >>> global_avg_pool2d_dx(np.array([[6.0]]), (1, 3))[0, :, :, 0]
    array([[2., 2., 2.]])

    Source: lecture rows A11 and M6 (SOURCES.md).
    """
    (N, C), (H, W) = dy.shape, input_size
    dx = np.zeros((N, H, W, C), dy.dtype)
    for b in range(N):
        for c in range(C):
            for u in range(H):
                for v in range(W):
                    # forward: y[b, c] += x[b, u, v, c] / (H * W)
                    dx[b, u, v, c] += dy[b, c] / (H * W)
    return dx


def global_avg_pool1d(x: Array) -> Array:
    r"""Compute the mean of each channel over the whole signal.

    .. math:: y_{b,c} = \frac{1}{n} \sum_u x_{b,u,c}

    ``x`` (N, n, C); returns (N, C).

    >>> global_avg_pool1d(np.array([[1.0, 10], [2, 20], [6, 60]]).reshape(1, 3, 2))
    array([[ 3., 30.]])

    Source: lecture row A11 (SOURCES.md).
    """
    N, n, C = x.shape
    y = np.zeros((N, C), x.dtype)
    for b in range(N):
        for c in range(C):
            for u in range(n):
                y[b, c] += x[b, u, c]
            y[b, c] /= n
    return y


def global_avg_pool1d_dx(dy: Array, input_size: Shape) -> Array:
    r"""Compute ∂e/∂x of :func:`global_avg_pool1d`.

    .. math:: \frac{\partial e}{\partial x_{b,u,c}} = \frac{1}{n} \; \frac{\partial e}{\partial y_{b,c}}

    ``dy`` (N, C), ``input_size`` (n,); returns (N, n, C).

    >>> global_avg_pool1d_dx(np.array([[6.0]]), (3,))[0, :, 0]
    array([2., 2., 2.])

    Source: lecture row A11 (SOURCES.md).
    """
    (N, C), (n,) = dy.shape, input_size
    dx = np.zeros((N, n, C), dy.dtype)
    for b in range(N):
        for c in range(C):
            for u in range(n):
                # forward: y[b, c] += x[b, u, c] / n
                dx[b, u, c] += dy[b, c] / n
    return dx
