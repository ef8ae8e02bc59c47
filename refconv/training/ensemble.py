"""Averages over several networks and over several views of each image.

Views are functions from a batch (N, H, W, C) of the network's inputs to an iterable of batches: crops, mirror images or
resized copies of the same images. :class:`Ensemble` averages over them; like a network, it can be passed to :func:`evaluate`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._arguments import integer, per_axis
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.data.resample import resize
from refconv.inference.automatic import for_inference
from refconv.ops.loss import softmax

if TYPE_CHECKING:
    from refconv.typing import Array

    Views = Callable[[Array], Iterable[Array]]

__all__ = ["Ensemble", "centre_crop", "crops_144", "flips", "grid_crops", "scales", "ten_crops"]


class Ensemble:
    r"""Average of the class probabilities of several networks and several views of each image.

    .. math:: \log \; \frac{1}{M V} \sum_{m=1}^{M} \sum_{v=1}^{V} \mathrm{softmax} ( f_m ( \mathrm{view}_v(x) ) )

    The scores are logarithms of the averages, so their softmax gives the average probabilities.

    Parameters
    ----------
    *models : callable
        Built networks, or one list of them; GoogLeNet's ensemble has seven.
    views : callable, optional
        Function such as ``ten_crops(224)``; by default each image is used once, unchanged.

    Raises
    ------
    ValueError
        If no model is given.

    Examples
    --------
    >>> scores = {"a": np.log([[0.5, 0.5]]), "b": np.log([[0.1, 0.9]])}
    >>> np.exp(Ensemble(lambda x: scores["a"], lambda x: scores["b"])(None)).round(6)
    array([[0.3, 0.7]])

    Source: lecture rows A21 and B11 (SOURCES.md).
    """

    def __init__(self, *models: Any, views: Views = lambda x: [x]) -> None:
        if len(models) == 1 and isinstance(models[0], list | tuple):
            models = tuple(models[0])
        if not models:
            raise ArgumentValueError("models must contain at least one network, got none")
        makers: tuple[Any, ...] = (centre_crop, ten_crops, grid_crops, scales, crops_144)
        if views in makers:
            name = getattr(views, "__name__", "")
            raise ArgumentTypeError(f"views must be a function of a batch, got the function {name}: call it, as in {name}(…)")
        self.models, self.views = models, views

    def __repr__(self) -> str:
        count = len(self.models)
        return f"Ensemble({count} model{'s' if count > 1 else ''})"

    def for_inference(self) -> Ensemble:
        """Return an ensemble whose networks are compiled if that is worth it.

        The networks must not change as long as it is used.
        """
        return Ensemble(*map(for_inference, self.models), views=self.views)

    def __call__(self, x: Array) -> Array:
        """Return the scores of a batch, (N, classes)."""
        total: Any = 0
        count = 0
        for view in self.views(x):
            for model in self.models:
                total = total + softmax(model(view))
                count += 1
        mean = total / count
        scores: Array = np.log(np.maximum(mean, np.finfo(mean.dtype).tiny))
        return scores


def flips(x: Array) -> Iterator[Array]:
    """Yield two views: the images and their mirror images.

    >>> [view.ravel().tolist() for view in flips(np.array([[[[1.0], [2.0], [3.0]]]]))]
    [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]

    Source: lecture rows A21 and B11 (SOURCES.md).
    """
    yield x
    yield _mirrored(x)


def centre_crop(size: int) -> Views:
    """Return one view, the square in the middle.

    Parameters
    ----------
    size : int
        Side of the square in pixels.

    Returns
    -------
    callable
        The view. It raises ``ValueError`` if the images are smaller than ``size``.

    Examples
    --------
    >>> [view.item() for view in centre_crop(1)(np.arange(9.0).reshape(1, 3, 3, 1))]
    [4.0]

    Source: lecture row A21 (SOURCES.md).
    """
    size = integer("size", size)

    def views(x: Array) -> Iterator[Array]:
        yield _middle(x, size)

    return views


def ten_crops(size: int) -> Views:
    """Return ten views: squares in the four corners and the middle, and their mirror images.

    Parameters
    ----------
    size : int
        Side of the square in pixels.

    Returns
    -------
    callable
        The views. They raise ``ValueError`` if the images are smaller than ``size``.

    Examples
    --------
    >>> views = ten_crops(1)(np.arange(9.0).reshape(1, 3, 3, 1))
    >>> [view.item() for view in views]
    [0.0, 0.0, 2.0, 2.0, 6.0, 6.0, 8.0, 8.0, 4.0, 4.0]

    Source: lecture rows A21 and B11 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
    convolutional neural networks", 2012.
    """
    size = integer("size", size)

    def views(x: Array) -> Iterator[Array]:
        for crop in _five_crops(x, size):
            yield from flips(crop)

    return views


def grid_crops(size: int, per_axis: int = 5) -> Views:
    """Return VGG's views: a regular grid of crops, and their mirror images.

    Parameters
    ----------
    size : int
        Height and width of a crop, in pixels.
    per_axis : int
        Number of crops along each axis. The first and last crop touch the edges of the image. With the default there are
        5 × 5 × 2 = 50 views, and 150 at three scales, ``scales(256, 384, 512, views=grid_crops(224))``.

    Returns
    -------
    callable
        The views; ``ValueError`` if the images are smaller.

    Examples
    --------
    >>> views = grid_crops(1, per_axis=3)(np.arange(15.0).reshape(1, 3, 5, 1))
    >>> [int(view.item()) for view in views][::2]
    [0, 2, 4, 5, 7, 9, 10, 12, 14]

    Source: lecture rows A21 and D1 (SOURCES.md); Simonyan and Zisserman, "Very deep convolutional networks for large-scale
    image recognition", 2014, section 3.2.
    """
    size, per_axis = integer("size", size), integer("per_axis", per_axis)

    def views(x: Array) -> Iterator[Array]:
        down, right = _space_around(x, size)
        for top in np.linspace(0, down, per_axis).round().astype(int):
            for left in np.linspace(0, right, per_axis).round().astype(int):
                yield from flips(np.ascontiguousarray(x[:, top : top + size, left : left + size]))

    return views


def scales(*sizes: int, views: Views = lambda x: [x]) -> Views:
    """Return views at several scales: the images resized to several lengths of the shorter side.

    Parameters
    ----------
    *sizes : int
        Length of the shorter side in pixels.
    views : callable, optional
        Views of each resized image. Without them, the network must accept images of any size, for instance because it has
        global pooling.

    Returns
    -------
    callable
        The views.

    Raises
    ------
    TypeError, ValueError
        If no size is given, or one is not a positive integer.

    Examples
    --------
    >>> [view.shape for view in scales(2, 6)(np.zeros((1, 3, 4, 2)))]
    [(1, 2, 3, 2), (1, 6, 8, 2)]

    Source: lecture row A21 (SOURCES.md); Simonyan and Zisserman, "Very deep convolutional networks for large-scale image
    recognition", 2015.
    """
    if not sizes:
        raise ArgumentValueError("sizes must contain at least one integer, got none")
    sizes = per_axis("sizes", sizes, len(sizes))

    def each(x: Array) -> Iterator[Array]:
        for size in sizes:
            yield from views(_shorter_side(x, size))

    return each


def crops_144(size: int = 224, sizes: Sequence[int] = (256, 288, 320, 352)) -> Views:
    """Return GoogLeNet's 144 views: 4 scales × 3 squares × 6 crops × 2.

    The three squares at each scale are the left, middle and right of a landscape image, or the top, middle and bottom of a
    portrait image. The crops of each square are its corners, its middle and the whole square resized. The factor 2 counts the
    mirror images.

    Parameters
    ----------
    size : int
        Side of a crop in pixels.
    sizes : sequence of int
        Length of the shorter side at each scale, in pixels.

    Returns
    -------
    callable
        The views.

    Examples
    --------
    >>> len(list(crops_144(3, sizes=(4, 5, 6, 7))(np.zeros((1, 5, 8, 1)))))
    144

    Source: lecture rows A21 and B11 (SOURCES.md); Szegedy et al., "Going deeper with convolutions", 2015, section 7.
    """
    size = integer("size", size)

    def views(x: Array) -> Iterator[Array]:
        for square in _three_squares(x):
            for crop in itertools.chain(_five_crops(square, size), [resize(square, size)]):
                yield from flips(crop)

    return scales(*sizes, views=views)


def _mirrored(x: Array) -> Array:
    return np.ascontiguousarray(x[:, :, ::-1])


def _five_crops(x: Array, size: int) -> Iterator[Array]:
    """Yield squares from the four corners and the middle."""
    down, right = _space_around(x, size)
    for top, left in ((0, 0), (0, right), (down, 0), (down, right)):
        yield np.ascontiguousarray(x[:, top : top + size, left : left + size])
    yield _middle(x, size)


def _middle(x: Array, size: int) -> Array:
    top, left = (space // 2 for space in _space_around(x, size))
    return np.ascontiguousarray(x[:, top : top + size, left : left + size])


def _space_around(x: Array, size: int) -> tuple[int, int]:
    """Return by how many pixels the images are larger than a square of this size."""
    height, width = x.shape[1:3]
    if min(height, width) < size:
        raise ArgumentValueError(f"size must be at most {height} × {width}, the size of the images, got {size}")
    return height - size, width - size


def _three_squares(x: Array) -> Iterator[Array]:
    height, width = x.shape[1:3]
    side, rest = min(height, width), abs(height - width)
    for first in (0, rest // 2, rest):
        yield x[:, first : first + side] if height > width else x[:, :, first : first + side]


def _shorter_side(x: Array, size: int) -> Array:
    height, width = x.shape[1:3]
    factor = size / min(height, width)
    resized: Array = resize(x, (round(height * factor), round(width * factor)))
    return resized
