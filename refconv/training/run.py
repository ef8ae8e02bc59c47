"""State of a training run: where it is, what it has measured so far, and the callbacks that watch it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from refconv._arguments import integer, real
from refconv._errors import ArgumentValueError
from refconv.training.arguments import check_loss, check_optimizer, check_schedule, lr_factor
from refconv.training.averages import warn_if_averages_lag
from refconv.training.divergence import ADVICE, cause_of_divergence
from refconv.training.evaluate import Evaluation, Means, evaluate
from refconv.training.history import Diverged, Epoch, History
from refconv.training.metrics import measure, named_metrics
from refconv.training.pairs import each_pair, is_exhausted_after_one_pass, length, pairs
from refconv.training.settings import describe
from refconv.training.step import check_targets, main_scores, scores_shape

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.optim import Optimizer
    from refconv.training.metrics import Metric
    from refconv.typing import Array

__all__ = ["Run"]


class Run:
    """A run of :func:`fit`, as callbacks see it.

    Attributes
    ----------
    model, optimizer, epochs, validation, test
        The arguments of :func:`fit`.
    epoch, step : int
        The current epoch, from 1, and its completed steps.
    steps : int or None
        Steps in an epoch; None in the first epoch if the batches have no length.
    epoch_done : bool
        True between two epochs, False within one, also if the run was stopped there.
    images : int
        Examples seen in this epoch.
    metrics : dict of float
        Means over this epoch so far: ``train_loss``, and ``train_…`` for each metric.
    scores : array
        Output of the network in the last step.
    history : History
        Records of the epochs that are over.
    stop : bool
        Set it to True to end the run after the current step.
    """

    def __init__(
        self,
        model: Layer,
        batches: Any,
        optimizer: Optimizer,
        *,
        epochs: int,
        validation: Any,
        test: Any,
        loss: Callable[..., Any],
        metrics: Mapping[str, Metric] | None,
        schedule: Callable[[float], float],
        clip_norm: float | None,
        callbacks: Sequence[Any],
    ) -> None:
        check_optimizer(optimizer)
        check_loss(loss)
        check_schedule(schedule)
        self.model, self.optimizer, self.epochs = model, optimizer, integer("epochs", epochs)
        self.batches = _repeatable("batches", batches, self.epochs, shuffle=True)
        self.validation = _repeatable("validation", validation, self.epochs, shuffle=False)
        self.test = _repeatable("test", test, self.epochs, shuffle=False)
        self.loss, self.callbacks = loss, callbacks
        self.schedule: Any = schedule  # a Plateau also has methods of its own
        self.functions = named_metrics(metrics, loss)
        self.clip_norm = None if clip_norm is None else real("clip_norm", clip_norm, above=0)
        if validation is None and hasattr(schedule, "watch"):
            raise ArgumentValueError("validation must be given where a plateau waits for its loss, got None")
        optimizer.check_model(model)
        self._begin()

    def _begin(self) -> None:
        """Set the state before the first step."""
        self.lr = self.optimizer.lr
        self.epoch, self.step, self.epoch_done, self.stop = 0, 0, True, False
        self.steps = length(self.batches)
        self.initial_settings: dict[str, Any] | None = None  # as the first checkpoint describes them
        self.order: Any = None  # state of the batches when this epoch began
        self.means, self.seconds, self.last_lr = Means(), 0.0, 0.0  # of this epoch
        self.scores: Array | None = None
        self._last_x: Array | None = None
        measured = {"train": self.batches, "validation": self.validation, "test": self.test}
        kinds = [kind for kind, batches in measured.items() if batches is not None]
        self.history = History(measured=[f"{kind}_{name}" for kind in kinds for name in ("loss", *self.functions)])
        self._unchecked = {"batches": self.batches, "test": self.test, "validation": self.validation}
        self._scores_shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    @property
    def images(self) -> int:
        return self.means.examples

    @property
    def images_per_epoch(self) -> int | None:
        """Number of examples, None if it is unknown."""
        return len(self.batches.labels) if hasattr(self.batches, "labels") else None

    @property
    def metrics(self) -> dict[str, float]:
        return {f"train_{name}": mean for name, mean in self.means.values().items()}

    def settings(self) -> dict[str, Any]:
        """Return everything that decides the result, for the comparison with a checkpoint."""
        named = {
            "epochs": self.epochs,
            "clip_norm": self.clip_norm,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "loss": self.loss,
            "batches": self.batches,
            "validation": self.validation,
        }
        deciding = {type(callback).__name__: callback for callback in self.callbacks if callback.settings()}
        settings = {name: describe(value) for name, value in {**named, **deciding}.items()}
        settings["optimizer"]["lr"] = self.lr  # the optimiser's own follows the schedule
        return settings

    def __enter__(self) -> Run:
        with ExitStack() as stack:
            stack.callback(setattr, self.optimizer, "lr", self.lr)
            if hasattr(self.schedule, "watch"):
                self.schedule.reset()
            for callback in self.callbacks:
                callback.restore(self)
            for epoch in self.history.epochs:
                self._watch(epoch)
            for callback in self.callbacks:
                stack.callback(callback.on_train_end, self)
                callback.on_train_begin(self)
            self._end = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._end.__exit__(*error)

    def begin_epoch(self) -> bool:
        """Begin an epoch, or go on with the one that was stopped; return False if the run is over."""
        if self.stop or (self.epoch_done and self.epoch >= self.epochs):
            return False
        if self.epoch_done:
            self.epoch, self.step, self.epoch_done = self.epoch + 1, 0, False
            self.means, self.seconds = Means(), 0.0
        self.order = self.batches.state() if hasattr(self.batches, "state") else None
        self._began = time.perf_counter() - self.seconds
        return True

    def remaining_batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield the batches of this epoch that are not done; set the learning rate of each step."""
        for x, targets in each_pair(self.batches):
            targets = self._checked(x, targets)
            self.optimizer.lr = self.lr * lr_factor(self.schedule, self._progress())
            self.step, self._last_x = self.step + 1, x
            yield x, targets
            if self.stop:
                return
        self.steps = self.step

    def end_step(self, value: float, scores: Any, targets: Array) -> None:
        """Add a step to the means of the epoch and call the callbacks."""
        self.scores = scores = main_scores(scores)
        self.means.add(len(scores), {"loss": value, **measure(self.functions, scores, targets)})
        self.seconds, self.last_lr = time.perf_counter() - self._began, self.optimizer.lr
        self._call("on_step_end")

    def refuse_divergence(self, value: float, x: Array) -> None:
        """Raise :class:`Diverged` if the loss of a step is not finite."""
        if not math.isfinite(value):
            if self.images:  # recorded without a test: the step before has ruined the network
                self.history.epochs.append(self._record())
            cause = cause_of_divergence(self.model, x)
            place = f"the loss is {value} at step {self.step} of epoch {self.epoch}{cause}"
            raise Diverged(place, self.history)

    def end_epoch(self) -> None:
        """Validate and test, record the epoch and call the callbacks."""
        if not self.images:
            raise ArgumentValueError("batches yielded nothing; is it an exhausted iterator?")
        epoch = self._record()
        for kind, batches in (("validation", self.validation), ("test", self.test)):
            if batches is not None:
                evaluation = self._evaluate(kind, batches, epoch)
                measured = {"loss": evaluation.loss, **evaluation.metrics}
                epoch.metrics |= {f"{kind}_{name}": value for name, value in measured.items()}
        self.history.epochs.append(epoch)
        self.epoch_done = not self.stop
        if self.epoch_done:
            self._watch(epoch)
        self._call("on_epoch_end")

    def end(self) -> History:
        """Return the history; test once if no epoch did, as after resuming a run that was over; check the averages."""
        over = self.epoch_done and self.epoch == self.epochs
        self.history.stopped = self.stop and not self.history.stopped_early and not over
        if self.test is not None and self.history.test is None:
            self.history.test = self._evaluate("test", self.test, None)
        if self.scores is not None and self._last_x is not None:
            warn_if_averages_lag(self.model, self._last_x, self.scores)
        return self.history

    def _call(self, method: str) -> None:
        for callback in self.callbacks:
            getattr(callback, method)(self)

    def _checked(self, x: Array, targets: Any) -> Any:
        """Check the targets of this batch; before the first step, check all data sets whose targets are known."""
        shape = self._scores_shape(x)
        while self._unchecked:
            name, batches = self._unchecked.popitem()
            if hasattr(batches, "labels"):  # other iterables are checked batch by batch
                try:
                    check_targets(self.loss, batches.labels, (len(batches.labels), *shape))
                except (TypeError, ValueError) as error:
                    argument, _, rest = str(error).partition(" ")
                    raise type(error)(f"{argument} of {name} {rest}") from None
        return check_targets(self.loss, targets, (len(x), *shape))

    def _scores_shape(self, x: Array) -> tuple[int, ...]:
        inner = x.shape[1:]
        if inner not in self._scores_shapes:  # once: computing it takes 1 % of a step of LeNet
            self._scores_shapes[inner] = scores_shape(self.model, x)
        return self._scores_shapes[inner]

    def _progress(self) -> float:
        """Fraction of the run that is done; its beginning in the first epoch if the number of steps is unknown."""
        if not self.steps:
            return 0.0
        return min(((self.epoch - 1) * self.steps + self.step) / (self.epochs * self.steps), 1.0)

    def _record(self) -> Epoch:
        return Epoch(self.epoch, self.images, self.seconds, self.last_lr, self.metrics)

    def _evaluate(self, kind: str, batches: Iterable[Any], epoch: Epoch | None) -> Evaluation:
        """Evaluate the network; raise :class:`Diverged` if the last step has ruined it."""
        evaluation = evaluate(self.model, batches, loss=self.loss, metrics=self.functions)
        if kind == "test":
            self.history.test = evaluation
        if epoch is not None and not math.isfinite(evaluation.loss):
            self.history.epochs.append(epoch)
            causes = (cause for x, _ in batches if (cause := cause_of_divergence(self.model, x)))
            place = f"the {kind} loss is {evaluation.loss} after epoch {self.epoch}{next(causes, ADVICE)}"
            raise Diverged(place, self.history)
        return evaluation

    def _watch(self, epoch: Epoch) -> None:
        if hasattr(self.schedule, "watch"):
            self.schedule.watch(epoch.validation_loss)


def _repeatable(name: str, batches: Any, epochs: int, *, shuffle: bool) -> Any:
    """Return batches that can be iterated over once in each epoch; None stays None, except for the training data."""
    if batches is None and name != "batches":
        return None
    batches = pairs(batches, shuffle=shuffle, name=name)
    if epochs > 1 and is_exhausted_after_one_pass(batches):
        raise ArgumentValueError(
            f"{name} must be iterable {epochs} times, got {type(batches).__name__}, an exhausted iterator after one epoch: "
            "pass a list, or an object whose __iter__ begins anew"
        )
    return batches
