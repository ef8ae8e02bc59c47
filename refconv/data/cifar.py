"""CIFAR-10: 60,000 small colour photographs of ten classes, in the official binary layout.

A record is a byte for the class, then 1024 bytes each of red, green and blue, row by row; a file is a sequence of records.
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
    """Load the images and labels of CIFAR-10, of as many of its files as are there.

    The folder ``cifar-10-batches-bin`` of the official archive is looked for in `root`, or where :func:`load_mnist` looks; the
    folder itself will do as root. Nothing is downloaded. No sums of the single files have been published: what is checked is
    that each is a whole number of records with classes from 0 to 9.

    Parameters
    ----------
    split : {"train", "test"}
        The images of ``data_batch_1.bin`` … ``data_batch_5.bin``, 10,000 each, or the 10,000 of ``test_batch.bin``.
    root : path, optional
        The folder to look in.

    Returns
    -------
    images : ndarray, (n, 32, 32, 3), uint8
        Red, green, blue.
    labels : ndarray, (n,), uint8
        0 to 9, in the order of ``CIFAR10_CLASSES``.

    Warns
    -----
    UserWarning
        If files are missing: which ones are used, and how many images there are.

    Raises
    ------
    DataNotFound
        If there is no file of this split; the message says where the archive is.
    BadDataFile
        If a file is not in this layout.
    ValueError
        If there is no such split.

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
    pattern, whole = SPLITS[split]
    places = [place for folder in data_folders(root) for place in (folder / FOLDER, folder)]
    files = next((found for place in places if (found := sorted(place.glob(pattern)))), None)
    if files is None:
        looked = ", ".join(map(str, places))
        raise DataNotFound(f"CIFAR-10: no {pattern} in {looked}; unpack {ARCHIVE} into one of them")
    records = np.concatenate([_records(file) for file in files])
    if len(records) < whole:
        used = ", ".join(file.name for file in files)
        warnings.warn(f"CIFAR-10: {len(records):,} of {whole:,} {split} images, those of {used}", stacklevel=2)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].copy()


def _records(file: Path) -> Array:
    raw = np.fromfile(file, np.uint8)
    if not len(raw) or len(raw) % RECORD:
        raise BadDataFile(file, f"has {len(raw):,} bytes, and CIFAR-10's records {RECORD:,} each")
    records = raw.reshape(-1, RECORD)
    if records[:, 0].max() > 9:
        raise BadDataFile(file, f"has a record of class {records[:, 0].max()}, and CIFAR-10 has 0 to 9")
    return records
