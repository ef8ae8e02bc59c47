"""Training and test examples of a data set, from its name or from a folder of pictures."""

from __future__ import annotations

import contextlib
import difflib
import functools
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from refconv._arguments import choice, flag, real
from refconv._errors import ArgumentValueError, suggestion
from refconv.data.files import BadDataFile, DataNotFound
from refconv.data.folder import open_folder
from refconv.data.image_files import ImageFiles, read_image
from refconv.data.masks import IMAGES, MASKS, open_masks
from refconv.data.sources import SOURCES
from refconv.typing import Array, Size

__all__ = ["Dataset", "Examples", "first", "open_dataset", "open_split", "part"]

Examples: TypeAlias = tuple[Any, Array]  # images, which may be ImageFiles, and labels

TEST_FOLDERS = ("test", "val", "valid", "validation")
INK = ("mnist", "kmnist", "fashion-mnist", "emnist")  # beginnings of names; their images show ink on an empty background
SAMPLE = 64  # files whose pixels decide whether a folder is grey


@dataclass(frozen=True)
class Dataset:
    """Training and test examples of a data set, with the names of its classes.

    Parameters
    ----------
    name : str
        Name of the data set, or of its folder; a folder called as a data set gets a slash: "mnist/".
    classes : tuple of str
        Label k is classes[k].
    train, test : pairs (images, labels)
        Images are arrays of uint8, (n, H, W) or (n, H, W, C), or :class:`ImageFiles`. Labels are the class of each image, or
        of each pixel.
    ink : bool
        True if the images show ink, 255, on an empty background, 0.
    """

    name: str
    classes: tuple[str, ...]
    train: Examples
    test: Examples
    ink: bool = False

    @property
    def channels(self) -> int:
        """Number of channels of the images."""
        shape = self.train[0].shape
        return int(shape[3]) if len(shape) == 4 else 1

    @property
    def has_masks(self) -> bool:
        """True if each pixel has a label."""
        return self.train[1].ndim > 1


def open_dataset(
    source: str | os.PathLike[str],
    size: Size = 224,
    *,
    channels: int | None = None,
    test: str | os.PathLike[str] | None = None,
    test_share: float = 0.1,
    classes: Sequence[str] | None = None,
    skip_damaged: bool = False,
    seed: int = 0,
) -> Dataset:
    """Open a data set by its name, or a folder of pictures.

    A folder contains one of the following:

    - one folder for each class: ``root/class/*.png``;
    - two such folders called ``train`` and ``test`` (or ``val``): ``root/train/class/*.png`` and ``root/test/class/*.png``;
    - images and masks for segmentation: ``root/images/*.png`` and ``root/masks/*.png``.

    Parameters
    ----------
    source : str or path
        A name in ``refconv.data.sources.SOURCES``, such as "mnist" or "cifar10", or a folder.
    size : int or (int, int)
        Height and width of the pictures of a folder; data sets with a name keep their size.
    channels : {1, 3}, optional
        Channels of the pictures of a folder (default: 1 if all pictures are grey, else 3).
    test : path, optional
        Folder of the test pictures.
    test_share : float
        Fraction of a folder's pictures that are used for testing if there is no folder of test pictures.
    classes : sequence of str, optional
        Names of a folder's classes in the order of their labels, as for :func:`load_folder`.
    skip_damaged : bool
        True to leave out a mask that cannot be read, and its image, with a warning. Other pictures are read later;
        :meth:`ImageFiles.damaged` finds those that cannot be read.
    seed : int
        Seed for choosing the test pictures.

    Returns
    -------
    Dataset
        The pictures of a folder are :class:`ImageFiles`; ``images[:]`` reads all of them.

    Raises
    ------
    DataNotFound, BadDataFile, TypeError, ValueError, ImportError
        If the data are missing or damaged, as for :func:`load_mnist` and :func:`load_folder`; if a folder has only one class.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("ash", "oak"):
    ...         for k in range(4):
    ...             Path(root, name).mkdir(exist_ok=True)
    ...             Image.new("L", (5, 4), 10 * k).save(Path(root, name, f"{k}.png"))
    ...     leaves = open_dataset(root, (2, 3), test_share=0.25)
    >>> leaves.classes, leaves.train[0].shape, leaves.test[1].tolist()
    (('ash', 'oak'), (6, 2, 3, 1), [0, 1])

    Source: lecture rows A12 and B10 (SOURCES.md).
    """
    if str(source) in SOURCES:
        return _named(str(source), test)
    share = real("test_share", test_share, above=0, below=1)
    pictures = functools.partial(_pictures, size=size, skip_damaged=flag("skip_damaged", skip_damaged))
    return _folder(_existing(source), pictures, channels, test, share, classes, seed)


def open_split(
    source: str | os.PathLike[str],
    split: str = "test",
    size: Size = 224,
    *,
    channels: int | None = None,
    classes: Sequence[str] | None = None,
    skip_damaged: bool = False,
) -> Examples:
    """Open one part of a data set, or a folder of pictures.

    Parameters
    ----------
    source, size, channels, classes, skip_damaged
        As for :func:`open_dataset`.
    split : {"train", "test"}
        The part of a data set with a name, or the folder ``root/train`` or ``root/test``. A folder without these folders is
        used as a whole.

    Returns
    -------
    images, labels
        As in :class:`Dataset`.

    Raises
    ------
    DataNotFound, BadDataFile, TypeError, ValueError, ImportError
        As for :func:`open_dataset`.

    Source: lecture rows A12 and B10 (SOURCES.md).
    """
    choice("split", split, ("train", "test"))
    if str(source) in SOURCES:
        return _loader(str(source))(split)
    root = _existing(source)
    names = ("train",) if split == "train" else TEST_FOLDERS
    root = next((root / name for name in names if (root / name).is_dir()), root)
    images, labels, _ = _pictures(root, classes, size=size, skip_damaged=flag("skip_damaged", skip_damaged))
    grey = _is_grey(images) if channels is None else channels == 1
    return ImageFiles(images.paths, size, grey=grey), labels


