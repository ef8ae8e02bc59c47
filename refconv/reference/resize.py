r"""Padding, upsampling and adaptive pooling of images, and their derivatives, as loops.

Padding adds pixels around an image; upsampling represents the same image by more pixels; adaptive pooling represents it by a
given number of pixels. Each output pixel (i, j) reads one input pixel (u, v), or the weighted sum of several. The derivatives
run over the same indices, with ∂e/∂x in place of x and ∂e/∂y in place of y::

    pad         y [b, i, j, c]   =  x [b, u, v, c]
                dx[b, u, v, c]  +=  dy[b, i, j, c]
    upsample    y [b, i, j, c]  +=  x [b, u, v, c] · weight
                dx[b, u, v, c]  +=  dy[b, i, j, c] · weight
    adaptive    y [b, i, j, c]  +=  x [b, u, v, c] / count[i, j]
                dx[b, u, v, c]  +=  dy[b, i, j, c] / count[i, j]
"""

import numpy as np

from refconv.geometry import Window
from refconv.typing import Array, Shape

__all__ = ["adaptive_avg_pool2d", "adaptive_avg_pool2d_dx", "pad", "pad_dx", "upsample2d", "upsample2d_dx"]


def pad(x: Array, window: Window, mode: str) -> Array:
    r"""Pad each image with zeros, edge pixels or a reflection.

    .. math:: y_{b,i,j,c} = x_{b,\; s(i - \mathrm{top}),\; s(j - \mathrm{left}),\; c}

    s maps a position, inside or outside the image, to the input pixel that is copied there: see :func:`source_index`.
    ``x`` (N, H, W, C), ``window`` is a 1×1 window with the padding to add; returns (N, rows, columns, C).

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
                u, v = source_index(i - top, H, mode), source_index(j - left, W, mode)
                if u is not None and v is not None:
                    for c in range(C):
                        y[b, i, j, c] = x[b, u, v, c]
    return y


def pad_dx(dy: Array, input_size: Shape, window: Window, mode: str) -> Array:
    r"""Compute ∂e/∂x of :func:`pad`: the sum of ∂e/∂y over all copies of a pixel.

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
                u, v = source_index(i - top, H, mode), source_index(j - left, W, mode)
                if u is not None and v is not None:
                    for c in range(C):
                        # forward: y[b, i, j, c] = x[b, u, v, c]
                        dx[b, u, v, c] += dy[b, i, j, c]
    return dx


def source_index(i: int, n: int, mode: str) -> int | None:
    """Return the index of the pixel that is copied to position i, or None if position i is zero.

    The pixels have the indices 0 to n − 1. All other positions are in the padding.

    >>> [[source_index(i, 3, mode) for i in range(-2, 5)] for mode in ("reflect", "edge")]
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
    r"""Upsample images: each pixel becomes S_h × S_w pixels.

    .. math:: y_{b,i,j,c} = \sum_{u,v} a_{i,u} \, a_{j,v} \; x_{b,u,v,c}

    a is the weight of an input in an output along one axis: see :func:`axis_weights`. ``x`` (N, H, W, C), ``scale``
    (S_h, S_w), ``mode`` "nearest" or "bilinear"; returns (N, H·S_h, W·S_w, C).

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
                for u, p, P in axis_weights(i, H, S_h, mode):
                    for v, q, Q in axis_weights(j, W, S_w, mode):
                        for c in range(C):
                            y[b, i, j, c] += x[b, u, v, c] / (P * Q) * (p * q)
    return y


