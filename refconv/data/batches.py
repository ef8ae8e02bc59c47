"""From a data set to what a network takes: mini-batches in random order, pixels as numbers around zero."""

import numpy as np

from refconv._arguments import class_labels, integer, real
from refconv._errors import ArgumentValueError

__all__ = ["Batches", "lenet_input", "split"]

# The paper's scaling: paper white is −0.1 and ink is 1.175. It says that this makes the mean 0 and the variance 1, roughly; in
# the 32 × 32 pixels of MNIST they are 0.0 and 0.1.
BACKGROUND, INK = -0.1, 1.175
_VALUE_OF_PIXEL = np.linspace(BACKGROUND, INK, 256).astype(np.float32)


def lenet_input(images, dtype=np.float32):
    """Digits as LeNet-5 takes them: 28 × 28 bytes set into 32 × 32 numbers, background −0.1 and ink 1.175.

    Parameters
    ----------
    images : array (N, H, W), uint8
        0 is background, 255 is ink; H and W up to 32 pixels, set in the middle.
    dtype : numpy dtype
        float32 or float64.

    Returns
    -------
    array (N, 32, 32, 1)

    Raises
    ------
    ValueError
        If the images are not bytes, or too large.

    Examples
    --------
    >>> x = lenet_input(np.full((2, 28, 28), 255, np.uint8))
    >>> x.shape, round(float(x[1, 2, 2, 0]), 3), round(float(x[1, 1, 2, 0]), 3)
    ((2, 32, 32, 1), 1.175, -0.1)

    Source: M2; LeCun et al., "Gradient-based learning applied to document recognition", 1998, section II-B.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 3 or max(images.shape[1:]) > 32:
        raise ArgumentValueError(
            f"images must be uint8 of shape (N, H, W), 32 pixels high and wide at most, "
            f"got {images.dtype} of shape {images.shape}"
        )
    top, left = ((32 - n) // 2 for n in images.shape[1:])
    x = np.full((len(images), 32, 32, 1), BACKGROUND, dtype)
    x[:, top : top + images.shape[1], left : left + images.shape[2], 0] = _VALUE_OF_PIXEL[images]
    return x


class Batches:
    """A data set in mini-batches; each pass over it has a new random order.

    Parameters
    ----------
    images : array (N, …)
        The data set, in the form in which it is stored.
    labels : integer array (N,)
        The class of each image, from 0. Batches hold them as intp.
    batch_size : int
        Images in a batch; the last of a pass may have fewer.
    prepare : callable
        Turns a batch of stored images into what the network takes.
    augment : callable, optional
        ``augment(images, rng)`` returns a batch of images changed at random, such as ``data.augment.shift(2)``; it
        is called before ``prepare``. Each batch has a generator of its own, made from the pass and the place in it.
    rng : numpy.random.Generator, int or None
        Where the order comes from, and the seeds of ``augment``; None leaves the stored order.

    Raises
    ------
    TypeError
        If the labels are not integers.
    ValueError
        If images and labels differ in number, or there are none; if the labels do not have shape (N,) or one is negative; if
        images are to be augmented without an rng.

    Examples
    --------
    >>> batches = Batches(np.arange(5) * 10, np.arange(5), 2, prepare=lambda x: x / 10, rng=None)
    >>> [(x.tolist(), y.tolist()) for x, y in batches]
    [([0.0, 1.0], [0, 1]), ([2.0, 3.0], [2, 3]), ([4.0], [4])]

    Source: A12, A21.
    """

    def __init__(self, images, labels, batch_size, *, prepare=lenet_input, augment=None, rng=None):
        self.images, self.labels = _pair(images, labels)
        if augment is not None and rng is None:
            raise ArgumentValueError("augment needs random numbers, but rng is None")
        self.prepare, self.augment = prepare, augment
        self.batch_size = integer("batch_size", batch_size)
        self.rng = None if rng is None else np.random.default_rng(rng)
        self.done = 0  # batches that the next pass leaves out

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __iter__(self):
        count, first, self.done = len(self.images), self.done, 0
        order = np.arange(count) if self.rng is None else self.rng.permutation(count)
        seed = None if self.augment is None else int(self.rng.integers(2**63))
        for k in range(first, len(self)):
            chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
            images = self.images[chosen]
            if self.augment is not None:
                images = self.augment(images, np.random.default_rng([seed, k]))
            yield self.prepare(images), self.labels[chosen]

    def state(self):
        """Where the random numbers are, for :meth:`resume`: ask before a pass begins."""
        return None if self.rng is None else self.rng.bit_generator.state

    def resume(self, state, done) -> None:
        """Let the next pass be the one that began in this state, without its first ``done`` batches."""
        if (state is None) != (self.rng is None):
            raise ArgumentValueError(
                f"state must be that of batches like these, {'without' if self.rng is None else 'with'} an rng"
            )
        if self.rng is not None:
            self.rng.bit_generator.state = state
        self.done = done


def split(images, labels, share=0.1, rng=0):
    """Training and validation data: a share of the images, chosen at random, is kept apart.

    Parameters
    ----------
    images : array (N, …)
        The data set.
    labels : integer array (N,)
        The class of each image, from 0.
    share : float
        How much is for validation, above 0 and below 1; rounded to whole images, one at least.
    rng : numpy.random.Generator or int
        Where the choice comes from; the same seed gives the same split.

    Returns
    -------
    training, validation : pairs (images, labels)
        In stored order, both; the labels are intp.

    Raises
    ------
    TypeError, ValueError
        If images and labels differ in number, labels are not integers of shape (N,) from 0 on, share is no number, or it
        leaves nothing for one of the two.

    Examples
    --------
    >>> (images, labels), (held, _) = split(np.arange(8) * 10, np.arange(8), share=0.25, rng=1)
    >>> images, held
    (array([10, 20, 30, 40, 60, 70]), array([ 0, 50]))

    Source: A20.
    """
    images, labels = _pair(images, labels)
    count = max(1, round(real("share", share, above=0, below=1) * len(images)))
    if count == len(images):
        raise ArgumentValueError(f"share must leave some of {len(images)} images on both sides, got {share!r}")
    held = np.zeros(len(images), bool)
    held[np.random.default_rng(rng).permutation(len(images))[:count]] = True
    return (images[~held], labels[~held]), (images[held], labels[held])


def _pair(images, labels):
    """Return images and labels as arrays, one label for each image."""
    images, labels = np.asarray(images), class_labels(labels)
    if not images.shape[:1] == labels.shape != (0,):
        count = len(images) if images.ndim else "a single number"
        raise ArgumentValueError(f"images and labels must be non-empty and of equal length, got {count} and {len(labels)}")
    return images, labels
