"""The convolution layer as a matrix product: im2col, Toeplitz matrices and zero stuffing."""

from __future__ import annotations

from math import prod

from refconv._arguments import divisor, known_format, per_axis
from refconv._errors import ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import as_float, axes, channels_last, restore
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Shape, Size

__all__ = ["col2im", "im2col", "toeplitz1d", "toeplitz2d", "zero_stuff"]


def im2col(
    x: ArrayLike,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Copy each neighbourhood of the images into one column of a matrix.

    .. math:: M_{(m,n,c),\,(b,i,j)} = x_{b,\; i S + m D,\; j S + n D,\; c}

    The convolution layer is then one matrix product: with the kernels K of :func:`refconv.conv2d`, its outputs are
    ``K.reshape(kh * kw * C, O).T @ M``, of shape (O, N·rows·columns).

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    kernel_size : int or (int, int)
        kh and kw, in pixels.
    stride, padding, dilation
        As in :func:`refconv.conv2d`.
    data_format : str
        "channels_last" or "channels_first". The matrix is the same for both.

    Returns
    -------
    array (kh·kw·C, N·rows·columns), of x's type
        Rows in the order (m, n, c), columns in the order (b, i, j).

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.
    ValueError
        If x is not a batch of images, or the window does not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2, 3], [4, 5, 6]]).reshape(1, 2, 3, 1)
    >>> im2col(x, 2)
    array([[1., 2.],
           [2., 3.],
           [4., 5.],
           [5., 6.]])
    >>> np.array([[1, 10, 100, 1000]]) @ im2col(x, 2)
    array([[5421., 6532.]])

    Source: lecture row B2 (SOURCES.md).
    """
    x = channels_last("x", as_float("x", x), 2, data_format)
    window = Window(per_axis("kernel_size", kernel_size, 2), stride, padding, dilation)
    window.output_size(x.shape[1:-1])
    return implementation("matrix").im2col(x, window)


def col2im(
    columns: ArrayLike,
    input_size: Size,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = "valid",
    dilation: Size = 1,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Add each column of a matrix to its neighbourhood: the adjoint of :func:`im2col`.

    Where neighbourhoods overlap, their elements are added.

    .. math:: x_{b,u,v,c} = \sum_{\substack{i,m:\, i S + m D = u \\ j,n:\, j S + n D = v}} M_{(m,n,c),\,(b,i,j)}

    u and v count from the edge of the padding. The padding itself is cut off.

    Parameters
    ----------
    columns : array (kh·kw·C, N·rows·columns), float32 or float64
        M, with one neighbourhood in each column. Its shape determines N and C.
    input_size : int or (int, int)
        Height and width of the images, in pixels.
    kernel_size, stride, padding, dilation
        As in :func:`im2col`.
    data_format : str
        Layout of the returned images: "channels_last" or "channels_first".

    Returns
    -------
    array (N, H, W, C), of the type of columns
        Or (N, C, H, W) with ``channels_first``.

    Raises
    ------
    TypeError
        If columns is not an array of float32, float64 or integers.
    ValueError
        If the shape of the matrix is not a multiple of the kernel entries and pixels, or the window does not fit.

    Examples
    --------
    >>> col2im([[1, 10], [2, 20], [3, 30], [5, 50]], (2, 3), kernel_size=2)[0, :, :, 0]
    array([[ 1., 12., 20.],
           [ 3., 35., 50.]])

    Source: lecture row B2 (SOURCES.md).
    """
    columns = as_float("columns", columns)
    known_format(data_format)
    input_size = per_axis("input_size", input_size, 2)
    window = Window(per_axis("kernel_size", kernel_size, 2), stride, padding, dilation)
    size = window.output_size(input_size)
    if columns.ndim != 2:
        raise ArgumentValueError(f"columns must have 2 axes (kernel entries, pixels), got shape {columns.shape}")
    if not len(columns) or len(columns) % prod(window.kernel):
        raise ArgumentValueError(
            f"columns must have a multiple of {' × '.join(map(str, window.kernel))} rows (kernel entries times channels), got "
            f"shape {columns.shape}"
        )
    if columns.shape[1] % prod(size):
        raise ArgumentValueError(
            f"columns must have a multiple of {' × '.join(map(str, size))} columns (outputs of images of size {input_size}), "
            f"got shape {columns.shape}"
        )
    return restore(implementation("matrix").col2im(columns, input_size, window), data_format)


