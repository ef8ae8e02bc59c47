"""Metrics, which :func:`fit` and :func:`evaluate` average over all batches.

A metric is any function ``metric(scores, targets)`` that returns a number. The averages weight each batch by its number of
examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._arguments import class_labels, integer
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.training.arguments import check_arguments, found
from refconv.training.losses import BinaryCrossEntropy, CrossEntropy

if TYPE_CHECKING:
    from refconv.typing import Array

    Metric = Callable[[Array, Array], float]

__all__ = [
    "accuracy",
    "binary_accuracy",
    "default_metrics",
    "intersection_over_union",
    "mean_absolute_error",
    "measure",
    "named_metrics",
    "top_k_accuracy",
]


def accuracy(scores: Array, targets: Array) -> float:
    """Compute the fraction of examples whose label has the highest score.

    If several classes have the highest score, the first of them is the prediction.

    Parameters
    ----------
    scores : float array (…, K)
        Scores of K classes: for each image (N, K), or for each pixel (N, H, W, K).
    targets : integer array (…)
        The labels.

    Returns
    -------
    float
        A number from 0 to 1.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> accuracy(np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.1, 0.3, 0.6]]), np.array([1, 2, 2])) == 2 / 3
    True

    Source: lecture row M2 (SOURCES.md).
    """
    return float(np.mean(scores.argmax(-1) == _class_targets(scores, targets)))


def top_k_accuracy(k: int) -> Metric:
    """Return a metric: the fraction of examples whose label is among the k highest scores.

    If scores are equal, the lower class index ranks first, as in argmax. A label whose score is NaN is never counted.

    Parameters
    ----------
    k : int
        Number of highest scores; 5 for ImageNet's top-5 accuracy.

    Returns
    -------
    callable
        ``metric(scores, targets)`` for scores (…, K) and integer targets (…).

    Raises
    ------
    TypeError, ValueError
        If k is not a positive integer.

    Examples
    --------
    >>> scores = np.array([[1.0, 3.0, 2.0, 3.0], [1.0, 3.0, 2.0, 3.0]])
    >>> top_k_accuracy(2)(scores, np.array([3, 2])), top_k_accuracy(3)(scores, np.array([3, 2]))
    (0.5, 1.0)

    Source: lecture row M3 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012, section 2.
    """
    k = integer("k", k)

    def top_k(scores: Array, targets: Array) -> float:
        targets = _class_targets(scores, targets)
        label_score = np.take_along_axis(scores, targets[..., None], -1)
        lower_index = np.arange(scores.shape[-1]) < targets[..., None]
        ranks_higher = ~(scores <= label_score) | ((scores == label_score) & lower_index)
        return float(np.mean(ranks_higher.sum(-1) < k))

    return top_k


def binary_accuracy(logits: Array, targets: Array) -> float:
    """Compute the fraction of logits whose sign agrees with a target of 0 or 1.

    Parameters
    ----------
    logits : float array (…)
        Logarithms of the odds, p / (1 − p): positive for a probability p above one half.
    targets : array (…)
        0 or 1, or probabilities, which count as 1 if they are above one half and as 0 otherwise.

    Returns
    -------
    float
        A number from 0 to 1.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> binary_accuracy(np.array([2.0, -1.0, 0.5, 3.0]), np.array([1, 0, 0, 1]))
    0.75

    Source: lecture row B6 (SOURCES.md) for the sigmoid, whose input is the logit.
    """
    return float(np.mean((logits > 0) == (_same_shape(logits, targets) > 0.5)))


def mean_absolute_error(y: Array, targets: Array) -> float:
    r"""Compute the mean absolute difference between outputs and targets.

    .. math:: \operatorname{mean} | y - t |

    Parameters
    ----------
    y : float array (…)
        Outputs of the network.
    targets : array (…)
        Array of the same shape.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> mean_absolute_error(np.array([[1.0], [4.0]]), np.array([[0.0], [7.0]]))
    2.0

    Source: lecture row M17 (SOURCES.md).
    """
    return float(np.mean(np.abs(y - _same_shape(y, targets)), dtype=np.float64))


def intersection_over_union(scores: Array, targets: Array) -> float:
    r"""Compute the mean intersection over union of predicted and true areas.

    .. math:: \operatorname{mean}_k \frac{|A_k \cap B_k|}{|A_k \cup B_k|}

    A_k is the set of pixels predicted as class k, and B_k is the set of pixels with the label k. The mean is over the classes
    that occur in the predictions or in the targets.

    Parameters
    ----------
    scores : float array (…, K)
        Scores of K classes for each pixel; the highest one is the prediction.
    targets : integer array (…)
        The label of each pixel.

    Returns
    -------
    float
        A number from 0 to 1. :func:`evaluate` averages it over batches, so its result depends on the batch size; it is not the
        ratio for all images together.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> scores = np.array([[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]])  # predicted: 0 1 1
    >>> intersection_over_union(scores, np.array([[0, 1, 0]]))
    0.5

    Source: lecture row M16 (SOURCES.md).
    """
    targets, predicted = _class_targets(scores, targets), scores.argmax(-1)
    overlaps = []
    for k in np.union1d(targets, predicted):
        a, b = predicted == k, targets == k
        overlaps.append(np.count_nonzero(a & b) / np.count_nonzero(a | b))
    return float(np.mean(overlaps))


def default_metrics(loss: object) -> dict[str, Metric]:
    """Return the default metrics of a loss: the accuracy for classification, else none."""
    if isinstance(loss, CrossEntropy):
        return {"accuracy": accuracy}
    return {"accuracy": binary_accuracy} if isinstance(loss, BinaryCrossEntropy) else {}


def named_metrics(metrics: Mapping[str, Metric] | None, loss: object) -> dict[str, Metric]:
    """Return the metrics as a dict of functions; None means :func:`default_metrics`."""
    if metrics is None:
        return default_metrics(loss)
    if not isinstance(metrics, Mapping) or not all(isinstance(name, str) and callable(f) for name, f in metrics.items()):
        raise ArgumentTypeError(f"metrics must be a dict of functions, as in {{'accuracy': accuracy}}, got {metrics!r}")
    for name, metric in metrics.items():
        check_arguments(f"metrics[{name!r}]", metric, "scores and targets", 2)
    if "loss" in metrics:
        raise ArgumentValueError("metrics must not contain the name 'loss', which is reserved for the loss itself, got 'loss'")
    return dict(metrics)


def measure(metrics: Mapping[str, Metric], scores: Array, targets: Array) -> dict[str, float]:
    """Return the values of metrics for one batch; raise ``TypeError`` if one is not a number.

    >>> measure({"hits": lambda scores, targets: scores.argmax(-1) == targets}, np.eye(2), np.array([0, 1]))
    Traceback (most recent call last):
    refconv.ArgumentTypeError: metrics['hits'] must return a number, got an array of shape (2,)
    """
    values = {}
    for name, metric in metrics.items():
        value: Any = metric(scores, targets)
        if not isinstance(value, Real) and not (
            isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "fiub"
        ):
            raise ArgumentTypeError(f"metrics[{name!r}] must return a number, got {found(value)}")
        values[name] = float(value)
    return values


def _class_targets(scores: Array, targets: Array) -> Array:
    if np.ndim(scores) < 2:
        raise ArgumentValueError(f"scores must have one score for each class, (N, …, K), got shape {np.shape(scores)}")
    why = "one class each"  # a label that is not a class would give a wrong result silently; -1 would be the last class
    return class_labels(targets, np.shape(scores)[:-1], np.shape(scores)[-1], name="targets", why=why)


def _same_shape(y: Array, targets: Array) -> Array:
    targets = np.asarray(targets)
    if targets.shape != y.shape:  # (N, 1) and (N,) would broadcast to (N, N), and the mean would be wrong
        raise ArgumentValueError(f"targets must have shape {y.shape}, like the outputs, got {targets.shape}")
    return targets
