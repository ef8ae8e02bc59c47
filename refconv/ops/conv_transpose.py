"""The transposed convolution and its derivatives, on signals (1-D) and images (2-D).

Layouts: ``channels_last`` is (batch, height, width, channels), ``channels_first`` (batch, channels, height, width). In both
layouts, the kernels have the shape that they have in the convolution that is transposed: (kh, kw, outputs / groups, inputs).
"""

from __future__ import annotations

from refconv.ops.check import as_float, channels_last, restore
from refconv.ops.conv_transpose_checks import checked, checked_dw, checked_dx
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Size

__all__ = [
    "conv_transpose1d",
    "conv_transpose1d_db",
    "conv_transpose1d_dw",
    "conv_transpose1d_dx",
    "conv_transpose2d",
    "conv_transpose2d_db",
    "conv_transpose2d_dw",
    "conv_transpose2d_dx",
]


def conv_transpose2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    output_padding: Size | None = 0,
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute a transposed convolution on images: each pixel stamps the kernel onto the output.

    .. math:: y_{u,v,o} = \mathrm{bias}_o + \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}}
              \sum_c x_{i,j,c} \; w_{m,n,o,c}

    Each input pixel adds the kernel, multiplied by its value, to the output. u and v count from the edge of the padding. The
    padding itself is cut off. The matrix of this layer is Tᵀ, where T is the matrix of the convolution with the same window.
    So it reverses the change of shape of that convolution, but not the change of the values.

    Parameters
    ----------
    x : array (N, rows, columns, C), float32 or float64
        A batch of images; (N, C, rows, columns) with ``data_format="channels_first"``.
    w : array (kh, kw, O / groups, C), of x's type
        The kernels of the convolution that is transposed, from O channels to C.
    b : array (O,), of x's type, optional
        The bias, one for each output channel.
    stride, padding, dilation
        As in :func:`refconv.conv2d`, for the convolution that is transposed. The stamps of neighbouring pixels are S pixels
        apart, and the padding is cut off y.
    output_padding : int or (int, int) or None
        Additional pixels at the end of the output, fewer than the stride S or the dilation D. With stride S, the convolution
        maps images of S different sizes to the size of x. The default 0 selects the smallest of these sizes (lecture row C3),
        and S − 1 the largest. None selects the size that Keras, TensorFlow and JAX select: rows·S × columns·S pixels with
        "same" padding, as ONNX's ``auto_pad`` does, and this number or more with "valid" padding.
    groups : int
        Number of groups of channels. The input channels of a group add only to the O / groups output channels of this group
        (lecture row C5).
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, H, W, O), of x's type
        Or (N, O, H, W) with ``channels_first``. H = (rows − 1)·S + (kh − 1)·D + 1 − padding + output_padding; W is similar.
        With "same" padding H = (rows − 1)·S + 1 + output_padding, and H = rows·S with ``output_padding=None``.

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If shapes, groups or the window do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    >>> w = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(2, 3, 1, 1)
    >>> conv_transpose2d(x, w, b=[0.5], stride=2)[0, :, :, 0]
    array([[ 1.5,  2.5, 13.5, 20.5, 30.5],
           [ 4.5,  5.5, 46.5, 50.5, 60.5]])

    Source: lecture rows C1–C3, C5 and D10 (SOURCES.md); Dumoulin and Visin, "A guide to convolution arithmetic for deep
    learning", 2016.
    """
    steps = (stride, padding, dilation)
    x, w, b, size, window, groups = checked(2, x, w, b, steps, output_padding, groups, data_format)
    return restore(implementation("conv_transpose").conv_transpose2d(x, w, b, size, window, groups), data_format)


def conv_transpose2d_dx(
    dy: ArrayLike,
    w: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    output_padding: Size | None = 0,
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`conv_transpose2d`: the convolution of ∂e/∂y with the kernels.

    .. math:: \frac{\partial e}{\partial x_{i,j,c}} = \sum_{m,n,o}
              \frac{\partial e}{\partial y_{i S + m D,\; j S + n D,\; o}} \; w_{m,n,o,c}

    The size of dy determines the size of x. Only an output padding of S or more makes a difference.

    Parameters
    ----------
    dy : array (N, H, W, O), float32 or float64
        ∂e/∂y; (N, O, H, W) with ``channels_first``.
    w : array (kh, kw, O / groups, C), of dy's type
        The kernels of the forward pass.
    stride, padding, output_padding, dilation, groups, data_format
        As in the forward pass. An output padding below the stride may be omitted.

    Returns
    -------
    array (N, rows, columns, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv_transpose2d`; also if no x has an output of the size of dy.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    >>> conv_transpose2d_dx(dy, w)[0, :, :, 0]
    array([[5421., 6532.]])

    Source: lecture row C2 (SOURCES.md).
    """
    steps = (stride, padding, dilation)
    dy, w, size, window, groups = checked_dx(2, dy, w, steps, output_padding, groups, data_format)
    return restore(implementation("conv_transpose").conv_transpose2d_dx(dy, w, size, window, groups), data_format)


