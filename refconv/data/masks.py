"""Folders of images and masks, for segmentation."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from refconv._arguments import per_axis
from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.data.files import BadDataFile, DataNotFound
from refconv.data.folder import pictures_in
from refconv.data.image_files import ImageFiles
from refconv.data.pictures import PictureFile, check_pixels, is_sideways, unreadable
from refconv.typing import Array, Size

__all__ = ["IMAGES", "MASKS", "mask_as_png", "open_masks", "read_mask"]

IMAGES, MASKS = "images", "masks"  # names of the two folders


def open_masks(root: str | os.PathLike[str], size: Size, *, skip_damaged: bool = False) -> tuple[ImageFiles, Array, list[str]]:
    """Find the images in ``root/images``, and read the masks in ``root/masks``.

    Images and masks have the same names, without extensions: the mask of ``images/cell1.jpg`` may be ``masks/cell1.png``. A
    mask contains the class of each pixel: 0, 1, 2, …, as grey levels or as the indices of a palette. If a folder's masks
    contain only 0 and 255, 255 is class 1. A mask belongs to the image as it is displayed: if a camera stored the image
    sideways, the mask is upright.

    Parameters
    ----------
    root : path
        The folder that contains the two folders.
    size : int or (int, int)
        Height and width to which images and masks are scaled and cropped, as by :func:`refconv.data.load_folder`.
    skip_damaged : bool
        True to leave out a mask that cannot be read, and its image, with a warning.

    Returns
    -------
    images : ImageFiles
        Sorted by name.
    masks : array (n, height, width), uint8
    classes : list of str
        The names of the classes: their numbers.

    Raises
    ------
    DataNotFound
        If a folder is missing or contains no images.
    BadDataFile
        If a mask cannot be read, or has another size than its image; with skip_damaged, only if this is true of all masks.
    ValueError
        If an image has no mask, or a mask no image; if two files have the same name; or if 255 is one of several other
        numbers, as the label of void pixels or because the masks were saved as JPEG.

    Source: lecture row M16 (SOURCES.md).
    """
    root, size = Path(root).expanduser(), per_axis("size", size, 2)
    images, masks = (_by_stem(_existing(root / name)) for name in (IMAGES, MASKS))
    if not images:
        raise DataNotFound(f"there is no image in {root / IMAGES}")
    if difference := sorted(images.keys() ^ masks.keys()):
        only = IMAGES if difference[0] in images else MASKS
        raise ArgumentValueError(
            f"{root} must have one mask for each image, got {difference[0]!r} only in {only}, and {len(difference) - 1} more"
        )
    readable = _readable(masks, images, size, skip_damaged)
    classes = np.stack(list(readable.values()))
    numbers = np.unique(classes).tolist()
    if numbers[-1] == 255 and len(numbers) < 256:
        if numbers not in ([255], [0, 255]):
            raise ArgumentValueError(
                f"{root / MASKS} must number the classes 0, 1, 2, …, or contain only 0 and 255, got {len(numbers)} numbers "
                "from 0 to 255; JPEG changes the numbers, and 255 cannot stand for void pixels"
            )
        classes, numbers = (classes == 255).astype(np.uint8), [1]
    return ImageFiles([images[name] for name in readable], size), classes, [str(k) for k in range(numbers[-1] + 1)]


def _readable(masks: dict[str, Path], images: dict[str, Path], size: tuple[int, ...], skip_damaged: bool) -> dict[str, Array]:
    """Read the masks; return those that could be read, by name."""
    read = {}
    problem = None
    for name, image in images.items():
        try:
            read[name] = read_mask(masks[name], image, size)
        except BadDataFile as error:
            if not skip_damaged:
                raise
            problem = error
            warnings.warn(f"skipping: {error}", stacklevel=3)
    if not read and problem is not None:
        raise problem
    return read


def _by_stem(folder: Path) -> dict[str, Path]:
    """Return the pictures in a folder by their names without extensions, which must differ."""
    files: dict[str, Path] = {}
    for file in pictures_in(folder):
        if (other := files.setdefault(file.stem, file)) is not file:
            raise ArgumentValueError(
                f"{folder} must contain pictures that differ in more than the extension, got {other.name} and {file.name}"
            )
    return files


def read_mask(path: Path, image: Path, size: tuple[int, ...]) -> Array:
    """Read a mask (height, width), scaled and cropped as its image, without interpolation."""
    pillow, image_ops = need("PIL.Image", "train", "reading masks"), need("PIL.ImageOps", "train", "reading masks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of invalid metadata, which is not used, without naming the file
        with _opened(image) as picture:
            check_pixels(picture, image)  # the orientation of a PNG file may be stored after its pixels
            displayed = picture.size[::-1] if is_sideways(picture) else picture.size
        with _opened(path) as mask:
            check_pixels(mask, path)
            if mask.size != displayed:
                raise BadDataFile(path, f"must have the size of its image, {displayed}, got {mask.size}")
            if mask.mode not in ("1", "L", "P"):
                raise BadDataFile(path, f"must be a mask of grey levels or of a palette, got mode {mask.mode}")
            levels = mask.convert("L") if mask.mode == "1" else mask
            levels = pillow.fromarray(np.asarray(levels, np.uint8))  # of a palette, the indices
            return np.asarray(image_ops.fit(levels, size[::-1], pillow.Resampling.NEAREST))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a picture file with Pillow; raise errors in the ``with`` block as `BadDataFile`."""
    pillow = need("PIL.Image", "train", "reading masks")
    try:
        with PictureFile(path) as file, pillow.open(file) as picture:
            yield picture
    except (BadDataFile, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins raise nearly any type on a damaged file
        raise unreadable(path, error) from error


def mask_as_png(mask: Array) -> bytes:
    """Return a mask (height, width) as the content of a PNG file, each class in its own colour.

    There are up to 256 classes. The palette has the colours of PASCAL VOC: bit k of a class number sets a high bit of red,
    green or blue.
    """
    pillow = need("PIL.Image", "train", "saving masks")
    picture = pillow.fromarray(np.asarray(mask, np.uint8))
    levels = [[(k >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)] for k in range(256) for channel in range(3)]
    picture.putpalette([*map(sum, levels)])
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataNotFound(f"there is no folder {folder}")
    return folder
