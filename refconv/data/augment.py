"""Random changes of images, so that a network sees a different version in each pass.

Each function here returns a function ``augment(images, rng)`` for :class:`refconv.data.Batches`. Images are batches in their
stored form, uint8 of shape (N, H, W) or (N, H, W, C), and stay uint8. Pixels from outside an image are 0, MNIST's background.

>>> import numpy as np
>>> augment = chain(crop(3, pad=1), flip())
>>> images = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
>>> augment(images, np.random.default_rng(3))
array([[[5, 4, 0],
        [9, 8, 0],
        [0, 0, 0]]], dtype=uint8)
"""

from __future__ import annotations  # without it, an annotation would import np.random

import math
from collections.abc import Callable

import numpy as np

from refconv._arguments import integer, real
from refconv._errors import ArgumentValueError
from refconv.data.resample import gaussians, resample
from refconv.typing import Array, Shape

__all__ = ["chain", "colour", "crop", "distort", "flip", "scale", "shift"]

Augment = Callable[[Array, "np.random.Generator"], Array]

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # brightness of red, green and blue, ITU-R BT.601


def chain(*augments: Augment) -> Augment:
    """Return an augmentation that applies several augmentations in order.

    All of them use the same random generator.

    Parameters
    ----------
    *augments : callable
        Augmentations in the order in which they are applied.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Source: lecture row A21 (SOURCES.md).
    """

    def augment(images: Array, rng: np.random.Generator) -> Array:
        for step in augments:
            images = step(images, rng)
        return images

    return augment


def crop(size: int, pad: int = 0) -> Augment:
    """Return an augmentation that crops a square at a random position of each image.

    The lecture crops 224 × 224 pixels from images of 256 × 256. The usual choice for CIFAR is ``crop(32, pad=4)``.

    Parameters
    ----------
    size : int
        Height and width of the square, in pixels.
    pad : int
        Number of zeros added on each side before cropping.

    Returns
    -------
    callable
        ``augment(images, rng)``; it raises ``ValueError`` if the images are not uint8, or smaller than the square.

    Raises
    ------
    TypeError, ValueError
        If size is not a positive integer, or pad is not a non-negative one.

    Examples
    --------
    >>> crop(2)(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), np.random.default_rng(3))
    array([[[4, 5],
            [8, 9]]], dtype=uint8)

    Source: lecture row A21 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012.
    """
    size, pad = integer("size", size), integer("pad", pad, least=0)

    def augment(images: Array, rng: np.random.Generator) -> Array:
        return _windows(_bytes(images), (size, size), pad, rng)

    return augment


def shift(most: int) -> Augment:
    """Return an augmentation that shifts each image by a random number of whole pixels.

    Parameters
    ----------
    most : int
        Largest shift in each direction, in pixels.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If most is not a non-negative integer.

    Examples
    --------
    >>> shift(1)(np.arange(1, 7, dtype=np.uint8).reshape(1, 2, 3), np.random.default_rng(2))
    array([[[0, 4, 5],
            [0, 0, 0]]], dtype=uint8)

    Source: lecture rows A21 and C11 (SOURCES.md).
    """
    most = integer("most", most, least=0)
    return lambda images, rng: _windows(_bytes(images), np.shape(images)[1:3], most, rng)


def flip(probability: float = 0.5) -> Augment:
    """Return an augmentation that flips images horizontally at random.

    Parameters
    ----------
    probability : float
        Probability of flipping, independent for each image.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If probability is not a number from 0 to 1.

    Examples
    --------
    >>> flip(1.0)(np.arange(6, dtype=np.uint8).reshape(2, 1, 3), np.random.default_rng(1)).tolist()
    [[[2, 1, 0]], [[5, 4, 3]]]

    Source: lecture row A21 (SOURCES.md).
    """
    probability = real("probability", probability, least=0, most=1)

    def augment(images: Array, rng: np.random.Generator) -> Array:
        images = _bytes(images).copy()
        chosen = rng.random(len(images)) < probability
        images[chosen] = images[chosen, :, ::-1]
        return images

    return augment