def conv_transpose2d_dw(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    output_padding: Size | None = 0,
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂w of :func:`conv_transpose2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{m,n,o,c}} = \sum_{b,i,j} x_{b,i,j,c} \;
              \frac{\partial e}{\partial y_{b,\; i S + m D,\; j S + n D,\; o}}

    Parameters
    ----------
    x : array (N, rows, columns, C), float32 or float64
        The input of the forward pass.
    dy : array (N, H, W, O), of x's type
        ∂e/∂y.
    kernel_size : (int, int)
        kh and kw, in pixels.
    stride, padding, output_padding, dilation, groups, data_format
        As in the forward pass. An output padding below the stride may be omitted.

    Returns
    -------
    array (kh, kw, O / groups, C), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv_transpose2d`; also if an x of this size does not have an output of the size of dy.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 10]).reshape(1, 1, 2, 1)
    >>> dy = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> conv_transpose2d_dw(x, dy, kernel_size=(2, 2))[:, :, 0, 0]
    array([[21., 32.],
           [54., 65.]])

    Source: lecture row C2 (SOURCES.md).
    """
    steps = (stride, padding, dilation)
    x, dy, window, groups = checked_dw(2, x, dy, kernel_size, steps, output_padding, groups, data_format)
    return implementation("conv_transpose").conv_transpose2d_dw(x, dy, window, groups)


def conv_transpose2d_db(dy: ArrayLike, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂b of :func:`conv_transpose2d`: the sum of ∂e/∂y over images and pixels.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,u,v} \frac{\partial e}{\partial y_{b,u,v,o}}

    Parameters
    ----------
    dy : array (N, H, W, O), float32 or float64
        ∂e/∂y; (N, O, H, W) with ``channels_first``.
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
    >>> conv_transpose2d_db(np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 1, 2))
    array([4., 7.])

    Source: lecture row C2 (SOURCES.md).
    """
    return implementation("conv_transpose").conv_transpose2d_db(channels_last("dy", as_float("dy", dy), 2, data_format))


