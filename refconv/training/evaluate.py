"""Testing a network: its loss, and how often it is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refconv.ops.loss import softmax_cross_entropy

__all__ = ["Evaluation", "evaluate"]


@dataclass
class Evaluation:
    """What :func:`evaluate` found: mean loss, accuracy from 0 to 1, and the class that each image was read as.

    ``top5`` is the share of images whose class is among the five likeliest, ``labels`` what the images are.
    """

    loss: float
    accuracy: float
    predictions: np.ndarray
    top5: float | None = None
    labels: np.ndarray | None = None

    def confusion(self) -> np.ndarray:
        """How many images of each class (row) were read as each class (column).

        >>> Evaluation(0.0, 0.5, np.array([2, 0, 2, 2]), labels=np.array([1, 0, 2, 1])).confusion()
        array([[1, 0, 0],
               [0, 0, 2],
               [0, 0, 1]])
        """
        classes = int(max(self.labels.max(), self.predictions.max())) + 1
        counts = np.bincount(self.labels * classes + self.predictions, minlength=classes**2)
        return counts.reshape(classes, classes)


def evaluate(model, batches) -> Evaluation:
    """Test a network in inference; nothing in it changes.

    Parameters
    ----------
    model : Layer
        The network, built; or whatever else gives scores for a batch, such as an :class:`Ensemble`.
    batches : Batches
        The data, in stored order (``rng=None``) if predictions are to be matched with images.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If there is no batch.

    Source: A21, M2.
    """
    losses, predictions, labels, in_top5 = 0.0, [], [], 0
    for x, right in batches:
        scores = model(x)
        losses += float(softmax_cross_entropy(scores, right)[0]) * len(right)
        predictions.append(scores.argmax(-1))
        labels.append(np.asarray(right, np.intp))
        in_top5 += int(among_the_likeliest(scores, right, 5).sum())
    if not labels:
        raise ValueError("batches must hold some images, but nothing came: is it an iterator that was used up before?")
    predictions, labels = np.concatenate(predictions), np.concatenate(labels)
    count = len(labels)
    accuracy = int((predictions == labels).sum()) / count
    return Evaluation(losses / count, accuracy, predictions, in_top5 / count, labels)


def among_the_likeliest(scores, labels, k):
    """Whether each label is among the k highest scores; of equal scores the first class comes first, as for argmax.

    A score that is no number is never among them.

    >>> scores = np.array([[1.0, 3.0, 2.0, 3.0], [1.0, 3.0, 2.0, 3.0]])
    >>> among_the_likeliest(scores, np.array([3, 2]), 2)
    array([ True, False])
    """
    rows, classes = np.arange(len(labels)), np.arange(scores.shape[1])
    own = scores[rows, labels][:, None]
    ahead = ~(scores <= own) | ((scores == own) & (classes < np.asarray(labels)[:, None]))
    return ahead.sum(-1) < k
