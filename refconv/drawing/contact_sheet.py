"""Sheet of small images with titles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.drawing.training import as_png
from refconv.typing import Array

__all__ = ["contact_sheet"]

COLUMNS = 8
MOST = 400  # images; a larger sheet would take minutes to draw


def contact_sheet(images: Sequence[Array], titles: Sequence[str]) -> bytes:
    """Draw images in rows of eight, each below its title, as a PNG.

    Parameters
    ----------
    images : sequence of arrays (H, W, C), uint8
        Grey or colour images. Only the first 400 are drawn.
    titles : sequence of str
        One title for each image.

    Returns
    -------
    bytes
        The content of a PNG file.

    Raises
    ------
    ValueError
        If there are no images, or the number of titles differs.
    ImportError
        If matplotlib is not installed.

    Source: lecture row F20 (SOURCES.md).
    """
    if not images or len(images) != len(titles):
        raise ArgumentValueError(f"titles must be one for each image, got {len(titles)} for {len(images)} images")
    figures = need("matplotlib.figure", "train", "drawing a picture")
    rows = -(-min(len(images), MOST) // COLUMNS)
    figure = figures.Figure(figsize=(1.4 * COLUMNS, 1.6 * rows), dpi=120, layout="constrained")
    cells = [*figure.subplots(rows, COLUMNS, squeeze=False).flat]
    for axes in cells:
        axes.axis("off")
    for axes, image, title in zip(cells, images, titles, strict=False):
        grey = {"cmap": "gray", "vmin": 0, "vmax": 255} if image.shape[-1] == 1 else {}
        axes.imshow(np.asarray(image), interpolation="nearest", **grey)
        axes.set_title(title[:16], fontsize=8)
    return as_png(figure)