def conv_transpose1d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    output_padding: Size | None = 0,
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute a transposed convolution on signals, as :func:`conv_transpose2d` does on images.

    .. math:: y_{u,o} = \mathrm{bias}_o + \sum_{i,m:\, i S + m D = u} \sum_c x_{i,c} \; w_{m,o,c}

    u counts from the edge of the padding. The padding itself is cut off.

    Parameters
    ----------
    x : array (N, outputs, C), float32 or float64
        A batch of signals, each the output of the convolution that is transposed; (N, C, outputs) with
        ``data_format="channels_first"``.
    w : array (k, O / groups, C), of x's type
        The kernels of that convolution.
    b : array (O,), of x's type, optional
        The bias.
    stride, padding, output_padding, dilation, groups, data_format
        As in :func:`conv_transpose2d`, but with one number instead of two.

    Returns
    -------
    array (N, n, O), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv_transpose2d`.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv_transpose1d(x, w, stride=2, output_padding=1)[0, :, 0]
    array([ 1.,  2., 13., 20., 30.,  0.])

    Source: lecture rows C1–C3, C5 and C8 (SOURCES.md).
    """
    steps = (stride, padding, dilation)
    x, w, b, size, window, groups = checked(1, x, w, b, steps, output_padding, groups, data_format)
    return restore(implementation("conv_transpose").conv_transpose1d(x, w, b, size, window, groups), data_format)


def conv_transpose1d_dx(
    dy: ArrayLike,
    w: ArrayLike,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    output_padding: Size | None = 0,
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂x of :func:`conv_transpose1d`: the convolution of ∂e/∂y with the kernels.

    .. math:: \frac{\partial e}{\partial x_{i,c}} = \sum_{m,o} \frac{\partial e}{\partial y_{i S + m D,\; o}} \; w_{m,o,c}

    Parameters
    ----------
    dy : array (N, n, O), float32 or float64
        ∂e/∂y.
    w : array (k, O / groups, C), of dy's type
        The kernels of the forward pass.
    stride, padding, output_padding, dilation, groups, data_format
        As in the forward pass. An output padding below the stride may be omitted.

    Returns
    -------
    array (N, outputs, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv_transpose2d_dx`.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.array([1.0, 2, 3, 4, 5, 6]).reshape(1, 6, 1), np.array([1.0, 2, 3]).reshape(3, 1, 1)
    >>> conv_transpose1d_dx(dy, w, stride=2)[0, :, 0]
    array([14., 26.])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    steps = (stride, padding, dilation)
    dy, w, size, window, groups = checked_dx(1, dy, w, steps, output_padding, groups, data_format)
    return restore(implementation("conv_transpose").conv_transpose1d_dx(dy, w, size, window, groups), data_format)


def conv_transpose1d_dw(
    x: ArrayLike,
    dy: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    output_padding: Size | None = 0,
    dilation: Size = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Compute ∂e/∂w of :func:`conv_transpose1d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{m,o,c}} = \sum_{b,i} x_{b,i,c} \;
              \frac{\partial e}{\partial y_{b,\; i S + m D,\; o}}

    Parameters
    ----------
    x : array (N, outputs, C), float32 or float64
        The input of the forward pass.
    dy : array (N, n, O), of x's type
        ∂e/∂y.
    kernel_size : int or (int,)
        k, in taps.
    stride, padding, output_padding, dilation, groups, data_format
        As in the forward pass. An output padding below the stride may be omitted.

    Returns
    -------
    array (k, O / groups, C), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`conv_transpose2d_dw`.

    Examples
    --------
    >>> import numpy as np
    >>> x, dy = np.array([1.0, 10]).reshape(1, 2, 1), np.array([1.0, 2, 3, 4]).reshape(1, 4, 1)
    >>> conv_transpose1d_dw(x, dy, kernel_size=3)[:, 0, 0]
    array([21., 32., 43.])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    steps = (stride, padding, dilation)
    x, dy, window, groups = checked_dw(1, x, dy, kernel_size, steps, output_padding, groups, data_format)
    return implementation("conv_transpose").conv_transpose1d_dw(x, dy, window, groups)


def conv_transpose1d_db(dy: ArrayLike, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂b of :func:`conv_transpose1d`: the sum of ∂e/∂y over signals and samples.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,u} \frac{\partial e}{\partial y_{b,u,o}}

    Parameters
    ----------
    dy : array (N, n, O), float32 or float64
        ∂e/∂y; (N, O, n) with ``channels_first``.
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
    >>> conv_transpose1d_db(np.array([[[1.0, 2], [3, 5]]]))
    array([4., 7.])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    return implementation("conv_transpose").conv_transpose1d_db(channels_last("dy", as_float("dy", dy), 1, data_format))
