"""From a data set to what a network takes: mini-batches in random order, pixels as numbers around zero."""

import numpy as np

from refconv.geometry import per_axis

__all__ = ["Batches", "lenet_input"]

# The paper's scaling: paper white is −0.1 and ink is 1.175, so that a digit's pixels have mean 0 and variance 1, roughly.
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
        raise ValueError(
            f"images must be uint8 of shape (N, H, W), 32 pixels high and wide at most, "
            f"but are {images.dtype} of shape {images.shape}"
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
    labels : array (N,)
        One for each image.
    batch_size : int
        Images in a batch; the last of a pass may have fewer.
    prepare : callable
        Turns a batch of stored images into what the network takes.
    rng : numpy.random.Generator, int or None
        Where the order comes from; None leaves the stored order.

    Raises
    ------
    ValueError
        If images and labels differ in number, or there are none.

    Examples
    --------
    >>> batches = Batches(np.arange(5) * 10, np.arange(5), 2, prepare=lambda x: x / 10, rng=None)
    >>> [(x.tolist(), y.tolist()) for x, y in batches]
    [([0.0, 1.0], [0, 1]), ([2.0, 3.0], [2, 3]), ([4.0], [4])]

    Source: A12.
    """

    def __init__(self, images, labels, batch_size, *, prepare=lenet_input, rng=None):
        if len(images) != len(labels) or not len(images):
            raise ValueError(f"images and labels must be as many, and some, but are {len(images)} and {len(labels)}")
        self.images, self.labels, self.prepare = np.asarray(images), np.asarray(labels), prepare
        (self.batch_size,) = per_axis("batch_size", batch_size, 1)
        self.rng = None if rng is None else np.random.default_rng(rng)

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __iter__(self):
        count = len(self.images)
        order = np.arange(count) if self.rng is None else self.rng.permutation(count)
        for first in range(0, count, self.batch_size):
            chosen = order[first : first + self.batch_size]
            yield self.prepare(self.images[chosen]), self.labels[chosen]
