"""EMNIST: handwritten digits and letters in six selections, in MNIST's format.

The selections are published as one zip archive of 562 MB. Its SHA-256 sum is known, but no sums of its files. The archive
is read without unpacking it. The paper states 88,800 training and 14,800 test images of the letters; the published files
contain 124,800 and 20,800.
"""

from __future__ import annotations

import os

import numpy as np

from refconv._errors import ArgumentValueError
from refconv.data.classes import EMNIST_CLASSES
from refconv.data.files import Archive, DataSet
from refconv.data.mnist import idx_files, load_idx_images
from refconv.typing import Array

__all__ = ["EMNIST", "load_emnist"]

ARCHIVE = Archive(
    name="gzip.zip",
    url="https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
    sha256="fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
    size=561_753_746,
)
COUNTS = {  # training and test images of each selection
    "byclass": (697_932, 116_323),
    "bymerge": (697_932, 116_323),
    "balanced": (112_800, 18_800),
    "letters": (124_800, 20_800),
    "digits": (240_000, 40_000),
    "mnist": (60_000, 10_000),
}
FIRST_LABEL = {"letters": 1}  # in the files; the other selections start at 0


def _data_set(name: str) -> DataSet:
    """Return the table of one selection."""
    first = FIRST_LABEL.get(name, 0)
    values = range(first, first + len(EMNIST_CLASSES[name]))
    return DataSet(
        title=f"EMNIST {name}",
        folder="emnist",
        mirrors=(),
        splits={
            split: idx_files(f"emnist-{name}-{split}", count, images=(None, ""), labels=(None, ""), values=values)
            for split, count in zip(("train", "test"), COUNTS[name], strict=True)
        },
        other_folders=("emnist/gzip", "EMNIST/raw", "EMNIST/raw/gzip", "EMNIST", "gzip"),
        archive=ARCHIVE,
    )


EMNIST = {name: _data_set(name) for name in COUNTS}


def load_emnist(
    name: str, split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[Array, Array]:
    """Load one of the six selections of EMNIST; the images are returned upright.

    The files are searched for in the folders of :func:`load_mnist`; in each of them, the search order is ``emnist``,
    ``emnist/gzip``, torchvision's ``EMNIST/raw``, ``EMNIST``, ``gzip`` and the folder itself. The archive ``gzip.zip`` is read
    without unpacking it, and its SHA-256 sum is verified. Unpacked files such as ``emnist-letters-train-images-idx3-ubyte``,
    with ``.gz`` or without, are recognised by their shape and counts, with a ``UserWarning`` that they are not verified. If
    neither exists, the archive is downloaded.

    In the files, each image is transposed and the labels of the letters start at 1. This function reverses both.

    Parameters
    ----------
    name : {"byclass", "bymerge", "balanced", "letters", "digits", "mnist"}
        The selection:

        ========  =======================================================  ===================
        byclass   digits, capital and small letters: 62 classes            697,932 + 116,323
        bymerge   the same images; 15 letters of similar case are merged   697,932 + 116,323
        balanced  47 classes as in bymerge, equally frequent               112,800 + 18,800
        letters   26 letters, capital and small merged                     124,800 + 20,800
        digits    10 digits                                                240,000 + 40,000
        mnist     10 digits, with the number of images of MNIST           60,000 + 10,000
        ========  =======================================================  ===================
    split : {"train", "test"}
    root : path, optional
        The folder to search and to download into.
    download : bool
        If True, download the archive (562 MB) if it is missing. This needs ``pip install "refconv[train]"``.

    Returns
    -------
    images : ndarray, (n, 28, 28), uint8
        Grey levels: 0 is background, 255 is ink.
    labels : ndarray, (n,), uint8
        From 0, in the order of ``EMNIST_CLASSES[name]``.

    Raises
    ------
    DataNotFound, BadDataFile
        The same as for :func:`load_mnist`.
    ValueError
        If the selection or the split does not exist.

    Examples
    --------
    >>> EMNIST_CLASSES["letters"][:3], len(EMNIST_CLASSES["balanced"])
    (('A', 'B', 'C'), 47)
    >>> load_emnist("capitals")
    Traceback (most recent call last):
        ...
    refconv.ArgumentValueError: name must be one of byclass, bymerge, balanced, letters, digits, mnist, got 'capitals'

    Source: Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017.
    """
    if name not in EMNIST:
        raise ArgumentValueError(f"name must be one of {', '.join(EMNIST)}, got {name!r}")
    images, labels = load_idx_images(EMNIST[name], split, root, download)
    return np.ascontiguousarray(images.transpose(0, 2, 1)), labels - np.uint8(FIRST_LABEL.get(name, 0))