def part(examples: Examples, index: Any) -> Examples:
    """Return the examples with these indices; files are not read."""
    images, labels = examples
    return images.subset(index) if isinstance(images, ImageFiles) else images[index], labels[index]


def first(examples: Examples, count: int, option: str, name: str) -> Examples:
    """Return the first examples, or evenly spaced ones of a folder, which is sorted by class."""
    available = len(examples[0])
    if count > available:
        raise ArgumentValueError(f"{option} must be at most {available:,} with {name}, got {count:,}")
    is_sorted = isinstance(examples[0], ImageFiles)
    return part(examples, np.arange(count) * available // count if is_sorted else slice(count))


def _loader(name: str) -> Callable[[str], Examples]:
    load = SOURCES[name].load
    if load is None:
        raise ArgumentValueError(f"source must be files, got {name!r}, which refconv.data.draw_digits generates")
    return lambda split: load(split, None, True)


def _existing(source: str | os.PathLike[str]) -> Path:
    root = Path(source).expanduser()
    if not root.is_dir():
        similar = suggestion(difflib.get_close_matches(str(source), SOURCES))
        raise DataNotFound(f"source must be a folder or one of {', '.join(SOURCES)}, got {str(source)!r}{similar}")
    return root


def _named(name: str, test: Any) -> Dataset:
    load = _loader(name)
    if test is not None:
        raise ArgumentValueError(f"test must be left out with {name}, which has its own test images, got {str(test)!r}")
    return Dataset(name, SOURCES[name].classes, load("train"), load("test"), ink=name.startswith(INK))


def _folder(
    root: Path,
    pictures: Callable[[Path, Sequence[str] | None], tuple[ImageFiles, Array, list[str]]],
    channels: int | None,
    test: Any,
    share: float,
    classes: Sequence[str] | None,
    seed: int,
) -> Dataset:
    name = root.resolve().name
    if name in SOURCES:  # `refconv evaluate` would test the network on that data set
        name += "/"
    if test is None and (root / "train").is_dir():
        test = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)
        root = root if test is None else root / "train"
    images, labels, names = pictures(root, classes)
    if len(names) < 2:
        raise ArgumentValueError(f"{root} must contain at least two classes, got only {names[0]!r}")
    grey = _is_grey(images) if channels is None else channels == 1
    if test is not None:
        test_images, test_labels, _ = pictures(Path(test).expanduser(), names)
        parts = [(images.paths, labels), (test_images.paths, test_labels)]
    else:
        parts = [([images.paths[k] for k in part], labels[part]) for part in _held_out(labels, share, seed)]
    size = images.shape[1:3]
    training, testing = ((ImageFiles(paths, size, grey=grey), part_labels) for paths, part_labels in parts)
    return Dataset(name, tuple(names), training, testing)


def _pictures(
    root: Path, classes: Sequence[str] | None, *, size: Size, skip_damaged: bool
) -> tuple[ImageFiles, Array, list[str]]:
    if not ((root / MASKS).is_dir() and (root / IMAGES).is_dir()):  # "masks" may be the name of a class
        return open_folder(root, size, classes=classes)
    images, masks, names = open_masks(root, size, skip_damaged=skip_damaged)
    if classes is not None and len(names) > len(classes):
        raise ArgumentValueError(f"{root / MASKS} must have classes below {len(classes)}, got class {names[-1]}")
    if classes is None and (missing := len(names) - len(np.unique(masks))):
        warnings.warn(f"{root / MASKS} has no pixels of {missing} of the {len(names)} classes 0 to {names[-1]}", stacklevel=4)
    return images, masks, names if classes is None else list(classes)


def _held_out(labels: Array, share: float, seed: int) -> tuple[Array, Array]:
    """Split the indices of the labels at random; hold out a share of each class, at least one."""
    rng, held_out = np.random.default_rng(seed), np.zeros(len(labels), bool)
    classes = labels if labels.ndim == 1 else np.zeros(len(labels), int)
    for k in np.unique(classes):
        of_class = rng.permutation(np.flatnonzero(classes == k))
        held_out[of_class[: min(max(1, round(share * len(of_class))), len(of_class) - 1)]] = True
    if not held_out.any():
        raise ArgumentValueError(
            f"a class must have at least two images without a test folder, got {len(labels)} images in all"
        )
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _is_grey(images: ImageFiles) -> bool:
    """Return True if all pixels in a sample of the files are grey; ignore damaged files."""
    grey = []
    for k in np.linspace(0, len(images) - 1, min(len(images), SAMPLE)).astype(int):
        with contextlib.suppress(BadDataFile, OSError):
            image = read_image(images.paths[k], images.shape[1:3])
            grey.append((image == image[..., :1]).all())
    return all(grey)
