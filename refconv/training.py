"""Training a network and testing it: the loop, in as few lines as it has steps."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from refconv.geometry import per_axis
from refconv.ops.engine import keep_freed_memory
from refconv.ops.loss import softmax_cross_entropy
from refconv.optim import constant

__all__ = ["Diverged", "Epoch", "Evaluation", "History", "Progress", "evaluate", "fit", "train_step"]


@dataclass
class Epoch:
    """One line of a training run: how an epoch went."""

    epoch: int
    images: int  # seen in this epoch; fewer than the data set holds if the run was stopped
    seconds: float  # of training, without the test
    lr: float  # at the last step
    train_loss: float  # means over the epoch, while the weights moved
    train_accuracy: float
    test_loss: float | None = None
    test_accuracy: float | None = None

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds else math.inf


@dataclass
class History:
    """What :func:`fit` returns: an :class:`Epoch` for each epoch, and how the run ended."""

    epochs: list[Epoch] = field(default_factory=list)
    stopped: bool = False  # before its end, by whoever was asked
    test: Evaluation | None = None  # the last one

    def to_csv(self) -> str:
        """The epochs as comma-separated values with a header; what was not measured is empty."""
        text = io.StringIO()
        columns = [*(f.name for f in fields(Epoch)), "images_per_second"]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(e), "images_per_second": round(e.images_per_second, 1)} for e in self.epochs)
        return text.getvalue()


class Diverged(FloatingPointError):  # noqa: N818
    """The loss is no finite number any more; ``history`` is the run up to there."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


@dataclass
class Progress:
    """Where a run is, for those who watch it: told after each step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images: int
    loss: float
    accuracy: float


@dataclass
class Evaluation:
    """What :func:`evaluate` found: mean loss, accuracy from 0 to 1, and the class that each image was read as."""

    loss: float
    accuracy: float
    predictions: np.ndarray


def train_step(model, optimizer, x, labels):
    """One step of training: forward, loss, back, update.

    Parameters
    ----------
    model : Layer
        The network, built; its outputs are the scores of the classes.
    optimizer : SGD
        Made from the network's parameters.
    x : array
        A batch as the network takes it.
    labels : integer array (N,)
        The right classes.

    Returns
    -------
    loss : float
        The batch's mean cross-entropy, before the step.
    scores : array (N, classes)
        The network's output, before the step.

    Source: A12.
    """
    scores, backward = model.forward(x, train=True)
    loss, dscores = softmax_cross_entropy(scores, labels)
    model.zero_grad()
    backward(dscores, want_dx=False)
    optimizer.step()
    return loss, scores


def fit(
    model,
    batches,
    optimizer,
    *,
    epochs,
    test=None,
    schedule=constant,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    stop: Callable[[], bool] = lambda: False,
) -> History:
    """Train a network.

    Memory that a step has freed stays with the process for the next one (:func:`refconv.keep_freed_memory`).

    Parameters
    ----------
    model : Layer
        The network, built; its outputs are the scores of the classes.
    batches : Batches
        The training data: each iteration is one epoch of (x, labels).
    optimizer : SGD
        Made from the network's parameters.
    epochs : int
        How often to go through the data.
    test : Batches, optional
        Measured after each epoch, on the network in inference.
    schedule : callable
        ``schedule(progress)`` is the share of the learning rate after this share of the run, both from 0 to 1.
    on_step, on_epoch : callable
        Told after each step and each epoch.
    stop : callable
        Asked after each step; once it returns True, the run ends there. A step is never left half done.

    Returns
    -------
    History

    Raises
    ------
    Diverged
        If the loss is not finite: the step before made the weights too large, or the data hold NaN. The error is a
        ``FloatingPointError`` and holds the ``history`` up to there. Whatever ends the run, ``optimizer.lr`` is as before.

    Examples
    --------
    >>> from refconv import data, models, optim
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> batches = data.Batches(*data.draw_digits(64), 32, rng=0)
    >>> history = fit(model, batches, optim.SGD(model.named_parameters(), lr=0.01, momentum=0.9), epochs=2)
    >>> [epoch.images for epoch in history.epochs]
    [64, 64]

    Source: A12; M2.
    """
    (epochs,) = per_axis("epochs", epochs, 1)
    keep_freed_memory()
    history, first_lr, steps = History(), optimizer.lr, len(batches)
    try:
        for epoch in range(1, epochs + 1):
            losses = right = images = 0
            line, began = None, time.perf_counter()
            for step, (x, labels) in enumerate(batches, 1):
                optimizer.lr = first_lr * schedule(((epoch - 1) * steps + step - 1) / (epochs * steps))
                loss, scores = train_step(model, optimizer, x, labels)
                if not math.isfinite(loss):
                    history.epochs += [line] if line else []  # without a test: what this step left is no network
                    raise Diverged(f"the loss is {loss} at step {step} of epoch {epoch}; try a smaller lr", history)
                losses, images = losses + float(loss) * len(labels), images + len(labels)
                right += int((scores.argmax(-1) == labels).sum())
                line = Epoch(epoch, images, time.perf_counter() - began, optimizer.lr, losses / images, right / images)
                on_step(Progress(epoch, epochs, step, steps, images, line.train_loss, line.train_accuracy))
                if stop():
                    history.stopped = True
                    break
            if test is not None:
                history.test = evaluate(model, test)
                line.test_loss, line.test_accuracy = history.test.loss, history.test.accuracy
            history.epochs.append(line)
            on_epoch(line)
            if history.stopped:
                break
    finally:
        optimizer.lr = first_lr
    return history


def evaluate(model, batches) -> Evaluation:
    """Test a network in inference; nothing in it changes.

    Parameters
    ----------
    model : Layer
        The network, built.
    batches : Batches
        The data, in stored order (``rng=None``) if predictions are to be matched with images.

    Returns
    -------
    Evaluation

    Source: M2.
    """
    losses, predictions, right = 0.0, [], 0
    for x, labels in batches:
        scores = model(x)
        losses += float(softmax_cross_entropy(scores, labels)[0]) * len(labels)
        predictions.append(scores.argmax(-1))
        right += int((predictions[-1] == labels).sum())
    predictions = np.concatenate(predictions)
    return Evaluation(losses / len(predictions), right / len(predictions), predictions)
