"""Separation of ink from paper in a photograph that may contain shadows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refconv._optional import need
from refconv.data.components import Components
from refconv.data.pictures import FAINTEST_INK
from refconv.typing import Array

__all__ = ["Ink", "ink_of", "widened"]

LONGEST_SIDE = 1600  # pixels; larger pictures are reduced first, which also averages their noise
SMOOTHED_SIDE = 100  # pixels; smaller pictures, such as MNIST's images, are not smoothed
# Width of the window in which the brightest pixel counts as paper, as a fraction of the picture's shorter side. It must be
# wider than the pen and narrower than a shadow.
WINDOW = 0.4
FAINTEST_STROKE = 0.35  # fraction of the contrast; below it are noise, ruled lines and the grain of the paper
SHADOW = 0.75  # fraction of the contrast; a shadow is not darker, and ink is
NO_INK, FULL_INK = 0.2, 0.8  # fractions of the contrast that become 0 and 1
BLACK = 20  # grey levels added before a logarithm or a division, since the noise of black pixels is not ink
LIGHT_INK_EVIDENCE = 3  # times the evidence for dark ink, which is more frequent
THUMBNAIL, NEIGHBOURHOOD = 40, 21  # pixels of the picture and of the window in which ink is the minority
SMALLEST_PART = 0.02  # fraction of the area of the largest part; smaller parts are specks
SMALLEST_DIGIT = 0.1  # of the shorter side of the picture
SOFT_EDGE = 2  # pixels around a part that belong to its soft edge


class Ink(NamedTuple):
    """Ink of a picture: its amount in each pixel, and its connected parts.

    Attributes
    ----------
    amount : array (H, W), float32
        From 0 to 1.
    parts : Components
        The connected parts, without specks and without parts at the edges of the picture; none if the picture is blank.
    scale : float
        Width of the original picture divided by W.
    """

    amount: Array
    parts: Components
    scale: float


def ink_of(picture: Any) -> Ink:
    """Separate the ink of a picture from its paper.

    The brightness of the paper is estimated at each pixel by a closing (the minimum of the maxima in a window). It fills the
    strokes of the pen with the brightness around them, but keeps gradients and the straight edges of shadows. Ink and paper
    reflect fractions of the same light, so the amount of ink is their difference divided by the brightness of the paper.

    Parameters
    ----------
    picture : PIL.Image.Image
        A picture in mode "L", dark on light or light on dark.

    Source: lecture row M2 (SOURCES.md); for the closing, Serra, "Image Analysis and Mathematical Morphology", 1982.
    """
    pillow = need("PIL.Image", "train", "reading pictures")
    small = picture.copy()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), pillow.Resampling.BOX)
    is_dark = _is_dark_on_light(small, pillow)
    grey = np.asarray(small) if is_dark else 255 - np.asarray(small)
    paper, grey = _paper(grey)
    absorbed = _without_table(_relative(grey, paper, is_dark))
    if np.max(paper - grey, initial=0, where=absorbed > 0) < FAINTEST_INK:
        return Ink(np.zeros_like(absorbed), Components(np.zeros(absorbed.shape, bool)), 1.0)
    darkest = _darkest(absorbed)
    parts = Components(absorbed > FAINTEST_STROKE * darkest)
    mask = parts.mask(parts.areas >= SMALLEST_PART * parts.areas.max())
    amount = np.clip((absorbed / darkest - NO_INK) / (FULL_INK - NO_INK), 0, 1)
    return Ink(amount * widened(mask, SOFT_EDGE), Components(mask), picture.width / small.width)


def widened(image: Array, radius: int) -> Array:
    """Return the maximum in a square window that extends ``radius`` pixels to each side.

    >>> widened(np.array([[0, 5, 0, 0, 0, 7]]), 1)
    array([[5, 5, 5, 0, 7, 7]])
    """
    return _filtered(image, radius, np.maximum)


def _filtered(image: Array, radius: int, ufunc: Any) -> Array:
    """Return the minimum or maximum in a square window; pixels outside the image are ignored."""
    for axis in (0, 1):
        for sign in (1, -1):  # one side after the other: each step doubles the number of pixels that were seen
            seen = 1
            while seen < radius + 1:
                step = min(seen, radius + 1 - seen)
                image = _shifted(image, sign * step, axis, ufunc)
                seen += step
    return image


def _shifted(image: Array, step: int, axis: int, ufunc: Any) -> Array:
    """Return ``ufunc`` of an image and its shifted copy, where they overlap."""
    if abs(step) >= image.shape[axis]:
        return image
    result = image.copy()
    target, source = np.moveaxis(result, axis, 0), np.moveaxis(image, axis, 0)
    if step > 0:
        ufunc(target[step:], source[:-step], out=target[step:])
    else:
        ufunc(target[:step], source[-step:], out=target[:step])
    return result


def _is_dark_on_light(picture: Any, pillow: Any) -> bool:
    """Return True if the ink of a picture is darker than its paper.

    In a small picture, most of the border is paper. A photograph may show a table there. But in any large window paper is the
    majority, so ink differs from the local median. So do parts of a shadow, but they are wide, so that they do not differ from
    the closing or the opening of the picture.
    """
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), pillow.Resampling.BOX)
    light = np.log(
        np.asarray(small, np.float32) + BLACK
    )  # a stroke differs as much from its paper in a shadow as in the light
    if min(picture.size) < SMOOTHED_SIDE:
        paper = np.median(np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]]))
        return bool(paper - light.min() > light.max() - paper)
    radius = max(1, round(WINDOW * min(light.shape) / 2))
    closed = _closed(light, radius)
    opened = -_closed(-light, radius)
    median = _local_median(light)
    darker = np.minimum(median - light, closed - light).clip(0)
    lighter = np.minimum(light - median, light - opened).clip(0)
    return bool(LIGHT_INK_EVIDENCE * (darker**2).sum() > (lighter**2).sum())


def _local_median(image: Array) -> Array:
    """Return the median in a window around each pixel.

    At the edges, the window is moved into the image.
    """
    window = tuple(min(NEIGHBOURHOOD, side) for side in image.shape)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(image, window), (2, 3))
    rows, columns = (np.arange(n) - size // 2 for n, size in zip(image.shape, window, strict=True))
    return medians[np.ix_(rows.clip(0, len(medians) - 1), columns.clip(0, medians.shape[1] - 1))]


def _paper(grey: Array) -> tuple[Array, Array]:
    """Return the brightness of the paper at each pixel, for dark ink, and the smoothed picture."""
    if (
        min(grey.shape) < SMOOTHED_SIDE
    ):  # no photograph: it has no shadows, and may have no margin, so most of its border is paper
        paper = np.full_like(grey, np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
        return paper, np.minimum(grey, paper)
    grey = _smoothed(grey)
    radius = max(1, round(WINDOW * min(grey.shape) / 2))
    paper = _closed(grey, radius)
    # The tip of a shadow at the edge of the picture is narrower than the window. It is not if the picture continues beyond its
    # edge, as at the edge itself; where this is ink, it continues as paper.
    difference = _relative(grey, paper, True)
    beyond = np.where(widened(difference > SHADOW * _darkest(difference), SOFT_EDGE), paper, grey)
    larger = np.pad(beyond, radius, "edge")
    larger[radius:-radius, radius:-radius] = grey
    return _closed(larger, radius)[radius:-radius, radius:-radius], grey


def _closed(grey: Array, radius: int) -> Array:
    """Return the closing: the minimum in a window of the maximum in a window."""
    return _filtered(_filtered(grey, radius, np.maximum), radius, np.minimum)


def _relative(grey: Array, paper: Array, is_dark: bool) -> Array:
    """Return the difference from the paper divided by the brightness of the paper (float32).

    If the ink is light, ``grey`` and ``paper`` belong to the negative.
    """
    difference = (paper - grey).astype(np.float32)  # not negative, so uint8 does not overflow
    if min(grey.shape) >= SMOOTHED_SIDE:  # a small picture is no photograph, and has no shadows
        difference /= (paper if is_dark else 255 - paper).astype(np.float32) + BLACK
    noise = np.median(difference[difference <= difference.max() / 2])  # the maximum of noisy paper is brighter than the paper
    return np.maximum(difference - noise, 0)


def _smoothed(grey: Array) -> Array:
    """Return the mean of 3 × 3 pixels, uint8."""
    for axis in (0, 1):
        padded = np.moveaxis(np.pad(grey, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], "edge"), axis, 0).astype(
            np.uint16
        )
        grey = np.moveaxis((padded[:-2] + padded[1:-1] + padded[2:]) // 3, 0, axis).astype(np.uint8)
    return grey


def _darkest(absorbed: Array) -> float:
    """Return the absorption of the darkest ink; a few extreme pixels do not count."""
    return float(np.quantile(absorbed[absorbed >= absorbed.max() / 2], 0.9))


def _without_table(absorbed: Array) -> Array:
    """Remove the parts that touch the edge of the picture.

    They are the table around a sheet of paper, or the corner of a shadow that is narrower than the window. They stay
    if no part of the size of a digit would be left.
    """
    parts = Components(absorbed > FAINTEST_STROKE * _darkest(absorbed))
    touches = (parts.boxes[:, :2] == 0).any(1) | (parts.boxes[:, 2:] == absorbed.shape).any(1)
    heights = parts.boxes[:, 2] - parts.boxes[:, 0]
    if not touches.any() or heights[~touches].max(initial=0) < SMALLEST_DIGIT * min(absorbed.shape):
        return absorbed
    return np.where(widened(parts.mask(touches), SOFT_EDGE), np.float32(0), absorbed)
