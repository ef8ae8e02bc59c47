r"""Images made larger: by a frame around them (padding), or by more pixels for the same picture (upsampling), as loops.

Each output pixel (i, j) reads one input pixel (u, v) or several with weights. The derivatives run over the same indices, and
∂e/∂x is in the place of x::

    pad         y [b, i, j, c]   =  x [b, u, v, c]
                dx[b, u, v, c]  +=  dy[b, i, j, c]
    upsample    y [b, i, j, c]  +=  x [b, u, v, c] · weight
                dx[b, u, v, c]  +=  dy[b, i, j, c] · weight
"""

import numpy as np

from refconv.geometry import Window
from refconv.typing import Array, Shape

__all__ = ["pad", "pad_dx", "upsample2d", "upsample2d_dx"]


def pad(x: Array, window: Window, mode: str) -> Array:
    r"""Put a frame around each image.

    .. math:: y_{b,i,j,c} = x_{b,\; s(i - \mathrm{top}),\; s(j - \mathrm{left}),\; c}

    s says which pixel stands at a position outside: see :func:`source`. ``x`` (N, H, W, C), the frame is the padding of
    ``window``, a 1×1 one; returns (N, rows, columns, C).

    >>> from refconv.geometry import Window
    >>> x = np.array([1.0, 2, 3]).reshape(1, 1, 3, 1)
    >>> pad(x, Window((1, 1), padding=((0, 0), (2, 1))), "reflect")[0, 0, :, 0]
    array([3., 2., 1., 2., 3., 2.])

    Source: lecture rows M16 and M17 (SOURCES.md).
    """
    N, H, W, C = x.shape
    (top, _bottom), (left, _right) = window.pads((H, W))
    y = np.zeros((N, *window.padded_size((H, W)), C), x.dtype)
    for b in range(N):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                u, v = source(i - top, H, mode), source(j - left, W, mode)
                if u is not None and v is not None:
                    for c in range(C):
                        y[b, i, j, c] = x[b, u, v, c]
    return y


def pad_dx(dy: Array, input_size: Shape, window: Window, mode: str) -> Array:
    r"""∂e/∂x of :func:`pad`: each pixel gathers ∂e/∂y of all its copies.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} =
              \sum_{\substack{i:\, s(i - \mathrm{top}) = u \\ j:\, s(j - \mathrm{left}) = v}}
              \frac{\partial e}{\partial y_{b,i,j,c}}

    ``dy`` (N, rows, columns, C), ``input_size`` (H, W); returns (N, H, W, C).

    >>> from refconv.geometry import Window
    >>> dy = np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4, 1)
    >>> pad_dx(dy, (1, 2), Window((1, 1), padding=((0, 0), (1, 1))), "edge")[0, 0, :, 0]
    array([  11., 1100.])

    Source: lecture rows M16 and M17 (SOURCES.md).
    """
    (N, rows, columns, C), (H, W) = dy.shape, input_size
    (top, _bottom), (left, _right) = window.pads((H, W))
    dx = np.zeros((N, H, W, C), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                u, v = source(i - top, H, mode), source(j - left, W, mode)
                if u is not None and v is not None:
                    for c in range(C):
                        # forward: y[b, i, j, c] = x[b, u, v, c]
                        dx[b, u, v, c] += dy[b, i, j, c]
    return dx


def source(i: int, n: int, mode: str) -> int | None:
    """Which of n pixels in a row stands at position i, inside or outside; None where there is a zero.

    >>> [[source(i, 3, mode) for i in range(-2, 5)] for mode in ("reflect", "edge")]
    [[2, 1, 0, 1, 2, 1, 0], [0, 0, 0, 1, 2, 2, 2]]
    """
    if 0 <= i < n:
        return i
    if mode == "zeros":
        return None
    if mode == "edge":
        return 0 if i < 0 else n - 1
    return -i if i < 0 else 2 * (n - 1) - i


def upsample2d(x: Array, scale: Shape, mode: str) -> Array:
    r"""Upsampling: S_h × S_w pixels for each one.

    .. math:: y_{b,i,j,c} = \sum_{u,v} a_{i,u} \, a_{j,v} \; x_{b,u,v,c}

    a is the weight of an input in an output along one axis: see :func:`readings`. ``x`` (N, H, W, C), ``scale`` (S_h, S_w),
    ``mode`` "nearest" or "bilinear"; returns (N, H·S_h, W·S_w, C).

    >>> x = np.array([1.0, 5]).reshape(1, 1, 2, 1)
    >>> upsample2d(x, (1, 2), "bilinear")[0, 0, :, 0]
    array([1., 2., 4., 5.])

    Source: lecture rows M16 and M17 (SOURCES.md).
    """
    (N, H, W, C), (S_h, S_w) = x.shape, scale
    y = np.zeros((N, H * S_h, W * S_w, C), x.dtype)
    for b in range(N):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for u, p, P in readings(i, H, S_h, mode):
                    for v, q, Q in readings(j, W, S_w, mode):
                        for c in range(C):
                            y[b, i, j, c] += x[b, u, v, c] * (p * q) / (P * Q)
    return y


def upsample2d_dx(dy: Array, scale: Shape, mode: str) -> Array:
    r"""∂e/∂x of :func:`upsample2d`: each output sends ∂e/∂y back, with the same weights.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \sum_{i,j} a_{i,u} \, a_{j,v} \;
              \frac{\partial e}{\partial y_{b,i,j,c}}

    ``dy`` (N, H·S_h, W·S_w, C); returns (N, H, W, C).

    >>> dy = np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4, 1)
    >>> upsample2d_dx(dy, (1, 2), "bilinear")[0, 0, :, 0]
    array([  33.5, 1077.5])

    Source: lecture rows M16 and M17 (SOURCES.md).
    """
    (N, rows, columns, C), (S_h, S_w) = dy.shape, scale
    H, W = rows // S_h, columns // S_w
    dx = np.zeros((N, H, W, C), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for u, p, P in readings(i, H, S_h, mode):
                    for v, q, Q in readings(j, W, S_w, mode):
                        for c in range(C):
                            # forward: y[b, i, j, c] += x[b, u, v, c] * (p * q) / (P * Q)
                            dx[b, u, v, c] += dy[b, i, j, c] * (p * q) / (P * Q)
    return dx


def readings(i: int, n: int, S: int, mode: str) -> list[tuple[int, int, int]]:
    r"""What output i reads along one axis of n inputs, each S outputs wide: (u, numerator, denominator) of each weight.

    "nearest" reads the input in which the output lies. "bilinear" reads the two whose centres are next to its own, the
    nearer with the larger weight: in units of inputs, the centre of output i is at (i + ½)/S − ½ = (2i + 1 − S) / 2S. Beyond
    the first and the last centre the edge stands for what is missing. The weights are ratios of whole numbers, so fractions
    stay exact.

    >>> readings(4, 3, 2, "nearest"), readings(3, 3, 2, "bilinear"), readings(0, 3, 2, "bilinear")
    ([(2, 1, 1)], [(1, 3, 4), (2, 1, 4)], [(0, 1, 4), (0, 3, 4)])
    """
    if mode == "nearest":
        return [(i // S, 1, 1)]
    before, rest = divmod(2 * i + 1 - S, 2 * S)
    if rest == 0:  # right on a centre
        return [(before, 1, 1)]
    return [(max(before, 0), 2 * S - rest, 2 * S), (min(before + 1, n - 1), rest, 2 * S)]
