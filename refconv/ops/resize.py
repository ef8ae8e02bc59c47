"""Padding of images and signals, and upsampling and adaptive pooling of images."""

from __future__ import annotations

from refconv._arguments import LARGEST, choice, known_format, per_axis
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import as_float, channels_last, restore
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat, Padding, Shape, Size

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_dx",
    "adaptive_size",
    "frame",
    "framed_size",
    "pad",
    "pad_dx",
    "upsample2d",
    "upsample2d_dx",
    "upsample_mode",
    "upsampled_size",
]


def pad(x: ArrayLike, padding: Padding, *, mode: str = "zeros", data_format: DataFormat = "channels_last") -> Array:
    r"""Pad images or signals with zeros, edge values or a reflection.

    .. math:: y_{i,j,c} = x_{s(i - \mathrm{top}),\; s(j - \mathrm{left}),\; c}

    s maps a position outside the image to the input pixel that ``mode`` copies there. Layers themselves pad with zeros only.
    For another mode, pad first and use a layer with "valid" padding.

    Parameters
    ----------
    x : array (N, H, W, C) or (N, n, C), float32 or float64
        A batch of images, or of signals; (N, C, …) with ``data_format="channels_first"``.
    padding : int, (int, int) or ((top, bottom), (left, right))
        Pixels to add on each side; for signals, int or ((left, right),).
    mode : str
        "zeros"; "reflect", which mirrors the image at its outermost pixels without repeating them; or "edge", which repeats
        the outermost pixels.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, top + H + bottom, left + W + right, C), of x's type
        Or (N, C, …) with ``channels_first``.

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers, or padding does not consist of integers.
    ValueError
        If x is not a batch of images or signals, or padding or mode does not fit. With "reflect", the padding must be smaller
        than the image.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2, 3]).reshape(1, 3, 1)
    >>> for mode in ("zeros", "reflect", "edge"):
    ...     print(pad(x, ((2, 1),), mode=mode)[0, :, 0])
    [0. 0. 1. 2. 3. 0.]
    [3. 2. 1. 2. 3. 2.]
    [1. 1. 1. 2. 3. 3.]

    Source: lecture rows A9, M16 and M17 (SOURCES.md).
    """
    x = _images_or_signals("x", as_float("x", x), data_format)
    window = frame(padding, x.ndim - 2, mode)
    framed_size(window, x.shape[1:-1], mode)
    x, window, signals = _as_images(x, window)
    y = implementation("resize").pad(x, window, mode)
    return restore(y[:, 0] if signals else y, data_format)


