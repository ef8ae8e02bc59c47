"""MNIST: 70,000 handwritten digits, 28 x 28 pixels each; and two sets made in its image.

Each data set is a table, `MNIST`, `FASHION_MNIST` and `KMNIST`, and `load_idx_images` loads them all. Of the last two only the
sums of the ``.gz`` files are known, as PyTorch's torchvision and others publish them.
"""

from __future__ import annotations

import os

import numpy as np

from refconv.data.files import DataFile, DataSet, read_data_file
from refconv.data.idx import decode_idx

MNIST = DataSet(
    title="MNIST",
    folder="mnist",
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    splits={
        "train": (
            DataFile(
                "train-images-idx3-ubyte",
                sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                gz_sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            DataFile(
                "train-labels-idx1-ubyte",
                sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                gz_sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
        ),
        "test": (
            DataFile(
                "t10k-images-idx3-ubyte",
                sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                gz_sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            DataFile(
                "t10k-labels-idx1-ubyte",
                sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                gz_sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    },
)


def _like_mnist(title, folder, mirrors, **gz_sums):
    """A data set with files of MNIST's names; the sums are those of the .gz files."""
    names = {"train": "train", "test": "t10k"}
    return DataSet(
        title,
        folder,
        mirrors,
        {
            split: tuple(
                DataFile(f"{name}-{kind}-ubyte", None, gz_sums[f"{split}_{kind.partition('-')[0]}"])
                for kind in ("images-idx3", "labels-idx1")
            )
            for split, name in names.items()
        },
    )


FASHION_MNIST = _like_mnist(
    "Fashion-MNIST",
    "fashion-mnist",
    (
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    train_images="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    train_labels="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    test_images="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    test_labels="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
)

KMNIST = _like_mnist(
    "Kuzushiji-MNIST",
    "kmnist",
    ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    train_images="51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
    train_labels="e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
    test_images="edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
    test_labels="20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
)


def load_mnist(
    split: str = "train", root: str | os.PathLike | None = None, download: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Load the images and labels of MNIST.

    The files are looked for in `root` if it is given; otherwise in the folder named by the environment
    variable ``REFCONV_DATA_DIR``, then in the user's cache. What is missing is downloaded into the first of
    these folders. Both ``<folder>/mnist/<file>`` and ``<folder>/<file>`` will do, with ``.gz`` or without.
    The content of each file is verified against its SHA-256 sum every time.

    Parameters
    ----------
    split : {"train", "test"}
        60,000 training images or 10,000 test images.
    root : path, optional
        The folder to look in and to download into.
    download : bool
        Whether to download what is missing (11.6 MB in all), which needs ``pip install "refconv[train]"``.

    Returns
    -------
    images : ndarray, (n, 28, 28), uint8
        Grey levels: 0 is the background, 255 the ink.
    labels : ndarray, (n,), uint8
        The digits, 0 to 9.

    Raises
    ------
    DataNotFound
        If a file is missing, and `download` is False or every mirror failed; the message says what to do.
    BadDataFile
        If a file is there but is not MNIST's; the message names it.
    ValueError
        If there is no such split.

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

    Source: M2; LeCun et al. 1998.
    """
    return load_idx_images(MNIST, split, root, download)


def load_fashion_mnist(
    split: str = "train", root: str | os.PathLike | None = None, download: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Load Fashion-MNIST: 70,000 pictures of ten kinds of clothes, in MNIST's format.

    The classes are T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag and ankle boot. Parameters, results
    and errors are those of :func:`load_mnist`; 30.9 MB.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset", 2017.
    """
    return load_idx_images(FASHION_MNIST, split, root, download)


def load_kmnist(
    split: str = "train", root: str | os.PathLike | None = None, download: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Load Kuzushiji-MNIST: 70,000 Japanese letters in old cursive writing, in MNIST's format.

    The classes are o, ki, su, tsu, na, ha, ma, ya, re and wo. Parameters, results and errors are those of :func:`load_mnist`;
    21.3 MB.

    Source: Clanuwat et al., "Deep learning for classical Japanese literature", 2018.
    """
    return load_idx_images(KMNIST, split, root, download)


def load_idx_images(
    data_set: DataSet, split: str, root: str | os.PathLike | None = None, download: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Load one split of a data set whose splits are two idx files, the images and their labels.

    Parameters
    ----------
    data_set : DataSet
        The table of the data set, such as `MNIST`.
    split : str
        One of its splits.
    root, download
        As for `load_mnist`.

    Returns
    -------
    images : ndarray, (n, height, width), uint8
    labels : ndarray, (n,), uint8

    Raises
    ------
    DataNotFound, BadDataFile, ValueError
        As `load_mnist` raises them.

    Examples
    --------
    Any two idx files whose sums are known are a data set:

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
    images, labels = (decode_idx(read_data_file(data_set, file, root, download), file.name) for file in data_set.files(split))
    return images, labels
