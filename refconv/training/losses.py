"""Losses as objects, which compute the loss and its derivative and check the targets.

``value, dscores = loss(scores, targets)`` returns e and ∂e/∂scores. In training, a network with auxiliary heads returns a
tuple of scores: first from the main head, then from each auxiliary head. The loss is then e = e_main + w Σ_k e_k, and its
derivative is a tuple.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._arguments import class_labels, entries, real
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.ops.loss import binary_cross_entropy, mean_squared_error, softmax_cross_entropy, weights_of_classes

if TYPE_CHECKING:
    from refconv.typing import Array

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "Loss", "MeanSquaredError"]


class Loss(ABC):
    r"""Base class for losses; it adds the losses of auxiliary heads.

    .. math:: e = e_{\mathrm{main}} + w \sum_k e_k

    A subclass implements :meth:`of_one_head` and :meth:`check_targets`. For a network without auxiliary heads, you can use any
    function ``loss(scores, targets)`` that returns e and ∂e/∂scores instead of a Loss.

    Parameters
    ----------
    aux_weight : float
        w, the weight of the loss of each auxiliary head; 0.3 in GoogLeNet.

    Source: lecture row A22 (SOURCES.md); Szegedy et al., "Going deeper with convolutions", 2015, section 5.
    """

    def __init__(self, aux_weight: float = 0.3) -> None:
        self.aux_weight = real("aux_weight", aux_weight, least=0)

    def __call__(self, scores: Any, targets: Any) -> tuple[Any, Any]:
        """Return the loss and its derivative, which is a tuple of arrays if the scores are a tuple."""
        if not isinstance(scores, tuple):
            return self.of_one_head(scores, targets)
        weights = (1.0, *(self.aux_weight for _ in scores[1:]))
        losses, gradients = zip(*(self.of_one_head(s, targets) for s in scores), strict=True)
        total = sum(w * loss for w, loss in zip(weights, losses, strict=True))
        return total, tuple(w * gradient for w, gradient in zip(weights, gradients, strict=True))

    @abstractmethod
    def of_one_head(self, scores: Array, targets: Any) -> tuple[Any, Array]:
        """Return the loss of one array of scores, and its derivative with respect to the scores."""

    @abstractmethod
    def check_targets(self, targets: Any, scores_shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` or ``TypeError`` if the targets do not fit scores of this shape.

        A training step calls this method before the forward pass, so nothing changes if the targets are wrong.
        """

    def weight_of_batch(self, targets: Array) -> float:
        """Return the weight of a batch in the mean over several batches: its number of examples."""
        return len(targets)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that determine the loss, as JSON-serialisable data."""
        return {"aux_weight": self.aux_weight}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings().items())})"


class CrossEntropy(Loss):
    """Cross-entropy of the softmax of the scores, for one label per image or per pixel.

    Parameters
    ----------
    label_smoothing, class_weights
        As in :func:`refconv.softmax_cross_entropy`; the lecture's smoothing is 0.1.
    aux_weight : float
        Weight of the loss of each auxiliary head; 0.3 in GoogLeNet.

    Raises
    ------
    TypeError, ValueError
        If label_smoothing is not a number from 0 to 1, aux_weight is negative or not finite, or class_weights is not a
        sequence of numbers that are finite and not negative.

    Examples
    --------
    >>> scores = np.log([[1.0, 3.0]])
    >>> alone, _ = CrossEntropy()(scores, [1])
    >>> both, (dscores, daux) = CrossEntropy(aux_weight=0.5)((scores, scores), [1])
    >>> float(both / alone), dscores, daux
    (1.5, array([[ 0.25, -0.25]]), array([[ 0.125, -0.125]]))
    >>> CrossEntropy(class_weights=[1, 5])
    CrossEntropy(aux_weight=0.3, label_smoothing=0.0, class_weights=[1.0, 5.0])

    Source: lecture rows A19 and A22 (SOURCES.md); Szegedy et al., "Rethinking the Inception architecture for computer vision",
    2016, section 7.
    """

    def __init__(self, label_smoothing: float = 0.0, aux_weight: float = 0.3, class_weights: Any = None) -> None:
        super().__init__(aux_weight)
        self.label_smoothing = real("label_smoothing", label_smoothing, least=0, most=1)
        self.class_weights = None if class_weights is None else _list_of_weights(class_weights)

    def of_one_head(self, scores: Array, targets: Any) -> tuple[Any, Array]:
        return softmax_cross_entropy(scores, targets, label_smoothing=self.label_smoothing, class_weights=self.class_weights)

    def check_targets(self, targets: Any, scores_shape: tuple[int, ...]) -> None:
        """Raise an error unless there is one class for each image, or for each pixel."""
        labels = class_labels(targets, tuple(scores_shape[:-1]), scores_shape[-1])
        if self.class_weights is not None:
            weights_of_classes(self.class_weights, labels, scores_shape[-1], np.dtype(np.float64))

    def weight_of_batch(self, targets: Array) -> float:
        """Return the sum of the class weights of all labels; without weights, the number of labels.

        The loss of a batch is Σ w e / Σ w, and the mean over several batches is the same for all their examples.
        """
        return len(targets) if self.class_weights is None else float(np.asarray(self.class_weights)[targets].sum())

    def settings(self) -> dict[str, Any]:
        """Return the arguments that determine the loss, as JSON-serialisable data."""
        return {**super().settings(), "label_smoothing": self.label_smoothing, "class_weights": self.class_weights}


class MeanSquaredError(Loss):
    """Mean of the squared differences between outputs and targets of the same shape.

    Parameters
    ----------
    aux_weight : float
        Weight of the loss of each auxiliary head.

    Examples
    --------
    >>> value, doutputs = MeanSquaredError()(np.array([[3.0], [-1.0]]), [[2], [4]])
    >>> print(value, doutputs.ravel())
    13.0 [ 1. -5.]
    >>> MeanSquaredError().check_targets([2, 4], (2, 1))
    Traceback (most recent call last):
        ...
    refconv.ArgumentValueError: targets must have shape (2, 1), like the outputs, got shape (2,): use targets.reshape(2, 1)

    Source: lecture row M17 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2018, section 2.
    """

    def of_one_head(self, scores: Array, targets: Any) -> tuple[Any, Array]:
        return mean_squared_error(scores, targets)

    def check_targets(self, targets: Any, scores_shape: tuple[int, ...]) -> None:
        """Raise an error unless targets are numbers and have the shape of the outputs."""
        _same_shape(targets, scores_shape)


class BinaryCrossEntropy(Loss):
    """Cross-entropy of yes-or-no predictions; the outputs are logits, so add no sigmoid layer.

    Parameters
    ----------
    pos_weight : float
        As in :func:`refconv.binary_cross_entropy`.
    aux_weight : float
        Weight of the loss of each auxiliary head.

    Raises
    ------
    TypeError, ValueError
        If pos_weight is not positive and finite, or aux_weight is negative or not finite.

    Examples
    --------
    >>> value, dlogits = BinaryCrossEntropy(pos_weight=2)(np.log([[3.0], [0.25]]), [[1], [0]])
    >>> print(value.round(6), dlogits.ravel())
    0.399254 [-0.25  0.1 ]

    Source: lecture row B6 (SOURCES.md) for the sigmoid; Bishop, "Pattern recognition and machine learning", 2006, section 4.3.
    """

    def __init__(self, pos_weight: float = 1.0, aux_weight: float = 0.3) -> None:
        super().__init__(aux_weight)
        self.pos_weight = real("pos_weight", pos_weight, above=0)

    def of_one_head(self, scores: Array, targets: Any) -> tuple[Any, Array]:
        return binary_cross_entropy(scores, targets, pos_weight=self.pos_weight)

    def check_targets(self, targets: Any, scores_shape: tuple[int, ...]) -> None:
        """Raise an error unless targets are from 0 to 1 and have the shape of the outputs."""
        targets = _same_shape(targets, scores_shape)
        wrong = targets[~((targets >= 0) & (targets <= 1))]
        if wrong.size:
            raise ArgumentValueError(f"targets must be from 0 to 1, got {wrong[0]}")

    def settings(self) -> dict[str, Any]:
        """Return the arguments that determine the loss, as JSON-serialisable data."""
        return {**super().settings(), "pos_weight": self.pos_weight}


def _list_of_weights(class_weights: Any) -> list[float]:
    weights = entries(class_weights)
    if weights is None:
        raise ArgumentTypeError(f"class_weights must be a sequence of numbers, one for each class, got {class_weights!r}")
    return [real("class_weights", weight, least=0) for weight in weights]


def _same_shape(targets: Any, scores_shape: tuple[int, ...]) -> Array:
    """Return the targets as an array of numbers.

    Raise an error if the shape differs from the shape of the scores, even if it would broadcast.
    """
    if isinstance(targets, np.ma.MaskedArray):
        raise ArgumentTypeError("targets must be a plain array, got a masked array, whose mask would be lost")
    array, shape = np.asarray(targets), tuple(scores_shape)
    if array.dtype.kind not in "fiub":
        raise ArgumentTypeError(f"targets must be numbers, got {array.dtype}")
    if array.shape != shape:
        hint = f": use targets.reshape{shape}" if array.size == math.prod(shape) else ""
        raise ArgumentValueError(f"targets must have shape {shape}, like the outputs, got shape {array.shape}{hint}")
    return array
