r"""The transposed convolution: forward pass and derivatives as loops.

A convolution of an image is a matrix product, y = T x. This layer is the product with the transposed matrix, y = Tᵀ x. It is
the same computation as ∂e/∂x of a convolution, so its output has the size of that convolution's input. Each input pixel (i, j)
adds a copy of the kernel, multiplied by the value of the pixel, to the output. We call such a copy a stamp. The stamps of
neighbouring input pixels are S output pixels apart, and where stamps overlap they are added. The layer reverses the change of
shape of the convolution, but not the change of the values.

The forward pass and both derivatives run the same loops, over the index set of the convolution that is transposed::

    y[…]            +=  x [b, i, j, c] · w[m, n, o, c]
    dw[m, n, o, c]  +=  x [b, i, j, c] · dy[…]
    dx[b, i, j, c]  +=  dy[…] · w[m, n, o, c]          with […] = [b, i·S + m·D, j·S + n·D, o]

The kernel belongs to that convolution, whose inputs are the outputs of this layer: its shape is (kh, kw, outputs / groups,
inputs). The stride S, the dilation D and the padding of the ``window`` also belong to that convolution; the padding is cut off
the edges of y. Groups (lecture row C5): input channel c adds only to the O_g output channels of its own group, which begin at
⌊c / C_g⌋·O_g.
"""

import numpy as np

from refconv.geometry import Window
from refconv.reference.conv import conv2d
from refconv.reference.matrix import zero_stuff
from refconv.reference.padding import crop, zero_pad
from refconv.typing import Array, Shape

__all__ = [
    "conv_transpose1d",
    "conv_transpose1d_db",
    "conv_transpose1d_dw",
    "conv_transpose1d_dx",
    "conv_transpose2d",
    "conv_transpose2d_db",
    "conv_transpose2d_dw",
    "conv_transpose2d_dx",
    "zero_stuffed_conv_transpose2d",
]


