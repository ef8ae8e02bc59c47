"""Mean and standard deviation of each channel, and normalisation of images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Array, ArrayLike

__all__ = ["channel_statistics", "normalize"]

BLOCK_ELEMENTS = 1 << 16  # elements converted to float64 at a time: 512 KiB
HALF_RANGE = 2.0**512  # far above the squares of float32, far below the largest float64


def channel_statistics(images: ArrayLike) -> tuple[Array, Array]:
    r"""Return the mean and the standard deviation of each channel, accumulated in float64.

    .. math:: \mu_c = \frac{1}{n} \sum_p x_{p,c}, \qquad
              \sigma_c^2 = \frac{1}{n} \sum_p (x_{p,c} - \mu_c)^2 - \Big( \frac{1}{n} \sum_p (x_{p,c} - \mu_c) \Big)^2

    over all n pixels p. The second term of σ² removes the rounding error of μ. A channel is constant if no pixel differs from
    the mean by more than a rounding error; its σ is exactly 0. The pixels of a channel are scaled by a power of two before
    they are squared, so neither large nor small ones leave the range of float64. Besides the images, peak memory is about 2 MB
    for any number of images, because they are converted in blocks.

    Parameters
    ----------
    images : array (…, C), integers or floats
        At least one pixel.

    Returns
    -------
    mean, std : arrays (C,), float64

    Raises
    ------
    TypeError
        If images are not real numbers.
    ValueError
        If images have fewer than two axes, are empty, or contain NaN or infinity.

    Examples
    --------
    >>> mean, std = channel_statistics(np.array([[[[10, 7, 1], [30, 7, 5]]]], np.uint8))
    >>> mean.tolist(), std.tolist()
    ([20.0, 7.0, 3.0], [10.0, 0.0, 2.0])

    Source: lecture row A21 (SOURCES.md); Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983.
    """
    images = _checked(images)
    if not images.size:
        raise ArgumentValueError(f"images must not be empty, got shape {images.shape}")
    count, channels = images.size // images.shape[-1], images.shape[-1]
    exponents = _exponents(images)
    total, magnitude = np.zeros(channels), np.zeros(channels)
    for rows in _rows(images, exponents):
        magnitude += np.abs(rows).sum(1)
        with np.errstate(invalid="ignore"):  # ∞ − ∞, which is detected in the magnitude
            total += rows.sum(1)
    if not np.isfinite(magnitude).all():
        raise ArgumentValueError(f"images must be finite, got NaN or infinity in channel {np.argmin(np.isfinite(magnitude))}")
    mean = total / count
    squares, remainder, largest = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for rows in _rows(images, exponents):
        centred = rows - mean[:, None]
        squares += (centred**2).sum(1)
        remainder += centred.sum(1)
        np.maximum(largest, np.abs(centred).max(1), out=largest)
    variance = np.maximum(squares / count - (remainder / count) ** 2, 0)
    constant = largest <= _rounding_error(images.dtype, count, channels) * (magnitude / count)
    std = np.where(constant, 0, np.sqrt(variance))
    return np.ldexp(mean, exponents), np.ldexp(std, exponents)


def normalize(
    images: ArrayLike,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    r"""Return images with mean 0 and standard deviation 1 in each channel.

    .. math:: y_{p,c} = (x_{p,c} - \mu_c) / \sigma_c, \qquad y_{p,c} = 0 \text{ where } \sigma_c = 0

    The result is computed in float64 and rounded once. Peak memory is the result plus about 2 MB for any number of images.

    Parameters
    ----------
    images : array (N, H, W, C), integers or floats
    mean, std : arrays (C,), optional
        Statistics of the training data from :func:`channel_statistics`, in the units of the images. By default, the
        statistics of ``images`` are used. A channel whose std is 0 becomes 0.
    dtype : numpy dtype
        Type of the result: float32 or float64.

    Returns
    -------
    array (N, H, W, C)

    Raises
    ------
    TypeError
        If images are not real numbers, or dtype is neither float32 nor float64.
    ValueError
        If mean or std does not have one finite number for each channel, or std is negative. If mean or std is not given,
        also in the cases of :func:`channel_statistics`.

    Examples
    --------
    >>> normalize(np.array([[[[10, 0], [30, 0]]]], np.uint8), mean=[20, 0], std=[5, 1]).tolist()
    [[[[-2.0, 0.0], [2.0, 0.0]]]]

    Source: lecture row A21 (SOURCES.md).
    """
    images = _checked(images)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ArgumentTypeError(f"dtype must be float32 or float64, got {np.dtype(dtype)}")
    if mean is None or std is None:
        own_mean, own_std = channel_statistics(images)
        mean, std = own_mean if mean is None else mean, own_std if std is None else std
    mean, std = (_for_each_channel(name, v, images.shape[-1]) for name, v in (("mean", mean), ("std", std)))
    if (std < 0).any():
        raise ArgumentValueError(f"std must be at least 0, got {std.min()}")
    result = np.empty(images.shape, dtype)
    # Near the largest float64 the difference of a pixel and the mean may overflow; the difference of their halves does not.
    scale = np.where(np.abs(mean) < HALF_RANGE, 1, 0.5)
    for source, target in zip(_blocks(images), _blocks(result), strict=True):
        centred = source.astype(np.float64) * scale - mean * scale
        target[...] = np.divide(centred, std, out=np.zeros_like(centred), where=std > 0) / scale
    return result


def _checked(images: ArrayLike) -> Array:
    images = np.asarray(images)
    if images.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"images must be integers or floats, got {images.dtype}")
    if images.ndim < 2:
        raise ArgumentValueError(f"images must have shape (N, H, W, C), got {images.shape}")
    return images


def _for_each_channel(name: str, value: ArrayLike, channels: int) -> Array:
    value = np.asarray(value, np.float64)
    if value.shape not in ((), (channels,)) or not np.isfinite(value).all():
        raise ArgumentValueError(
            f"{name} must be finite and have shape ({channels},), one number for each channel, got {value!r}"
        )
    return np.broadcast_to(value, (channels,))


def _blocks(images: Array) -> Iterator[Array]:
    """Yield consecutive views of the images, each of at most BLOCK_ELEMENTS elements.

    A view is larger only if one pixel has more than BLOCK_ELEMENTS channels.
    """
    size = math.prod(images.shape[1:])
    if size > BLOCK_ELEMENTS and images.ndim > 2:
        for image in images:
            yield from _blocks(image)
        return
    step = max(1, BLOCK_ELEMENTS // max(size, 1))
    for first in range(0, len(images), step):
        yield images[first : first + step]


def _rows(images: Array, exponents: Array | None = None) -> Iterator[Array]:
    """Yield the blocks as contiguous float64 arrays of shape (C, pixels).

    Each channel is divided by two to the power of its exponent. Sums along contiguous rows are the fastest.
    """
    for block in _blocks(images):
        rows = block.reshape(-1, images.shape[-1]).T.astype(np.float64, order="C")
        if exponents is not None and exponents.any():
            np.ldexp(rows, -exponents[:, None], out=rows)
        yield rows


def _exponents(images: Array) -> Array:
    """Return the exponent of the largest magnitude of each channel.

    Exponents are 0 if squares of the images' type cannot leave the range of float64.
    """
    peak = np.zeros(images.shape[-1])
    if images.dtype.kind == "f" and images.dtype.itemsize > 4:
        for rows in _rows(images):
            np.maximum(peak, np.abs(rows).max(1), out=peak)
    return np.frexp(np.where(np.isfinite(peak), peak, 0))[1]


def _rounding_error(dtype: np.dtype[Any], pixels: int, channels: int) -> float:
    """Return a bound on the relative error of the computed mean of a constant channel.

    The relative error of a mean of n terms, added in blocks, is at most (terms of a block + blocks) · eps. In addition, stored
    floats are rounded to the eps of their type.
    """
    block = max(1, BLOCK_ELEMENTS // channels)
    stored = np.finfo(dtype).eps if dtype.kind == "f" else 0
    return float(stored + (block + pixels / block + 2) * np.finfo(np.float64).eps)
