"""The convolution layer and its derivatives, on signals (1-D) and images (2-D).

Layouts: ``channels_last`` is (batch, height, width, channels), ``channels_first`` (batch, channels, height, width). Kernels
are (kh, kw, channels / groups, outputs) in both.
"""

from __future__ import annotations

from refconv.ops.check import as_float, channels_last, restore
from refconv.ops.conv_checks import checked, checked_dw, checked_dx
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Size

__all__ = ["conv1d", "conv1d_db", "conv1d_dw", "conv1d_dx", "conv2d", "conv2d_db", "conv2d_dw", "conv2d_dx"]


def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute a convolution layer on images: the bias plus a weighted sum over each window.

    .. math:: y_{i,j,o} = \mathrm{bias}_o + \sum_{m,n,c} x_{i S + m D,\; j S + n D,\; c} \; w_{m,n,c,o}

    In deep learning, this sum is called convolution although the kernel is not flipped: mathematically it is a
    cross-correlation (lecture row A4).

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    w : array (kh, kw, C / groups, O), of x's type
        The kernels.
    b : array (O,), of x's type, optional
        The bias, one for each output channel.
    stride, dilation : int or (int, int)
        S and D of the formula, in pixels, for height and width.
    padding : str, int, (int, int) or ((top, bottom), (left, right))
        Zeros around the image: "valid" (none), "same" (the output has ⌈H / S⌉ × ⌈W / S⌉ pixels; if the number of zeros is odd,
        the extra one is at the end), "same_lower" (the extra zero is at the beginning), "full" (every overlap of kernel and
        image is an output), or numbers of pixels.
    groups : int
        Number of groups of channels. The output channels of a group read only the C / groups input channels of this group
        (lecture row C5).
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, rows, columns, O), of x's type
        Or (N, O, rows, columns) with ``channels_first``.

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If shapes, groups or the window do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    >>> conv2d(x, w, b=[0.5])[0, :, :, 0]
    array([[5421.5, 6532.5]])

    Source: lecture rows A5–A10, B1, C4 and C5 (SOURCES.md); LeCun et al., "Gradient-based learning applied to document
    recognition", 1998.
    """
    x, w, b, window, groups = checked(2, x, w, b, (stride, padding, dilation), groups, data_format)
    return restore(implementation("conv").conv2d(x, w, b, window, groups), data_format)


def conv2d_dx(
    dy: ArrayLike,
    w: ArrayLike,
    input_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} = \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \sum_o \frac{\partial e}{\partial y_{i,j,o}} \; w_{m,n,c,o}

    u and v count from the edge of the padding. The derivatives of the padding itself are dropped.

    Parameters
    ----------
    dy : array (N, rows, columns, O), float32 or float64
        ∂e/∂y; (N, O, rows, columns) with ``channels_first``.
    w : array (kh, kw, C / groups, O), of dy's type
        The kernels of the forward pass.
    input_size : (int, int)
        Height and width of x in pixels. They are required since, with a stride, inputs of several sizes have outputs of the
        same size.
    stride, padding, dilation, groups, data_format
        As in the forward pass.

    Returns
    -------
    array (N, H, W, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv2d`; also if dy does not have the output size of such an input.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    >>> w = np.array([[1.0, 2], [3, 5]]).reshape(2, 2, 1, 1)
    >>> conv2d_dx(dy, w, input_size=(2, 3))[0, :, :, 0]
    array([[ 1., 12., 20.],
           [ 3., 35., 50.]])

    Source: lecture row B4 (SOURCES.md).
    """
    dy, w, size, window, groups = checked_dx(2, dy, w, input_size, (stride, padding, dilation), groups, data_format)
    return restore(implementation("conv").conv2d_dx(dy, w, size, window, groups), data_format)