def scale(size: int, least: int = 256, most: int = 512) -> Augment:
    """Return an augmentation that rescales each image at random and then crops a square.

    This is scale jitter: each image is resized so that its shorter side is S, a random integer from least to most. In the
    lecture, S lies in [256, 512] and the crop is 224. Pixels are interpolated from their four neighbours.

    Parameters
    ----------
    size : int
        Height and width of the square, in pixels.
    least, most : int
        Smallest and largest S, in pixels.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If the three are not positive integers with size ≤ least ≤ most.

    Examples
    --------
    >>> scale(2, least=4, most=4)(np.array([[[0, 100], [0, 100]]], np.uint8), np.random.default_rng(2))
    array([[[ 0, 25],
            [ 0, 25]]], dtype=uint8)

    Source: lecture row A21 (SOURCES.md); Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", 2015.
    """
    size, least, most = integer("size", size), integer("least", least), integer("most", most)
    if not size <= least <= most:
        raise ArgumentValueError(f"size, least and most must satisfy size <= least <= most, got {size}, {least} and {most}")

    def augment(images: Array, rng: np.random.Generator) -> Array:
        images = _bytes(images)
        height, width = images.shape[1:3]
        result = np.empty((len(images), size, size, *images.shape[3:]), np.uint8)
        for n, image in enumerate(images):
            factor = rng.integers(least, most + 1) / min(height, width)
            top, left = (rng.integers(int(side * factor + 1e-9) - size + 1) for side in (height, width))
            rows, columns = ((first + np.arange(size) + 0.5) / factor - 0.5 for first in (top, left))
            result[n] = resample(image, rows, columns)
        return result

    return augment


def colour(brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.2) -> Augment:
    """Return an augmentation that changes brightness, contrast and saturation at random.

    This is colour jitter: each of the three is multiplied by a random factor around 1. Contrast scales differences from the
    image's mean, saturation differences from each pixel's grey level. Saturation only applies to images with three channels.

    Parameters
    ----------
    brightness, contrast, saturation : float
        x, from 0 to 1: each factor is drawn uniformly from 1 − x to 1 + x.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If one of the three is not a number from 0 to 1.

    Examples
    --------
    >>> colour(0.5, 0, 0)(np.array([[[10, 20, 200]]], np.uint8), np.random.default_rng(0))
    array([[[ 11,  23, 227]]], dtype=uint8)

    Source: lecture row A21 (SOURCES.md); Howard, "Some improvements on deep convolutional neural network based image
    classification", 2013.
    """
    ranges = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    spreads = [real(name, spread, least=0, most=1) for name, spread in ranges.items()]

    def augment(images: Array, rng: np.random.Generator) -> Array:
        images = _bytes(images)
        axes = tuple(range(1, images.ndim))
        bright, contrasted, saturated = (
            rng.uniform(1 - x, 1 + x, (len(images), *(1 for _ in axes))).astype(np.float32) for x in spreads
        )
        x = images * bright
        mean = x.mean(axes, dtype=np.float64, keepdims=True).astype(np.float32)
        x = (x - mean) * contrasted + mean
        if images.ndim == 4 and images.shape[3] == 3:
            grey = (x @ GREY)[..., None]
            x = (x - grey) * saturated + grey
        return np.clip(x + 0.5, 0, 255).astype(np.uint8)

    return augment


def distort(
    rotation: float = 10.0,
    zoom: float = 0.1,
    shear: float = 0.1,
    elastic: float = 0.8,
    sigma: float = 4.0,
    move: float = 0.0,
    share: int = 16,
) -> Augment:
    r"""Return an augmentation that distorts images at random, as handwriting varies.

    Images are rotated, zoomed, sheared, and bent by a smooth random displacement field:

    .. math:: y_{p} = x_{A (p - c) + c + d_p}, \qquad d = \mathrm{elastic} \cdot \text{noise smoothed by a Gaussian}

    with the centre c; values between pixels are interpolated from the four nearest pixels. To save time, ``share`` consecutive
    images of a batch use the same A and d; the batch is in random order.

    Parameters
    ----------
    rotation : float
        Largest angle, in degrees.
    zoom, shear : float
        Largest difference of the scale from 1, drawn separately for height and width; and largest shear, in pixels of x per
        pixel of y.
    elastic, sigma : float
        Standard deviation of each pixel's displacement, and of the Gaussian that smooths the displacements, in pixels.
    move : float
        Largest translation, in pixels; translations need not be whole pixels.
    share : int
        Number of consecutive images with the same distortion.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If share is not a positive integer, sigma is not positive, zoom is not from 0 to 1, or another argument is negative or
        not a number.

    Examples
    --------
    >>> plain = distort(rotation=0, zoom=0, shear=0, elastic=0)
    >>> plain(np.arange(4, dtype=np.uint8).reshape(1, 2, 2), np.random.default_rng(0)).tolist()
    [[[0, 1], [2, 3]]]

    Source: lecture rows A21 and C11 (SOURCES.md); Simard, Steinkraus and Platt, "Best practices for convolutional neural
    networks", 2003.
    """
    share = integer("share", share)
    lengths = {"rotation": rotation, "shear": shear, "elastic": elastic, "move": move}
    rotation, shear, elastic, move = (real(name, length, least=0) for name, length in lengths.items())
    sigma, zoom = real("sigma", sigma, above=0), real("zoom", zoom, least=0, most=1)

    def augment(images: Array, rng: np.random.Generator) -> Array:
        images = _bytes(images)
        groups = -(-len(images) // share)
        field = _sources(images.shape[1:3], groups, rng, math.radians(rotation), zoom, shear, elastic, sigma, move)
        return _gather(images, field, share)

    return augment


def _bytes(images: Array) -> Array:
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ArgumentValueError(f"images must be uint8 of shape (N, H, W[, C]), got {images.dtype} of shape {images.shape}")
    return images


def _windows(images: Array, size: Shape, pad: int, rng: np.random.Generator) -> Array:
    """Pad the images with zeros and cut a window at a random position of each."""
    count, height, width, *channels = images.shape
    padded = np.zeros((count, height + 2 * pad, width + 2 * pad, *channels), np.uint8)
    padded[:, pad : pad + height, pad : pad + width] = images
    margins = [n - window for n, window in zip(padded.shape[1:3], size, strict=True)]
    if min(margins) < 0:
        raise ArgumentValueError(f"images must be at least {size} pixels large with their padding, got {padded.shape[1:3]}")
    top, left = (rng.integers(0, n + 1, len(images)) for n in margins)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, (1, 2))
    cut = windows[np.arange(len(images)), top, left]  # channels come before the axes of the window
    return np.ascontiguousarray(np.moveaxis(cut, 1, -1)) if images.ndim == 4 else cut


