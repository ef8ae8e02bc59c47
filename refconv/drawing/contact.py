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

ZOOM = 4  # pixels of the sheet in the width of a pixel of an image
GAP, CAPTION = 8, 14  # pixels between images, and of the height of a caption
COLUMNS = 10
PAPER, TEXT = 255, 0  # grey levels


def contact_sheet(images: Array, captions: Sequence[str]) -> bytes:
    """Draw grey images enlarged in rows of ten, each with a caption, as a PNG.

    Parameters
    ----------
    images : array (N, H, W), uint8
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
    height, width = (ZOOM * n for n in images.shape[1:])
    columns, rows = min(COLUMNS, len(images)), math.ceil(len(images) / COLUMNS)
    sheet = pillow.new("L", (GAP + columns * (width + GAP), GAP + rows * (height + CAPTION + GAP)), PAPER)
    for k, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(k, COLUMNS)
        left, top = GAP + column * (width + GAP), GAP + row * (height + CAPTION + GAP)
        sheet.paste(pillow.fromarray(np.repeat(np.repeat(image, ZOOM, 0), ZOOM, 1)), (left, top))
        drawing.Draw(sheet).text((left, top + height + 1), caption, fill=TEXT)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()