def conv2d_dw(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂w of :func:`conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{m,n,c,o}} = \sum_{b,i,j} x_{b,\; i S + m D,\; j S + n D,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,o}}

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        The input of the forward pass.
    dy : array (N, rows, columns, O), of x's type
        ∂e/∂y.
    kernel_size : (int, int)
        kh and kw. They are required since, with a stride, kernels of several sizes have outputs of the same size.
    stride, padding, dilation, groups, data_format
        As in the forward pass.

    Returns
    -------
    array (kh, kw, C / groups, O), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv2d`; also if dy does not have the output size of such an input and kernel.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> dy = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    >>> conv2d_dw(x, dy, kernel_size=(2, 2))[:, :, 0, 0]
    array([[21., 32.],
           [54., 65.]])

    Source: lecture row B3 (SOURCES.md).
    """
    x, dy, window, groups = checked_dw(2, x, dy, kernel_size, (stride, padding, dilation), groups, data_format)
    return implementation("conv").conv2d_dw(x, dy, window, groups)


def conv2d_db(dy: ArrayLike, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂b of :func:`conv2d`: the sum of ∂e/∂y over images and pixels.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i,j} \frac{\partial e}{\partial y_{b,i,j,o}}

    Parameters
    ----------
    dy : array (N, rows, columns, O), float32 or float64
        ∂e/∂y; (N, O, rows, columns) with ``channels_first``.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (O,), of dy's type

    Raises
    ------
    TypeError, ValueError
        If dy is not a batch of images of float32, float64 or integers.

    Examples
    --------
    >>> import numpy as np
    >>> conv2d_db(np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 1, 2))
    array([4., 7.])

    Source: lecture row B1 (SOURCES.md).
    """
    return implementation("conv").conv2d_db(channels_last("dy", as_float("dy", dy), 2, data_format))


def conv1d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute a convolution layer on signals: :func:`conv2d` with one spatial axis.

    .. math:: y_{i,o} = \mathrm{bias}_o + \sum_{m,c} x_{i S + m D,\; c} \; w_{m,c,o}

    Parameters
    ----------
    x : array (N, n, C), float32 or float64
        A batch of signals; (N, C, n) with ``data_format="channels_first"``.
    w : array (k, C / groups, O), of x's type
        The kernels.
    b : array (O,), of x's type, optional
        The bias.
    stride, dilation : int
        S and D of the formula, in samples.
    padding : str, int or ((left, right),)
        Zeros around the signal, as in :func:`conv2d`.
    groups, data_format
        As in :func:`conv2d`.

    Returns
    -------
    array (N, outputs, O), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv2d`.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([1.0, 2, 3, 4, 5, 6]).reshape(1, 6, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv1d(x, w, stride=2)[0, :, 0]
    array([14., 26.])

    Source: lecture rows A7 and C8 (SOURCES.md).
    """
    x, w, b, window, groups = checked(1, x, w, b, (stride, padding, dilation), groups, data_format)
    return restore(implementation("conv").conv1d(x, w, b, window, groups), data_format)


def conv1d_dx(
    dy: ArrayLike,
    w: ArrayLike,
    input_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`conv1d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{u,c}} = \sum_{i,m:\, i S + m D = u} \sum_o
              \frac{\partial e}{\partial y_{i,o}} \; w_{m,c,o}

    u counts from the edge of the padding. The derivatives of the padding itself are dropped.

    Parameters
    ----------
    dy : array (N, outputs, O), float32 or float64
        ∂e/∂y.
    w : array (k, C / groups, O), of dy's type
        The kernels of the forward pass.
    input_size : int or (int,)
        Length of x in samples.
    stride, padding, dilation, groups, data_format
        As in the forward pass.

    Returns
    -------
    array (N, n, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv2d_dx`.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv1d_dx(dy, w, input_size=5, stride=2)[0, :, 0]
    array([ 1.,  2., 13., 20., 30.])

    Source: lecture rows B4 and C8 (SOURCES.md).
    """
    dy, w, size, window, groups = checked_dx(1, dy, w, input_size, (stride, padding, dilation), groups, data_format)
    return restore(implementation("conv").conv1d_dx(dy, w, size, window, groups), data_format)


def conv1d_dw(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂w of :func:`conv1d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{m,c,o}} = \sum_{b,i} x_{b,\; i S + m D,\; c} \;
              \frac{\partial e}{\partial y_{b,i,o}}

    Parameters
    ----------
    x : array (N, n, C), float32 or float64
        The input of the forward pass.
    dy : array (N, outputs, O), of x's type
        ∂e/∂y.
    kernel_size : int or (int,)
        k, in taps.
    stride, padding, dilation, groups, data_format
        As in the forward pass.

    Returns
    -------
    array (k, C / groups, O), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv2d_dw`.

    Examples
    --------
    >>> import numpy as np
    >>> x, dy = np.array([1.0, 2, 3, 4]).reshape(1, 4, 1), np.array([1.0, 10]).reshape(1, 2, 1)
    >>> conv1d_dw(x, dy, kernel_size=3)[:, 0, 0]
    array([21., 32., 43.])

    Source: lecture rows B3 and C8 (SOURCES.md).
    """
    x, dy, window, groups = checked_dw(1, x, dy, kernel_size, (stride, padding, dilation), groups, data_format)
    return implementation("conv").conv1d_dw(x, dy, window, groups)


def conv1d_db(dy: ArrayLike, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂b of :func:`conv1d`: the sum of ∂e/∂y over signals and samples.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i} \frac{\partial e}{\partial y_{b,i,o}}

    Parameters
    ----------
    dy : array (N, outputs, O), float32 or float64
        ∂e/∂y; (N, O, outputs) with ``channels_first``.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (O,), of dy's type

    Raises
    ------
    TypeError, ValueError
        If dy is not a batch of signals of float32, float64 or integers.

    Examples
    --------
    >>> import numpy as np
    >>> conv1d_db(np.array([[[1.0, 2], [3, 5]]]))
    array([4., 7.])

    Source: lecture row B1 (SOURCES.md).
    """
    return implementation("conv").conv1d_db(channels_last("dy", as_float("dy", dy), 1, data_format))
