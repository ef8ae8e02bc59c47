r"""Convolutions on the group p4 as loops: rotating the input by 90° rotates the output.

p4 is the group of translations and rotations by multiples of 90°. A convolution layer is equivariant to translations: a moved
image gives moved outputs. It is not equivariant to rotations: its kernels detect their pattern in one orientation only. A p4
convolution uses each kernel in four orientations, r = 0, 1, 2, 3, and its output has an axis of length 4 for them. Such an
output is a function on p4, with one number for each position (i, j), rotation r and channel o.

The first layer of a network is :func:`p4_lift_conv2d`, which lifts an image to a function on p4. The next layers are
:func:`p4_conv2d`, from functions on p4 to functions on p4. Both rotate the kernels; :func:`p4_conv2d` also shifts their
rotation axis: output rotation r reads input rotation s with the weights of t = s − r (modulo 4). So only the difference of the
rotations matters, as only the difference of the positions matters in a convolution.

If the image is rotated by 90° anticlockwise, as by ``np.rot90``, each output is rotated in space in the same way, and its
rotation axis is shifted by one::

    y' [b, :, :, r, o]  =  np.rot90(y[b, :, :, r − 1, o])

Kernels must be square, since a rotation by 90° exchanges height and width. The zeros around the image must be equal on all
sides, for the same reason. The stride is 1: a larger one would skip other pixels in the rotated image.

To get a derivative, exchange y with one factor of the forward line, as in :mod:`refconv.reference.conv`. The entry (m, n) of
the rotated kernel is the entry (p, q) of w.
"""

import numpy as np

from refconv.geometry import Window
from refconv.reference.padding import crop, zero_pad
from refconv.typing import Array, Shape

__all__ = [
    "p4_conv2d",
    "p4_conv2d_db",
    "p4_conv2d_dw",
    "p4_conv2d_dx",
    "p4_lift_conv2d",
    "p4_lift_conv2d_dw",
    "p4_lift_conv2d_dx",
]


def rotated(m: int, n: int, r: int, k: int) -> tuple[int, int]:
    """Return the entry of a k × k kernel that is at (m, n) after r rotations by 90°.

    Rotations are anticlockwise: ``np.rot90(w, r)[m, n]`` is ``w[rotated(m, n, r, k)]``.

    >>> rotated(0, 0, r=1, k=3), rotated(0, 1, r=1, k=3), rotated(0, 1, r=2, k=3)
    ((0, 2), (1, 2), (2, 1))
    """
    for _ in range(r):
        m, n = n, k - 1 - m
    return m, n


def p4_lift_conv2d(x: Array, w: Array, bias: Array | None, window: Window) -> Array:
    r"""Compute a lifting convolution, from images to functions on p4.

    .. math:: y_{b,i,j,r,o} = \mathrm{bias}_o + \sum_{m,n,c} x_{b,\; i + m,\; j + n,\; c} \; w_{p,q,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90°.

    ``x`` (N, H, W, C) is padded first, ``w`` is (k, k, C, O), ``bias`` (O,) or None; returns (N, rows, columns, 4, O).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 2, 1)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    >>> p4_lift_conv2d(x, w, None, Window((2, 2)))[0, 0, 0, :, 0]
    array([5321., 2513., 1235., 3152.])

    Source: lecture row D9 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016, section 6.
    """
    (N, *size, C), (k, _k, _C, O) = x.shape, w.shape
    x = zero_pad(x, window)
    y = np.zeros((N, *window.output_size(size), 4, O), x.dtype)
    for b in range(N):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for r in range(4):
                    for o in range(O):
                        y[b, i, j, r, o] = 0 if bias is None else bias[o]
                        for m in range(k):
                            for n in range(k):
                                p, q = rotated(m, n, r, k)
                                for c in range(C):
                                    y[b, i, j, r, o] += x[b, i + m, j + n, c] * w[p, q, c, o]
    return y


