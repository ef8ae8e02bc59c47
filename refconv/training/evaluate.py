"""Evaluation of a network: loss, metrics and predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from refconv._arguments import class_labels, integer
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.inference.automatic import for_inference
from refconv.ops.loss import softmax
from refconv.training.arguments import check_loss, found
from refconv.training.losses import CrossEntropy, Loss
from refconv.training.metrics import measure, named_metrics
from refconv.training.pairs import can_read_parts, each_pair, pairs
from refconv.training.processes import Processes
from refconv.training.settings import describe, entries
from refconv.training.step import check_targets

if TYPE_CHECKING:
    from refconv.training.metrics import Metric
    from refconv.typing import Array


__all__ = ["Evaluation", "evaluate", "predict", "predict_proba"]


@dataclass
class Evaluation:
    """Result of :func:`evaluate`: mean loss, metrics and, for class labels, predictions.

    Parameters
    ----------
    loss : float
        Mean over all examples. With class weights it is Σ w e / Σ w over all examples, independent of the batches.
    metrics : dict of float
        Mean of each metric over all examples, by name.
    predictions, labels : integer arrays (N,), optional
        Predicted and true classes in the order of the batches; None unless the targets are one class for each example.

    Examples
    --------
    >>> Evaluation(0.5, {"accuracy": 0.75}).accuracy
    0.75
    """

    loss: float
    metrics: dict[str, float] = field(default_factory=dict)
    predictions: Array | None = None
    labels: Array | None = None

    @property
    def accuracy(self) -> float:
        """Value of the metric "accuracy", from 0 to 1."""
        if "accuracy" not in self.metrics:
            raise AttributeError(f"accuracy must be one of the metrics, got {', '.join(self.metrics) or 'none'}")
        return self.metrics["accuracy"]

    def confusion(self) -> Array:
        """Count the images of each true class (row) by predicted class (column).

        Labels and predictions may have any integer type. ``ValueError`` or ``TypeError`` is raised if they are not class
        indices.

        >>> Evaluation(0.0, predictions=np.array([2, 0, 2, 2]), labels=np.array([1, 0, 2, 1])).confusion()
        array([[1, 0, 0],
               [0, 0, 2],
               [0, 0, 1]])
        """
        if self.labels is None or self.predictions is None:
            raise ArgumentTypeError("labels must be integers, got None: the evaluation has no class labels")
        labels = class_labels(self.labels)
        predictions = class_labels(self.predictions, len(labels), name="predictions")
        classes = int(max(labels.max(initial=-1), predictions.max(initial=-1))) + 1
        counts = np.bincount(labels * classes + predictions, minlength=classes**2)
        return counts.reshape(classes, classes)


def evaluate(
    model: Callable[[Array], Array],
    batches: Any,
    *,
    loss: Callable[[Array, Array], Any] = CrossEntropy(),  # noqa: B008  immutable
    metrics: Mapping[str, Metric] | None = None,
    communicator: Any = None,
) -> Evaluation:
    """Evaluate a network in inference mode.

    Parameters
    ----------
    model : Layer
        A built network, or any callable that returns scores for a batch, such as an :class:`Ensemble`.
    batches : iterable of (x, targets)
        The data: :class:`refconv.data.Batches`, any other iterable, or a pair of arrays (x, targets). Use ``shuffle=False``
        if the predictions must be in the order of the images.
    loss : callable
        As in :func:`fit`.
    metrics : dict of callable, optional
        ``{name: metric}``, functions of scores and targets such as :func:`refconv.training.metrics.accuracy`. The
        default is the accuracy for :class:`CrossEntropy` and :class:`BinaryCrossEntropy`. Other losses have no default.
    communicator : mpi4py.MPI.Comm, optional
        Processes of MPI, each of which computes some of the batches. All get the same result.

    Returns
    -------
    Evaluation

    Raises
    ------
    TypeError, ValueError
        If ``batches`` is empty, or the targets do not fit the loss, such as labels that are not classes of the model.

    Examples
    --------
    >>> scores = np.log([[0.8, 0.2], [0.4, 0.6], [0.7, 0.3]])
    >>> evaluation = evaluate(lambda x: x, (scores, np.array([0, 1, 1])))
    >>> round(evaluation.loss, 4), evaluation.accuracy == 2 / 3, evaluation.predictions
    (0.646, True, array([0, 1, 0]))

    Source: lecture rows A21 and M2 (SOURCES.md).
    """
    check_loss(loss)
    metrics, processes = named_metrics(metrics, loss), Processes(communicator)
    model = for_inference(model)
    batches = own = pairs(batches, shuffle=False)
    if processes.size > 1:
        processes.refuse_differences(entries("batches", describe(batches)))
        processes.share_order(batches)
    if processes.size > 1 and can_read_parts(batches):
        own = batches.every(processes.size, processes.rank)
    elif processes.size > 1:
        own = islice(batches, processes.rank, None, processes.size)
    with processes.fail_together():
        results = [_evaluated(model, x, targets, loss, metrics) for x, targets in each_pair(own)]
    by_process = processes.gather("an evaluation", results)
    losses, means, predictions, labels = Means(), Means(), [], []
    for result in (result for turn in zip_longest(*by_process) for result in turn if result is not None):
        losses.add(result.weight, {"loss": result.loss})
        means.add(result.images, result.metrics)
        if result.labels is not None:
            predictions.append(result.predictions)
            labels.append(result.labels)
    if not means.examples:
        raise ArgumentValueError("batches yielded nothing; is it an exhausted iterator?")
    mean_loss = losses.values()["loss"]
    if not labels:
        return Evaluation(mean_loss, means.values())
    return Evaluation(mean_loss, means.values(), np.concatenate(predictions), np.concatenate(labels))


class _Evaluated(NamedTuple):
    """Result for one batch."""

    images: int
    weight: float  # of the loss
    loss: float
    metrics: dict[str, float]
    predictions: Array | None
    labels: Array | None


def _evaluated(
    model: Callable[[Array], Array], x: Array, targets: Any, loss: Callable[..., Any], metrics: Mapping[str, Metric]
) -> _Evaluated:
    scores = model(x)
    targets = check_targets(loss, targets, scores.shape)
    value, _ = loss(scores, targets)
    weight = loss.weight_of_batch(targets) if isinstance(loss, Loss) else len(scores)
    classes = (scores.argmax(-1), targets) if are_class_labels(scores, targets) else (None, None)
    return _Evaluated(len(scores), weight, value, measure(metrics, scores, targets), *classes)


class Means:
    """Means of several quantities over batches of different sizes.

    >>> means = Means()
    >>> means.add(3, {"loss": 1.0})
    >>> means.add(1, {"loss": 5.0})
    >>> means.examples, means.values()
    (4, {'loss': 2.0})
    """

    def __init__(self, examples: float = 0, sums: Mapping[str, float] | None = None) -> None:
        self.examples, self.sums = examples, dict(sums or {})

    def add(self, count: float, means: Mapping[str, float]) -> None:
        """Add the means over a batch of ``count`` examples, or of the weight ``count``."""
        self.examples += count
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(mean) * count

    def values(self) -> dict[str, float]:
        """Return the means so far."""
        return {name: total / self.examples for name, total in self.sums.items()}


def are_class_labels(scores: Array, targets: Array) -> bool:
    """Return True if the scores are (N, K) and the targets are one integer for each example."""
    return isinstance(targets, np.ndarray) and scores.ndim == 2 and targets.ndim == 1 and targets.dtype.kind in "iu"


def predict(model: Callable[[Array], Array], x: Array, batch_size: int = 256) -> Array:
    """Return the class with the highest score for each example, or for each pixel.

    Parameters
    ----------
    model : Layer
        A built network, or any callable that returns scores (N, …, K).
    x : array (N, …)
        Inputs of the network.
    batch_size : int
        Number of examples computed together; it limits the memory and has no other effect.

    Returns
    -------
    integer array (N, …)

    Raises
    ------
    TypeError, ValueError
        If x is not an array or is empty, if batch_size is not a positive integer, or if the network returns a single score.
        Such a network is a regression or a binary classifier. For a binary classifier, the class is ``model(x) > 0`` and its
        probability is ``refconv.sigmoid(model(x))``.

    Examples
    --------
    >>> predict(lambda x: -x, np.array([[3.0, 1.0], [2.0, 5.0], [4.0, 2.0]]), batch_size=2)
    array([1, 0, 1])

    Source: lecture row A19 (SOURCES.md).
    """
    return np.concatenate([scores.argmax(-1) for scores in _scores(model, x, batch_size)])


def predict_proba(model: Callable[[Array], Array], x: Array, batch_size: int = 256) -> Array:
    """Return the probability of each class, the softmax of the scores.

    Parameters
    ----------
    model, x, batch_size
        As in :func:`predict`.

    Returns
    -------
    float array (N, …, K)

    Raises
    ------
    TypeError, ValueError
        As :func:`predict`.

    Examples
    --------
    >>> predict_proba(lambda x: np.log(x), np.array([[1.0, 3.0], [4.0, 1.0]])).round(6)
    array([[0.25, 0.75],
           [0.8 , 0.2 ]])

    Source: lecture row A19 (SOURCES.md).
    """
    return np.concatenate([softmax(scores) for scores in _scores(model, x, batch_size)])


def _scores(model: Callable[[Array], Array], x: Array, batch_size: int) -> Iterator[Array]:
    batch_size = integer("batch_size", batch_size)
    if not (hasattr(x, "shape") and x.shape):
        raise ArgumentTypeError(f"x must be an array of examples (N, …), got {found(x)}")
    if not len(x):
        raise ArgumentValueError("x must contain at least one example, got none")
    model = for_inference(model)
    for first in range(0, len(x), batch_size):
        scores = model(x[first : first + batch_size])
        if scores.shape[-1] < 2:  # argmax would always be 0, and softmax always 1
            raise ArgumentValueError(
                f"model must return scores of at least two classes, got shape {scores.shape}: for one score the class is "
                "model(x) > 0, and its probability refconv.sigmoid(model(x))"
            )
        yield scores
