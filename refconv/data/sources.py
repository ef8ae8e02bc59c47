"""Table of the data sets that the command line knows by name.

Each entry of `SOURCES` names the loader of a data set, its classes, and the shape and number of its images.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from refconv.data import files
from refconv.data.cifar import CIFAR10, CIFAR100, load_cifar10, load_cifar100
from refconv.data.classes import (
    CIFAR10_CLASSES,
    CIFAR100_CLASSES,
    DIGIT_CLASSES,
    EMNIST_CLASSES,
    FASHION_MNIST_CLASSES,
    KMNIST_CLASSES,
)
from refconv.data.emnist import COUNTS as EMNIST_COUNTS
from refconv.data.emnist import EMNIST, load_emnist
from refconv.data.files import DataSet
from refconv.data.mnist import FASHION_MNIST, KMNIST, MNIST, load_fashion_mnist, load_kmnist, load_mnist
from refconv.typing import Array, Shape

__all__ = ["SOURCES", "Source", "available"]

Loader: TypeAlias = Callable[[str, str | os.PathLike[str] | None, bool], tuple[Array, Array]]

GREY, COLOUR = (28, 28), (32, 32, 3)  # shapes of the images


@dataclass(frozen=True)
class Source:
    """Data set that the command line knows by name.

    Parameters
    ----------
    name : str
        Its name on the command line: ``"fashion-mnist"``.
    title : str
        Its name in messages: ``"Fashion-MNIST"``.
    classes : tuple of str
        The names of the classes, in the order of the labels.
    shape : tuple of int
        The shape of an image: height and width, and channels if it has several.
    train, test : int or None
        The number of training and test images; None if any number can be drawn.
    load : callable or None
        ``load(split, root, download)`` returns images and labels, as :func:`load_mnist` does. It is None for the digits that
        refconv draws: :func:`draw_digits` needs a number and a seed instead.
    download_size : int or None
        The size of the download in bytes; None if there is none. The selections of EMNIST share one download.
    data_set : DataSet or None
        The table of its files; None if there are none.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: Shape
    train: int | None
    test: int | None
    load: Loader | None
    download_size: int | None
    data_set: DataSet | None


def available(source: Source, root: str | os.PathLike[str] | None = None) -> bool:
    """Return True if all files of a data set are on this computer; none of them is opened.

    Parameters
    ----------
    source : Source
        An entry of `SOURCES`.
    root : path, optional
        The folder to search; by default the same folders as for :func:`load_mnist`.

    Returns
    -------
    bool
        Always True for the digits, which are drawn.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as empty:
    ...     [available(SOURCES[name], empty) for name in ("digits", "cifar10")]
    [True, False]
    """
    return source.data_set is None or files.available(source.data_set, root)


def _archive_size(data_set: DataSet) -> int | None:
    return data_set.archive.size if data_set.archive else None


def _sources() -> dict[str, Source]:
    emnist = [
        Source(
            f"emnist-{name}",
            data_set.title,
            EMNIST_CLASSES[name],
            GREY,
            *EMNIST_COUNTS[name],
            partial(load_emnist, name),
            _archive_size(data_set),
            data_set,
        )
        for name, data_set in EMNIST.items()
    ]
    sources = (
        Source("digits", "digits drawn by refconv", DIGIT_CLASSES, GREY, None, None, None, None, None),
        Source("mnist", "MNIST", DIGIT_CLASSES, GREY, 60_000, 10_000, load_mnist, 11_594_722, MNIST),
        Source(
            "fashion-mnist",
            "Fashion-MNIST",
            FASHION_MNIST_CLASSES,
            GREY,
            60_000,
            10_000,
            load_fashion_mnist,
            30_878_645,
            FASHION_MNIST,
        ),
        Source("kmnist", "Kuzushiji-MNIST", KMNIST_CLASSES, GREY, 60_000, 10_000, load_kmnist, 21_240_888, KMNIST),
        *emnist,
        Source("cifar10", "CIFAR-10", CIFAR10_CLASSES, COLOUR, 50_000, 10_000, load_cifar10, _archive_size(CIFAR10), CIFAR10),
        Source(
            "cifar100",
            "CIFAR-100",
            CIFAR100_CLASSES,
            COLOUR,
            50_000,
            10_000,
            load_cifar100,
            _archive_size(CIFAR100),
            CIFAR100,
        ),
    )
    return {source.name: source for source in sources}


SOURCES = _sources()
"""The data sets by name, in the order in which the command line lists them."""
