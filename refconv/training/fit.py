"""The training loop: epochs of steps, a look at the validation data after each, and checkpoints on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from refconv._arguments import class_labels, integer, real
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.optim import Optimizer, constant
from refconv.training.checkpoint import Checkpoints
from refconv.training.evaluate import evaluate
from refconv.training.history import Diverged, Epoch, History, Progress
from refconv.training.step import cross_entropy, train_step

__all__ = ["fit"]


def fit(
    model,
    batches,
    optimizer,
    *,
    epochs,
    test=None,
    validation=None,
    schedule=constant,
    loss=cross_entropy,
    clip_norm=None,
    patience=None,
    checkpoints=None,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    stop: Callable[[], bool] = lambda: False,
) -> History:
    """Train a network.

    Call :func:`refconv.keep_freed_memory` once before training: steps are then faster.

    Parameters
    ----------
    model : Layer
        The network, built; its outputs are the scores of the classes.
    batches : Batches
        The training data: each iteration is one epoch of (x, labels).
    optimizer : Optimizer
        Made from the network's parameters.
    epochs : int
        How often to go through the data.
    test, validation : Batches, optional
        Measured after each epoch, on the network in inference. Nothing depends on the test; the validation loss says which
        epoch is the best, when to stop early, and when the learning rate falls (:class:`refconv.optim.Plateau`).
    schedule : callable
        ``schedule(progress)`` is the share of the learning rate after this share of the run, both from 0 to 1.
    loss, clip_norm
        As in :func:`train_step`.
    patience : int, optional
        Epochs without a new lowest validation loss, after which the run ends.
    checkpoints : Checkpoints, optional
        Where to save the run, and whether to go on with one.
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
        If the loss of a step, or that of the test or the validation, is not finite: the step before made the weights too
        large, or the data hold NaN. The message names the step, and the layer out of which the first such number comes. The
        error is a ``FloatingPointError`` and holds the ``history`` up to there. Whatever ends the run, ``optimizer.lr`` is
        as before.
    TypeError
        If labels are not integers.
    ValueError
        If there is nothing to train on, if patience or a plateau has no validation data to wait for, or if the checkpoint is
        that of another run. If labels are not classes of the model: those of all data sets that have ``labels``, as Batches
        do, are checked before the first step.

    Examples
    --------
    >>> from refconv import data, models, optim
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> batches = data.Batches(*data.draw_digits(64), 32, rng=0)
    >>> history = fit(model, batches, optim.SGD(model.named_parameters(), lr=0.01, momentum=0.9), epochs=2)
    >>> [epoch.images for epoch in history.epochs]
    [64, 64]

    Source: A12, A20; M2.
    """
    epochs = integer("epochs", epochs)
    patience = math.inf if patience is None else integer("patience", patience)
    if validation is None and (patience < math.inf or hasattr(schedule, "watch")):
        raise ArgumentValueError("validation must be given where patience or a plateau waits for its loss, got None")
    if not len(batches):
        raise ArgumentValueError("batches must not be empty, got none")
    if clip_norm is not None:
        real("clip_norm", clip_norm, above=0)
    run = Run(model, batches, optimizer, epochs, schedule, loss, clip_norm, patience, checkpoints, on_step, stop)
    run.unchecked = {"batches": batches, "test": test, "validation": validation}
    run.begin()
    try:
        while run.epoch <= epochs and not run.history.stopped and not run.history.stopped_early:
            line = run.pass_over_the_data()
            if test is not None:
                run.history.test = run.measured(test, "test", line)
                line.test_loss, line.test_accuracy = run.history.test.loss, run.history.test.accuracy
            if validation is not None:
                found = run.measured(validation, "validation", line)
                line.validation_loss, line.validation_accuracy = found.loss, found.accuracy
            run.end_epoch(line)
            on_epoch(line)
        if test is not None and run.history.test is None:  # a checkpoint of a run that was over
            run.history.test = evaluate(model, test)
    finally:
        optimizer.lr = run.first_lr
    return run.history


@dataclass
class Sums:
    """What an epoch has gathered so far."""

    loss: float = 0.0
    right: int = 0
    images: int = 0
    seconds: float = 0.0
    lr: float = 0.0  # at the last step

    def line(self, epoch) -> Epoch:
        return Epoch(epoch, self.images, self.seconds, self.lr, self.loss / self.images, self.right / self.images)


@dataclass
class Run:
    """A run while it goes on: where it is, and what it has gathered. All of this is in its checkpoints."""

    model: object
    batches: object
    optimizer: Optimizer
    epochs: int
    schedule: Callable
    loss: Callable
    clip_norm: float | None
    patience: float
    checkpoints: Checkpoints | None
    on_step: Callable
    stop: Callable

    epoch: int = 1
    step: int = 0  # steps of this epoch that are done
    order: dict | None = None  # state of the batches' random numbers when this epoch began
    sums: Sums = field(default_factory=Sums)
    history: History = field(default_factory=History)
    unchecked: dict = field(default_factory=dict)  # data sets whose labels are checked before the first step

    def __post_init__(self):
        self.first_lr = self.optimizer.lr

    @property
    def settings(self):
        """What must be the same where a run goes on."""
        chosen = {name: v for name, v in vars(self.optimizer).items() if isinstance(v, bool | float | str) and name != "lr"}
        kind = {"optimizer": type(self.optimizer).__name__, "lr": self.first_lr, **chosen, "clip_norm": self.clip_norm}
        return {"epochs": self.epochs, "steps": len(self.batches), **kind}

    def begin(self):
        """Start from nothing, or from the last checkpoint."""
        if hasattr(self.schedule, "watch"):
            self.schedule.forget()
        if self.checkpoints is None:
            return
        if not hasattr(self.batches, "resume"):
            raise ArgumentTypeError(
                f"batches must have state() and resume(), as Batches do, to be saved, got {self.batches!r}"
            )
        self.order = self.batches.state()
        if self.checkpoints.load(self):
            self.batches.resume(self.order, self.step)
            for line in self.history.epochs:
                self._watch(line)
            self.history.stopped_early = self._has_waited_enough()

    def pass_over_the_data(self) -> Epoch:
        """The steps of one epoch that are not done yet."""
        self.order = self.batches.state() if hasattr(self.batches, "state") else None
        steps, line, began = len(self.batches), None, time.perf_counter() - self.sums.seconds
        for x, labels in self.batches:
            self._check_labels(x)
            self.step += 1
            done = ((self.epoch - 1) * steps + self.step - 1) / (self.epochs * steps)
            self.optimizer.lr = self.first_lr * self.schedule(done)
            loss, scores = train_step(self.model, self.optimizer, x, labels, loss=self.loss, clip_norm=self.clip_norm)
            if not math.isfinite(loss):
                self.history.epochs += [line] if line else []  # without a test: what this step left is no network
                place = f"the loss is {loss} at step {self.step} of epoch {self.epoch}{self._cause(x)}"
                raise Diverged(f"{place}; try a smaller lr", self.history)
            self.sums.loss += float(loss) * len(labels)
            self.sums.images += len(labels)
            self.sums.right += int((scores.argmax(-1) == labels).sum())
            self.sums.seconds, self.sums.lr = time.perf_counter() - began, self.optimizer.lr
            line = self.sums.line(self.epoch)
            self.on_step(
                Progress(self.epoch, self.epochs, self.step, steps, line.images, line.train_loss, line.train_accuracy)
            )
            self.history.stopped = self.stop()
            if self.checkpoints is not None and (self.history.stopped or self.checkpoints.due(self.step)):
                self.checkpoints.save(self)
            if self.history.stopped:
                break
        return self.sums.line(self.epoch)

    def _check_labels(self, x):
        """Refuse labels that are not classes of the model before a step, and not after the hours that lead to them."""
        while self.unchecked:
            name, batches = self.unchecked.popitem()
            if hasattr(batches, "labels"):  # others are checked batch by batch
                classes = self.model.output_shape(x.shape[1:])[-1]
                class_labels(batches.labels, classes=classes, name=f"labels of {name}")

    def measured(self, batches, kind, line):
        """The network's evaluation after an epoch, which its last step may have made worthless."""
        found = evaluate(self.model, batches)
        if not math.isfinite(found.loss):
            self.history.epochs.append(line)
            causes = (cause for x, _ in batches if (cause := self._cause(x)))
            place = f"the {kind} loss is {found.loss} after epoch {self.epoch}{next(causes, '')}"
            raise Diverged(f"{place}; try a smaller lr", self.history)
        return found

    def end_epoch(self, line):
        """Note how it went, and make ready for the next epoch."""
        self.history.epochs.append(line)
        if self.history.stopped:
            return
        self._watch(line)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, Sums()
        self.history.stopped_early = self._has_waited_enough()
        if self.checkpoints is not None:
            self.order = self.batches.state()
            self.checkpoints.save(self, best=self.history.best is line)

    def _has_waited_enough(self):
        best = self.history.best
        return best is not None and self.history.epochs[-1].epoch - best.epoch >= self.patience

    def _watch(self, line):
        if hasattr(self.schedule, "watch"):
            self.schedule.watch(line.validation_loss)

    def _cause(self, x):
        """Where, with this batch, the first number comes from that is not finite, in words."""
        if not np.isfinite(x).all():
            return ", with a batch that holds numbers that are not finite"
        layer = first_not_finite(self.model, x)
        return f", in layer {layer}" if layer else ""


def first_not_finite(layer, x, name=""):
    """The dotted name of the first layer, innermost, that makes a number that is not finite of finite ones; "" if none."""
    for inner_name, inner in layer.named_layers():
        try:
            with np.errstate(all="ignore"):
                reached = layer.reaching(x, inner_name)
                finite = np.isfinite(inner(reached)).all()
        except (TypeError, ValueError):  # a layer of the user's own, whose inner ones get something else
            return name
        if not finite:
            return first_not_finite(inner, reached, f"{name}.{inner_name}" if name else inner_name)
    return name
