"""Testing as the lectures do: averages over several views of an image, and over several networks.

A *view* is a function from a batch (N, H, W, C), as the network takes it, to one batch after the other, each showing every
image in another way. :class:`Ensemble` averages over them, and over networks; whatever tests a network tests an ensemble.
"""

from __future__ import annotations

import itertools

import numpy as np

from refconv._arguments import integer, per_axis
from refconv._errors import ArgumentValueError
from refconv.data.resample import resize
from refconv.ops.loss import softmax

__all__ = ["Ensemble", "crops_144", "flips", "scales", "ten_crops"]


class Ensemble:
    r"""The mean of what several networks say of several views: of their probabilities.

    .. math:: \log \; \frac{1}{M V} \sum_{m=1}^{M} \sum_{v=1}^{V} \mathrm{softmax} ( f_m ( \mathrm{view}_v(x) ) )

    Its scores are logarithms, so that the softmax of them is the mean again.

    Parameters
    ----------
    *models : callable
        Built networks, or one list of them; GoogLeNet's ensemble has seven.
    views : callable, optional
        Such as ``ten_crops(224)``; without it each image is seen once, as it is.

    Raises
    ------
    ValueError
        If there is no model.

    Examples
    --------
    >>> said = {"a": np.log([[0.5, 0.5]]), "b": np.log([[0.1, 0.9]])}
    >>> np.exp(Ensemble(lambda x: said["a"], lambda x: said["b"])(None)).round(6)
    array([[0.3, 0.7]])

    Source: A21, B11.
    """

    def __init__(self, *models, views=lambda x: [x]):
        if len(models) == 1 and isinstance(models[0], list | tuple):
            models = tuple(models[0])
        if not models:
            raise ArgumentValueError("models must be at least one network, got none")
        self.models, self.views = models, views

    def __call__(self, x):
        """The scores of a batch, (N, classes)."""
        total = count = 0
        for view in self.views(x):
            for model in self.models:
                total, count = total + softmax(model(view)), count + 1
        mean = total / count
        return np.log(np.maximum(mean, np.finfo(mean.dtype).tiny))


def flips(x):
    """Two views: the images, and their mirror images.

    >>> [view.ravel().tolist() for view in flips(np.array([[[[1.0], [2.0], [3.0]]]]))]
    [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]

    Source: A21, B11.
    """
    yield x
    yield _mirrored(x)


def ten_crops(size):
    """Ten views: squares in the four corners and the middle, and their mirror images.

    Parameters
    ----------
    size : int
        Pixels along a square.

    Returns
    -------
    callable
        A view; it raises ``ValueError`` if the images are smaller.

    Examples
    --------
    >>> views = ten_crops(1)(np.arange(9.0).reshape(1, 3, 3, 1))
    >>> [view.item() for view in views]
    [0.0, 0.0, 2.0, 2.0, 6.0, 6.0, 8.0, 8.0, 4.0, 4.0]

    Source: A21, B11; Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks",
    2012.
    """
    size = integer("size", size)

    def views(x):
        for crop in _five_crops(x, size):
            yield from flips(crop)

    return views


def scales(*sizes, views=lambda x: [x]):
    """Views at several scales: the images resized so that their shorter side has each of these sizes, and the views of those.

    Parameters
    ----------
    *sizes : int
        Pixels along the shorter side.
    views : callable, optional
        Of each of them. Without, the network must take images of any size, as one with global pooling does.

    Returns
    -------
    callable
        A view.

    Raises
    ------
    TypeError, ValueError
        If there is no size, or one is no count.

    Examples
    --------
    >>> [view.shape for view in scales(2, 6)(np.zeros((1, 3, 4, 2)))]
    [(1, 2, 3, 2), (1, 6, 8, 2)]

    Source: A21; Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    """
    if not sizes:
        raise ArgumentValueError("sizes must be at least one integer, got none")
    sizes = per_axis("sizes", sizes, len(sizes))

    def each(x):
        for size in sizes:
            yield from views(_shorter_side(x, size))

    return each


def crops_144(size=224, sizes=(256, 288, 320, 352)):
    """GoogLeNet's views: 4 scales × 3 squares × 6 crops × 2.

    At each scale the left, the middle and the right square (of upright images the top, middle and bottom one); of each square
    its corners, its middle and all of it, resized; and their mirror images.

    Parameters
    ----------
    size : int
        Pixels along a crop.
    sizes : sequence of int
        Pixels along the shorter side at each scale.

    Returns
    -------
    callable
        A view.

    Examples
    --------
    >>> len(list(crops_144(3, sizes=(4, 5, 6, 7))(np.zeros((1, 5, 8, 1)))))
    144

    Source: A21, B11; Szegedy et al., "Going deeper with convolutions", 2015, section 7.
    """
    size = integer("size", size)

    def views(x):
        for square in _three_squares(x):
            for crop in itertools.chain(_five_crops(square, size), [resize(square, size)]):
                yield from flips(crop)

    return scales(*sizes, views=views)


def _mirrored(x):
    return np.ascontiguousarray(x[:, :, ::-1])


def _five_crops(x, size):
    """The corners and the middle."""
    height, width = x.shape[1:3]
    if min(height, width) < size:
        raise ArgumentValueError(f"size must be at most that of the images, {height} × {width}, got {size}")
    down, right = height - size, width - size
    for top, left in ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)):
        yield np.ascontiguousarray(x[:, top : top + size, left : left + size])


def _three_squares(x):
    height, width = x.shape[1:3]
    side, rest = min(height, width), abs(height - width)
    for first in (0, rest // 2, rest):
        yield x[:, first : first + side] if height > width else x[:, :, first : first + side]


def _shorter_side(x, size):
    height, width = x.shape[1:3]
    factor = size / min(height, width)
    return resize(x, (round(height * factor), round(width * factor)))
