"""Your own pictures: a folder with a folder for each class."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from refconv._extras import need
from refconv.data.files import BadDataFile, DataNotFound
from refconv.geometry import per_axis

__all__ = ["load_folder"]

KINDS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")


def load_folder(root: str | os.PathLike, size, *, grey: bool = False) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Load images from ``root/class/*.png``, ``.jpg`` and the like, all brought to one size.

    Each image is scaled so that it just covers the size, with all its pixels taken into account, and the middle is cut out.
    Rotations that cameras note in the file are applied.

    Parameters
    ----------
    root : path
        Its folders are the classes; files beside them, those of other kinds in them, and hidden ones, whose names begin with
        a dot, are passed over.
    size : int or (int, int)
        Height and width.
    grey : bool
        Whether to make the images grey, and leave out the axis of channels.

    Returns
    -------
    images : ndarray, (n, height, width, 3) or (n, height, width), uint8
        In the order of their classes and, within one, of their names.
    labels : ndarray, (n,), intp
    classes : list of str
        The folders' names in alphabetical order; label k is classes[k].

    Raises
    ------
    DataNotFound
        If there is no such folder, or no image in it.
    BadDataFile
        If a file is no image, in spite of its name, or has pixels of more than 8 bits, whose range nobody knows.
    ImportError
        If Pillow is not installed.

    Source: B10.
    """
    need("PIL", "train", "reading a folder of images")
    height, width = per_axis("size", size, 2)
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataNotFound(f"there is no folder {root}")
    found = {
        folder.name: sorted(file for file in folder.iterdir() if _is_image(file))
        for folder in sorted(root.iterdir())
        if folder.is_dir()
    }
    classes = [name for name, files in found.items() if files]
    if not classes:
        raise DataNotFound(f"there is no image in the folders of {root}; expected root/class/*.png or other images")
    images = [_image(file, height, width, grey) for name in classes for file in found[name]]
    labels = np.repeat(np.arange(len(classes)), [len(found[name]) for name in classes])
    return np.stack(images), labels, classes


def _is_image(file):
    return file.suffix.lower() in KINDS and not file.name.startswith(".")


def _image(file, height, width, grey):
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            if opened.mode.startswith(("I", "F")):  # Pillow would make everything above 255 white
                raise BadDataFile(file, f"has pixels of more than 8 bits (mode {opened.mode}); expected 8 bits a channel")
            picture = ImageOps.exif_transpose(opened).convert("L" if grey else "RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # SyntaxError: Pillow's, of a broken PNG
        raise BadDataFile(file, f"is no image: {error}") from error
    return np.asarray(ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR))
