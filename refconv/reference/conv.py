r"""The convolution layer: forward pass and derivatives as loops.

The forward pass and both derivatives run the same loops over the same index set: image b, output pixel (i, j), output
channel o, kernel entry (m, n), input channel c. Only the innermost line differs. To get ∂e/∂w, exchange y and w in the forward
line and write d before both; to get ∂e/∂x, do the same with y and x::

    y [b, i, j, o]  +=  x[…] · w[m, n, c, o]
    dw[m, n, c, o]  +=  x[…] · dy[b, i, j, o]
    dx[…]           +=  dy[b, i, j, o] · w[m, n, c, o]          with […] = [b, i·S + m·D, j·S + n·D, c]

S is the stride, the step between neighbouring outputs. D is the dilation, the distance between neighbouring entries of the
kernel. Both are in input pixels. The argument ``window``, a :class:`refconv.geometry.Window`, contains them together with the
kernel size and the padding.

The slides of lecture rows B3 and B4 (SOURCES.md) use other names: their filter indices i, j are m, n here, and their output
indices k, l are i, j here. At the end of this file, :func:`centred_correlation` and its derivatives have the names and the
form of those slides, with one channel and filter indices from −f to f. The formula of lecture row A7 has no padding, dilation,
groups or bias: it is the special case of "valid" padding, D = 1, one group and a bias of 0.

Groups (lecture row C5): output channel o reads only the C_g input channels of its own group, which begin at ⌊o / O_g⌋·C_g.
O_g is the number of output channels of a group.

Images are (batch, height, width, channels), kernels (kh, kw, channels / groups, outputs). The loops are slow because Python
computes each product separately. The compiled kernels of the public operators compute the same sums thousands of times faster.
"""

from typing import Any

import numpy as np

from refconv.geometry import Window
from refconv.reference.padding import crop, zero_pad
from refconv.typing import Array, Shape

__all__ = [
    "centred_correlation",
    "centred_correlation_dw",
    "centred_correlation_dx",
    "conv1d",
    "conv1d_db",
    "conv1d_dw",
    "conv1d_dx",
    "conv2d",
    "conv2d_db",
    "conv2d_dw",
    "conv2d_dx",
]


