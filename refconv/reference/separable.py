r"""Depthwise and depthwise separable convolutions as loops.

A convolution layer sums over space and channels at once. A depthwise convolution sums over space only: each input channel c
has Q kernels, and output channel o = c·Q + q uses the q-th of them. A pointwise convolution has a 1×1 kernel and sums over
channels only. A depthwise convolution followed by a pointwise one is called a depthwise separable convolution.

To get a derivative, exchange y with w or x in the forward line, as in :mod:`refconv.reference.conv`::

    y [b, i, j, o]  +=  x[…] · w[m, n, c, q]
    dw[m, n, c, q]  +=  x[…] · dy[b, i, j, o]
    dx[…]           +=  dy[b, i, j, o] · w[m, n, c, q]          with […] = [b, i·S + m·D, j·S + n·D, c]

S, D and ``window`` have the same meaning as in :mod:`refconv.reference.conv`. A kernel of rank one can also be separated in
space (lecture row C6): see :func:`refconv.separate_rank1`.
"""

import numpy as np

from refconv.geometry import Window
from refconv.reference.padding import crop, zero_pad
from refconv.typing import Array, Shape

__all__ = [
    "depthwise_conv2d",
    "depthwise_conv2d_db",
    "depthwise_conv2d_dw",
    "depthwise_conv2d_dx",
    "separable_conv2d",
    "separable_conv2d_grads",
]


def depthwise_conv2d(x: Array, w: Array, bias: Array | None, window: Window) -> Array:
    r"""Compute a depthwise convolution: each channel is convolved with its own kernels.

    .. math:: y_{b,i,j,\,c Q + q} = \mathrm{bias}_{c Q + q} + \sum_{m,n} x_{b,\; i S + m D,\; j S + n D,\; c} \; w_{m,n,c,q}

    ``x`` (N, H, W, C) is padded first, ``w`` is (kh, kw, C, Q), ``bias`` (C·Q,) or None; returns (N, rows, columns, C·Q).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 7], [2, 8], [3, 9]]).reshape(1, 1, 3, 2)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(1, 2, 2, 1)
    >>> depthwise_conv2d(x, w, None, Window((1, 2)))[0, 0]
    array([[ 201., 8070.],
           [ 302., 9080.]])

    Source: lecture row C7 (SOURCES.md).
    """
    (N, *size, C), (kh, kw, _C, Q) = x.shape, w.shape
    (S_h, S_w), (D_h, D_w) = window.stride, window.dilation
    x = zero_pad(x, window)
    y = np.zeros((N, *window.output_size(size), C * Q), x.dtype)
    for b in range(N):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for c in range(C):
                    for q in range(Q):
                        o = c * Q + q
                        y[b, i, j, o] = 0 if bias is None else bias[o]
                        for m in range(kh):
                            for n in range(kw):
                                y[b, i, j, o] += x[b, i * S_h + m * D_h, j * S_w + n * D_w, c] * w[m, n, c, q]
    return y


