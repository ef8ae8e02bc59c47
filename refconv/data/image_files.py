"""Picture files that are read when they are needed, for data sets that do not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refconv._arguments import flag, integer, per_axis
from refconv._errors import ArgumentTypeError
from refconv._optional import need
from refconv.data.files import BadDataFile
from refconv.data.pictures import open_picture
from refconv.data.resample import side_lengths
from refconv.typing import Array, Size

__all__ = ["ImageFiles", "read_image", "read_scaled"]

CHECKED_AT_ONCE = 256  # files


def read_image(path: str | os.PathLike[str] | BinaryIO, size: Size, *, grey: bool = False) -> Array:
    """Read a picture file as an 8-bit image of the given size.

    The picture is scaled, with all its pixels taken into account, until it just covers the size, and its centre is cropped.

    Parameters
    ----------
    path : path
        A file of any size and format that Pillow reads. It is rotated as the camera recorded, and composited on white.
    size : int or (int, int)
        Height and width.
    grey : bool
        If True, convert the picture to grey.

    Returns
    -------
    array (height, width, 3), or (height, width, 1) if grey; uint8

    Raises
    ------
    BadDataFile
        If the file is not a readable picture, or has pixels of more than 8 bits.
    OSError
        If the file cannot be opened.

    Source: lecture rows A21 and B10 (SOURCES.md).
    """
    image_ops, image = (need(f"PIL.{name}", "train", "reading pictures") for name in ("ImageOps", "Image"))
    height, width = per_axis("size", size, 2)
    picture = image_ops.fit(open_picture(path, "L" if grey else "RGB"), (width, height), image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[..., None] if grey else pixels


def read_scaled(path: str | os.PathLike[str] | BinaryIO, shorter: int, *, grey: bool = False) -> Array:
    """Read a picture file as an 8-bit image whose shorter side has the given length, in pixels.

    The picture is scaled with all its pixels taken into account, as in torchvision. The other arguments, the result and the
    errors are as in :func:`read_image`.

    Source: lecture rows A21 and B10 (SOURCES.md).
    """
    image = need("PIL.Image", "train", "reading pictures")
    picture = open_picture(path, "L" if grey else "RGB")
    height, width = side_lengths((picture.height, picture.width), integer("shorter", shorter))
    pixels = np.asarray(picture.resize((width, height), image.Resampling.BILINEAR))
    return pixels[..., None] if grey else pixels


class ImageFiles:
    """Images in files that are read when they are indexed, as an array (N, H, W, C).

    :class:`Batches` accepts it in place of an array. A batch is read by several threads. ``Prefetch(batches)`` reads ahead of
    the training.

    Parameters
    ----------
    paths : sequence of path
        The files.
    size : int or (int, int)
        Height and width; see :func:`read_image`.
    grey : bool
        If True, the images have one channel, else three.
    workers : int
        Number of threads that read a batch.

    Attributes
    ----------
    shape : tuple of int
        (N, H, W, C).
    dtype : numpy dtype
        uint8.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid. Indexing raises :class:`BadDataFile` for a damaged file and
        ``OSError`` for a missing one.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [Path(folder, f"{level}.png") for level in (10, 30, 50)]
    ...     for level, path in zip((10, 30, 50), paths):
    ...         Image.new("L", (5, 4), level).save(path)
    ...     images = ImageFiles(paths, (2, 3), grey=True)
    ...     images.shape, images[[2, 0]][:, 0, 0, 0].tolist()
    ((3, 2, 3, 1), [50, 10])

    Source: lecture rows A12 and B10 (SOURCES.md).
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths: Sequence[str | os.PathLike[str]], size: Size, *, grey: bool = False, workers: int = 2) -> None:
        if isinstance(paths, str | bytes) or not isinstance(paths, Sequence):
            raise ArgumentTypeError(f"paths must be a sequence of paths, got {paths!r}")
        self.paths = [Path(path) for path in paths]
        self.grey, self.workers = flag("grey", grey), integer("workers", workers)
        self.shape: tuple[int, ...] = (len(self.paths), *per_axis("size", size, 2), 1 if self.grey else 3)

    @property
    def ndim(self) -> int:
        """Number of axes, which is 4."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"ImageFiles({len(self)} files, size={self.shape[1:3]}, grey={self.grey})"

    def __getitem__(self, index: Any) -> Array:
        """Read the images with these indices: an integer, a slice or an array."""
        chosen = np.arange(len(self))[index]
        if chosen.ndim == 0:
            return self._read(self.paths[int(chosen)])
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        paths = [self.paths[k] for k in chosen]
        if self.workers == 1 or len(paths) == 1:
            for k, path in enumerate(paths):
                images[k] = self._read(path)
            return images
        with ThreadPoolExecutor(self.workers) as pool:
            for k, image in enumerate(pool.map(self._read, paths)):
                images[k] = image
        return images

    def subset(self, index: Any) -> ImageFiles:
        """Return the files with these indices, without reading them."""
        chosen = np.arange(len(self))[index]
        return ImageFiles([self.paths[k] for k in chosen], self.shape[1:3], grey=self.grey, workers=self.workers)

    def damaged(self, progress: Callable[[int], Any] = lambda count: None, into: Array | None = None) -> list[tuple[int, str]]:
        """Read every file once; return the index and the problem of each unreadable one.

        ``progress`` is called with the number of files that have been read since the last call. The images are stored in the
        array ``into`` (N, H, W, C), if it is given.
        """
        problems = []
        with ThreadPoolExecutor(self.workers) as pool:
            for start in range(0, len(self), CHECKED_AT_ONCE):
                indices = range(start, min(start + CHECKED_AT_ONCE, len(self)))
                results = pool.map(lambda k: self._problem(k, into), indices)
                problems += [(k, problem) for k, problem in zip(indices, results, strict=True) if problem]
                progress(len(indices))
        return problems

    def _problem(self, k: int, into: Array | None) -> str:
        """Return why a file cannot be read, or an empty string; store its image."""
        try:
            image = self._read(self.paths[k])
        except BadDataFile as error:
            return str(error)
        except OSError as error:
            return f"{self.paths[k]} cannot be read: {error.strerror or error}"
        if into is not None:
            into[k] = image
        return ""

    def _read(self, path: Path) -> Array:
        return read_image(path, self.shape[1:3], grey=self.grey)
