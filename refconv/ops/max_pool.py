"""Max pooling and its derivative, on signals (1-D) and images (2-D).

Layouts: ``channels_last`` is (batch, height, width, channels), ``channels_first`` (batch, channels, height, width).

The padding is never the maximum. The positions of the maxima (``argmax``) are the same as with PyTorch's ``return_indices``:
u·W + v within one channel of the input without its padding.
"""

from __future__ import annotations

import math

import numpy as np

from refconv._arguments import contiguous, per_axis
from refconv._config import get_config
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.geometry import Window, pooling_window
from refconv.ops.check import as_float, channels_last, restore, same_shape
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Shape, Size

__all__ = [
    "max_pool1d",
    "max_pool1d_dx",
    "max_pool1d_with_argmax",
    "max_pool2d",
    "max_pool2d_dx",
    "max_pool2d_with_argmax",
]


def max_pool2d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute max pooling: the maximum under each window, channel by channel.

    .. math:: y_{i,j,c} = \max_{m,n} \; x_{i S + m D - \mathrm{top},\; j S + n D - \mathrm{left},\; c}

    If a window contains a NaN, its output is NaN.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    kernel_size : int or (int, int)
        Height and width of the window in pixels, the ranges of m and n.
    stride : int or (int, int), optional
        S of the formula, in pixels, for height and width. None means the size of the window, so that windows touch but do not
        overlap.
    padding : str, int, (int, int) or ((top, bottom), (left, right))
        Pixels by which windows may extend over the edge, as in :func:`refconv.conv2d`. They are never the maximum.
    dilation : int or (int, int)
        D of the formula, in pixels.
    ceil_mode : bool
        Round the output size up instead of down: the last window may exceed the end by less than a stride, so even an x
        smaller than the window may have an output. A window that would start in the padding after x is dropped.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, rows, columns, C), of x's type

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.
    ValueError
        If x is not a batch of images, the window does not fit, or some window contains only padding.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)
    >>> max_pool2d(x, 2)[0, :, :, 0]
    array([[4., 5.],
           [7., 9.]])

    Source: lecture rows A11 and C9 (SOURCES.md).
    """
    x, window = _checked(2, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    return restore(implementation("max_pool").max_pool2d(x, window), data_format)


def max_pool2d_with_argmax(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
) -> tuple[Array, Array]:
    r"""Compute max pooling, and the position of each maximum.

    .. math:: \mathrm{argmax}_{i,j,c} = u W + v, \quad (u, v) = (i S + m D,\; j S + n D)
              \text{ with } x_{u,v,c} = y_{i,j,c}

    If several elements are the maximum, argmax is the position of the first one in row-major order. If there are several
    NaNs, it is the position of the last one.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, data_format
        As in :func:`max_pool2d`.

    Returns
    -------
    y : array (N, rows, columns, C), of x's type
        The maxima.
    argmax : array of intp, of y's shape
        The positions u·W + v of the maxima within their channel, without padding; an argument of :func:`max_pool2d_dx`.

    Raises
    ------
    TypeError, ValueError
        As :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 7, 3], [4, 5, 7]]).reshape(1, 2, 3, 1)
    >>> y, argmax = max_pool2d_with_argmax(x, 2, stride=1)
    >>> y[0, :, :, 0], argmax[0, :, :, 0]
    (array([[7., 7.]]), array([[1, 1]]))

    Source: lecture rows A11 and B5 (SOURCES.md).
    """
    x, window = _checked(2, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    y, argmax = implementation("max_pool").max_pool2d_with_argmax(x, window)
    return restore(y, data_format), restore(argmax, data_format)


def max_pool2d_dx(dy: ArrayLike, argmax: ArrayLike, input_size: Size, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂x of :func:`max_pool2d`: the pixel of a maximum gets all of its ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} = \sum_{i,j:\, \mathrm{argmax}_{i,j,c} = u W + v}
              \frac{\partial e}{\partial y_{i,j,c}}

    Parameters
    ----------
    dy : array (N, rows, columns, C), float32 or float64
        ∂e/∂y; (N, C, rows, columns) with ``channels_first``.
    argmax : array of integers, of dy's shape
        The positions of the maxima, from :func:`max_pool2d_with_argmax`.
    input_size : (int, int)
        Height and width of x in pixels.
    data_format : str
        As in the forward pass.

    Returns
    -------
    array (N, H, W, C), of dy's type

    Raises
    ------
    TypeError
        If dy is not an array of float32, float64 or integers, or argmax is not an array of integers.
    ValueError
        If argmax does not have the shape of dy, or contains a position outside the image.

    Examples
    --------
    >>> import numpy as np
    >>> dy, argmax = np.array([1.0, 10]).reshape(1, 1, 2, 1), np.array([1, 5]).reshape(1, 1, 2, 1)
    >>> max_pool2d_dx(dy, argmax, input_size=(2, 3))[0, :, :, 0]
    array([[ 0.,  1.,  0.],
           [ 0.,  0., 10.]])

    Source: lecture row B5 (SOURCES.md).
    """
    dy, argmax, size = _checked_dx(2, dy, argmax, input_size, data_format)
    dx = implementation("max_pool").max_pool2d_dx(dy, argmax, size)
    return restore(_in_bounds(dx, argmax, size), data_format)