def pad_dx(dy: ArrayLike, padding: Padding, *, mode: str = "zeros", data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂x of :func:`pad`: the sum of ∂e/∂y over all copies of a pixel.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} =
              \sum_{\substack{i:\, s(i - \mathrm{top}) = u \\ j:\, s(j - \mathrm{left}) = v}}
              \frac{\partial e}{\partial y_{i,j,c}}

    Parameters
    ----------
    dy : array (N, top + H + bottom, left + W + right, C) or (N, left + n + right, C), float32 or float64
        ∂e/∂y; (N, C, …) with ``channels_first``.
    padding, mode, data_format
        As in the forward pass.

    Returns
    -------
    array (N, H, W, C) or (N, n, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`pad`; also if dy is not larger than its padding.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.array([1.0, 10, 100, 1000, 10000]).reshape(1, 5, 1)
    >>> for mode in ("zeros", "reflect", "edge"):
    ...     print(pad_dx(dy, ((2, 0),), mode=mode)[0, :, 0])
    [  100.  1000. 10000.]
    [  100.  1010. 10001.]
    [  111.  1000. 10000.]

    Source: lecture rows A9, M16 and M17 (SOURCES.md).
    """
    dy = _images_or_signals("dy", as_float("dy", dy), data_format)
    window = frame(padding, dy.ndim - 2, mode)
    size = tuple(n - before - after for n, (before, after) in zip(dy.shape[1:-1], window.padding, strict=True))
    if min(size) < 1:
        raise ArgumentValueError(f"dy must be larger than its padding {window.padding}, got shape {dy.shape} (channels_last)")
    framed_size(window, size, mode)
    dy, window, signals = _as_images(dy, window)
    dx = implementation("resize").pad_dx(dy, (1, *size) if signals else size, window, mode)
    return restore(dx[:, 0] if signals else dx, data_format)


def upsample2d(x: ArrayLike, scale: Size, *, mode: str = "nearest", data_format: DataFormat = "channels_last") -> Array:
    r"""Upsample images to S_h × S_w pixels for each pixel, by copies or bilinear interpolation.

    .. math:: \text{nearest:}\; y_{i,j,c} = x_{\lfloor i / S_h \rfloor,\, \lfloor j / S_w \rfloor,\, c} \qquad
              \text{bilinear:}\; y_{i,j,c} = \sum_{u,v} \Lambda\!\left(\tfrac{2i + 1 - S_h}{2 S_h} - u\right)
              \Lambda\!\left(\tfrac{2j + 1 - S_w}{2 S_w} - v\right) x_{u,v,c}, \quad \Lambda(t) = \max(0, 1 - |t|)

    Pixels are squares, and distances are measured between their centres, as in PyTorch with ``align_corners=False`` and in
    Keras. "bilinear" treats the image as if its outermost pixels were repeated beyond the edge.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    scale : int or (int, int)
        S_h and S_w: output pixels for each input pixel, in height and width.
    mode : str
        "nearest" or "bilinear".
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, H·S_h, W·S_w, C), of x's type
        Or (N, C, H·S_h, W·S_w) with ``channels_first``.

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers, or scale is not an integer.
    ValueError
        If x is not a batch of images, or scale or mode does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 5, 17]).reshape(1, 1, 3, 1)
    >>> for mode in ("nearest", "bilinear"):
    ...     print(upsample2d(x, (1, 2), mode=mode)[0, 0, :, 0])
    [ 1.  1.  5.  5. 17. 17.]
    [ 1.  2.  4.  8. 14. 17.]

    Source: lecture rows M16 and M17 (SOURCES.md).
    """
    x = channels_last("x", as_float("x", x), 2, data_format)
    scale = per_axis("scale", scale, 2)
    upsampled_size(x.shape[1:-1], scale)
    return restore(implementation("resize").upsample2d(x, scale, upsample_mode(mode)), data_format)


def upsample2d_dx(dy: ArrayLike, scale: Size, *, mode: str = "nearest", data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂x of :func:`upsample2d`: the sum of ∂e/∂y times the weights of an input.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} = \sum_{i,j} \frac{\partial y_{i,j,c}}{\partial x_{u,v,c}} \;
              \frac{\partial e}{\partial y_{i,j,c}}

    Parameters
    ----------
    dy : array (N, H·S_h, W·S_w, C), float32 or float64
        ∂e/∂y; (N, C, H·S_h, W·S_w) with ``channels_first``.
    scale, mode, data_format
        As in the forward pass.

    Returns
    -------
    array (N, H, W, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`upsample2d`; also if the size of dy is not a multiple of scale.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4, 1)
    >>> for mode in ("nearest", "bilinear"):
    ...     print(upsample2d_dx(dy, (1, 2), mode=mode)[0, 0, :, 0])
    [  11. 1100.]
    [  33.5 1077.5]

    Source: lecture rows M16 and M17 (SOURCES.md).
    """
    dy = channels_last("dy", as_float("dy", dy), 2, data_format)
    scale = per_axis("scale", scale, 2)
    if any(n % S for n, S in zip(dy.shape[1:-1], scale, strict=True)):
        raise ArgumentValueError(f"dy must have a multiple of {scale} pixels, got shape {dy.shape} (channels_last)")
    return restore(implementation("resize").upsample2d_dx(dy, scale, upsample_mode(mode)), data_format)


