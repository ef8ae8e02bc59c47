"""Evaluate a network: loss, accuracy and predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refconv._arguments import class_labels
from refconv._errors import ArgumentValueError
from refconv.ops.loss import softmax_cross_entropy

__all__ = ["Evaluation", "evaluate"]


@dataclass
class Evaluation:
    """Result of :func:`evaluate`: mean loss, accuracy from 0 to 1, and predicted classes.

    ``top5`` is the share of images whose label is among the five highest scores, ``labels`` the true classes.
    """

    loss: float
    accuracy: float
    predictions: np.ndarray
    top5: float | None = None
    labels: np.ndarray | None = None

    def confusion(self) -> np.ndarray:
        """Count the images of each true class (row) by predicted class (column).

        Labels and predictions may have any integer type. Raises ``ValueError`` or ``TypeError`` if they are not class indices.

        >>> Evaluation(0.0, 0.5, np.array([2, 0, 2, 2]), labels=np.array([1, 0, 2, 1])).confusion()
        array([[1, 0, 0],
               [0, 0, 2],
               [0, 0, 1]])
        """
        labels = class_labels(self.labels)
        predictions = class_labels(self.predictions, len(labels), name="predictions")
        classes = int(max(labels.max(initial=-1), predictions.max(initial=-1))) + 1
        counts = np.bincount(labels * classes + predictions, minlength=classes**2)
        return counts.reshape(classes, classes)


def evaluate(model, batches) -> Evaluation:
    """Evaluate a network in inference mode, without changing it.

    Parameters
    ----------
    model : Layer
        A built network, or any callable that returns scores for a batch, such as an :class:`Ensemble`.
    batches : Batches
        The data, in stored order (``rng=None``) if predictions are to be matched with images.

    Returns
    -------
    Evaluation

    Raises
    ------
    TypeError
        If labels are not integers.
    ValueError
        If there is no batch, or labels do not have shape (N,) or are not classes of the model.

    Source: A21, M2.
    """
    losses, predictions, labels, in_top5 = 0.0, [], [], 0
    for x, right in batches:
        scores = model(x)
        right = class_labels(right, len(scores), scores.shape[-1])
        losses += float(softmax_cross_entropy(scores, right)[0]) * len(right)
        predictions.append(scores.argmax(-1))
        labels.append(right)
        in_top5 += int(among_the_likeliest(scores, right, 5).sum())
    if not labels:
        raise ArgumentValueError("batches yielded nothing; is it an exhausted iterator?")
    predictions, labels = np.concatenate(predictions), np.concatenate(labels)
    count = len(labels)
    accuracy = int((predictions == labels).sum()) / count
    return Evaluation(losses / count, accuracy, predictions, in_top5 / count, labels)


def among_the_likeliest(scores, labels, k):
    """Return True where the label is among the k highest scores; of equal scores, lower classes come first, as in argmax.

    A NaN score is never among them.

    >>> scores = np.array([[1.0, 3.0, 2.0, 3.0], [1.0, 3.0, 2.0, 3.0]])
    >>> among_the_likeliest(scores, np.array([3, 2]), 2)
    array([ True, False])
    """
    rows, classes = np.arange(len(labels)), np.arange(scores.shape[1])
    own = scores[rows, labels][:, None]
    ahead = ~(scores <= own) | ((scores == own) & (classes < np.asarray(labels)[:, None]))
    return ahead.sum(-1) < k