def max_pool1d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute max pooling on signals: :func:`max_pool2d` with one spatial axis.

    .. math:: y_{i,c} = \max_m \; x_{i S + m D,\; c}

    Parameters
    ----------
    x : array (N, n, C), float32 or float64
        A batch of signals; (N, C, n) with ``data_format="channels_first"``.
    kernel_size, stride, padding, dilation, ceil_mode, data_format
        As in :func:`max_pool2d`, but with one number, in samples, instead of two.

    Returns
    -------
    array (N, outputs, C), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool1d(np.array([1.0, 5, 2, 3]).reshape(1, 4, 1), 2)[0, :, 0]
    array([5., 3.])

    Source: lecture row A11 (SOURCES.md).
    """
    x, window = _checked(1, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    return restore(implementation("max_pool").max_pool1d(x, window), data_format)


def max_pool1d_with_argmax(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    data_format: DataFormat = "channels_last",
) -> tuple[Array, Array]:
    r"""Compute max pooling on signals, and the position of each maximum.

    .. math:: \mathrm{argmax}_{i,c} = u = i S + m D \text{ with } x_{u,c} = y_{i,c}

    Parameters
    ----------
    x : array (N, n, C), float32 or float64
        A batch of signals; (N, C, n) with ``data_format="channels_first"``.
    kernel_size, stride, padding, dilation, ceil_mode, data_format
        As in :func:`max_pool2d`, but with one number, in samples, instead of two.

    Returns
    -------
    y : array (N, outputs, C), of x's type
    argmax : array (N, outputs, C), integers
        The positions u of the maxima in their signals.

    Raises
    ------
    TypeError, ValueError
        As :func:`max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> y, argmax = max_pool1d_with_argmax(np.array([1.0, 5, 2, 3]).reshape(1, 4, 1), 2)
    >>> y[0, :, 0], argmax[0, :, 0]
    (array([5., 3.]), array([1, 3]))

    Source: lecture rows A11 and B5 (SOURCES.md).
    """
    x, window = _checked(1, x, kernel_size, stride, padding, dilation, ceil_mode, data_format)
    y, argmax = implementation("max_pool").max_pool1d_with_argmax(x, window)
    return restore(y, data_format), restore(argmax, data_format)


def max_pool1d_dx(dy: ArrayLike, argmax: ArrayLike, input_size: Size, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂x of :func:`max_pool1d`, as :func:`max_pool2d_dx` does on images.

    .. math:: \frac{\partial e}{\partial x_{u,c}} = \sum_{i:\, \mathrm{argmax}_{i,c} = u}
              \frac{\partial e}{\partial y_{i,c}}

    Parameters
    ----------
    dy : array (N, outputs, C), float32 or float64
        ∂e/∂y; (N, C, outputs) with ``data_format="channels_first"``.
    argmax : array of integers, of dy's shape
        As :func:`max_pool1d_with_argmax` returned it.
    input_size : int or (int,)
        Length of x in samples.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, n, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`max_pool2d_dx`.

    Examples
    --------
    >>> import numpy as np
    >>> dy, argmax = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1, 3]).reshape(1, 2, 1)
    >>> max_pool1d_dx(dy, argmax, input_size=4)[0, :, 0]
    array([ 0.,  1.,  0., 10.])

    Source: lecture row B5 (SOURCES.md).
    """
    dy, argmax, size = _checked_dx(1, dy, argmax, input_size, data_format)
    dx = implementation("max_pool").max_pool1d_dx(dy, argmax, size)
    return restore(_in_bounds(dx, argmax, size), data_format)


def _checked(
    ndim: int,
    x: ArrayLike,
    kernel_size: Size,
    stride: Size | None,
    padding: Padding,
    dilation: Size,
    ceil_mode: bool,
    data_format: DataFormat,
) -> tuple[Array, Window]:
    x = channels_last("x", as_float("x", x), ndim, data_format)
    return x, pooling_window(ndim, kernel_size, stride, padding, dilation, ceil_mode, x.shape[1:-1])


def _checked_dx(
    ndim: int, dy: ArrayLike, argmax: ArrayLike, input_size: Size, data_format: DataFormat
) -> tuple[Array, Array, Shape]:
    dy, argmax = as_float("dy", dy), np.asarray(argmax)
    if argmax.dtype.kind not in "iu":
        raise ArgumentTypeError(f"argmax must be an array of integers, got {argmax.dtype}")
    same_shape("argmax", argmax, dy.shape, "the shape of dy")
    dy, argmax = (channels_last(name, a, ndim, data_format) for name, a in (("dy", dy), ("argmax", argmax)))
    input_size = per_axis("input_size", input_size, ndim)
    argmax = contiguous(argmax, np.intp)
    # The kernels check each index when they use it. As unsigned numbers, negative indices are larger than all others.
    if get_config().engine != "kernels" and argmax.size and argmax.view(np.uintp).max() >= math.prod(input_size):
        _in_bounds(None, argmax, input_size)
    return dy, argmax, input_size


def _in_bounds(dx: Array | None, argmax: Array, input_size: Shape) -> Array:
    """Return dx, or raise an error if it is None because an index of argmax is out of bounds."""
    if dx is None:
        raise ArgumentValueError(
            f"argmax must be from 0 to {math.prod(input_size) - 1} in an input of size {input_size}, "
            f"got {argmax.min()} to {argmax.max()}"
        )
    return dx
