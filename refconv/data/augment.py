"""Augmentation: images changed at random, so that a network sees each a little different every time.

Each function here makes a function ``augment(images, rng)`` for :class:`refconv.data.Batches`. Images are batches as they are
stored, bytes of shape (N, H, W) or (N, H, W, C), and stay bytes; what comes in from outside is 0, MNIST's background.

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

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # how bright red, green and blue are, ITU-R BT.601


def chain(*augments: Augment) -> Augment:
    """One after the other, all with the same generator of random numbers.

    Parameters
    ----------
    *augments : callable
        In order.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Source: lecture row A21 (SOURCES.md).
    """

    def augment(images: Array, rng: np.random.Generator) -> Array:
        for each in augments:
            images = each(images, rng)
        return images

    return augment


def crop(size: int, pad: int = 0) -> Augment:
    """A square of this size, anywhere in the image; where ``pad`` is given, in the image with so many zeros on each side.

    The lecture's is 224 from 256; CIFAR's usual one is ``crop(32, pad=4)``.

    Parameters
    ----------
    size : int
        Pixels along the square.
    pad : int
        Zeros on each side, before.

    Returns
    -------
    callable
        ``augment(images, rng)``; it raises ``ValueError`` if the images are no bytes, or smaller than the square.

    Raises
    ------
    TypeError, ValueError
        If size is no count, or pad is negative.

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
    """Each image moved by whole pixels.

    Parameters
    ----------
    most : int
        How far at most, in each direction.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If most is no whole number from 0 on.

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
    """Left and right exchanged.

    Parameters
    ----------
    probability : float
        For each image by itself.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If probability is no number from 0 to 1.

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
    """Scale jitter: each image resized so that its shorter side is S, a whole number from least to most; then a random crop.

    The lecture's S lies in [256, 512] and its crop is 224. Pixels are interpolated from their four neighbours.

    Parameters
    ----------
    size : int
        Pixels along the square that is cropped.
    least, most : int
        The range of S, in pixels.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        Unless size ≤ least ≤ most, and all are counts.

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
        raise ArgumentValueError(
            f"size must be at most least, and least at most most, but they are {size}, {least} and {most}"
        )

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
    """Colour jitter: brightness, contrast and saturation of each image times a factor around one.

    Contrast is about the image's mean, saturation about each pixel's grey; images without three channels have no saturation.

    Parameters
    ----------
    brightness, contrast, saturation : float
        Each factor is drawn evenly from 1 − x to 1 + x; x from 0 to 1.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If one of the three is no number from 0 to 1.

    Examples
    --------
    >>> colour(0.5, 0, 0)(np.array([[[10, 20, 200]]], np.uint8), np.random.default_rng(0))
    array([[[ 11,  23, 227]]], dtype=uint8)

    Source: lecture row A21 (SOURCES.md); Howard, "Some improvements on deep convolutional neural network based image
    classification", 2013.
    """

    given = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    spreads = [real(name, spread, least=0, most=1) for name, spread in given.items()]

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
    r"""Images turned, zoomed, slanted, and bent by a smooth random field, as handwriting differs.

    .. math:: y_{p} = x_{A (p - c) + c + d_p}, \qquad d = \mathrm{elastic} \cdot \text{noise smoothed by a Gaussian}

    with the centre c; values between pixels are interpolated from four. ``share`` neighbours of a batch, which is in random
    order, have A and d in common: what is common is computed once.

    Parameters
    ----------
    rotation : float
        Largest angle, in degrees.
    zoom, shear : float
        Largest difference of the scale from 1, drawn for height and width apart, and largest slant, x per y.
    elastic, sigma : float
        Standard deviation of each pixel's displacement, and of the Gaussian that makes neighbours move together, in pixels.
    move : float
        Largest translation, in pixels, parts of them too.
    share : int
        Images that are distorted alike.

    Returns
    -------
    callable
        ``augment(images, rng)``.

    Raises
    ------
    TypeError, ValueError
        If share is no count, sigma not above 0, zoom not from 0 to 1, or another not a number from 0 on.

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
    """A window of this size anywhere in each image, padded by zeros."""
    count, height, width, *channels = images.shape
    padded = np.zeros((count, height + 2 * pad, width + 2 * pad, *channels), np.uint8)
    padded[:, pad : pad + height, pad : pad + width] = images
    rest = [have - want for have, want in zip(padded.shape[1:3], size, strict=True)]
    if min(rest) < 0:
        raise ArgumentValueError(
            f"images must be at least {size} pixels large, but with their padding they are {padded.shape[1:3]}"
        )
    top, left = (rng.integers(0, n + 1, len(images)) for n in rest)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, (1, 2))
    found = windows[np.arange(len(images)), top, left]  # with channels these come before the window
    return np.ascontiguousarray(np.moveaxis(found, 1, -1)) if images.ndim == 4 else found


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
    """Where each pixel of each group comes from: rows and columns, two arrays (groups, H, W)."""
    turn, slant = rng.uniform(-1, 1, (2, groups)) * np.array([[angle], [shear]])
    tall, wide = rng.uniform(1 - zoom, 1 + zoom, (2, groups))
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.stack([[tall * cos, -wide * sin], [tall * sin + slant, wide * cos]]).astype(np.float32)
    centre = np.array([(n - 1) / 2 for n in size])
    y, x = (np.arange(n, dtype=np.float32) - np.float32(c) for n, c in zip(size, centre, strict=True))
    offset = (centre[:, None] + rng.uniform(-move, move, (2, groups))).astype(np.float32)
    across, down, offset = (part[..., None, None] for part in (matrix[:, 1], matrix[:, 0], offset))
    found = (down * y[:, None] + offset) + across * x
    if elastic:
        bumps = [gaussians(n, sigma) for n in size]
        noise = rng.standard_normal((2, groups, *(b.shape[1] for b in bumps)), np.float32)
        found += np.float32(elastic) * (bumps[0] @ noise @ bumps[1].T)
    return found


