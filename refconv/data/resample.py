"""Interpolation between pixels."""

import functools
import math

import numpy as np

from refconv._arguments import per_axis
from refconv._errors import ArgumentValueError
from refconv.typing import Array, Size

__all__ = ["MAX_PIXELS", "centre", "gaussians", "resample", "resize", "rounded_centre", "side_lengths"]


MAX_PIXELS = 2**27  # of a scaled image: a picture of 1 × 10⁷ pixels is a small file


def resample(image: Array, rows: Array, columns: Array) -> Array:
    """Return an image interpolated at these rows and columns.

    Positions between pixels are interpolated linearly; positions beyond the edge take the values at the edge. ``image`` has
    shape (H, W) or (H, W, C); ``rows`` and ``columns`` are arrays of numbers. The result has shape (rows, columns[, C]) and
    the image's type.

    >>> resample(np.array([[0, 10, 20], [40, 50, 60]], np.uint8), np.array([0.5, 9.0]), np.array([0.25, 2.0]))
    array([[23, 40],
           [43, 60]], dtype=uint8)
    """
    numbers = image if image.dtype == np.float64 else image.astype(np.float32)
    result = _along(_along(numbers, rows, 0), columns, 1)
    return (result + 0.5).astype(np.uint8) if image.dtype == np.uint8 else result.astype(image.dtype)


def resize(images: Array, size: Size) -> Array:
    """Return images resized by interpolation between the four nearest pixels.

    ``images`` has shape (N, H, W) or (N, H, W, C). ``size`` is the new height and width, or one number for both.

    >>> resize(np.array([[[0, 8], [16, 24]]], np.float32), (2, 4))
    array([[[ 0.,  2.,  6.,  8.],
            [16., 18., 22., 24.]]], dtype=float32)

    Source: lecture row A21 (SOURCES.md).
    """
    size = per_axis("size", size, 2)
    rows, columns = ((np.arange(n) + 0.5) * (old / n) - 0.5 for n, old in zip(size, images.shape[1:3], strict=True))
    return np.stack([resample(image, rows, columns) for image in images])


def centre(pixels: Array, size: tuple[int, ...]) -> Array:
    """Return the centre of images (N, H, W, …), as a view with this height and width.

    >>> centre(np.arange(15).reshape(1, 3, 5), (2, 3))
    array([[[1, 2, 3],
            [6, 7, 8]]])
    """
    top, left = ((side - n) // 2 for side, n in zip(pixels.shape[1:3], size, strict=True))
    return pixels[:, top : top + size[0], left : left + size[1]]


def side_lengths(size: tuple[int, ...], shorter: int) -> tuple[int, ...]:
    """Return the size of an image whose shorter side is scaled to a length, as in torchvision.

    Raises ``ValueError`` if the scaled image has more than ``MAX_PIXELS`` pixels.

    >>> side_lengths((375, 500), 256), side_lengths((500, 334), 232)
    ((256, 341), (347, 232))
    """
    scaled = tuple(shorter if n == min(size) else int(shorter * n / min(size)) for n in size)
    if math.prod(scaled) > MAX_PIXELS:
        height, width = scaled
        raise ArgumentValueError(f"images must be scaled to at most {MAX_PIXELS} pixels, got {height} × {width}")
    return scaled


def rounded_centre(pixels: Array, size: tuple[int, ...]) -> Array:
    """Return the centre of images as :func:`centre`, but round half pixels to even numbers.

    torchvision crops like this.

    >>> rounded_centre(np.arange(10).reshape(1, 2, 5), (2, 2)), centre(np.arange(10).reshape(1, 2, 5), (2, 2))
    (array([[[2, 3],
            [7, 8]]]), array([[[1, 2],
            [6, 7]]]))
    """
    top, left = (round((side - n) / 2) for side, n in zip(pixels.shape[1:3], size, strict=True))
    return pixels[:, top : top + size[0], left : left + size[1]]


@functools.lru_cache(maxsize=32)
def gaussians(n: int, sigma: float) -> Array:
    """Return Gaussian curves centred every sigma along n pixels, (n, curves).

    Their product with independent noise of variance 1 is a smooth random function of variance 1.

    >>> curves = gaussians(9, 4.0)
    >>> curves.shape, (curves**2).sum(1).round(4).tolist()
    ((9, 5), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    """
    centres = np.arange(-sigma, n + sigma, sigma)
    curves = np.exp(-0.5 * ((np.arange(n)[:, None] - centres) / sigma) ** 2)
    return (curves / np.sqrt((curves**2).sum(1, keepdims=True))).astype(np.float32)


def _along(a: Array, places: Array, axis: int) -> Array:
    places = np.clip(places, 0, a.shape[axis] - 1)
    first = places.astype(np.intp)
    t = (places - first).astype(a.dtype).reshape([-1 if k == axis else 1 for k in range(a.ndim)])
    low = a.take(first, axis)
    return low + t * (a.take(np.minimum(first + 1, a.shape[axis] - 1), axis) - low)
