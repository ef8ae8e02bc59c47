"""CIFAR-10 and CIFAR-100: 60,000 small colour photographs each, in the binary layout.

A file is a sequence of records. A record of CIFAR-10 is one byte for the class, then 1024 bytes each of red, green and blue,
row by row. A record of CIFAR-100 has two bytes in front of the image: the coarse class and the fine class.

The official archives are read without unpacking them. The archives with Python pickles are not read, because loading a pickle
can run any code.
"""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from refconv.data.classes import CIFAR10_CLASSES, CIFAR100_CLASSES, CIFAR100_COARSE_CLASSES
from refconv.data.files import Archive, BadDataFile, DataFile, DataSet, find, kind_of_other_data, places, read_file
from refconv.data.retrieve import read_data_files
from refconv.typing import Array

__all__ = ["CIFAR10", "CIFAR10_CLASSES", "CIFAR100", "load_cifar10", "load_cifar100"]

PIXELS = 3 * 32 * 32  # bytes of an image
LABELS = {  # the bytes in front of each image: the class's kind, and the number of classes
    "CIFAR-10": (("classes", len(CIFAR10_CLASSES)),),
    "CIFAR-100": (("coarse classes", len(CIFAR100_COARSE_CLASSES)), ("fine classes", len(CIFAR100_CLASSES))),
}
PATTERNS = {  # names of the files of a split; an incomplete set is also read
    "CIFAR-10": {"train": "data_batch_*.bin", "test": "test_batch*.bin"},
    "CIFAR-100": {"train": "train.bin", "test": "test.bin"},
}
PICKLES = {
    "CIFAR-10": ("cifar-10-batches-py", "cifar-10-python.tar.gz"),
    "CIFAR-100": ("cifar-100-python", "cifar-100-python.tar.gz"),
}
IMAGES = {"train": 50_000, "test": 10_000}


def _recognise(raw: bytes, content: bytes, source: str | os.PathLike[str], *, title: str, count: int) -> None:
    """Raise `BadDataFile` if the content is not this number of records."""
    records = _records(content, source, title)
    if len(records) != count:
        raise BadDataFile(source, f"must hold {count:,} images, got {len(records):,}")


def _data_file(title: str, name: str, count: int, sha256: str) -> DataFile:
    # The authors publish no sums of the single files. These were published with other libraries, so a file with another
    # sum is used with a warning.
    size = count * (len(LABELS[title]) + PIXELS)
    return DataFile(name, sha256, "", partial(_recognise, title=title, count=count), strict=False, size=size)


