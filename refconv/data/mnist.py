"""MNIST, Fashion-MNIST and Kuzushiji-MNIST: 70,000 images of 28 x 28 pixels each.

Each data set is a table, `MNIST`, `FASHION_MNIST` and `KMNIST`, and `load_idx_images` loads all of them. For the last two,
only the sums of the ``.gz`` files are known, as published by PyTorch's torchvision and others.
"""

from __future__ import annotations

import hashlib
import math
import os
from functools import partial

import numpy as np

from refconv.data.files import BadDataFile, DataFile, DataSet
from refconv.data.idx import decode_idx
from refconv.data.retrieve import read_data_files
from refconv.typing import Array, Shape

TEN = range(10)  # labels of data sets with ten classes


def _recognise(raw: bytes, content: bytes, source: str | os.PathLike[str], *, shape: Shape, labels: range = TEN) -> None:
    """Raise `BadDataFile` if the content cannot be this file.

    It must be idx data of this shape, and must not be another file of the tables below.
    """
    if known := _known_name(raw, content):
        raise BadDataFile(source, f"holds {known}; files may have been swapped or renamed")
    array = decode_idx(content, source)
    if array.shape != shape or array.dtype != np.uint8:
        raise BadDataFile(source, f"must hold uint8 of shape {shape}, got {array.dtype} of shape {array.shape}")
    if array.ndim == 1 and not labels[0] <= array.min() <= array.max() <= labels[-1]:
        wrong = array.min() if array.min() < labels[0] else array.max()
        raise BadDataFile(source, f"must hold labels from {labels[0]} to {labels[-1]}, got {wrong}")


def _known_name(raw: bytes, content: bytes) -> str | None:
    """Return the name and the data set of the file that has one of the sums; None if none has."""
    sums = {hashlib.sha256(data).hexdigest() for data in (raw, content)}
    for data_set in (MNIST, FASHION_MNIST, KMNIST):
        for file in (file for files in data_set.splits.values() for file in files):
            if sums & {file.sha256, file.gz_sha256}:
                return f"{file.name} of {data_set.title}"
    return None


def idx_files(
    prefix: str,
    count: int,
    images: tuple[str | None, str],
    labels: tuple[str | None, str],
    values: range = TEN,
    gz_sizes: tuple[int | None, int | None] = (None, None),
) -> tuple[DataFile, DataFile]:
    """Return the two files of a split of a data set in MNIST's format.

    Parameters
    ----------
    prefix : str
        Beginning of the names: ``"t10k"``.
    count : int
        Number of images, of 28 x 28 pixels.
    images, labels : (str or None, str)
        SHA-256 sums of each file: of the decompressed file (None if not known), and of the .gz file (empty if not known).
    values : range
        The labels that the file may contain.
    gz_sizes : (int or None, int or None)
        Sizes of the .gz files of the images and of the labels, in bytes; None if not known.
    """
    shapes = {"images-idx3": (count, 28, 28), "labels-idx1": (count,)}
    first, second = (
        DataFile(
            f"{prefix}-{kind}-ubyte",
            *sums,
            partial(_recognise, shape=shape, labels=values),
            size=4 + 4 * len(shape) + math.prod(shape),
            gz_size=gz_size,
        )
        for (kind, shape), sums, gz_size in zip(shapes.items(), (images, labels), gz_sizes, strict=True)
    )
    return first, second


