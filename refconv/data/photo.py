"""Conversion of a photographed or drawn digit to MNIST's form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.data.pictures import FAINTEST_INK, open_picture
from refconv.typing import Array

__all__ = ["digit_from_photo"]

BOX, SIDE = 20, 28  # pixels: in MNIST, the ink fits into 20 × 20 of 28 × 28 pixels


def digit_from_photo(path: str | os.PathLike[str] | BinaryIO) -> Array:
    """Read one digit from an image file and convert it to MNIST's form.

    Parameters
    ----------
    path : path
        A file of any format and size that Pillow reads; dark on light or light on dark.

    Returns
    -------
    array (28, 28), uint8
        0 is background, 255 is ink. The ink fits into 20 × 20 pixels, and its centre of mass is in the middle.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is not a readable picture, has pixels of more than 8 bits, or is blank.
    ImportError
        If Pillow is not installed.

    Source: lecture row M2 (SOURCES.md); LeCun et al., "Gradient-based learning applied to document recognition", 1998,
    section III-A.
    """
    ink = _ink(path)
    rows, columns = (np.flatnonzero(ink.max(axis) > 0.25) for axis in (1, 0))
    if not len(rows):
        raise ArgumentValueError(f"{path} must show a digit, got a blank image: all pixels have nearly the same grey level")
    digit = _shrunk(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    if not digit.any():
        raise ArgumentValueError(f"{path} must show a digit, got only a few small spots of ink")
    return _centred(digit)


def _ink(path: str | os.PathLike[str] | BinaryIO) -> Array:
    """Return the amount of ink in each pixel, from 0 to 1.

    The median of the border is the grey level of the paper.
    """
    if isinstance(path, str | os.PathLike) and not Path(path).is_file():
        raise FileNotFoundError(f"there is no image {path}")
    grey = np.asarray(open_picture(path, "L"), np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    difference = np.abs(grey - np.median(border))
    contrast = difference.max()
    if contrast < FAINTEST_INK:
        return np.zeros_like(grey)
    # Noise and shadows of the paper can reach a fifth of the contrast of the ink.
    return np.clip((difference / contrast - 0.2) / 0.6, 0, 1)


def _shrunk(ink: Array) -> Array:
    """Scale the ink so that its longer side fills the box of 20 × 20 pixels."""
    pillow = need("PIL.Image", "train", "reading images")
    scale = BOX / max(ink.shape)
    size = [max(1, round(n * scale)) for n in ink.shape]
    picture = pillow.fromarray((255 * ink).astype(np.uint8))
    return np.asarray(picture.resize(size[::-1], pillow.Resampling.LANCZOS))


def _centred(ink: Array) -> Array:
    """Place the ink in 28 × 28 pixels.

    Its centre of mass is as close to the middle as the edges allow.
    """
    weight = ink / ink.sum()
    starts = []
    for axis in (0, 1):
        centre = (weight.sum(1 - axis) * np.arange(ink.shape[axis])).sum()
        starts.append(int(np.clip(round(SIDE / 2 - 0.5 - centre), 0, SIDE - ink.shape[axis])))
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[starts[0] : starts[0] + ink.shape[0], starts[1] : starts[1] + ink.shape[1]] = ink
    return image
