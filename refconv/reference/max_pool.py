r"""Max pooling and its derivative, as loops.

Index letters: image b, output pixel (i, j), entry (m, n) of the window, channel c. The window's entry (m, n) at output
(i, j) reads input pixel

    (u, v) = (i·S + m·D − top, j·S + n·D − left)

with stride S, dilation D and padding (top, left) of the ``window``, a :class:`refconv.geometry.Window`. The loops do not pad
x: they test whether (u, v) is inside the image, and skip it if it is not. So the padding is never the maximum.

The loops of the derivative run over the outputs, and argmax gives the pixel (u, v) of each maximum::

    y [b, i, j, c]   =  x [b, u, v, c]          the maximum, at (u, v) = argmax
    dx[b, u, v, c]  +=  dy[b, i, j, c]          zero at all other pixels
"""

from typing import Any

import numpy as np

from refconv.geometry import Window
from refconv.typing import Array, Shape

__all__ = [
    "max_pool1d",
    "max_pool1d_dx",
    "max_pool1d_with_argmax",
    "max_pool2d",
    "max_pool2d_dx",
    "max_pool2d_with_argmax",
    "wins",
]


def max_pool2d(x: Array, window: Window) -> Array:
    r"""Return the maximum under each window: :func:`max_pool2d_with_argmax` without the argmax.

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)
    >>> max_pool2d(x, Window((2, 2), stride=2))[0, :, :, 0]
    array([[4., 5.],
           [7., 9.]])

    Source: lecture rows A11 and C9 (SOURCES.md).
    """
    return max_pool2d_with_argmax(x, window)[0]


def max_pool2d_with_argmax(x: Array, window: Window) -> tuple[Array, Array]:
    r"""Return the maximum under each window, and the position of its pixel.

    .. math:: y_{b,i,j,c} = \max_{m,n} \; x_{b,\; i S + m D - \mathrm{top},\; j S + n D - \mathrm{left},\; c}

    ``x`` (N, H, W, C); returns y (N, rows, columns, C) and the positions u·W + v of the maxima, of the same shape. If several
    elements are the maximum, the first one in row-major order counts (:func:`wins`).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 7, 3], [4, 5, 7]]).reshape(1, 2, 3, 1)
    >>> y, argmax = max_pool2d_with_argmax(x, Window((2, 2)))
    >>> y[0, :, :, 0], argmax[0, :, :, 0]
    (array([[7., 7.]]), array([[1, 1]]))

    Source: lecture rows A11 and B5 (SOURCES.md).
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


def wins(value: Any, best: Any) -> bool:
    """Return True if a value replaces the best one so far: if it is larger, or if it is NaN.

    A NaN replaces any value, so that the maximum of a window with a NaN is NaN.

    >>> wins(2.0, 1.0), wins(1.0, 1.0), wins(float("nan"), 1.0), wins(1.0, float("nan"))
    (True, False, True, False)
    """
    return bool(value > best or value != value)


def max_pool2d_dx(dy: Array, argmax: Array, input_size: Shape) -> Array:
    r"""Compute ∂e/∂x of :func:`max_pool2d`: the pixel of a maximum gets all of its ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \sum_{i,j:\, \mathrm{argmax}_{b,i,j,c} = u W + v}
              \frac{\partial e}{\partial y_{b,i,j,c}}

    ``dy`` and ``argmax`` (N, rows, columns, C), ``input_size`` (H, W); returns (N, H, W, C).

    >>> dy, argmax = np.array([1.0, 10]).reshape(1, 1, 2, 1), np.array([1, 5]).reshape(1, 1, 2, 1)
    >>> max_pool2d_dx(dy, argmax, (2, 3))[0, :, :, 0]
    array([[ 0.,  1.,  0.],
           [ 0.,  0., 10.]])

    Source: lecture row B5 (SOURCES.md).
    """
    (N, rows, columns, C), (H, W) = dy.shape, input_size
    dx = np.zeros((N, H, W, C), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for c in range(C):
                    u, v = divmod(argmax[b, i, j, c], W)
                    # forward: y[b, i, j, c] = x[b, u, v, c]
                    dx[b, u, v, c] += dy[b, i, j, c]
    return dx


def max_pool1d(x: Array, window: Window) -> Array:
    r"""Return the maximum under each window of a signal.

    This is :func:`max_pool1d_with_argmax` without the argmax.

    >>> from refconv.geometry import Window
    >>> max_pool1d(np.array([1.0, 5, 2, 3]).reshape(1, 4, 1), Window((2,)))[0, :, 0]
    array([5., 5., 3.])

    Source: lecture row A11 (SOURCES.md).
    """
    return max_pool1d_with_argmax(x, window)[0]


def max_pool1d_with_argmax(x: Array, window: Window) -> tuple[Array, Array]:
    r"""Return the maximum under each window of a signal, and its position.

    .. math:: y_{b,i,c} = \max_m \; x_{b,\; i S + m D - \mathrm{left},\; c}

    ``x`` (N, n, C); returns y (N, outputs, C) and the positions u of the maxima, of the same shape.

    >>> from refconv.geometry import Window
    >>> y, argmax = max_pool1d_with_argmax(np.array([1.0, 5, 2, 3]).reshape(1, 4, 1), Window((2,)))
    >>> y[0, :, 0], argmax[0, :, 0]
    (array([5., 5., 3.]), array([1, 1, 3]))

    Source: lecture rows A11 and B5 (SOURCES.md).
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


def max_pool1d_dx(dy: Array, argmax: Array, input_size: Shape) -> Array:
    r"""Compute ∂e/∂x of :func:`max_pool1d`.

    .. math:: \frac{\partial e}{\partial x_{b,u,c}} = \sum_{i:\, \mathrm{argmax}_{b,i,c} = u}
              \frac{\partial e}{\partial y_{b,i,c}}

    ``dy`` and ``argmax`` (N, outputs, C), ``input_size`` (n,); returns (N, n, C).

    >>> dy, argmax = np.array([1.0, 10, 100]).reshape(1, 3, 1), np.array([1, 1, 3]).reshape(1, 3, 1)
    >>> max_pool1d_dx(dy, argmax, (4,))[0, :, 0]
    array([  0.,  11.,   0., 100.])

    Source: lecture row B5 (SOURCES.md).
    """
    N, outputs, C = dy.shape
    dx = np.zeros((N, *input_size, C), dy.dtype)
    for b in range(N):
        for i in range(outputs):
            for c in range(C):
                # forward: y[b, i, c] = x[b, argmax[b, i, c], c]
                dx[b, argmax[b, i, c], c] += dy[b, i, c]
    return dx