def conv2d(x: Array, w: Array, bias: Array | None, window: Window, groups: int) -> Array:
    r"""Compute a convolution layer: the bias plus a weighted sum over each window.

    .. math:: y_{b,i,j,o} = \mathrm{bias}_o + \sum_{m,n,c} x_{b,\; i S + m D,\; j S + n D,\; c} \; w_{m,n,c,o}

    ``x`` (N, H, W, C) is padded first, so the indices of the formula count from the edge of the padding. ``w`` is
    (kh, kw, C / groups, O), ``bias`` (O,) or None; returns (N, rows, columns, O).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    >>> conv2d(x, w, None, Window((2, 2)), groups=1)[0, :, :, 0]
    array([[5421., 6532.]])

    Source: lecture rows A5–A7, B1, C4 and C5 (SOURCES.md).
    """
    (N, *size, _C), (kh, kw, C_g, O) = x.shape, w.shape
    (S_h, S_w), (D_h, D_w), O_g = window.stride, window.dilation, O // groups
    x = zero_pad(x, window)
    y = np.zeros((N, *window.output_size(size), O), x.dtype)
    for b in range(N):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for o in range(O):
                    y[b, i, j, o] = 0 if bias is None else bias[o]
                    for m in range(kh):
                        for n in range(kw):
                            for c in range(C_g):
                                pixel = (b, i * S_h + m * D_h, j * S_w + n * D_w, o // O_g * C_g + c)
                                y[b, i, j, o] += x[pixel] * w[m, n, c, o]
    return y


def conv2d_dw(x: Array, dy: Array, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂w of :func:`conv2d`: the sum of input times ∂e/∂y, over all uses of a weight.

    .. math:: \frac{\partial e}{\partial w_{m,n,c,o}} = \sum_{b,i,j} x_{b,\; i S + m D,\; j S + n D,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,o}}

    ``x`` (N, H, W, C), ``dy`` (N, rows, columns, O); returns (kh, kw, C / groups, O).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> dy = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    >>> conv2d_dw(x, dy, Window((2, 2)), groups=1)[:, :, 0, 0]
    array([[21., 32.],
           [54., 65.]])

    Source: lecture row B3 (SOURCES.md).
    """
    (N, rows, columns, O), (kh, kw) = dy.shape, window.kernel
    (S_h, S_w), (D_h, D_w), O_g, C_g = window.stride, window.dilation, O // groups, x.shape[-1] // groups
    x = zero_pad(x, window)
    dw = np.zeros((kh, kw, C_g, O), x.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for o in range(O):
                    for m in range(kh):
                        for n in range(kw):
                            for c in range(C_g):
                                pixel = (b, i * S_h + m * D_h, j * S_w + n * D_w, o // O_g * C_g + c)
                                # forward: y[b, i, j, o] += x[pixel] * w[m, n, c, o]
                                dw[m, n, c, o] += x[pixel] * dy[b, i, j, o]
    return dw


def conv2d_dx(dy: Array, w: Array, input_size: Shape, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂x of :func:`conv2d`: the sum of ∂e/∂y times weight, over all uses of an input.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \sum_o \frac{\partial e}{\partial y_{b,i,j,o}} \; w_{m,n,c,o}

    u and v count from the edge of the padding. The derivatives with respect to the padding are dropped.

    ``dy`` (N, rows, columns, O), ``w`` (kh, kw, C / groups, O), ``input_size`` (H, W); returns (N, H, W, C).

    >>> from refconv.geometry import Window
    >>> dy = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    >>> w = np.array([[1.0, 2], [3, 5]]).reshape(2, 2, 1, 1)
    >>> conv2d_dx(dy, w, (2, 3), Window((2, 2)), groups=1)[0, :, :, 0]
    array([[ 1., 12., 20.],
           [ 3., 35., 50.]])

    Source: lecture row B4 (SOURCES.md).
    """
    (N, rows, columns, O), (kh, kw, C_g, _O) = dy.shape, w.shape
    (S_h, S_w), (D_h, D_w), O_g = window.stride, window.dilation, O // groups
    dx = np.zeros((N, *window.padded_size(input_size), C_g * groups), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for o in range(O):
                    for m in range(kh):
                        for n in range(kw):
                            for c in range(C_g):
                                pixel = (b, i * S_h + m * D_h, j * S_w + n * D_w, o // O_g * C_g + c)
                                # forward: y[b, i, j, o] += x[pixel] * w[m, n, c, o]
                                dx[pixel] += dy[b, i, j, o] * w[m, n, c, o]
    return crop(dx, window, input_size).copy()


def conv2d_db(dy: Array) -> Array:
    r"""Compute ∂e/∂bias of :func:`conv2d`: the sum of ∂e/∂y over all images and pixels.

    The bias of a channel is added to each of its output pixels.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i,j} \frac{\partial e}{\partial y_{b,i,j,o}}

    ``dy`` (N, rows, columns, O); returns (O,).

    >>> conv2d_db(np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 1, 2))
    array([4., 7.])

    Source: lecture row B1 (SOURCES.md).
    """
    N, rows, columns, O = dy.shape
    db = np.zeros(O, dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for o in range(O):
                    # forward: y[b, i, j, o] += bias[o]
                    db[o] += dy[b, i, j, o]
    return db


def conv1d(x: Array, w: Array, bias: Array | None, window: Window, groups: int) -> Array:
    r"""Compute a convolution layer on signals: :func:`conv2d` with one spatial axis.

    .. math:: y_{b,i,o} = \mathrm{bias}_o + \sum_{m,c} x_{b,\; i S + m D,\; c} \; w_{m,c,o}

    ``x`` (N, n, C) is padded first, ``w`` is (k, C / groups, O), ``bias`` (O,) or None; returns (N, outputs, O).

    >>> from refconv.geometry import Window
    >>> x, w = np.array([1.0, 2, 3, 4, 5, 6]).reshape(1, 6, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv1d(x, w, None, Window((3,)), groups=1)[0, :, 0]
    array([14., 20., 26., 32.])

    Source: lecture rows A7 and C8 (SOURCES.md).
    """
    (N, *size, _C), (k, C_g, O) = x.shape, w.shape
    (S,), (D,), O_g = window.stride, window.dilation, O // groups
    x = zero_pad(x, window)
    y = np.zeros((N, *window.output_size(size), O), x.dtype)
    for b in range(N):
        for i in range(y.shape[1]):
            for o in range(O):
                y[b, i, o] = 0 if bias is None else bias[o]
                for m in range(k):
                    for c in range(C_g):
                        y[b, i, o] += x[b, i * S + m * D, o // O_g * C_g + c] * w[m, c, o]
    return y


def conv1d_dw(x: Array, dy: Array, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂w of :func:`conv1d`.

    .. math:: \frac{\partial e}{\partial w_{m,c,o}} = \sum_{b,i} x_{b,\; i S + m D,\; c} \;
              \frac{\partial e}{\partial y_{b,i,o}}

    ``x`` (N, n, C), ``dy`` (N, outputs, O); returns (k, C / groups, O).

    >>> from refconv.geometry import Window
    >>> x, dy = np.array([1.0, 2, 3, 4]).reshape(1, 4, 1), np.array([1.0, 10]).reshape(1, 2, 1)
    >>> conv1d_dw(x, dy, Window((3,)), groups=1)[:, 0, 0]
    array([21., 32., 43.])

    Source: lecture rows B3 and C8 (SOURCES.md).
    """
    (N, outputs, O), (k,) = dy.shape, window.kernel
    (S,), (D,), O_g, C_g = window.stride, window.dilation, O // groups, x.shape[-1] // groups
    x = zero_pad(x, window)
    dw = np.zeros((k, C_g, O), x.dtype)
    for b in range(N):
        for i in range(outputs):
            for o in range(O):
                for m in range(k):
                    for c in range(C_g):
                        # forward: y[b, i, o] += x[b, i * S + m * D, o // O_g * C_g + c] * w[m, c, o]
                        dw[m, c, o] += x[b, i * S + m * D, o // O_g * C_g + c] * dy[b, i, o]
    return dw


def conv1d_dx(dy: Array, w: Array, input_size: Shape, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂x of :func:`conv1d`.

    .. math:: \frac{\partial e}{\partial x_{b,u,c}} = \sum_{i,m:\, i S + m D = u} \sum_o
              \frac{\partial e}{\partial y_{b,i,o}} \; w_{m,c,o}

    u counts from the edge of the padding. The derivatives with respect to the padding are dropped.

    ``dy`` (N, outputs, O), ``w`` (k, C / groups, O), ``input_size`` (n,); returns (N, n, C).

    >>> from refconv.geometry import Window
    >>> dy, w = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv1d_dx(dy, w, (5,), Window((3,), stride=2), groups=1)[0, :, 0]
    array([ 1.,  2., 13., 20., 30.])

    Source: lecture rows B4 and C8 (SOURCES.md).
    """
    (N, outputs, O), (k, C_g, _O) = dy.shape, w.shape
    (S,), (D,), O_g = window.stride, window.dilation, O // groups
    dx = np.zeros((N, *window.padded_size(input_size), C_g * groups), dy.dtype)
    for b in range(N):
        for i in range(outputs):
            for o in range(O):
                for m in range(k):
                    for c in range(C_g):
                        # forward: y[b, i, o] += x[b, i * S + m * D, o // O_g * C_g + c] * w[m, c, o]
                        dx[b, i * S + m * D, o // O_g * C_g + c] += dy[b, i, o] * w[m, c, o]
    return crop(dx, window, input_size).copy()


def conv1d_db(dy: Array) -> Array:
    r"""Compute ∂e/∂bias of :func:`conv1d`: the sum of ∂e/∂y over all signals and positions.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i} \frac{\partial e}{\partial y_{b,i,o}}

    ``dy`` (N, outputs, O); returns (O,).

    >>> conv1d_db(np.array([[[1.0, 2], [3, 5]]]))
    array([4., 7.])

    Source: lecture row B1 (SOURCES.md).
    """
    N, outputs, O = dy.shape
    db = np.zeros(O, dy.dtype)
    for b in range(N):
        for i in range(outputs):
            for o in range(O):
                # forward: y[b, i, o] += bias[o]
                db[o] += dy[b, i, o]
    return db


def centred_correlation(x: Array, w: Array) -> Array:
    r"""Compute the cross-correlation as on the slide: one channel, filter indices from −f to f.

    x counts as 0 outside the image.

    .. math:: z_{kl} = \sum_{i,j=-f}^{f} w_{ij} \; x_{k+i,\, l+j}

    ``x`` (H, W), ``w`` (2f + 1, 2f + 1); returns z (H, W).

    >>> centred_correlation(np.array([[1.0, 2], [3, 4]]), np.array([[0.0, 0, 0], [0, 1, 10], [0, 100, 0]]))
    array([[321., 402.],
           [ 43.,   4.]])

    Source: lecture row B3 (SOURCES.md).
    """
    f = w.shape[0] // 2
    z = np.zeros_like(x)
    for k in range(z.shape[0]):
        for l in range(z.shape[1]):
            for i in range(-f, f + 1):
                for j in range(-f, f + 1):
                    z[k, l] += w[f + i, f + j] * at(x, k + i, l + j)
    return z


def centred_correlation_dw(x: Array, dz: Array, f: int) -> Array:
    r"""Compute ∂e/∂w as on the slide: ∂e/∂z slides over the image.

    .. math:: \frac{\partial e}{\partial w_{ij}} = \sum_{k,l} \frac{\partial e}{\partial z_{kl}} \; x_{k+i,\, l+j}

    ``x`` and ``dz`` (H, W); filter indices run from −``f`` to ``f``; returns (2f + 1, 2f + 1).

    >>> centred_correlation_dw(np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 10], [0, 0]]), 1)
    array([[ 0.,  0.,  0.],
           [10., 21.,  2.],
           [30., 43.,  4.]])

    Source: lecture row B3 (SOURCES.md).
    """
    dw = np.zeros((2 * f + 1, 2 * f + 1), x.dtype)
    for i in range(-f, f + 1):
        for j in range(-f, f + 1):
            for k in range(dz.shape[0]):
                for l in range(dz.shape[1]):
                    # forward: z[k, l] += w[f + i, f + j] * at(x, k + i, l + j)
                    dw[f + i, f + j] += dz[k, l] * at(x, k + i, l + j)
    return dw


def centred_correlation_dx(dz: Array, w: Array) -> Array:
    r"""Compute ∂e/∂x as on the slide: the filter, flipped in both directions, slides over ∂e/∂z.

    .. math:: \frac{\partial e}{\partial x_{kl}} = \sum_{i,j=-f}^{f} \frac{\partial e}{\partial z_{k+i,\, l+j}} \;
              w_{-i,\,-j}

    ``dz`` (H, W), ``w`` (2f + 1, 2f + 1); returns (H, W).

    >>> centred_correlation_dx(np.array([[1.0, 2], [0, 0]]), np.array([[0.0, 0, 0], [0, 1, 10], [0, 100, 0]]))
    array([[  1.,  12.],
           [100., 200.]])

    Source: lecture row B4 (SOURCES.md).
    """
    f = w.shape[0] // 2
    dx = np.zeros_like(dz)
    for k in range(dx.shape[0]):
        for l in range(dx.shape[1]):
            for i in range(-f, f + 1):
                for j in range(-f, f + 1):
                    dx[k, l] += at(dz, k + i, l + j) * w[f - i, f - j]
    return dx


def at(x: Array, k: int, l: int) -> Any:
    """Return x[k, l], or 0 outside the image."""
    inside = 0 <= k < x.shape[0] and 0 <= l < x.shape[1]
    return x[k, l] if inside else 0