def _sources(
    size: Shape,
    groups: int,
    rng: np.random.Generator,
    angle: float,
    zoom: float,
    shear: float,
    elastic: float,
    sigma: float,
    move: float,
) -> Array:
    """Draw a distortion for each group of images.

    Returns the source position of each pixel, rows and columns, in an array (2, groups, H, W).
    """
    rotation, slant = rng.uniform(-1, 1, (2, groups)) * np.array([[angle], [shear]])
    y_scale, x_scale = rng.uniform(1 - zoom, 1 + zoom, (2, groups))
    cos, sin = np.cos(rotation), np.sin(rotation)
    matrix = np.stack([[y_scale * cos, -x_scale * sin], [y_scale * sin + slant, x_scale * cos]]).astype(np.float32)
    centre = np.array([(n - 1) / 2 for n in size])
    y, x = (np.arange(n, dtype=np.float32) - np.float32(c) for n, c in zip(size, centre, strict=True))
    offset = (centre[:, None] + rng.uniform(-move, move, (2, groups))).astype(np.float32)
    across, down, offset = (part[..., None, None] for part in (matrix[:, 1], matrix[:, 0], offset))
    field = (down * y[:, None] + offset) + across * x
    if elastic:
        curves = [gaussians(n, sigma) for n in size]
        noise = rng.standard_normal((2, groups, *(c.shape[1] for c in curves)), np.float32)
        field += np.float32(elastic) * (curves[0] @ noise @ curves[1].T)
    return field


def _gather(images: Array, field: Array, share: int) -> Array:
    """Interpolate each group of images at the positions of its field.

    In memory, equal pixels of the images of a group are consecutive. The computation uses 16-bit integers, which are half as
    large as float32; positions are rounded to 1/128 of a pixel.
    """
    _, groups, height, width = field.shape
    count = len(images)
    padded_height, pitch = height + 3, width + 3
    padded = np.zeros((groups * share, padded_height, pitch, images[0, 0, 0].size), np.int16)  # with a margin of background
    padded[:count, 1:-2, 1:-2] = images.reshape(count, height, width, -1)
    grouped = np.moveaxis(padded.reshape(groups, share, -1, padded.shape[-1]), 1, 2)
    pixels = np.ascontiguousarray(grouped).reshape(groups * padded_height * pitch, -1)
    positions = np.rint(128 * field).astype(np.intp) + 128
    positions = np.clip(positions, 0, 128 * np.array([height + 1, width + 1]).reshape(2, 1, 1, 1))
    top, left = positions >> 7
    fractions = (positions & 127).astype(np.int16)
    down, right = (t.reshape(-1, 1).repeat(pixels.shape[1], 1) for t in fractions)
    first = ((np.arange(groups)[:, None, None] * padded_height + top) * pitch + left).reshape(-1)

    def row(start: Array) -> Array:
        return _between(pixels.take(start, 0), pixels.take(start + 1, 0), right)

    result = _between(row(first), row(first + pitch), down).astype(np.uint8)
    result = np.moveaxis(result.reshape(groups, height * width, share, -1), 2, 1)
    return result.reshape(groups * share, *images.shape[1:])[:count]


def _between(a: Array, b: Array, t: Array) -> Array:
    """Compute a + t/128·(b − a), rounded, in place in b.

    No overflow: an 8-bit difference times a 7-bit factor, with a sign, fits into 16 bits.
    """
    b -= a
    b *= t
    b += 64
    b >>= 7
    b += a
    return b
