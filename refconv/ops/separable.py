"""Depthwise and depthwise separable convolutions, and the separation of rank-one kernels."""

from __future__ import annotations

import numpy as np

from refconv._arguments import per_axis
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import as_float, axes, channels_last, floats, input_channels, restore, same_shape
from refconv.ops.conv_checks import check_dy
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Size

__all__ = [
    "depthwise_conv2d",
    "depthwise_conv2d_db",
    "depthwise_conv2d_dw",
    "depthwise_conv2d_dx",
    "separable_conv2d",
    "separable_conv2d_grads",
    "separate_rank1",
]


def depthwise_conv2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute a depthwise convolution: each channel is convolved with its own Q kernels.

    .. math:: y_{i,j,\,c Q + q} = \mathrm{bias}_{c Q + q} + \sum_{m,n} x_{i S + m D,\; j S + n D,\; c} \; w_{m,n,c,q}

    This is :func:`refconv.conv2d` with one group for each input channel. The derivative by the bias is also the same:
    :func:`refconv.conv2d_db`.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    w : array (kh, kw, C, Q), of x's type
        The kernels. Q is the multiplier, the number of output channels for each input channel.
    b : array (C·Q,), of x's type, optional
        The bias, one for each output channel.
    stride, padding, dilation, data_format
        As in :func:`refconv.conv2d`.

    Returns
    -------
    array (N, rows, columns, C·Q), of x's type
        Or (N, C·Q, rows, columns) with ``channels_first``.

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If shapes or the window do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 7], [2, 8], [3, 9]]).reshape(1, 1, 3, 2)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(1, 2, 2, 1)
    >>> depthwise_conv2d(x, w, b=[0.5, 0.25])[0, 0]
    array([[ 201.5 , 8070.25],
           [ 302.5 , 9080.25]])

    Source: lecture row C7 (SOURCES.md); Chollet, "Xception: deep learning with depthwise separable convolutions", 2016.
    """
    x, w, b = floats(x=x, w=w, b=b)
    x, w = channels_last("x", x, 2, data_format), _kernel("w", w)
    input_channels(x, w.shape[2], "w", w, data_format)
    same_shape("b", b, (w.shape[2] * w.shape[3],), "one for each output channel, channels times multiplier of w")
    window = Window(w.shape[:2], stride, padding, dilation)
    window.output_size(x.shape[1:-1])
    return restore(implementation("separable").depthwise_conv2d(x, w, b, window), data_format)


def depthwise_conv2d_dx(
    dy: ArrayLike,
    w: ArrayLike,
    input_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`depthwise_conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} = \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \sum_q \frac{\partial e}{\partial y_{i,j,\,c Q + q}} \; w_{m,n,c,q}

    u and v count from the edge of the padding. The derivatives of the padding itself are dropped.

    Parameters
    ----------
    dy : array (N, rows, columns, C·Q), float32 or float64
        ∂e/∂y; (N, C·Q, rows, columns) with ``channels_first``.
    w : array (kh, kw, C, Q), of dy's type
        The kernels of the forward pass.
    input_size : int or (int, int)
        Height and width of x in pixels.
    stride, padding, dilation, data_format
        As in the forward pass.

    Returns
    -------
    array (N, H, W, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`depthwise_conv2d`; also if dy does not have the output size of such an input.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.array([[1.0, 2], [10, 20]]).reshape(1, 1, 2, 2)
    >>> w = np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 2, 1)
    >>> depthwise_conv2d_dx(dy, w, input_size=(1, 3))[0, 0]
    array([[  1.,   4.],
           [ 13.,  50.],
           [ 30., 100.]])

    Source: lecture rows C7 and B4 (SOURCES.md).
    """
    dy, w = floats(dy=dy, w=w)
    dy, w = channels_last("dy", dy, 2, data_format), _kernel("w", w)
    input_size = per_axis("input_size", input_size, 2)
    window = Window(w.shape[:2], stride, padding, dilation)
    check_dy(dy, window, input_size, w.shape[2] * w.shape[3])
    return restore(implementation("separable").depthwise_conv2d_dx(dy, w, input_size, window), data_format)


