"""Images from a folder that contains one folder for each class."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refconv._arguments import per_axis
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._optional import need
from refconv.data.files import DataNotFound
from refconv.data.image_files import ImageFiles
from refconv.typing import Array, Size

__all__ = ["load_folder", "open_folder"]

KINDS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")

# Folders of Python, macOS archives, Windows drives, Synology devices and Linux, in lower case.
NOT_CLASSES = ("__pycache__", "__macosx", "$recycle.bin", "system volume information", "@eadir", "lost+found")


def load_folder(
    root: str | os.PathLike[str], size: Size, *, grey: bool = False, classes: Sequence[str] | None = None
) -> tuple[Array, Array, list[str]]:
    """Load images from ``root/class/*.png``, ``.jpg`` and similar files, and resize them.

    Each image is scaled, with all its pixels taken into account, until it just covers the size, and its centre is cut out.
    Rotations stored in the file by a camera are applied, and transparent pixels are composited on white. If all ink is in
    the alpha channel, such as white ink on a transparent background, the alpha channel is used as dark ink.

    Parameters
    ----------
    root : path
        Its folders are the classes. The following are ignored: folders whose names start with a dot, such as ``.git``;
        folders of programs and systems (``__pycache__``, ``__MACOSX``, ``$RECYCLE.BIN``, ``System Volume Information``,
        ``@eaDir``, ``lost+found``); hidden files; and files of other types.
    size : int or (int, int)
        Height and width.
    grey : bool
        If True, convert the images to grey; the result has no axis of channels.
    classes : sequence of str, optional
        The names of the classes in the order of their labels. Pass the training set's classes when you load a test set. By
        default, the names of the folders.

    Returns
    -------
    images : ndarray, (n, height, width, 3) or (n, height, width), uint8
        Sorted by class and, within a class, by name.
    labels : ndarray, (n,), intp
    classes : list of str
        Label k is classes[k]. Names are in Unicode's composed form NFC and sorted by code point ("Z" before "a"), so their
        order is the same on every system.

    Warns
    -----
    UserWarning
        If a class has no images. It keeps its label.

    Raises
    ------
    DataNotFound
        If the folder does not exist or contains no images.
    BadDataFile
        If a file with an image's extension is not a readable image, or has pixels of more than 8 bits.
    TypeError
        If `classes` is not a sequence of strings.
    ValueError
        If `classes` contains a name twice or lacks a folder of `root`, or two folders of `root` have the same name in NFC.
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name, level in (("ash", 10), ("oak", 30)):
    ...         Path(root, name).mkdir()
    ...         Image.new("L", (5, 4), level).save(Path(root, name, "1.png"))
    ...     by_name = load_folder(root, (2, 3), grey=True)
    ...     as_trained = load_folder(root, (2, 3), grey=True, classes=["oak", "ash"])
    >>> [(images[:, 0, 0].tolist(), labels.tolist(), classes) for images, labels, classes in (by_name, as_trained)]
    [([10, 30], [0, 1], ['ash', 'oak']), ([30, 10], [0, 1], ['oak', 'ash'])]

    Source: lecture row B10 (SOURCES.md).
    """
    images, labels, names = _find(root, size, grey, classes)
    pixels = images[:]
    return pixels[..., 0] if grey else pixels, labels, names


def open_folder(
    root: str | os.PathLike[str], size: Size, *, grey: bool = False, classes: Sequence[str] | None = None
) -> tuple[ImageFiles, Array, list[str]]:
    """Find the images of ``root/class/*.png`` and similar files without reading them.

    Parameters
    ----------
    root, size, grey, classes
        As for :func:`load_folder`.

    Returns
    -------
    images : ImageFiles
        Sorted by class and, within a class, by name. They are read when they are indexed.
    labels : ndarray, (n,), intp
    classes : list of str
        Label k is classes[k].

    Raises
    ------
    DataNotFound, TypeError, ValueError, ImportError
        As for :func:`load_folder`. Damaged files raise an error only when they are read.

    Examples
    --------
    ``images, labels, classes = open_folder("photographs", 224)``; then ``Prefetch(Batches(images, labels, 32))`` yields
    batches of images that are read ahead of the training.

    Source: lecture row B10 (SOURCES.md).
    """
    return _find(root, size, grey, classes)


def _find(
    root: str | os.PathLike[str], size: Size, grey: bool, classes: Sequence[str] | None
) -> tuple[ImageFiles, Array, list[str]]:
    need("PIL", "train", "reading a folder of images")
    size = per_axis("size", size, 2)
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataNotFound(f"there is no folder {root}")
    folders = _class_folders(root)
    names = sorted(folders) if classes is None else _checked(classes, folders, root)
    files = {name: pictures_in(folders[name]) if name in folders else [] for name in names}
    if not any(files.values()):
        raise DataNotFound(f"there is no image in the folders of {root}; expected root/class/*.png or other images")
    for label, name in enumerate(names):
        if not files[name]:
            warnings.warn(f"{root} has no images of the class {name!r} (label {label})", stacklevel=3)
    images = ImageFiles([file for name in names for file in files[name]], size, grey=grey)
    labels = np.repeat(np.arange(len(names)), [len(files[name]) for name in names])
    return images, labels, names


def _class_folders(root: Path) -> dict[str, Path]:
    """Return the folders of the classes by their names in NFC."""
    folders: dict[str, Path] = {}
    for folder in root.iterdir():
        if folder.name.startswith(".") or folder.name.lower() in NOT_CLASSES or not folder.is_dir():
            continue
        name = _composed(folder.name)
        if name in folders:
            raise ArgumentValueError(
                f"{root} must have one folder for each class, got two named {name!r} in Unicode's form NFC"
            )
        folders[name] = folder
    return folders


def _checked(classes: Sequence[str], folders: dict[str, Path], root: Path) -> list[str]:
    """Check `classes` against the folders and return it as a list of names in NFC."""
    ordered = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str)  # a set has no order
    if not ordered or not all(isinstance(name, str) for name in classes):
        raise ArgumentTypeError(f"classes must be a sequence of names, got {classes!r}")
    names = [_composed(str(name)) for name in classes]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentValueError(f"classes must differ, got {', '.join(map(repr, duplicates))} more than once")
    if extra := sorted(folders.keys() - set(names)):
        raise ArgumentValueError(f"classes must include every folder of {root}, got none for {', '.join(map(repr, extra))}")
    return names


def pictures_in(folder: Path) -> list[Path]:
    """Return the image files of a class, in an order that does not depend on the system."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in KINDS and not file.name.startswith(".")]
    return sorted((file for file in files if file.is_file()), key=lambda file: (_composed(file.name), file.name))


def _composed(name: str) -> str:
    """Return the name in Unicode's form NFC.

    Some file systems decompose "é" into "e" and an accent.
    """
    return unicodedata.normalize("NFC", name)