def conv_transpose2d(x: Array, w: Array, bias: Array | None, output_size: Shape, window: Window, groups: int) -> Array:
    r"""Compute a transposed convolution: each input stamps the kernel, times its value, onto y.

    .. math:: y_{b,u,v,o} = \mathrm{bias}_o + \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \sum_c x_{b,i,j,c} \; w_{m,n,o,c}

    u and v count from the edge of the padding. The padding itself is cut off.

    ``x`` (N, rows, columns, C), ``w`` (kh, kw, O / groups, C), ``bias`` (O,) or None, ``output_size`` (H, W); returns
    (N, H, W, O).

    >>> x, w = np.array([1.0, 10]).reshape(1, 1, 2, 1), np.array([[1.0, 2], [3, 5]]).reshape(2, 2, 1, 1)
    >>> conv_transpose2d(x, w, None, (2, 3), Window((2, 2)), groups=1)[0, :, :, 0]
    array([[ 1., 12., 20.],
           [ 3., 35., 50.]])

    Source: lecture rows C1–C3 and C5 (SOURCES.md).
    """
    (N, rows, columns, C), (kh, kw, O_g, _C) = x.shape, w.shape
    (S_h, S_w), (D_h, D_w), C_g = window.stride, window.dilation, C // groups
    y = np.zeros((N, *window.padded_size(output_size), O_g * groups), x.dtype)
    y[...] = 0 if bias is None else bias
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for c in range(C):
                    for m in range(kh):
                        for n in range(kw):
                            for o in range(O_g):
                                pixel = (b, i * S_h + m * D_h, j * S_w + n * D_w, c // C_g * O_g + o)
                                y[pixel] += x[b, i, j, c] * w[m, n, o, c]
    return crop(y, window, output_size).copy()


def conv_transpose2d_dw(x: Array, dy: Array, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂w of :func:`conv_transpose2d`: the sum of input times ∂e/∂y over all stamps.

    .. math:: \frac{\partial e}{\partial w_{m,n,o,c}} = \sum_{b,i,j} x_{b,i,j,c} \;
              \frac{\partial e}{\partial y_{b,\; i S + m D,\; j S + n D,\; o}}

    ``x`` (N, rows, columns, C), ``dy`` (N, H, W, O); returns (kh, kw, O / groups, C).

    >>> x, dy = np.array([1.0, 10]).reshape(1, 1, 2, 1), np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> conv_transpose2d_dw(x, dy, Window((2, 2)), groups=1)[:, :, 0, 0]
    array([[21., 32.],
           [54., 65.]])

    Source: lecture rows C2 and B3 (SOURCES.md).
    """
    (N, rows, columns, C), (kh, kw) = x.shape, window.kernel
    (S_h, S_w), (D_h, D_w), C_g, O_g = window.stride, window.dilation, C // groups, dy.shape[-1] // groups
    dy = zero_pad(dy, window)
    dw = np.zeros((kh, kw, O_g, C), x.dtype)
    for b in range(N):
        for i in range(rows):
            for j in range(columns):
                for c in range(C):
                    for m in range(kh):
                        for n in range(kw):
                            for o in range(O_g):
                                pixel = (b, i * S_h + m * D_h, j * S_w + n * D_w, c // C_g * O_g + o)
                                # forward: y[pixel] += x[b, i, j, c] * w[m, n, o, c]
                                dw[m, n, o, c] += x[b, i, j, c] * dy[pixel]
    return dw


def conv_transpose2d_dx(dy: Array, w: Array, input_size: Shape, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂x of :func:`conv_transpose2d`: the convolution of ∂e/∂y with the kernel.

    Each input sums ∂e/∂y times the weights over its own stamp.

    .. math:: \frac{\partial e}{\partial x_{b,i,j,c}} = \sum_{m,n,o}
              \frac{\partial e}{\partial y_{b,\; i S + m D,\; j S + n D,\; o}} \; w_{m,n,o,c}

    ``dy`` (N, H, W, O), ``w`` (kh, kw, O / groups, C), ``input_size`` (rows, columns); returns (N, rows, columns, C).

    >>> dy = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    >>> conv_transpose2d_dx(dy, w, (1, 2), Window((2, 2)), groups=1)[0, :, :, 0]
    array([[5421., 6532.]])

    Source: lecture rows C2 and A7 (SOURCES.md).
    """
    N, (kh, kw, O_g, C) = len(dy), w.shape
    (S_h, S_w), (D_h, D_w), C_g = window.stride, window.dilation, C // groups
    dy = zero_pad(dy, window)
    dx = np.zeros((N, *input_size, C), dy.dtype)
    for b in range(N):
        for i in range(dx.shape[1]):
            for j in range(dx.shape[2]):
                for c in range(C):
                    for m in range(kh):
                        for n in range(kw):
                            for o in range(O_g):
                                pixel = (b, i * S_h + m * D_h, j * S_w + n * D_w, c // C_g * O_g + o)
                                # forward: y[pixel] += x[b, i, j, c] * w[m, n, o, c]
                                dx[b, i, j, c] += dy[pixel] * w[m, n, o, c]
    return dx


def conv_transpose2d_db(dy: Array) -> Array:
    r"""Compute ∂e/∂bias of :func:`conv_transpose2d`: the sum of ∂e/∂y over images and pixels.

    The bias of a channel is added to each of its output pixels.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,u,v} \frac{\partial e}{\partial y_{b,u,v,o}}

    ``dy`` (N, H, W, O); returns (O,).

    >>> conv_transpose2d_db(np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 1, 2))
    array([4., 7.])

    Source: lecture row C2 (SOURCES.md).
    """
    N, H, W, O = dy.shape
    db = np.zeros(O, dy.dtype)
    for b in range(N):
        for u in range(H):
            for v in range(W):
                for o in range(O):
                    # forward: y[b, u, v, o] += bias[o]
                    db[o] += dy[b, u, v, o]
    return db


def zero_stuffed_conv_transpose2d(
    x: Array, w: Array, bias: Array | None, output_size: Shape, window: Window, groups: int
) -> Array:
    r"""Compute a transposed convolution by a convolution with stride 1 of the zero-stuffed input.

    .. math:: y_{b,u,v,o} = \mathrm{bias}_o + \sum_{m,n,c} s_{b,\; u - m D,\; v - n D,\; c} \; w_{m,n,o,c},
              \qquad s_{b,\; i S,\; j S,\; c} = x_{b,i,j,c}

    s is x with S − 1 zeros between neighbours. The minus signs mean that the kernel is flipped. With the flipped kernel, whose
    channel axes are exchanged, this is the layer :func:`refconv.reference.conv.conv2d` with "full" padding. The padding of
    ``window`` is then cut off its output. The outputs are the same as from :func:`conv_transpose2d`, but the cost is higher:
    about S·S times the number of products, most of them with an inserted zero. In s the kernel moves in steps of 1/S of a
    pixel of x: hence the name "fractionally strided convolution". The sentence "for transposed convolution, stride is always
    1" on a slide means this form; S is the stride of the convolution that is transposed.

    Arguments and output have the same shapes as in :func:`conv_transpose2d`.

    >>> x, w = np.array([1.0, 10]).reshape(1, 1, 2, 1), np.array([[1.0, 2], [3, 5]]).reshape(2, 2, 1, 1)
    >>> zero_stuffed_conv_transpose2d(x, w, None, (2, 3), Window((2, 2)), groups=1)[0, :, :, 0]
    array([[ 1., 12., 20.],
           [ 3., 35., 50.]])

    Source: lecture row C2 (SOURCES.md).
    """
    sliding = Window(window.kernel, stride=1, padding="full", dilation=window.dilation)
    overlaps = conv2d(zero_stuff(x, window.stride), flip_kernel(w, groups), None, sliding, groups)
    N, height, width, O = overlaps.shape
    y = np.zeros((N, *window.padded_size(output_size), O), x.dtype)
    y[:, :height, :width] = overlaps  # with output_padding, no stamp reaches the last pixels of y
    y = crop(y, window, output_size)
    return y.copy() if bias is None else y + bias


def conv_transpose1d(x: Array, w: Array, bias: Array | None, output_size: Shape, window: Window, groups: int) -> Array:
    r"""Compute a transposed convolution on signals, as :func:`conv_transpose2d` does on images.

    .. math:: y_{b,u,o} = \mathrm{bias}_o + \sum_{i,m:\, i S + m D = u} \sum_c x_{b,i,c} \; w_{m,o,c}

    u counts from the edge of the padding. The padding itself is cut off.

    ``x`` (N, length, C), ``w`` (k, O / groups, C), ``bias`` (O,) or None, ``output_size`` (n,); returns (N, n, O).

    >>> x, w = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv_transpose1d(x, w, None, (5,), Window((3,), stride=2), groups=1)[0, :, 0]
    array([ 1.,  2., 13., 20., 30.])

    Source: lecture rows C1–C3, C5 and C8 (SOURCES.md).
    """
    (N, length, C), (k, O_g, _C) = x.shape, w.shape
    (S,), (D,), C_g = window.stride, window.dilation, C // groups
    y = np.zeros((N, *window.padded_size(output_size), O_g * groups), x.dtype)
    y[...] = 0 if bias is None else bias
    for b in range(N):
        for i in range(length):
            for c in range(C):
                for m in range(k):
                    for o in range(O_g):
                        y[b, i * S + m * D, c // C_g * O_g + o] += x[b, i, c] * w[m, o, c]
    return crop(y, window, output_size).copy()


def conv_transpose1d_dw(x: Array, dy: Array, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂w of :func:`conv_transpose1d`.

    .. math:: \frac{\partial e}{\partial w_{m,o,c}} = \sum_{b,i} x_{b,i,c} \;
              \frac{\partial e}{\partial y_{b,\; i S + m D,\; o}}

    ``x`` (N, length, C), ``dy`` (N, n, O); returns (k, O / groups, C).

    >>> x, dy = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2, 3, 4]).reshape(1, 4, 1)
    >>> conv_transpose1d_dw(x, dy, Window((3,)), groups=1)[:, 0, 0]
    array([21., 32., 43.])

    Source: lecture rows C2, B3 and C8 (SOURCES.md).
    """
    (N, length, C), (k,) = x.shape, window.kernel
    (S,), (D,), C_g, O_g = window.stride, window.dilation, C // groups, dy.shape[-1] // groups
    dy = zero_pad(dy, window)
    dw = np.zeros((k, O_g, C), x.dtype)
    for b in range(N):
        for i in range(length):
            for c in range(C):
                for m in range(k):
                    for o in range(O_g):
                        # forward: y[b, i * S + m * D, c // C_g * O_g + o] += x[b, i, c] * w[m, o, c]
                        dw[m, o, c] += x[b, i, c] * dy[b, i * S + m * D, c // C_g * O_g + o]
    return dw


def conv_transpose1d_dx(dy: Array, w: Array, input_size: Shape, window: Window, groups: int) -> Array:
    r"""Compute ∂e/∂x of :func:`conv_transpose1d`.

    .. math:: \frac{\partial e}{\partial x_{b,i,c}} = \sum_{m,o} \frac{\partial e}{\partial y_{b,\; i S + m D,\; o}} \;
              w_{m,o,c}

    ``dy`` (N, n, O), ``w`` (k, O / groups, C), ``input_size`` (length,); returns (N, length, C).

    >>> dy, w = np.array([1.0, 2, 3, 4, 5, 6]).reshape(1, 6, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv_transpose1d_dx(dy, w, (2,), Window((3,), stride=2), groups=1)[0, :, 0]
    array([14., 26.])

    Source: lecture rows C2, A7 and C8 (SOURCES.md).
    """
    N, (k, O_g, C) = len(dy), w.shape
    (S,), (D,), C_g = window.stride, window.dilation, C // groups
    dy = zero_pad(dy, window)
    dx = np.zeros((N, *input_size, C), dy.dtype)
    for b in range(N):
        for i in range(dx.shape[1]):
            for c in range(C):
                for m in range(k):
                    for o in range(O_g):
                        # forward: y[b, i * S + m * D, c // C_g * O_g + o] += x[b, i, c] * w[m, o, c]
                        dx[b, i, c] += dy[b, i * S + m * D, c // C_g * O_g + o] * w[m, o, c]
    return dx


def conv_transpose1d_db(dy: Array) -> Array:
    r"""Compute ∂e/∂bias of :func:`conv_transpose1d`: the sum of ∂e/∂y over signals and positions.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,u} \frac{\partial e}{\partial y_{b,u,o}}

    ``dy`` (N, n, O); returns (O,).

    >>> conv_transpose1d_db(np.array([[[1.0, 2], [3, 5]]]))
    array([4., 7.])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    N, n, O = dy.shape
    db = np.zeros(O, dy.dtype)
    for b in range(N):
        for u in range(n):
            for o in range(O):
                # forward: y[b, u, o] += bias[o]
                db[o] += dy[b, u, o]
    return db


def flip_kernel(w: Array, groups: int) -> Array:
    """Flip the kernel in both directions and exchange its channel axes within each group.

    ``w`` (kh, kw, O / groups, C); returns (kh, kw, C / groups, O), the kernel of a convolution from C to O channels.

    >>> flip_kernel(np.array([[1, 2, 3], [4, 5, 6]]).reshape(2, 3, 1, 1), groups=1)[:, :, 0, 0]
    array([[6, 5, 4],
           [3, 2, 1]])
    """
    kh, kw, O_g, C = w.shape
    C_g = C // groups
    flipped = np.zeros((kh, kw, C_g, O_g * groups), w.dtype)
    for m in range(kh):
        for n in range(kw):
            for o in range(O_g):
                for c in range(C):
                    flipped[m, n, c % C_g, c // C_g * O_g + o] = w[kh - 1 - m, kw - 1 - n, o, c]
    return flipped