def _gather(images: Array, field: Array, share: int) -> Array:
    """Interpolate each group of images at the places of its field; the images of a group lie side by side, pixel by pixel.

    In whole numbers of 16 bits, half as large as float32: places are rounded to 1/128 of a pixel.
    """
    _, groups, height, width = field.shape
    count, tall, pitch = len(images), height + 3, width + 3
    framed = np.zeros((groups * share, tall, pitch, images[0, 0, 0].size), np.int16)  # in a frame of background
    framed[:count, 1:-2, 1:-2] = images.reshape(count, height, width, -1)
    alike = np.moveaxis(framed.reshape(groups, share, -1, framed.shape[-1]), 1, 2)
    pixels = np.ascontiguousarray(alike).reshape(groups * tall * pitch, -1)
    places = np.rint(128 * field).astype(np.intp) + 128
    places = np.clip(places, 0, 128 * np.array([height + 1, width + 1]).reshape(2, 1, 1, 1))
    (top, left), parts = places >> 7, (places & 127).astype(np.int16)
    down, right = (t.reshape(-1, 1).repeat(pixels.shape[1], 1) for t in parts)
    first = ((np.arange(groups)[:, None, None] * tall + top) * pitch + left).reshape(-1)

    def row(start: Array) -> Array:
        return _between(pixels.take(start, 0), pixels.take(start + 1, 0), right)

    found = _between(row(first), row(first + pitch), down).astype(np.uint8)
    found = np.moveaxis(found.reshape(groups, height * width, share, -1), 2, 1)
    return found.reshape(groups * share, *images.shape[1:])[:count]


def _between(a: Array, b: Array, t: Array) -> Array:
    """a + t/128·(b − a), rounded, in b's memory. The product of 8 and 7 bits and a sign fits into 16."""
    b -= a
    b *= t
    b += 64
    b >>= 7
    b += a
    return b