CIFAR10 = DataSet(
    title="CIFAR-10",
    folder="cifar10",
    mirrors=(),
    splits={
        "train": tuple(
            _data_file("CIFAR-10", f"data_batch_{k}.bin", 10_000, sha256)
            for k, sha256 in enumerate(
                (
                    "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                    "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                    "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                    "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                    "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                ),
                start=1,
            )
        ),
        "test": (
            _data_file(
                "CIFAR-10", "test_batch.bin", 10_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"
            ),
        ),
    },
    other_folders=("cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"),
    archive=Archive(
        name="cifar-10-binary.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        size=170_052_171,
    ),
)

CIFAR100 = DataSet(
    title="CIFAR-100",
    folder="cifar100",
    mirrors=(),
    splits={
        "train": (
            _data_file("CIFAR-100", "train.bin", 50_000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
        ),
        "test": (
            _data_file("CIFAR-100", "test.bin", 10_000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
        ),
    },
    other_folders=("cifar100/cifar-100-binary", "cifar-100-binary"),
    archive=Archive(
        name="cifar-100-binary.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        size=168_513_733,
    ),
)


def load_cifar10(
    split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[Array, Array]:
    """Load the images and labels of CIFAR-10.

    The files are searched for in the folders of :func:`load_mnist`; in each of them, the search order is ``cifar10``,
    ``cifar-10-batches-bin`` and the folder itself. The official archive ``cifar-10-binary.tar.gz`` is read without unpacking
    it, and unpacked files are also read. If only some unpacked files exist, they are used with a warning, and nothing is
    downloaded. If no file exists, the archive is downloaded. The archive and complete unpacked files are verified against
    their SHA-256 sums.

    Parameters
    ----------
    split : {"train", "test"}
        The images of ``data_batch_1.bin`` … ``data_batch_5.bin``, 10,000 each, or the 10,000 of ``test_batch.bin``.
    root : path, optional
        The folder to search and to download into.
    download : bool
        If True, download the archive (170 MB) if no file exists. This needs ``pip install "refconv[train]"``.

    Returns
    -------
    images : ndarray, (n, 32, 32, 3), uint8
        Channels red, green and blue.
    labels : ndarray, (n,), uint8
        0 to 9, in the order of ``CIFAR10_CLASSES``.

    Warns
    -----
    UserWarning
        If files are missing; the message names the files that are used and the number of images. Also if a complete file is
        not verified, because it has another sum.

    Raises
    ------
    DataNotFound
        If there is no file of this split, and `download` is False or fails; the message contains the URL of the archive.
    BadDataFile
        If a file does not have this layout, or if only the files with Python pickles are found.
    ValueError
        If the split does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from refconv.data.files import DataNotFound
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     try:
    ...         images, labels = load_cifar10("test", root=empty, download=False)
    ...     except DataNotFound as error:
    ...         print(str(error).splitlines()[0])
    CIFAR-10: no usable cifar-10-binary.tar.gz (nor test_batch.bin) in

    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    images, labels = _load(CIFAR10, split, root, download)
    return images, labels[:, 0].copy()


def load_cifar100(
    split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True, *, coarse: bool = False
) -> tuple[Array, Array]:
    """Load the images and labels of CIFAR-100: 100 classes in 20 groups.

    Parameters, warnings and errors are the same as for :func:`load_cifar10`. The searched folders are ``cifar100``,
    ``cifar-100-binary`` and the folder itself, the archive is ``cifar-100-binary.tar.gz`` (169 MB), and its files are
    ``train.bin`` with 50,000 images and ``test.bin`` with 10,000.

    Parameters
    ----------
    split : {"train", "test"}
    root, download
        The same as for :func:`load_cifar10`.
    coarse : bool
        If True, return the labels of the 20 groups instead of the 100 classes.

    Returns
    -------
    images : ndarray, (n, 32, 32, 3), uint8
        Channels red, green and blue.
    labels : ndarray, (n,), uint8
        0 to 99, in the order of ``CIFAR100_CLASSES``, or 0 to 19, in the order of ``CIFAR100_COARSE_CLASSES``.

    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    images, labels = _load(CIFAR100, split, root, download)
    return images, labels[:, 0 if coarse else 1].copy()


def _load(data_set: DataSet, split: str, root: str | os.PathLike[str] | None, download: bool) -> tuple[Array, Array]:
    """Return the images, and the label bytes in front of them, one row for each image."""
    title, wanted = data_set.title, data_set.files(split)
    incomplete = [] if _is_complete(data_set, split, root) else _unpacked(data_set, split, root)
    if incomplete:
        largest = IMAGES[split] * (len(LABELS[title]) + PIXELS)
        records = np.concatenate([_records(read_file(path, largest), path, title) for path in incomplete])
        if len(records) < IMAGES[split]:
            used = ", ".join(path.name for path in incomplete)
            message = f"{title}: only {len(records):,} of {IMAGES[split]:,} {split} images, from {used}"
            warnings.warn(message, stacklevel=3)
    else:
        _refuse_pickles(data_set, wanted, root)
        contents = read_data_files(data_set, wanted, root, download)
        records = np.concatenate([_records(raw, file.name, title) for raw, file in zip(contents, wanted, strict=True)])
    labels, pixels = np.split(records, [len(LABELS[title])], axis=1)
    return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _is_complete(data_set: DataSet, split: str, root: str | os.PathLike[str] | None) -> bool:
    """Return True if there is an archive, or each file of the split with its full size."""
    wanted = data_set.files(split)
    size = IMAGES[split] // len(wanted) * (len(LABELS[data_set.title]) + PIXELS)
    return all(
        any(path.suffix == ".gz" or path.stat().st_size == size for path in find(data_set, file, root)) for file in wanted
    )


def _unpacked(data_set: DataSet, split: str, root: str | os.PathLike[str] | None) -> list[Path]:
    """Return the unpacked files of a split in the first folder that has any."""
    pattern = PATTERNS[data_set.title][split]
    return next((matches for place in places(data_set, root) if (matches := sorted(place.glob(pattern)))), [])


def _refuse_pickles(data_set: DataSet, wanted: tuple[DataFile, ...], root: str | os.PathLike[str] | None) -> None:
    """Raise `BadDataFile` if the only files of the data set on this computer are Python pickles."""
    if any(find(data_set, file, root) for file in wanted):
        return
    folder, archive = PICKLES[data_set.title]
    for place in places(data_set, root):
        own = [place] if Path(os.path.abspath(place)).name == folder else []
        for path in (*own, place / folder, place / archive):
            if path.exists():
                assert data_set.archive is not None
                advice = f"Download {data_set.archive.url} instead, for example with `refconv download {data_set.folder}`"
                raise BadDataFile(
                    path, f"contains Python pickles, which are not read because loading them can run any code. {advice}."
                )


def _records(content: bytes, source: str | os.PathLike[str], title: str) -> Array:
    """Return the records of a file as rows; raise `BadDataFile` if it has another layout."""
    kinds = LABELS[title]
    length = len(kinds) + PIXELS
    if kind := kind_of_other_data(content):
        raise BadDataFile(source, f"is {kind}, not the records of {title}")
    if not content or len(content) % length:
        raise BadDataFile(source, f"must consist of records of {length:,} bytes, got {len(content):,} bytes")
    records = np.frombuffer(content, np.uint8).reshape(-1, length)
    for (name, classes), labels in zip(kinds, records.T, strict=False):  # the pixels have no kind
        if labels.max() >= classes:
            raise BadDataFile(source, f"must have {name} from 0 to {classes - 1}, got {labels.max()}")
    return records
