"""CIFAR-10: 60,000 small colour photographs of ten classes, in the official binary layout.

A file is a sequence of records. A record is one byte for the class, then 1024 bytes each of red, green and blue, row by row.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from refconv._errors import ArgumentValueError
from refconv.data.files import BadDataFile, DataNotFound, data_folders
from refconv.typing import Array

__all__ = ["CIFAR10_CLASSES", "load_cifar10"]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-bin"
ARCHIVE = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SPLITS = {"train": ("data_batch_*.bin", 50_000), "test": ("test_batch*.bin", 10_000)}
RECORD = 1 + 3 * 32 * 32


def load_cifar10(split: str = "train", root: str | os.PathLike[str] | None = None) -> tuple[Array, Array]:
    """Load the images and labels of CIFAR-10 from all of its files that are available.

    The function searches for the folder ``cifar-10-batches-bin`` of the official archive in `root`, or in the folders of
    :func:`load_mnist`; `root` may also be that folder itself. Nothing is downloaded. No checksums of the single files have
    been published, so each file is only checked to be a whole number of records with classes from 0 to 9.

    Parameters
    ----------
    split : {"train", "test"}
        The images of ``data_batch_1.bin`` … ``data_batch_5.bin``, 10,000 each, or the 10,000 of ``test_batch.bin``.
    root : path, optional
        The folder to search.

    Returns
    -------
    images : ndarray, (n, 32, 32, 3), uint8
        Channels red, green and blue.
    labels : ndarray, (n,), uint8
        0 to 9, in the order of ``CIFAR10_CLASSES``.

    Warns
    -----
    UserWarning
        If files are missing; the message names the files that are used and the number of images.

    Raises
    ------
    DataNotFound
        If there is no file of this split; the message contains the URL of the archive.
    BadDataFile
        If a file does not have this layout.
    ValueError
        If the split does not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     try:
    ...         images, labels = load_cifar10("test", root=empty)
    ...     except DataNotFound as error:
    ...         print(str(error).partition(" in ")[0])
    CIFAR-10: no test_batch*.bin

    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    if split not in SPLITS:
        raise ArgumentValueError(f"split must be 'train' or 'test' of CIFAR-10, got {split!r}")
    pattern, total = SPLITS[split]
    places = [place for folder in data_folders(root) for place in (folder / FOLDER, folder)]
    files = next((matches for place in places if (matches := sorted(place.glob(pattern)))), None)
    if files is None:
        searched = ", ".join(map(str, places))
        raise DataNotFound(f"CIFAR-10: no {pattern} in {searched}; unpack {ARCHIVE} into one of them")
    records = np.concatenate([_records(file) for file in files])
    if len(records) < total:
        used = ", ".join(file.name for file in files)
        warnings.warn(f"CIFAR-10: only {len(records):,} of {total:,} {split} images, from {used}", stacklevel=2)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].copy()


def _records(file: Path) -> Array:
    raw = np.fromfile(file, np.uint8)
    if not len(raw) or len(raw) % RECORD:
        raise BadDataFile(file, f"must consist of records of {RECORD:,} bytes, got {len(raw):,} bytes")
    records = raw.reshape(-1, RECORD)
    if records[:, 0].max() > 9:
        raise BadDataFile(file, f"must have classes from 0 to 9, got {records[:, 0].max()}")
    return records