def toeplitz1d(
    w: ArrayLike, input_size: Size, *, stride: Size = 1, padding: Padding = "valid", dilation: Size = 1, groups: int = 1
) -> Array:
    r"""Return the matrix T of a convolution layer on signals of a fixed length.

    .. math:: T_{(i,o),\,(i S + m D,\; c)} = w_{m,c,o}, \quad \text{zero elsewhere}

    ``T @ x.ravel()`` is the output of the layer for one signal x. With one channel and stride 1, all elements of a diagonal
    are equal: T is a Toeplitz matrix.

    Parameters
    ----------
    w : array (k, C / groups, O), float32 or float64
        The kernels of :func:`refconv.conv1d`.
    input_size : int or (int,)
        Length n of the signals, in samples.
    stride, padding, dilation, groups
        As in :func:`refconv.conv1d`. The columns of padding samples are dropped.

    Returns
    -------
    array (outputs·O, n·C), of w's type
        Rows in the order (i, o), columns in the order (u, c), as in one signal with its channels last.

    Raises
    ------
    TypeError, ValueError
        As :func:`toeplitz2d`.

    Examples
    --------
    >>> import numpy as np
    >>> T = toeplitz1d(np.array([1.0, 2, 3]).reshape(3, 1, 1), 5)
    >>> T
    array([[1., 2., 3., 0., 0.],
           [0., 1., 2., 3., 0.],
           [0., 0., 1., 2., 3.]])
    >>> T.T @ [1, 10, 100]
    array([  1.,  12., 123., 230., 300.])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    w, size, window, groups = _checked(1, w, input_size, (stride, padding, dilation), groups)
    return implementation("matrix").toeplitz1d(w, size, window, groups)


def toeplitz2d(
    w: ArrayLike, input_size: Size, *, stride: Size = 1, padding: Padding = "valid", dilation: Size = 1, groups: int = 1
) -> Array:
    r"""Return the matrix T of a convolution layer on images of a fixed size.

    .. math:: T_{(i,j,o),\,(i S + m D,\; j S + n D,\; c)} = w_{m,n,c,o}, \quad \text{zero elsewhere}

    ``T @ x.ravel()`` is the output of the layer for one image x. ``T.T`` is the matrix of the transposed convolution, and of
    ∂e/∂x of the layer. With one channel and stride 1, T is a doubly blocked Toeplitz matrix: its blocks are equal along the
    diagonals, and so are the elements of each block. T has H·W·C columns and consists mostly of zeros, so it is suitable for
    small images only.

    Parameters
    ----------
    w : array (kh, kw, C / groups, O), float32 or float64
        The kernels of :func:`refconv.conv2d`.
    input_size : int or (int, int)
        Height H and width W of the images, in pixels.
    stride, padding, dilation, groups
        As in :func:`refconv.conv2d`. The columns of padding pixels are dropped.

    Returns
    -------
    array (rows·columns·O, H·W·C), of w's type
        Rows in the order (i, j, o), columns in the order (u, v, c), as in one image with its channels last.

    Raises
    ------
    TypeError
        If w is not an array of float32, float64 or integers.
    ValueError
        If shapes, groups or the window do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([[1.0, 2], [3, 5]]).reshape(2, 2, 1, 1)
    >>> toeplitz2d(w, (2, 3))
    array([[1., 2., 0., 3., 5., 0.],
           [0., 1., 2., 0., 3., 5.]])

    Source: lecture rows C2 and C8 (SOURCES.md).
    """
    w, size, window, groups = _checked(2, w, input_size, (stride, padding, dilation), groups)
    return implementation("matrix").toeplitz2d(w, size, window, groups)


def zero_stuff(x: ArrayLike, stride: Size, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Insert S − 1 zeros between neighbouring pixels of images or elements of signals.

    .. math:: y_{i S,\; j S,\; c} = x_{i,j,c}, \quad \text{zero elsewhere}

    A convolution of the zero-stuffed array with stride 1 is a transposed convolution of x with stride S.

    Parameters
    ----------
    x : array (N, H, W, C) or (N, n, C), float32 or float64
        A batch of images or signals; (N, C, H, W) or (N, C, n) with ``data_format="channels_first"``.
    stride : int or one int for each axis
        S, the new distance between neighbours, in elements.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, (H − 1)·S + 1, (W − 1)·S + 1, C) or (N, (n − 1)·S + 1, C), of x's type
        In the same layout as x.

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.
    ValueError
        If x is not a batch of images or signals, or stride does not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> zero_stuff(np.array([[1.0, 2], [3, 4]]).reshape(1, 2, 2, 1), (1, 3))[0, :, :, 0]
    array([[1., 0., 0., 2.],
           [3., 0., 0., 4.]])

    Source: lecture row C2 (SOURCES.md).
    """
    x = as_float("x", x)
    if x.ndim not in (3, 4):
        raise ArgumentValueError(f"x must have 3 axes (signals) or 4 axes (images), got shape {x.shape}")
    ndim = x.ndim - 2
    x = channels_last("x", x, ndim, data_format)
    stride = per_axis("stride", stride, ndim)
    window = Window((1,) * ndim, stride)
    try:
        window.output_size(window.transposed_output_size(x.shape[1:-1]))
    except ValueError as error:
        raise ArgumentValueError(
            f"stride must not make the output too large, got {stride} for x of size {x.shape[1:-1]}: {error}"
        ) from None
    return restore(implementation("matrix").zero_stuff(x, stride), data_format)


def _checked(
    ndim: int, w: ArrayLike, input_size: Size, steps: tuple[Size, Padding, Size], groups: int
) -> tuple[Array, Shape, Window, int]:
    w = axes("w", as_float("w", w), *("kernel height", "kernel width")[-ndim:], "inputs / groups", "outputs")
    groups = divisor("groups", groups, outputs=w.shape[-1])
    input_size = per_axis("input_size", input_size, ndim)
    window = Window(w.shape[:ndim], *steps)
    window.output_size(input_size)
    return w, input_size, window, groups
