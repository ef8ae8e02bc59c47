"""Average pooling and its derivative, on signals (1-D) and images (2-D).

Layouts: ``channels_last`` is (batch, height, width, channels), ``channels_first`` (batch, channels, height, width).

Padding does not count in an average, unless ``count_include_pad`` is True.
"""

from __future__ import annotations

from refconv._arguments import flag, known_format, per_axis
from refconv.geometry import Window, pooling_window
from refconv.ops.check import as_float, axes, channels_last, restore, same_shape
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Shape, Size

__all__ = [
    "avg_pool1d",
    "avg_pool1d_dx",
    "avg_pool2d",
    "avg_pool2d_dx",
    "global_avg_pool1d",
    "global_avg_pool1d_dx",
    "global_avg_pool2d",
    "global_avg_pool2d_dx",
]


def avg_pool2d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute average pooling: the mean of the elements under each window, channel by channel.

    .. math:: y_{i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{m,n} x_{i S + m D,\; j S + n D,\; c}

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode, data_format
        As in :func:`refconv.max_pool2d`.
    count_include_pad : bool
        False: count is the number of image pixels under the window. True: count also includes the zeros of the padding.
        Pixels that ``ceil_mode`` adds beyond the padding never count.

    Returns
    -------
    array (N, rows, columns, C), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`refconv.max_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)
    >>> avg_pool2d(x, 2)[0, :, :, 0]
    array([[2., 3.],
           [4., 6.]])

    Source: lecture rows A11 and C9 (SOURCES.md).
    """
    x = channels_last("x", as_float("x", x), 2, data_format)
    window = pooling_window(2, kernel_size, stride, padding, dilation, ceil_mode, x.shape[1:-1])
    count_include_pad = flag("count_include_pad", count_include_pad)
    return restore(implementation("avg_pool").avg_pool2d(x, window, count_include_pad), data_format)


def avg_pool2d_dx(
    dy: ArrayLike,
    kernel_size: Size,
    input_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`avg_pool2d`: pixels under a window get equal shares of its ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} = \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \frac{1}{\mathrm{count}_{i,j}} \; \frac{\partial e}{\partial y_{i,j,c}}

    Parameters
    ----------
    dy : array (N, rows, columns, C), float32 or float64
        ∂e/∂y; (N, C, rows, columns) with ``channels_first``.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, data_format
        As in the forward pass.
    input_size : (int, int)
        Height and width of x in pixels. They are required since, with a stride, inputs of several sizes have outputs of the
        same size.

    Returns
    -------
    array (N, H, W, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`avg_pool2d`; also if dy does not have the output size of such an input.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.array([6.0, 12]).reshape(1, 1, 2, 1)
    >>> avg_pool2d_dx(dy, (3, 2), input_size=(3, 3), stride=1)[0, :, :, 0]
    array([[1., 3., 2.],
           [1., 3., 2.],
           [1., 3., 2.]])

    Source: lecture row A11 (SOURCES.md).
    """
    dy = channels_last("dy", as_float("dy", dy), 2, data_format)
    input_size = per_axis("input_size", input_size, 2)
    window = pooling_window(2, kernel_size, stride, padding, dilation, ceil_mode, input_size)
    _check_dy(dy, window, input_size)
    count_include_pad = flag("count_include_pad", count_include_pad)
    return restore(implementation("avg_pool").avg_pool2d_dx(dy, window, input_size, count_include_pad), data_format)


def avg_pool1d(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute average pooling on signals: :func:`avg_pool2d` with one spatial axis.

    .. math:: y_{i,c} = \frac{1}{\mathrm{count}_i} \sum_m x_{i S + m D,\; c}

    Parameters
    ----------
    x : array (N, n, C), float32 or float64
        A batch of signals; (N, C, n) with ``data_format="channels_first"``.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, data_format
        As in :func:`avg_pool2d`, but with one number, in samples, instead of two.

    Returns
    -------
    array (N, outputs, C), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool1d(np.array([1.0, 5, 3, 7]).reshape(1, 4, 1), 2, stride=1)[0, :, 0]
    array([3., 4., 5.])
    >>> avg_pool1d(np.array([1.0, 5, 3, 7]).reshape(1, 4, 1), 2, stride=1, dilation=2)[0, :, 0]
    array([2., 6.])

    Source: lecture row A11 (SOURCES.md).
    """
    x = channels_last("x", as_float("x", x), 1, data_format)
    window = pooling_window(1, kernel_size, stride, padding, dilation, ceil_mode, x.shape[1:-1])
    count_include_pad = flag("count_include_pad", count_include_pad)
    return restore(implementation("avg_pool").avg_pool1d(x, window, count_include_pad), data_format)


def avg_pool1d_dx(
    dy: ArrayLike,
    kernel_size: Size,
    input_size: Size,
    *,
    stride: Size | None = None,
    padding: Padding = "valid",
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`avg_pool1d`, as :func:`avg_pool2d_dx` does on images.

    .. math:: \frac{\partial e}{\partial x_{u,c}} = \sum_{i,m:\, i S + m D = u} \frac{1}{\mathrm{count}_i} \;
              \frac{\partial e}{\partial y_{i,c}}

    Parameters
    ----------
    dy : array (N, outputs, C), float32 or float64
        ∂e/∂y; (N, C, outputs) with ``data_format="channels_first"``.
    input_size : int or (int,)
        Length of x in samples.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, data_format
        As in :func:`avg_pool2d`, but with one number, in samples, instead of two.

    Returns
    -------
    array (N, n, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`avg_pool2d_dx`.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool1d_dx(np.array([2.0, 4, 6]).reshape(1, 3, 1), 2, input_size=4, stride=1)[0, :, 0]
    array([1., 3., 5., 3.])

    Source: lecture row A11 (SOURCES.md).
    """
    dy = channels_last("dy", as_float("dy", dy), 1, data_format)
    input_size = per_axis("input_size", input_size, 1)
    window = pooling_window(1, kernel_size, stride, padding, dilation, ceil_mode, input_size)
    _check_dy(dy, window, input_size)
    count_include_pad = flag("count_include_pad", count_include_pad)
    return restore(implementation("avg_pool").avg_pool1d_dx(dy, window, input_size, count_include_pad), data_format)


def global_avg_pool2d(x: ArrayLike, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute global average pooling: the mean of each channel over the whole image.

    .. math:: y_{b,c} = \frac{1}{H W} \sum_{u,v} x_{b,u,v,c}

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, C), of x's type, in either layout

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.
    ValueError
        If x is not a batch of images.

    Examples
    --------
    >>> import numpy as np
    >>> global_avg_pool2d(np.array([[1.0, 10], [2, 20], [6, 60]]).reshape(1, 3, 1, 2))
    array([[ 3., 30.]])

    Source: lecture rows A11 and M6 (SOURCES.md); Lin, Chen and Yan, "Network in network", 2014.
    """
    x = channels_last("x", as_float("x", x), 2, data_format)
    return implementation("avg_pool").global_avg_pool2d(x)


def global_avg_pool2d_dx(dy: ArrayLike, input_size: Size, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂x of :func:`global_avg_pool2d`: all pixels get equal shares of ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{b,u,v,c}} = \frac{1}{H W} \; \frac{\partial e}{\partial y_{b,c}}

    Parameters
    ----------
    dy : array (N, C), float32 or float64
        ∂e/∂y.
    input_size : (int, int)
        Height and width of x in pixels.
    data_format : str
        As in the forward pass: the layout of the returned array.

    Returns
    -------
    array (N, H, W, C), of dy's type; (N, C, H, W) with ``channels_first``

    Raises
    ------
    TypeError
        If dy is not an array of float32, float64 or integers.
    ValueError
        If dy does not have two axes, or input_size is not a height and a width.

    Examples
    --------
    >>> global_avg_pool2d_dx([[6.0, 60]], input_size=(1, 3))[0, 0]
    array([[ 2., 20.], [ 2., 20.], [ 2., 20.]])

    Source: lecture rows A11 and M6 (SOURCES.md).
    """
    known_format(data_format)
    dy = axes("dy", as_float("dy", dy), "batch", "channels")
    input_size = per_axis("input_size", input_size, 2)
    return restore(implementation("avg_pool").global_avg_pool2d_dx(dy, input_size), data_format)


def global_avg_pool1d(x: ArrayLike, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute global average pooling on signals: the mean of each channel over the signal.

    .. math:: y_{b,c} = \frac{1}{n} \sum_u x_{b,u,c}

    Parameters
    ----------
    x : array (N, n, C), float32 or float64
        A batch of signals; (N, C, n) with ``data_format="channels_first"``.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, C), of x's type, in either layout

    Raises
    ------
    TypeError, ValueError
        As :func:`global_avg_pool2d`.

    Examples
    --------
    >>> global_avg_pool1d([[[1.0, 10], [2, 20], [6, 60]]])
    array([[ 3., 30.]])

    Source: lecture row A11 (SOURCES.md).
    """
    x = channels_last("x", as_float("x", x), 1, data_format)
    return implementation("avg_pool").global_avg_pool1d(x)


def global_avg_pool1d_dx(dy: ArrayLike, input_size: Size, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂x of :func:`global_avg_pool1d`: all samples get equal shares of ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{b,u,c}} = \frac{1}{n} \; \frac{\partial e}{\partial y_{b,c}}

    Parameters
    ----------
    dy : array (N, C), float32 or float64
        ∂e/∂y.
    input_size : int or (int,)
        Length of x in samples.
    data_format : str
        As in the forward pass: the layout of the returned array.

    Returns
    -------
    array (N, n, C), of dy's type; (N, C, n) with ``channels_first``

    Raises
    ------
    TypeError, ValueError
        As :func:`global_avg_pool2d_dx`.

    Examples
    --------
    >>> global_avg_pool1d_dx([[6.0]], input_size=3)[0, :, 0]
    array([2., 2., 2.])

    Source: lecture row A11 (SOURCES.md).
    """
    known_format(data_format)
    dy = axes("dy", as_float("dy", dy), "batch", "channels")
    input_size = per_axis("input_size", input_size, 1)
    return restore(implementation("avg_pool").global_avg_pool1d_dx(dy, input_size), data_format)


def _check_dy(dy: Array, window: Window, input_size: Shape) -> None:
    shape = (len(dy), *window.output_size(input_size), dy.shape[-1])
    same_shape("dy (channels_last)", dy, shape, f"the output of an input of size {input_size}")
