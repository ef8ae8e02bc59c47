"""Conversion of photographed or drawn digits to MNIST's form."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.data.grouping import digit_boxes
from refconv.data.ink import Ink, ink_of, widened
from refconv.data.pictures import open_picture
from refconv.typing import Array

__all__ = ["digit_from_photo", "digits_from_sheet", "one_digit", "read_ink", "several_digits"]

BOX, SIDE = 20, 28  # pixels: in MNIST, the ink fits into 20 × 20 of 28 × 28 pixels
FINE = 8  # fine pixels in the width of one of these pixels, in which strokes are measured and thickened
# Mean width of strokes, in pixels of the box. In 1 % of MNIST's training images it is less than the first number; the second
# is the median (python -m benchmarks.photographs MODEL --parts strokes). Thin strokes become faint when they are scaled.
THIN, MEDIAN_WIDTH = 1.4, 2.4


def digit_from_photo(path: str | os.PathLike[str] | BinaryIO) -> Array:
    """Read one digit from an image file and convert it to MNIST's form.

    The paper may be brighter in one place than in another, may be ruled, and need not fill the photograph. Strokes thinner
    than in nearly all of MNIST's digits are thickened. All ink counts as one digit; use :func:`digits_from_sheet` for several.

    Parameters
    ----------
    path : path or binary file
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
    return one_digit(read_ink(path))


def digits_from_sheet(path: str | os.PathLike[str] | BinaryIO) -> tuple[Array, Array]:
    """Find the digits on a photograph of a sheet and convert each to MNIST's form.

    A digit is a connected piece of ink, with the pieces that belong to it, such as the separate bar of a 5. Digits that touch
    each other are not split.

    Parameters
    ----------
    path : path or binary file
        A file of any format and size that Pillow reads; dark on light or light on dark.

    Returns
    -------
    digits : array (N, 28, 28), uint8
        The digits in reading order, in the form that :func:`digit_from_photo` returns.
    boxes : array (N, 5), intp
        Line, counted from 0, and top, left, bottom and right of each digit in pixels of the picture. Bottom and right are
        exclusive.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As :func:`digit_from_photo`.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image, ImageDraw
    >>> sheet = Image.new("L", (300, 100), 200)
    >>> for x in (40, 120, 250):  # three times a one
    ...     ImageDraw.Draw(sheet).line((x, 20, x, 80), fill=50, width=6)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sheet.save(f"{folder}/sheet.png")
    ...     digits, boxes = digits_from_sheet(f"{folder}/sheet.png")
    >>> digits.shape, boxes[:, 0].tolist(), boxes[:, 2].tolist()
    ((3, 28, 28), [0, 0, 0], [38, 118, 248])

    Source: lecture row M2 (SOURCES.md).
    """
    return several_digits(read_ink(path))


def one_digit(ink: Ink) -> Array:
    """Return all ink of a picture as one digit in MNIST's form; see :func:`digit_from_photo`."""
    top, left = ink.parts.boxes[:, :2].min(0)
    bottom, right = ink.parts.boxes[:, 2:].max(0)
    return _in_form(ink.amount[top:bottom, left:right])


def several_digits(ink: Ink) -> tuple[Array, Array]:
    """Return the digits of a picture and their boxes; see :func:`digits_from_sheet`."""
    digits, places = [], []
    for line, box, chosen in digit_boxes(ink.parts):
        top, left, bottom, right = box
        mask = widened(ink.parts.mask(chosen)[top:bottom, left:right], 1)  # without the neighbours that reach into the box
        digits.append(_in_form(ink.amount[top:bottom, left:right] * mask))
        places.append([line, *(round(edge * ink.scale) for edge in box)])
    return np.stack(digits), np.array(places, np.intp)


def read_ink(path: str | os.PathLike[str] | BinaryIO) -> Ink:
    """Return the ink of a picture file, which is not blank."""
    if isinstance(path, str | os.PathLike) and not Path(path).is_file():
        raise FileNotFoundError(f"there is no image {path}")
    name = path if isinstance(path, str | os.PathLike) else "the input"
    ink = ink_of(open_picture(path, "L"))
    if not len(ink.parts.boxes):
        raise ArgumentValueError(f"{name} must show a digit, got a blank image: all pixels have nearly the same grey level")
    return ink


def _in_form(ink: Array) -> Array:
    """Convert the ink of one digit, cut out at its edges, to MNIST's form."""
    digit = _scaled(ink, BOX)
    fine = fine_form(ink)
    width = stroke_width(fine) / FINE
    if width < THIN:
        digit = _scaled(_thickened(fine, FINE * (MEDIAN_WIDTH - width) / 2), BOX)
    return _centred(digit)


def fine_form(ink: Array) -> Array:
    """Scale ink, from 0 to 1, to a longer side of 160 pixels, at which strokes are measured."""
    return _scaled(ink, FINE * BOX)


def stroke_width(digit: Array) -> float:
    """Return the mean width of the strokes of a digit: twice its area divided by its perimeter.

    ``digit`` is an array (H, W) of grey levels from 0 to 255; pixels above 127 are ink. If an outline has all directions, its
    length is π/4 times its length along the sides of the pixels.

    >>> bar = np.zeros((60, 50), np.uint8)
    >>> bar[10:50, 20:26] = 255
    >>> round(stroke_width(bar) * np.pi / 4, 2)  # 2 · 240 / 92
    5.22
    """
    inside = np.pad(digit > 127, 1)
    perimeter = sum(int(np.diff(inside, axis=axis).sum()) for axis in (0, 1))
    return 2 * int(inside.sum()) / (math.pi / 4 * max(1, perimeter))


def _thickened(digit: Array, radius: float) -> Array:
    """Return a digit whose strokes are wider, and the digit larger, by ``radius`` on each side."""
    reach = math.ceil(radius)
    inside = np.pad(digit > 127, 2 * reach)
    result = inside.copy()
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dy * dy + dx * dx <= radius * radius:
                result |= np.roll(inside, (dy, dx), (0, 1))
    rows, columns = (np.flatnonzero(result.any(axis)) for axis in (1, 0))
    return result[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)


def _scaled(ink: Array, size: int) -> Array:
    """Scale the ink to a longer side of ``size`` pixels and to a maximum of 255."""
    pillow: Any = need("PIL.Image", "train", "reading images")
    scale = size / max(ink.shape)
    shape = [max(1, round(n * scale)) for n in ink.shape]
    picture = pillow.fromarray((255 * ink).astype(np.uint8))
    scaled = np.asarray(picture.resize(shape[::-1], pillow.Resampling.LANCZOS), np.float32)
    return np.rint(scaled * (255 / max(1, scaled.max()))).astype(np.uint8)


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
