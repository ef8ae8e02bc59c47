"""Mini-batches, the input of LeNet-5, and the split into training and validation data."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from refconv._arguments import flag, fresh_or_seeded, integer, real
from refconv._errors import ArgumentTypeError, ArgumentValueError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from refconv.typing import Array, ArrayLike, Generator

__all__ = ["Batches", "lenet_input", "split"]

# Scaling of the LeNet-5 paper: white is −0.1 and ink is 1.175. According to the paper, this makes the mean about 0 and the
# variance about 1. For MNIST in 32 × 32 pixels they are 0.0 and 0.1.
BACKGROUND, INK = -0.1, 1.175
_VALUE_OF_PIXEL = np.linspace(BACKGROUND, INK, 256).astype(np.float32)

LARGEST_LABEL = np.iinfo(np.intp).max
SAMPLE = 256  # examples that enter the fingerprint of a data set


def lenet_input(images: ArrayLike, dtype: DTypeLike = np.float32) -> Array:
    """Convert digits to the input of LeNet-5: 32 × 32 pixels, background −0.1 and ink 1.175.

    Parameters
    ----------
    images : array (N, H, W), uint8
        0 is background, 255 is ink. H and W are at most 32 pixels; smaller images are centred.
    dtype : numpy dtype
        float32 or float64.

    Returns
    -------
    array (N, 32, 32, 1)

    Raises
    ------
    ValueError
        If the images are not uint8 or are too large.

    Examples
    --------
    >>> x = lenet_input(np.full((2, 28, 28), 255, np.uint8))
    >>> x.shape, round(float(x[1, 2, 2, 0]), 3), round(float(x[1, 1, 2, 0]), 3)
    ((2, 32, 32, 1), 1.175, -0.1)

    Source: lecture row M2 (SOURCES.md); LeCun et al., "Gradient-based learning applied to document recognition", 1998,
    section II-B.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or max(images.shape[1:]) > 32:
        raise ArgumentValueError(
            f"images must be uint8 of shape (N, H, W) with H and W at most 32, got {images.dtype} of shape {images.shape}"
        )
    top, left = ((32 - n) // 2 for n in images.shape[1:])
    x: Array = np.full((len(images), 32, 32, 1), BACKGROUND, dtype)
    x[:, top : top + images.shape[1], left : left + images.shape[2], 0] = _VALUE_OF_PIXEL[images]
    return x


class Batches:
    """Mini-batches of a data set, in a new random order in each pass.

    Images and labels are only indexed, so arrays on disk (``numpy.load(path, mmap_mode="r")``) and picture files
    (:class:`ImageFiles`) are read batch by batch.

    Parameters
    ----------
    images : array (N, …)
        The data set in its stored form. Any object with ``shape`` and ``dtype`` that can be indexed by an array of integers is
        accepted.
    labels : array (N, …)
        One target for each image: its class, integers (N,); the class of each pixel, integers (N, H, W); or regression
        targets, such as floats (N, 3). Batches convert integers to intp. The loss checks shape and range.
    batch_size : int
        Number of images in a batch; the last batch of a pass may be smaller.
    shuffle : bool
        True for a new random order in each pass; False for the stored order, for example to match predictions with images.
    rng : numpy.random.Generator, int or None
        Generator or seed for the order and for ``augment``; None for fresh entropy, as in ``build``.
    prepare : callable, optional
        Converts a batch of stored images to the input of the network, as :func:`lenet_input` does. By default images are
        yielded in their stored form.
    augment : callable, optional
        ``augment(images, rng)`` returns a batch of randomly changed images, such as ``data.augment.shift(2)``. It is called
        before ``prepare``. Each batch has its own generator, seeded by the pass and the batch's index.
    drop_last : bool
        True to leave out the last batch of a pass if it has fewer than ``batch_size`` images. Otherwise
        :class:`refconv.nn.BatchNorm` might normalise a last batch of one image by the statistics of this image.

    Raises
    ------
    TypeError
        If labels are not numbers, or an argument has the wrong type.
    ValueError
        If images and labels are empty or differ in number, or if ``drop_last`` would drop every batch.

    Examples
    --------
    >>> batches = Batches(np.arange(5) * 10, np.arange(5), 2, prepare=lambda x: x / 10, shuffle=False)
    >>> [(x.tolist(), y.tolist()) for x, y in batches]
    [([0.0, 1.0], [0, 1]), ([2.0, 3.0], [2, 3]), ([4.0], [4])]
    >>> [y.tolist() for _, y in Batches(np.arange(5), np.arange(5), 2, rng=3, drop_last=True)]
    [[4, 2], [1, 3]]

    Source: lecture rows A12 and A21 (SOURCES.md).
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        batch_size: int,
        *,
        shuffle: bool = True,
        rng: Generator = None,
        prepare: Callable[[Array], Array] | None = None,
        augment: Callable[[Array, np.random.Generator], Array] | None = None,
        drop_last: bool = False,
    ) -> None:
        self.images, self.labels = _pair(images, labels)
        self.batch_size = integer("batch_size", batch_size)
        self.shuffle, self.drop_last = flag("shuffle", shuffle), flag("drop_last", drop_last)
        self.prepare, self.augment = _function("prepare", prepare), _function("augment", augment)
        _refuse_factory(augment)
        self.rng = fresh_or_seeded("rng", rng)
        self._done = 0  # number of batches that the next pass skips
        if not len(self):
            raise ArgumentValueError(f"batch_size must be at most {len(self.images)} with drop_last=True, got {batch_size}")

    def __len__(self) -> int:
        """Return the number of batches in a pass."""
        count = len(self.images)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __repr__(self) -> str:
        example = f"{self.images.dtype} {self.images.shape[1:]}"
        return f"Batches({len(self.images)} examples of {example}, batch_size={self.batch_size})"

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        yield from self.every(1)

    def every(self, step: int, first: int = 0) -> Iterator[tuple[Array, Array]]:
        """Yield every ``step``-th batch of a pass from ``first`` on, and read only these.

        >>> [x.tolist() for x, _ in Batches(np.arange(5) * 10, np.arange(5), 1, shuffle=False).every(3, 1)]
        [[10], [40]]
        """
        for k, chosen, seed in self._pass():
            if k % step == first:
                yield self._examples(chosen, [seed, k])

    def sharded(self, count: int, own: Iterable[int]) -> Iterator[dict[int, tuple[Array, Array]]]:
        """Yield the parts ``own`` of ``count`` equal parts of each batch, by number.

        Only these parts are read and augmented. Empty parts, in the last batch, are left out.

        >>> batches = Batches(np.arange(5) * 10, np.arange(5), 4, shuffle=False)
        >>> [{k: x.tolist() for k, (x, _) in parts.items()} for parts in batches.sharded(2, [1])]
        [{1: [20, 30]}, {}]
        """
        own = list(own)
        for k, chosen, seed in self._pass():
            parts = np.array_split(chosen, count)
            yield {part: self._examples(parts[part], [seed, k, part]) for part in own if len(parts[part])}

    def _pass(self) -> Iterator[tuple[int, Array, int]]:
        """Yield the number of each batch, the indices of its images, and the seed of this pass."""
        count = len(self.images)
        first = self._done
        self._done = 0
        order = self.rng.permutation(count) if self.shuffle else np.arange(count)
        seed = int(self.rng.integers(2**63)) if self.augment is not None else 0
        for k in range(first, len(self)):
            yield k, order[k * self.batch_size : (k + 1) * self.batch_size], seed

    def _examples(self, chosen: Array, seeds: list[int]) -> tuple[Array, Array]:
        """Return the images with these indices, augmented and prepared, and their labels."""
        images, labels = self.images[chosen], self.labels[chosen]
        if self.augment is not None:
            images = self.augment(images, np.random.default_rng(seeds))
        if self.prepare is not None:
            images = self.prepare(images)
        return images, labels.astype(np.intp, copy=False) if labels.dtype.kind in "iu" else labels

    def settings(self) -> dict[str, Any]:
        """Return all settings that determine the batches, except the random generator.

        They are compared with the settings in a checkpoint. The data are represented by a fingerprint: shapes, types, and a
        SHA-256 of 256 evenly spaced examples.
        """
        return {
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
            "prepare": self.prepare,
            "augment": self.augment,
            "images": f"{self.images.dtype}{self.images.shape}",
            "labels": f"{self.labels.dtype}{self.labels.shape}",
            "fingerprint": self._fingerprint,
        }

    @functools.cached_property
    def _fingerprint(self) -> str:
        sample = np.linspace(0, len(self.images) - 1, min(len(self.images), SAMPLE)).astype(int)
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            digest.update(np.ascontiguousarray(array[sample]).tobytes())
        return digest.hexdigest()[:16]

    def state(self) -> dict[str, Any]:
        """Return the state of the random generator for :meth:`resume`; call this before a pass."""
        return dict(self.rng.bit_generator.state)

    def resume(self, state: dict[str, Any], done: int) -> None:
        """Start the next pass from this state and skip its first ``done`` batches."""
        self.rng.bit_generator.state = state
        self._done = done


def split(
    images: ArrayLike, labels: ArrayLike, share: float = 0.1, rng: Generator = None
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Split a data set at random into training and validation data.

    Parameters
    ----------
    images : array (N, …)
        The data set.
    labels : array (N, …)
        One target for each image, as for :class:`Batches`.
    share : float
        Fraction of the images for validation, above 0 and below 1; rounded to whole images, at least one.
    rng : numpy.random.Generator, int or None
        Generator or seed for choosing the images. The same seed gives the same split; None gives a new one in each call.

    Returns
    -------
    training, validation : pairs (images, labels)
        Both in stored order.

    Raises
    ------
    TypeError, ValueError
        If images and labels differ in number, labels are not numbers, share is not a number, or one part would be empty.

    Examples
    --------
    >>> (images, labels), (held, _) = split(np.arange(8) * 10, np.arange(8), share=0.25, rng=1)
    >>> images, held
    (array([10, 20, 30, 40, 60, 70]), array([ 0, 50]))

    Source: lecture row A20 (SOURCES.md).
    """
    images, labels = _pair(images, labels)
    count = max(1, round(real("share", share, above=0, below=1) * len(images)))
    if count == len(images):
        raise ArgumentValueError(f"share must leave at least one of {len(images)} images for training, got {share!r}")
    validation = np.zeros(len(images), bool)
    validation[fresh_or_seeded("rng", rng).permutation(len(images))[:count]] = True
    return (images[~validation], labels[~validation]), (images[validation], labels[validation])


def _pair(images: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Check that there is one label for each image, and return both as arrays."""
    if isinstance(labels, np.ma.MaskedArray):
        raise ArgumentTypeError("labels must be a plain array, got a masked array, whose mask would be lost")
    try:
        images = cast("Array", images) if _is_indexable(images) else np.asarray(images)
        labels = np.asarray(labels)
    except ValueError:
        raise ArgumentValueError("images and labels must be arrays, got rows of different lengths") from None
    if labels.dtype.kind not in "iufb":
        raise ArgumentTypeError(f"labels must be numbers, got {labels.dtype}")
    if labels.dtype == np.uint64 and (labels > LARGEST_LABEL).any():
        place = int(np.argmax(labels > LARGEST_LABEL))
        raise ArgumentValueError(f"labels must be at most {LARGEST_LABEL}, got {labels.flat[place]} at index {place}")
    counts = [len(a) if a.ndim else "a single number" for a in (images, labels)]
    if counts[0] != counts[1] or counts[0] in (0, "a single number"):
        raise ArgumentValueError(f"images and labels must be non-empty and of equal length, got {counts[0]} and {counts[1]}")
    return images, labels


def _is_indexable(images: Any) -> bool:
    """Return True for objects such as :class:`ImageFiles`, which are read when indexed."""
    return not hasattr(images, "__array__") and all(
        hasattr(images, name) for name in ("shape", "ndim", "dtype", "__getitem__")
    )


def _function(name: str, value: Any) -> Any:
    """Return the value if it is callable or None, else raise ``TypeError``."""
    if value is not None and not callable(value):
        raise ArgumentTypeError(f"{name} must be callable or None, got {value!r}")
    return value


def _refuse_factory(augment: Any) -> None:
    """Raise ``TypeError`` if ``augment`` is a function of :mod:`refconv.data.augment`.

    These functions return augmentations; they are not augmentations themselves.
    """
    name = getattr(augment, "__qualname__", "")
    if getattr(augment, "__module__", "") == "refconv.data.augment" and "<locals>" not in name:
        raise ArgumentTypeError(
            f"augment must be a function of images and rng, got the function {name}: call it, as in augment.{name}(…)"
        )