def depthwise_conv2d_dw(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂w of :func:`depthwise_conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{m,n,c,q}} = \sum_{b,i,j} x_{b,\; i S + m D,\; j S + n D,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,\,c Q + q}}

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        The input of the forward pass.
    dy : array (N, rows, columns, C·Q), of x's type
        ∂e/∂y. Its number of channels determines the multiplier Q.
    kernel_size : int or (int, int)
        kh and kw, in pixels.
    stride, padding, dilation, data_format
        As in the forward pass.

    Returns
    -------
    array (kh, kw, C, Q), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`depthwise_conv2d`; also if dy does not have the output size of such an input and kernel.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 7], [2, 8], [3, 9]]).reshape(1, 1, 3, 2)
    >>> dy = np.array([[1.0, 2], [10, 20]]).reshape(1, 1, 2, 2)
    >>> depthwise_conv2d_dw(x, dy, kernel_size=(1, 2))[0, :, :, 0]
    array([[ 21., 174.],
           [ 32., 196.]])

    Source: lecture rows C7 and B3 (SOURCES.md).
    """
    x, dy = floats(x=x, dy=dy)
    x, dy = channels_last("x", x, 2, data_format), channels_last("dy", dy, 2, data_format)
    window = Window(per_axis("kernel_size", kernel_size, 2), stride, padding, dilation)
    if dy.shape[-1] % x.shape[-1]:
        raise ArgumentValueError(f"dy must have a multiple of the {x.shape[-1]} channels of x, got {dy.shape[-1]}")
    same_shape("dy", dy, (len(x), *dy.shape[1:]), "with the batch size of x")
    check_dy(dy, window, x.shape[1:-1], dy.shape[-1])
    return implementation("separable").depthwise_conv2d_dw(x, dy, window)


def depthwise_conv2d_db(dy: ArrayLike, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂b of :func:`depthwise_conv2d`: the sum of ∂e/∂y over images and pixels.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i,j} \frac{\partial e}{\partial y_{b,i,j,o}}

    Parameters
    ----------
    dy : array (N, rows, columns, C·Q), float32 or float64
        ∂e/∂y; (N, C·Q, rows, columns) with ``channels_first``.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (C·Q,), of dy's type

    Raises
    ------
    TypeError, ValueError
        If dy is not a batch of images of float32, float64 or integers.

    Examples
    --------
    >>> import numpy as np
    >>> depthwise_conv2d_db(np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 1, 2))
    array([4., 7.])

    Source: lecture row C7 (SOURCES.md).
    """
    return implementation("separable").depthwise_conv2d_db(channels_last("dy", as_float("dy", dy), 2, data_format))


def separable_conv2d(
    x: ArrayLike,
    depthwise: ArrayLike,
    pointwise: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute a depthwise separable convolution: depthwise, then pointwise (1×1).

    .. math:: z_{i,j,\,c Q + q} = \sum_{m,n} x_{i S + m D,\; j S + n D,\; c} \; \mathrm{depthwise}_{m,n,c,q}, \qquad
              y_{i,j,o} = \mathrm{bias}_o + \sum_p z_{i,j,p} \; \mathrm{pointwise}_{0,0,p,o}

    The depthwise convolution sums over space, the pointwise convolution over channels. With Q = 1, it needs 1/O + 1/(kh·kw) of
    the weights and products of a convolution layer of the same size.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    depthwise : array (kh, kw, C, Q), of x's type
        The depthwise kernels; Q is the multiplier.
    pointwise : array (1, 1, C·Q, O), of x's type
        The pointwise kernels.
    b : array (O,), of x's type, optional
        The bias, one for each output channel.
    stride, padding, dilation, data_format
        Options of the depthwise convolution, as in :func:`depthwise_conv2d`.

    Returns
    -------
    array (N, rows, columns, O), of x's type
        Or (N, O, rows, columns) with ``channels_first``.

    Raises
    ------
    TypeError, ValueError
        As :func:`depthwise_conv2d`; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 7], [2, 8], [3, 9]]).reshape(1, 1, 3, 2)
    >>> depthwise = np.array([[1.0, 10], [100, 1000]]).reshape(1, 2, 2, 1)
    >>> pointwise = np.array([3.0, 2]).reshape(1, 1, 2, 1)
    >>> separable_conv2d(x, depthwise, pointwise)[0, 0]
    array([[16743.],
           [19066.]])

    Source: lecture row C7 (SOURCES.md); Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
    applications", 2017.
    """
    x, depthwise, pointwise, b = floats(x=x, depthwise=depthwise, pointwise=pointwise, b=b)
    x = channels_last("x", x, 2, data_format)
    depthwise, pointwise = _kernels(x, depthwise, pointwise, data_format)
    same_shape("b", b, pointwise.shape[-1:], "one for each output channel of pointwise")
    window = Window(depthwise.shape[:2], stride, padding, dilation)
    window.output_size(x.shape[1:-1])
    return restore(implementation("separable").separable_conv2d(x, depthwise, pointwise, b, window), data_format)


def separable_conv2d_grads(
    dy: ArrayLike,
    *,
    x: ArrayLike,
    depthwise: ArrayLike,
    pointwise: ArrayLike,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    data_format: DataFormat = "channels_last",
) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂depthwise and ∂e/∂pointwise of :func:`separable_conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial \mathrm{pointwise}_{0,0,p,o}} = \sum_{b,i,j} z_{b,i,j,p}
              \frac{\partial e}{\partial y_{b,i,j,o}}, \qquad
              \frac{\partial e}{\partial z_{b,i,j,p}} = \sum_o \frac{\partial e}{\partial y_{b,i,j,o}} \;
              \mathrm{pointwise}_{0,0,p,o}

    ∂e/∂x and ∂e/∂depthwise follow from ∂e/∂z, as in :func:`depthwise_conv2d_dx` and :func:`depthwise_conv2d_dw`. For the
    derivative by the bias use :func:`refconv.conv2d_db`. z is recomputed, since the forward pass does not return it.

    Parameters
    ----------
    dy : array (N, rows, columns, O), float32 or float64
        ∂e/∂y; (N, O, rows, columns) with ``channels_first``.
    x, depthwise, pointwise : arrays, of dy's type
        The input and the kernels of the forward pass.
    stride, padding, dilation, data_format
        As in the forward pass.

    Returns
    -------
    dx, ddepthwise, dpointwise : arrays of the shapes of x, depthwise and pointwise

    Raises
    ------
    TypeError, ValueError
        As :func:`separable_conv2d`; also if dy does not have the output size of such an input.

    Examples
    --------
    >>> import numpy as np
    >>> x, depthwise = np.array([1.0, 2, 3]).reshape(1, 1, 3, 1), np.array([1.0, 10]).reshape(1, 2, 1, 1)
    >>> dy, pointwise = np.array([1.0, 100]).reshape(1, 1, 2, 1), np.array([[[[3.0]]]])
    >>> dx, ddepthwise, dpointwise = separable_conv2d_grads(dy, x=x, depthwise=depthwise, pointwise=pointwise)
    >>> dx.ravel(), ddepthwise.ravel(), dpointwise.ravel()
    (array([   3.,  330., 3000.]), array([603., 906.]), array([3221.]))

    Source: lecture rows C7, B3 and B4 (SOURCES.md).
    """
    dy, x, depthwise, pointwise = floats(dy=dy, x=x, depthwise=depthwise, pointwise=pointwise)
    dy, x = channels_last("dy", dy, 2, data_format), channels_last("x", x, 2, data_format)
    depthwise, pointwise = _kernels(x, depthwise, pointwise, data_format)
    window = Window(depthwise.shape[:2], stride, padding, dilation)
    same_shape("dy", dy, (len(x), *dy.shape[1:]), "with the batch size of x")
    check_dy(dy, window, x.shape[1:-1], pointwise.shape[-1])
    dx, *kernels = implementation("separable").separable_conv2d_grads(
        dy, x=x, depthwise=depthwise, pointwise=pointwise, window=window
    )
    return restore(dx, data_format), *kernels


def separate_rank1(kernel: ArrayLike) -> tuple[Array, Array]:
    r"""Separate a kernel of rank one into a column and a row.

    .. math:: K_{m,n} = \mathrm{column}_m \cdot \mathrm{row}_n

    A convolution with the kernel can then be replaced by two short convolutions. The column and the row are unique up to a
    factor. Here the first non-negligible element of the row is 1, so the column equals the first non-negligible column of the
    kernel. The equation is satisfied up to rounding. The zero kernel is separated into a column and a row of zeros.

    The factors are the first pair of singular vectors. NumPy computes them with both engines, because a singular value
    decomposition is not a plain sum that a loop could show.

    Parameters
    ----------
    kernel : array (kh, kw), float32 or float64
        A kernel of one channel.

    Returns
    -------
    column : array (kh,), of the kernel's type
    row : array (kw,), of the kernel's type

    Raises
    ------
    TypeError
        If the kernel is not an array of float32, float64 or integers.
    ValueError
        If the kernel does not have two axes, is not finite, or is not of rank one. The message contains the numerical rank,
        which is the number of singular values above max(kh, kw)·ε times the largest.

    Examples
    --------
    >>> column, row = separate_rank1([[3, 6, 9], [4, 8, 12], [5, 10, 15]])
    >>> column.round(12), row.round(12)
    (array([3., 4., 5.]), array([1., 2., 3.]))

    Source: lecture row C6 (SOURCES.md).
    """
    kernel = axes("kernel", as_float("kernel", kernel), "height", "width")
    if kernel.dtype == object:
        raise ArgumentTypeError(
            "kernel must be an array of float32, float64 or integers, got Python objects, which have no singular values"
        )
    if not np.isfinite(kernel).all():
        raise ArgumentValueError("kernel must be finite, got an infinity or a NaN")
    if not kernel.any():
        return np.zeros_like(kernel[:, 0]), np.zeros_like(kernel[0])
    largest = np.abs(kernel).max()  # scaled by it, products of very large elements do not overflow
    columns, values, rows = np.linalg.svd(kernel / largest, full_matrices=False)
    negligible = max(kernel.shape) * np.finfo(kernel.dtype).eps
    rank = np.count_nonzero(values > negligible * values[0])
    if rank > 1:
        raise ArgumentValueError(
            f"kernel must be of rank 1, got numerical rank {rank}: its singular values are {values * largest}"
        )
    row = np.where(np.abs(rows[0]) > negligible, rows[0], 0)  # a singular vector has length 1
    leading = row[np.flatnonzero(row)[0]]
    return np.ascontiguousarray(columns[:, 0] * (values[0] * leading)) * largest, row / leading


def _kernel(name: str, w: Array) -> Array:
    return axes(name, w, "kernel height", "kernel width", "channels", "multiplier")


def _kernels(x: Array, depthwise: Array, pointwise: Array, data_format: DataFormat) -> tuple[Array, Array]:
    """Check both kernels of a separable convolution of x, and return them."""
    input_channels(x, _kernel("depthwise", depthwise).shape[2], "depthwise", depthwise, data_format)
    axes("pointwise", pointwise, "kernel height", "kernel width", "inputs", "outputs")
    channels = depthwise.shape[2] * depthwise.shape[3]
    same_shape("pointwise", pointwise, (1, 1, channels, pointwise.shape[-1]), "a 1×1 kernel on all outputs of depthwise")
    return depthwise, pointwise