def p4_lift_conv2d_dw(x: Array, dy: Array, window: Window) -> Array:
    r"""Compute ∂e/∂w of :func:`p4_lift_conv2d`: the sum of input times ∂e/∂y.

    The sum is over all uses of a weight, in four orientations.

    .. math:: \frac{\partial e}{\partial w_{p,q,c,o}} = \sum_{b,i,j,r} x_{b,\; i + m,\; j + n,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,r,o}}

    (m, n) is the place of the entry (p, q) of w after r rotations by 90°.

    ``x`` (N, H, W, C), ``dy`` (N, rows, columns, 4, O); returns (k, k, C, O).

    >>> from refconv.geometry import Window
    >>> x = np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 2, 1)
    >>> dy = np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> p4_lift_conv2d_dw(x, dy, Window((2, 2)))[:, :, 0, 0]
    array([[31., 12.],
           [53., 25.]])

    Source: lecture row D9 (SOURCES.md).
    """
    (N, rows, columns, _4, O), (k, _k), C = dy.shape, window.kernel, x.shape[-1]
    x = zero_pad(x, window)
    dw = np.zeros((k, k, C, O), x.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for r in range(4):
                    for o in range(O):
                        for m in range(k):
                            for n in range(k):
                                p, q = rotated(m, n, r, k)
                                for c in range(C):
                                    # forward: y[b, i, j, r, o] += x[b, i + m, j + n, c] * w[p, q, c, o]
                                    dw[p, q, c, o] += x[b, i + m, j + n, c] * dy[b, i, j, r, o]
    return dw


def p4_lift_conv2d_dx(dy: Array, w: Array, input_size: Shape, window: Window) -> Array:
    r"""Compute ∂e/∂x of :func:`p4_lift_conv2d`: the sum of ∂e/∂y times weight.

    The sum is over all uses of an input, in all rotations of the output.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \sum_{\substack{i,m:\, i + m = u \\ j,n:\, j + n = v}}
              \sum_{r,o} \frac{\partial e}{\partial y_{b,i,j,r,o}} \; w_{p,q,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90°. The indices u and v count from the edge of the
    padding. The derivatives of the padding itself are dropped.

    ``dy`` (N, rows, columns, 4, O), ``w`` (k, k, C, O), ``input_size`` (H, W); returns (N, H, W, C).

    >>> from refconv.geometry import Window
    >>> w = np.array([[1.0, 2], [3, 5]]).reshape(2, 2, 1, 1)
    >>> dy = np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> p4_lift_conv2d_dx(dy, w, (2, 2), Window((2, 2)))[0, :, :, 0]
    array([[21., 52.],
           [13., 35.]])

    Source: lecture row D9 (SOURCES.md).
    """
    (N, rows, columns, _4, _O), (k, _k, C, O) = dy.shape, w.shape
    dx = np.zeros((N, *window.padded_size(input_size), C), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for r in range(4):
                    for o in range(O):
                        for m in range(k):
                            for n in range(k):
                                p, q = rotated(m, n, r, k)
                                for c in range(C):
                                    # forward: y[b, i, j, r, o] += x[b, i + m, j + n, c] * w[p, q, c, o]
                                    dx[b, i + m, j + n, c] += dy[b, i, j, r, o] * w[p, q, c, o]
    return crop(dx, window, input_size).copy()


def p4_conv2d(x: Array, w: Array, bias: Array | None, window: Window) -> Array:
    r"""Compute a p4 convolution, from functions on p4 to functions on p4.

    .. math:: y_{b,i,j,r,o} = \mathrm{bias}_o + \sum_{m,n,s,c} x_{b,\; i + m,\; j + n,\; s,\; c} \; w_{p,q,t,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90°, and t = s − r modulo 4.

    ``x`` (N, H, W, 4, C) is padded first, ``w`` is (k, k, 4, C, O), ``bias`` (O,) or None; returns
    (N, rows, columns, 4, O).

    >>> from refconv.geometry import Window
    >>> x, w = np.array([1.0, 2, 3, 5]).reshape(1, 1, 1, 4, 1), np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4, 1, 1)
    >>> p4_conv2d(x, w, None, Window((1, 1)))[0, 0, 0, :, 0]
    array([5321., 1532., 2153., 3215.])

    Source: lecture row D9 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016, section 6.
    """
    (N, *size, _4, C), (k, _k, _4, _C, O) = x.shape, w.shape
    x = zero_pad_p4(x, window)
    y = np.zeros((N, *window.output_size(size), 4, O), x.dtype)
    for b in range(N):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for r in range(4):
                    for o in range(O):
                        y[b, i, j, r, o] = 0 if bias is None else bias[o]
                        for m in range(k):
                            for n in range(k):
                                p, q = rotated(m, n, r, k)
                                for s in range(4):
                                    t = (s - r) % 4
                                    for c in range(C):
                                        y[b, i, j, r, o] += x[b, i + m, j + n, s, c] * w[p, q, t, c, o]
    return y


def p4_conv2d_dw(x: Array, dy: Array, window: Window) -> Array:
    r"""Compute ∂e/∂w of :func:`p4_conv2d`: the sum of input times ∂e/∂y.

    The sum is over all uses of a weight, in four orientations.

    .. math:: \frac{\partial e}{\partial w_{p,q,t,c,o}} = \sum_{b,i,j,r} x_{b,\; i + m,\; j + n,\; s,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,r,o}}

    (m, n) is the place of the entry (p, q) of w after r rotations by 90°, and s = t + r modulo 4.

    ``x`` (N, H, W, 4, C), ``dy`` (N, rows, columns, 4, O); returns (k, k, 4, C, O).

    >>> from refconv.geometry import Window
    >>> x, dy = np.array([1.0, 2, 3, 5]).reshape(1, 1, 1, 4, 1), np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> p4_conv2d_dw(x, dy, Window((1, 1)))[0, 0, :, 0, 0]
    array([21., 32., 53., 15.])

    Source: lecture row D9 (SOURCES.md).
    """
    (N, rows, columns, _4, O), (k, _k), C = dy.shape, window.kernel, x.shape[-1]
    x = zero_pad_p4(x, window)
    dw = np.zeros((k, k, 4, C, O), x.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for r in range(4):
                    for o in range(O):
                        for m in range(k):
                            for n in range(k):
                                p, q = rotated(m, n, r, k)
                                for s in range(4):
                                    t = (s - r) % 4
                                    for c in range(C):
                                        # forward: y[b, i, j, r, o] += x[b, i + m, j + n, s, c] * w[p, q, t, c, o]
                                        dw[p, q, t, c, o] += x[b, i + m, j + n, s, c] * dy[b, i, j, r, o]
    return dw


def p4_conv2d_dx(dy: Array, w: Array, input_size: Shape, window: Window) -> Array:
    r"""Compute ∂e/∂x of :func:`p4_conv2d`: the sum of ∂e/∂y times weight.

    The sum is over all uses of an input, in all rotations of the output.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,s,c}} = \sum_{\substack{i,m:\, i + m = u \\ j,n:\, j + n = v}}
              \sum_{r,o} \frac{\partial e}{\partial y_{b,i,j,r,o}} \; w_{p,q,t,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90°, and t = s − r modulo 4. The indices u and v count from
    the edge of the padding. The derivatives of the padding itself are dropped.

    ``dy`` (N, rows, columns, 4, O), ``w`` (k, k, 4, C, O), ``input_size`` (H, W); returns (N, H, W, 4, C).

    >>> from refconv.geometry import Window
    >>> w, dy = np.array([1.0, 2, 3, 5]).reshape(1, 1, 4, 1, 1), np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> p4_conv2d_dx(dy, w, (1, 1), Window((1, 1)))[0, 0, 0, :, 0]
    array([51., 12., 23., 35.])

    Source: lecture row D9 (SOURCES.md).
    """
    (N, rows, columns, _4, _O), (k, _k, _4, C, O) = dy.shape, w.shape
    dx = np.zeros((N, *window.padded_size(input_size), 4, C), dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for r in range(4):
                    for o in range(O):
                        for m in range(k):
                            for n in range(k):
                                p, q = rotated(m, n, r, k)
                                for s in range(4):
                                    t = (s - r) % 4
                                    for c in range(C):
                                        # forward: y[b, i, j, r, o] += x[b, i + m, j + n, s, c] * w[p, q, t, c, o]
                                        dx[b, i + m, j + n, s, c] += dy[b, i, j, r, o] * w[p, q, t, c, o]
    return crop(dx, window, input_size).copy()


def p4_conv2d_db(dy: Array) -> Array:
    r"""Compute ∂e/∂bias of both p4 convolutions: the sum over images, pixels and rotations.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i,j,r} \frac{\partial e}{\partial y_{b,i,j,r,o}}

    ``dy`` (N, rows, columns, 4, O); returns (O,).

    >>> p4_conv2d_db(np.array([[1.0, 10], [2, 20], [3, 30], [5, 50]]).reshape(1, 1, 1, 4, 2))
    array([ 11., 110.])

    Source: lecture row D9 (SOURCES.md).
    """
    N, rows, columns, _4, O = dy.shape
    db = np.zeros(O, dy.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for r in range(4):
                    for o in range(O):
                        # forward: y[b, i, j, r, o] += bias[o]
                        db[o] += dy[b, i, j, r, o]
    return db


def zero_pad_p4(x: Array, window: Window) -> Array:
    """Pad functions on p4 as :func:`zero_pad` pads images.

    ``x`` (N, H, W, 4, C); returns a padded copy.
    """
    N, *size, _4, C = x.shape
    return zero_pad(x.reshape(N, *size, 4 * C), window).reshape(N, *window.padded_size(size), 4, C)