MNIST = DataSet(
    title="MNIST",
    folder="mnist",
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    splits={
        "train": idx_files(
            "train",
            60_000,
            images=(
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            labels=(
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            gz_sizes=(9_912_422, 28_881),
        ),
        "test": idx_files(
            "t10k",
            10_000,
            images=(
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            labels=(
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
            gz_sizes=(1_648_877, 4_542),
        ),
    },
    other_folders=("MNIST/raw", "MNIST"),
)

FASHION_MNIST = DataSet(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    mirrors=(
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    splits={
        "train": idx_files(
            "train",
            60_000,
            images=(None, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            labels=(None, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            gz_sizes=(26_421_880, 29_515),
        ),
        "test": idx_files(
            "t10k",
            10_000,
            images=(None, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            labels=(None, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            gz_sizes=(4_422_102, 5_148),
        ),
    },
    other_folders=("FashionMNIST/raw", "FashionMNIST"),
)

KMNIST = DataSet(
    title="Kuzushiji-MNIST",
    folder="kmnist",
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    splits={
        "train": idx_files(
            "train",
            60_000,
            images=(None, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            labels=(None, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            gz_sizes=(18_165_135, 29_497),
        ),
        "test": idx_files(
            "t10k",
            10_000,
            images=(None, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            labels=(None, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
            gz_sizes=(3_041_136, 5_120),
        ),
    },
    other_folders=("KMNIST/raw", "KMNIST"),
)


def load_mnist(split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True) -> tuple[Array, Array]:
    """Load the images and labels of MNIST.

    If `root` is given, the files are searched for in this folder; otherwise in the folder named by the environment variable
    ``REFCONV_DATA_DIR``, then in the user's cache. Missing files are downloaded into the first of these folders.
    In each of them the search order is: ``mnist``, torchvision's ``MNIST/raw``, ``MNIST``, ``raw`` if the folder itself is
    called ``MNIST``, and the folder itself. In each place a file may be called ``train-images-idx3-ubyte``, or
    ``train-images.idx3-ubyte`` as 7-Zip and Kaggle write it, with ``.gz`` or without, or be in a folder called
    ``train-images-idx3-ubyte``. The decompressed content of each file is verified against its SHA-256 sum every time.

    Parameters
    ----------
    split : {"train", "test"}
        60,000 training images or 10,000 test images.
    root : path, optional
        The folder to search and to download into.
    download : bool
        If True, download missing files (11.6 MB in total). This needs ``pip install "refconv[train]"``.

    Returns
    -------
    images : ndarray, (n, 28, 28), uint8
        Grey levels: 0 is background, 255 is ink.
    labels : ndarray, (n,), uint8
        The digits, 0 to 9.

    Raises
    ------
    DataNotFound
        If a file is missing, and `download` is False or every mirror failed. The message explains what to do.
    BadDataFile
        If a file is not MNIST's file of this name, and no correct copy is found or downloaded. The message describes the
        wrong file. Only a wrong file in refconv's own cache is replaced by a download.
    ValueError
        If the split does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from refconv.data.files import DataNotFound
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     try:
    ...         images, labels = load_mnist("test", root=empty, download=False)
    ...     except DataNotFound as error:
    ...         print(str(error).splitlines()[0])
    MNIST: no usable t10k-images-idx3-ubyte.gz (nor t10k-images-idx3-ubyte) in

    Source: lecture row M2 (SOURCES.md); LeCun et al. 1998.
    """
    return load_idx_images(MNIST, split, root, download)


def load_fashion_mnist(
    split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[Array, Array]:
    """Load Fashion-MNIST: 70,000 pictures of ten kinds of clothes, in MNIST's format.

    The names of the classes are ``FASHION_MNIST_CLASSES``. Parameters, results and errors are the same as for
    :func:`load_mnist`. The download size is 30.9 MB. The searched folders are
    ``fashion-mnist``, ``FashionMNIST/raw``, ``FashionMNIST``, ``raw`` inside a folder called ``FashionMNIST``, and the folder
    itself. Only the ``.gz`` files of the mirrors can be verified. Unpacked or repacked files are recognised by their shape and
    counts, with a ``UserWarning`` that they are not verified. Images and labels that are not verified are taken from the same
    folder.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset", 2017.
    """
    return load_idx_images(FASHION_MNIST, split, root, download)


def load_kmnist(
    split: str = "train", root: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[Array, Array]:
    """Load Kuzushiji-MNIST: 70,000 cursive Japanese letters from old books, in MNIST's format.

    The names of the classes are ``KMNIST_CLASSES``. Parameters, results and errors are the same as for
    :func:`load_mnist`. The download size is 21.2 MB. The searched folders are ``kmnist``, ``KMNIST/raw``, ``KMNIST``, ``raw``
    inside a folder called ``KMNIST``, and the folder itself. Unpacked or repacked files are recognised in the same way as by
    :func:`load_fashion_mnist`.

    Source: Clanuwat et al., "Deep learning for classical Japanese literature", 2018.
    """
    return load_idx_images(KMNIST, split, root, download)


def load_idx_images(
    data_set: DataSet, split: str, root: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[Array, Array]:
    """Load one split of a data set; a split is an idx file of images and one of labels.

    Parameters
    ----------
    data_set : DataSet
        The table of the data set, such as `MNIST`.
    split : str
        One of its splits.
    root, download
        The same as for `load_mnist`.

    Returns
    -------
    images : ndarray, (n, height, width), uint8
    labels : ndarray, (n,), uint8

    Raises
    ------
    DataNotFound, BadDataFile, ValueError
        The same as for `load_mnist`.

    Examples
    --------
    A data set can be made of any two idx files whose sums are known:

    >>> import tempfile
    >>> from hashlib import sha256
    >>> from pathlib import Path
    >>> from refconv.data.idx import write_idx
    >>> def describe(path):
    ...     content = path.read_bytes()
    ...     return DataFile(path.name, sha256(content).hexdigest(), gz_sha256="")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     folder = Path(folder)
    ...     write_idx(folder / "images", np.arange(12, dtype=np.uint8).reshape(2, 3, 2))
    ...     write_idx(folder / "labels", np.array([7, 4], np.uint8))
    ...     files = describe(folder / "images"), describe(folder / "labels")
    ...     images, labels = load_idx_images(DataSet("Tiny", "tiny", (), {"all": files}), "all", root=folder)
    >>> images.shape, labels
    ((2, 3, 2), array([7, 4], dtype=uint8))
    """
    split_files = data_set.files(split)
    contents = read_data_files(data_set, split_files, root, download)
    images, labels = (decode_idx(content, file.name) for content, file in zip(contents, split_files, strict=True))
    if labels.shape != images.shape[:1]:
        raise BadDataFile(split_files[1].name, f"must hold {len(images)} labels, got shape {labels.shape}")
    return images, labels
