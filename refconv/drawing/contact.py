"""Contact sheet: many small images in a grid, as the content of a PNG file."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.typing import Array

__all__ = ["contact_sheet"]

WIDTH = 128  # pixels of the sheet for an image; smaller images are enlarged by a whole number
GAP, CAPTION = 8, 14  # pixels between images, and of the height of a caption
COLUMNS = 10
PAPER, TEXT = "white", "black"
LETTER = 6  # pixels of the width of a letter


def contact_sheet(images: Array, captions: Sequence[str]) -> bytes:
    """Draw images in rows of ten, each with a caption, as a PNG.

    Parameters
    ----------
    images : array (N, H, W) or (N, H, W, C), uint8
        Grey or colour images. Images narrower than 128 pixels are enlarged.
    captions : sequence of str
        A short text below each image.

    Returns
    -------
    bytes
        The content of a PNG file.

    Raises
    ------
    ValueError
        If there are no images, or another number of captions.
    ImportError
        If Pillow is not installed.

    Source: lecture row M2 (SOURCES.md).
    """
    if not len(images) or len(captions) != len(images):
        raise ArgumentValueError(f"captions must be one for each of at least one image, got {len(captions)} for {len(images)}")
    pillow, drawing = (need(f"PIL.{module}", "train", "drawing a picture") for module in ("Image", "ImageDraw"))
    zoom = max(1, WIDTH // images.shape[2])
    height, width = (zoom * n for n in images.shape[1:3])
    columns, rows = min(COLUMNS, len(images)), math.ceil(len(images) / COLUMNS)
    sheet = pillow.new("RGB", (GAP + columns * (width + GAP), GAP + rows * (height + CAPTION + GAP)), PAPER)
    for k, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(k, COLUMNS)
        left, top = GAP + column * (width + GAP), GAP + row * (height + CAPTION + GAP)
        pixels = image[..., 0] if image.shape[2:] == (1,) else image
        sheet.paste(pillow.fromarray(np.repeat(np.repeat(pixels, zoom, 0), zoom, 1)), (left, top))
        drawing.Draw(sheet).text((left, top + height + 1), caption[: width // LETTER], fill=TEXT)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()