def depthwise_conv2d_dw(x: Array, dy: Array, window: Window) -> Array:
    r"""Compute ∂e/∂w of :func:`depthwise_conv2d`: the sum of input times ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{m,n,c,q}} = \sum_{b,i,j} x_{b,\; i S + m D,\; j S + n D,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,\,c Q + q}}

    ``x`` (N, H, W, C), ``dy`` (N, rows, columns, C·Q); returns (kh, kw, C, Q).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 7], [2, 8], [3, 9]]).reshape(1, 1, 3, 2)
    >>> dy = np.array([[1.0, 2], [10, 20]]).reshape(1, 1, 2, 2)
    >>> depthwise_conv2d_dw(x, dy, Window((1, 2)))[0, :, :, 0]
    array([[ 21., 174.],
           [ 32., 196.]])

    Source: lecture rows C7 and B3 (SOURCES.md).
    """
    (N, rows, columns, O), (kh, kw), C = dy.shape, window.kernel, x.shape[-1]
    (S_h, S_w), (D_h, D_w), Q = window.stride, window.dilation, O // C
    x = zero_pad(x, window)
    dw = np.zeros((kh, kw, C, Q), x.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for c in range(C):
                    for q in range(Q):
                        o = c * Q + q
                        for m in range(kh):
                            for n in range(kw):
                                # forward: y[b, i, j, o] += x[b, i * S_h + m * D_h, j * S_w + n * D_w, c] * w[m, n, c, q]
                                dw[m, n, c, q] += x[b, i * S_h + m * D_h, j * S_w + n * D_w, c] * dy[b, i, j, o]
    return dw


def depthwise_conv2d_dx(dy: Array, w: Array, input_size: Shape, window: Window) -> Array:
    r"""Compute ∂e/∂x of :func:`depthwise_conv2d`: the sum of ∂e/∂y times weight.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \sum_q \frac{\partial e}{\partial y_{b,i,j,\,c Q + q}} \; w_{m,n,c,q}

    u and v count from the edge of the padding. The derivatives of the padding itself are dropped.

    ``dy`` (N, rows, columns, C·Q), ``w`` (kh, kw, C, Q), ``input_size`` (H, W); returns (N, H, W, C).

    >>> from refconv.geometry import Window
    >>> dy = np.array([[1.0, 2], [10, 20]]).reshape(1, 1, 2, 2)
    >>> w = np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 2, 1)
    >>> depthwise_conv2d_dx(dy, w, (1, 3), Window((1, 2)))[0, 0]
    array([[  1.,   4.],
           [ 13.,  50.],
           [ 30., 100.]])

    Source: lecture rows C7 and B4 (SOURCES.md).
    """
    (N, rows, columns, _O), (kh, kw, C, Q) = dy.shape, w.shape
    (S_h, S_w), (D_h, D_w) = window.stride, window.dilation
    dx = np.zeros((N, *window.padded_size(input_size), C), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for c in range(C):
                    for q in range(Q):
                        o = c * Q + q
                        for m in range(kh):
                            for n in range(kw):
                                # forward: y[b, i, j, o] += x[b, i * S_h + m * D_h, j * S_w + n * D_w, c] * w[m, n, c, q]
                                dx[b, i * S_h + m * D_h, j * S_w + n * D_w, c] += dy[b, i, j, o] * w[m, n, c, q]
    return crop(dx, window, input_size).copy()


def depthwise_conv2d_db(dy: Array) -> Array:
    r"""Compute ∂e/∂bias of :func:`depthwise_conv2d`: the sum of ∂e/∂y over images and pixels.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i,j} \frac{\partial e}{\partial y_{b,i,j,o}}

    ``dy`` (N, rows, columns, C·Q); returns (C·Q,).

    >>> depthwise_conv2d_db(np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 1, 2))
    array([4., 7.])

    Source: lecture row C7 (SOURCES.md).
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


def separable_conv2d(x: Array, depthwise: Array, pointwise: Array, bias: Array | None, window: Window) -> Array:
    r"""Compute a depthwise separable convolution: depthwise, then pointwise (1×1).

    .. math:: z_{b,i,j,\,c Q + q} = \sum_{m,n} x_{b,\; i S + m D,\; j S + n D,\; c} \; \mathrm{depthwise}_{m,n,c,q}, \qquad
              y_{b,i,j,o} = \mathrm{bias}_o + \sum_p z_{b,i,j,p} \; \mathrm{pointwise}_{0,0,p,o}

    ``x`` (N, H, W, C), ``depthwise`` (kh, kw, C, Q), ``pointwise`` (1, 1, C·Q, O), ``bias`` (O,) or None; returns
    (N, rows, columns, O).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 7], [2, 8], [3, 9]]).reshape(1, 1, 3, 2)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(1, 2, 2, 1)
    >>> separable_conv2d(x, w, np.array([3.0, 2]).reshape(1, 1, 2, 1), None, Window((1, 2)))[0, 0]
    array([[16743.],
           [19066.]])

    Source: lecture row C7 (SOURCES.md).
    """
    z = depthwise_conv2d(x, depthwise, None, window)
    y = np.zeros((*z.shape[:3], pointwise.shape[-1]), x.dtype)
    for b in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for o in range(y.shape[3]):
                    y[b, i, j, o] = 0 if bias is None else bias[o]
                    for p in range(z.shape[3]):
                        y[b, i, j, o] += z[b, i, j, p] * pointwise[0, 0, p, o]
    return y


def separable_conv2d_grads(
    dy: Array, *, x: Array, depthwise: Array, pointwise: Array, window: Window
) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂depthwise and ∂e/∂pointwise of :func:`separable_conv2d`.

    The chain rule goes through the pointwise convolution first, then through the depthwise one.

    .. math:: \frac{\partial e}{\partial \mathrm{pointwise}_{0,0,p,o}} = \sum_{b,i,j} z_{b,i,j,p}
              \frac{\partial e}{\partial y_{b,i,j,o}}, \qquad
              \frac{\partial e}{\partial z_{b,i,j,p}} = \sum_o \frac{\partial e}{\partial y_{b,i,j,o}} \;
              \mathrm{pointwise}_{0,0,p,o}

    ``dy`` (N, rows, columns, O), the other arguments as in the forward pass; returns arrays with the shapes of x, depthwise
    and pointwise.

    >>> from refconv.geometry import Window
    >>> x, w = np.array([1.0, 2, 3]).reshape(1, 1, 3, 1), np.array([1.0, 10]).reshape(1, 2, 1, 1)
    >>> dy, pointwise = np.array([1.0, 100]).reshape(1, 1, 2, 1), np.array([[[[3.0]]]])
    >>> dx, ddepthwise, dpointwise = separable_conv2d_grads(
    ...     dy, x=x, depthwise=w, pointwise=pointwise, window=Window((1, 2))
    ... )
    >>> dx.ravel(), ddepthwise.ravel(), dpointwise.ravel()
    (array([   3.,  330., 3000.]), array([603., 906.]), array([3221.]))

    Source: lecture rows C7, B3 and B4 (SOURCES.md).
    """
    z = depthwise_conv2d(x, depthwise, None, window)
    dz, dpointwise = np.zeros_like(z), np.zeros_like(pointwise)
    for b in range(dy.shape[0]):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                for o in range(dy.shape[3]):
                    for p in range(z.shape[3]):
                        # forward: y[b, i, j, o] += z[b, i, j, p] * pointwise[0, 0, p, o]
                        dpointwise[0, 0, p, o] += z[b, i, j, p] * dy[b, i, j, o]
                        dz[b, i, j, p] += dy[b, i, j, o] * pointwise[0, 0, p, o]
    dx = depthwise_conv2d_dx(dz, depthwise, x.shape[1:3], window)
    return dx, depthwise_conv2d_dw(x, dz, window), dpointwise