def adaptive_avg_pool2d(x: ArrayLike, output_size: Size, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute adaptive average pooling: the image as K × L means, whatever its size.

    .. math:: y_{i,j,c} = \frac{1}{\mathrm{count}_{i,j}} \sum_{u=\lfloor i H / K \rfloor}^{\lceil (i+1) H / K \rceil - 1} \;
              \sum_{v=\lfloor j W / L \rfloor}^{\lceil (j+1) W / L \rceil - 1} x_{u,v,c}

    Along each axis, output i covers the inputs that overlap with the i-th of K equal parts of the image. If K does not divide
    H, the windows have different sizes and overlap. If H = K, the result is the image itself; for K = L = 1, it is global
    average pooling. The output may also be larger than the image.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images; (N, C, H, W) with ``data_format="channels_first"``.
    output_size : int or (int, int)
        K and L, height and width of the output.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    array (N, K, L, C), of x's type
        Or (N, C, K, L) with ``channels_first``.

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers, or output_size is not an integer.
    ValueError
        If x is not a batch of images, or output_size does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 3, 5, 7, 9]).reshape(1, 1, 5, 1)
    >>> adaptive_avg_pool2d(x, (1, 2))[0, 0, :, 0]
    array([3., 7.])

    Source: lecture row A11 (SOURCES.md).
    """
    x = channels_last("x", as_float("x", x), 2, data_format)
    return restore(implementation("resize").adaptive_avg_pool2d(x, adaptive_size(output_size)), data_format)


def adaptive_avg_pool2d_dx(dy: ArrayLike, input_size: Size, *, data_format: DataFormat = "channels_last") -> Array:
    r"""Compute ∂e/∂x of :func:`adaptive_avg_pool2d`: each output shares out its ∂e/∂y equally.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} = \sum_{i,j:\; (i,j) \text{ covers } (u,v)}
              \frac{1}{\mathrm{count}_{i,j}} \; \frac{\partial e}{\partial y_{i,j,c}}

    Parameters
    ----------
    dy : array (N, K, L, C), float32 or float64
        ∂e/∂y; (N, C, K, L) with ``channels_first``.
    input_size : (int, int)
        Height and width of x in pixels.
    data_format : str
        As in the forward pass.

    Returns
    -------
    array (N, H, W, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`adaptive_avg_pool2d`.

    Examples
    --------
    >>> import numpy as np
    >>> adaptive_avg_pool2d_dx(np.array([3.0, 30]).reshape(1, 1, 2, 1), input_size=(1, 5))[0, 0, :, 0]
    array([ 1.,  1., 11., 10., 10.])

    Source: lecture row A11 (SOURCES.md).
    """
    dy = channels_last("dy", as_float("dy", dy), 2, data_format)
    input_size = per_axis("input_size", input_size, 2)
    return restore(implementation("resize").adaptive_avg_pool2d_dx(dy, input_size), data_format)


def adaptive_size(output_size: Size) -> Shape:
    """Check the output size of adaptive pooling and return it as (K, L)."""
    size = per_axis("output_size", output_size, 2)
    if size[0] * size[1] > LARGEST:
        raise ArgumentValueError(f"output_size must have at most {LARGEST} pixels, got {size}")
    return size


def frame(padding: Padding, ndim: int, mode: str) -> Window:
    """Return a 1×1 window with this padding, after checking the mode."""
    choice("mode", mode, ("zeros", "reflect", "edge"))
    if isinstance(padding, str):
        raise ArgumentTypeError(f"padding must be numbers of pixels, got {padding!r}")
    return Window((1,) * ndim, padding=padding)


def framed_size(window: Window, size: Shape, mode: str) -> Shape:
    """Return the size of a padded image; raise ValueError if it is too small to be reflected."""
    if mode == "reflect":
        for axis, (n, pads) in enumerate(zip(size, window.pads(size), strict=True)):
            if max(pads) >= n:
                raise ArgumentValueError(
                    f"padding must be smaller than the image with mode 'reflect', got {pads[0]} + {pads[1]} on axis {axis} "
                    f"of {n} pixels"
                )
    return window.output_size(size)


def upsample_mode(mode: str) -> str:
    """Check the mode and return it."""
    return choice("mode", mode, ("nearest", "bilinear"))


def upsampled_size(size: Shape, scale: Shape) -> Shape:
    """Return the size of an upsampled image; raise ValueError if it has too many pixels."""
    H, W = (n * S for n, S in zip(size, scale, strict=True))
    if H * W > LARGEST:
        raise ArgumentValueError(f"scale must give an output of at most {LARGEST} pixels, got size {(H, W)}")
    return H, W


def _images_or_signals(name: str, array: Array, data_format: DataFormat) -> Array:
    known_format(data_format)
    if array.ndim not in (3, 4):
        raise ArgumentValueError(f"{name} must have 4 axes (images) or 3 axes (signals), got shape {array.shape}")
    return channels_last(name, array, array.ndim - 2, data_format)


def _as_images(array: Array, window: Window) -> tuple[Array, Window, bool]:
    """Return signals as images one pixel high, their window, and True if they were signals.

    Images and their window are returned unchanged.
    """
    return (array[:, None], window.with_axis_before(), True) if window.ndim == 1 else (array, window, False)