def upsample2d_dx(dy: Array, scale: Shape, mode: str) -> Array:
    r"""Compute ∂e/∂x of :func:`upsample2d`: the sum of ∂e/∂y times the weights of an input.

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
                for u, p, P in axis_weights(i, H, S_h, mode):
                    for v, q, Q in axis_weights(j, W, S_w, mode):
                        for c in range(C):
                            # forward: y[b, i, j, c] += x[b, u, v, c] / (P * Q) * (p * q)
                            dx[b, u, v, c] += dy[b, i, j, c] / (P * Q) * (p * q)
    return dx


def axis_weights(i: int, n: int, S: int, mode: str) -> list[tuple[int, int, int]]:
    r"""Return the inputs that output i reads along one axis, and their weights as fractions.

    The axis has ``n`` inputs, each S outputs wide. The result has an entry (u, numerator, denominator) for each input u.
    "nearest" reads the input that contains the output. "bilinear" reads the two inputs with the nearest centres, the nearer
    one with the larger weight: in units of inputs, the centre of output i is at (i + ½)/S − ½ = (2i + 1 − S) / 2S. Before the
    first centre and after the last one, the missing input is replaced by the input at the edge. The weights are ratios of
    integers, so that fractions remain exact.

    >>> axis_weights(4, 3, 2, "nearest"), axis_weights(3, 3, 2, "bilinear"), axis_weights(0, 3, 2, "bilinear")
    ([(2, 1, 1)], [(1, 3, 4), (2, 1, 4)], [(0, 1, 4), (0, 3, 4)])
    """
    if mode == "nearest":
        return [(i // S, 1, 1)]
    before, rest = divmod(2 * i + 1 - S, 2 * S)
    if rest == 0:  # the centres of output and input coincide
        return [(before, 1, 1)]
    return [(max(before, 0), 2 * S - rest, 2 * S), (min(before + 1, n - 1), rest, 2 * S)]


def adaptive_avg_pool2d(x: Array, output_size: Shape) -> Array:
    r"""Compute the mean of the pixels of each output; together the outputs cover the whole image.

    .. math:: y_{b,i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{u=\lfloor i H / K \rfloor}^{\lceil (i+1) H / K \rceil - 1} \;
              \sum_{v=\lfloor j W / L \rfloor}^{\lceil (j+1) W / L \rceil - 1} x_{b,u,v,c}

    ``x`` (N, H, W, C), ``output_size`` (K, L); returns (N, K, L, C).

    >>> adaptive_avg_pool2d(np.array([1.0, 3, 5, 7, 9]).reshape(1, 1, 5, 1), (1, 2))[0, 0, :, 0]
    array([3., 7.])

    Source: lecture row A11 (SOURCES.md).
    """
    (N, H, W, C), (K, L) = x.shape, output_size
    y = np.zeros((N, K, L, C), x.dtype)
    for b, i, j, c in np.ndindex(y.shape):
        rows, columns = covered(i, H, K), covered(j, W, L)
        for u in rows:
            for v in columns:
                y[b, i, j, c] += x[b, u, v, c]
        y[b, i, j, c] /= len(rows) * len(columns)
    return y


def adaptive_avg_pool2d_dx(dy: Array, input_size: Shape) -> Array:
    r"""Compute ∂e/∂x of :func:`adaptive_avg_pool2d`: each output shares out its ∂e/∂y equally.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \sum_{i,j:\; (i,j) \text{ covers } (u,v)}
              \frac{1}{\mathrm{count}_{i,j}} \; \frac{\partial e}{\partial y_{b,i,j,c}}

    ``dy`` (N, K, L, C), ``input_size`` (H, W); returns (N, H, W, C).

    >>> adaptive_avg_pool2d_dx(np.array([3.0, 30]).reshape(1, 1, 2, 1), (1, 5))[0, 0, :, 0]
    array([ 1.,  1., 11., 10., 10.])

    Source: lecture row A11 (SOURCES.md).
    """
    (N, K, L, C), (H, W) = dy.shape, input_size
    dx = np.zeros((N, H, W, C), dy.dtype)
    for b, i, j, c in np.ndindex(dy.shape):
        rows, columns = covered(i, H, K), covered(j, W, L)
        for u in rows:
            for v in columns:
                # forward: y[b, i, j, c] += x[b, u, v, c] / (len(rows) * len(columns))
                dx[b, u, v, c] += dy[b, i, j, c] / (len(rows) * len(columns))
    return dx


def covered(i: int, n: int, K: int) -> range:
    """Return the inputs that output i of K covers along an axis of n inputs.

    If K does not divide n, neighbouring outputs share an input.

    >>> [list(covered(i, 5, 2)) for i in range(2)], [list(covered(i, 2, 3)) for i in range(3)]
    ([[0, 1, 2], [2, 3, 4]], [[0], [0, 1], [1]])
    """
    return range(i * n // K, -(-(i + 1) * n // K))
