"""State of a training run: its progress, its measurements so far and its callbacks."""

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
from refconv.training.lockstep import NOT_ALIKE
from refconv.training.metrics import measure, named_metrics
from refconv.training.pairs import each_pair, is_exhausted_after_one_pass, length, pairs
from refconv.training.processes import Processes
from refconv.training.settings import describe
from refconv.training.shards import Measured, Shards, drops_normalisation
from refconv.training.step import check_targets, main_scores, scores_shape

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.optim import Optimizer
    from refconv.training.metrics import Metric
    from refconv.training.shards import ShardedBatch
    from refconv.typing import Array

__all__ = ["Run"]


class Run:
    """State of a run of :func:`fit`, the argument of all callbacks.

    Attributes
    ----------
    model, optimizer, epochs, validation, test
        The arguments of :func:`fit`.
    epoch, step : int
        The current epoch, from 1, and its completed steps.
    steps : int or None
        Steps in an epoch; None in the first epoch if the batches have no length.
    epoch_done : bool
        True between two epochs. False within an epoch, and after a run that was stopped within an epoch.
    images : int
        Number of examples used in this epoch so far.
    metrics : dict of float
        Means over this epoch so far: ``train_loss``, and ``train_…`` for each metric.
    scores : array
        Output of the network in the last step; with shards, for the last shard of this process.
    history : History
        Records of the completed epochs.
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
        shards: int | None = None,
        sync_bn: bool = False,
        processes: Processes | None = None,
    ) -> None:
        check_optimizer(optimizer)
        check_loss(loss)
        check_schedule(schedule)
        self.model, self.optimizer, self.epochs = model, optimizer, integer("epochs", epochs)
        self.batches = _repeatable("batches", batches, self.epochs, shuffle=True)
        self.validation = _repeatable("validation", validation, self.epochs, shuffle=False)
        self.test = _repeatable("test", test, self.epochs, shuffle=False)
        self.loss, self.callbacks = loss, callbacks
        self.processes = Processes() if processes is None else processes
        self._called = [callback for callback in callbacks if not (self.processes.rank and callback.only_first)]
        divided = shards is not None or self.processes.communicator is not None
        if sync_bn and not divided:
            raise ArgumentValueError("shards must be given with sync_bn=True, got None: a whole batch has common statistics")
        self.shards = Shards(shards, self.processes, self.batches, sync_bn) if divided else None
        if sync_bn and drops_normalisation(model):
            raise ArgumentValueError(NOT_ALIKE)
        self.schedule: Any = schedule  # not typed as a Callable, because a Plateau also has the methods watch and reset
        self.functions = named_metrics(metrics, loss)
        self.clip_norm = None if clip_norm is None else real("clip_norm", clip_norm, above=0)
        if validation is None and hasattr(schedule, "watch"):
            raise ArgumentValueError("validation must be given if the schedule is a Plateau, got None")
        optimizer.check_model(model)
        self._begin()

    def _begin(self) -> None:
        """Set the state before the first step."""
        self.lr = self.optimizer.lr
        self.epoch, self.step, self.epoch_done, self.stop = 0, 0, True, False
        self.steps = length(self.batches)
        self.initial_settings: dict[str, Any] | None = None  # set when a checkpoint describes the run for the first time
        self.order: Any = None  # state of the batches at the start of this epoch
        self.means, self.seconds, self.last_lr = Means(), 0.0, 0.0  # for this epoch
        self.scores: Array | None = None
        self.last_x: Array | None = None
        measured = {"train": self.batches, "validation": self.validation, "test": self.test}
        kinds = [kind for kind, batches in measured.items() if batches is not None]
        self.history = History(measured=[f"{kind}_{name}" for kind in kinds for name in ("loss", *self.functions)])
        self._unchecked = {"batches": self.batches, "test": self.test, "validation": self.validation}
        self._scores_shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    @property
    def images(self) -> int:
        return int(self.means.examples)

    @property
    def images_per_epoch(self) -> int | None:
        """Number of examples in an epoch; None if it is unknown."""
        return len(self.batches.labels) if hasattr(self.batches, "labels") else None

    @property
    def metrics(self) -> dict[str, float]:
        return {f"train_{name}": mean for name, mean in self.means.values().items()}

    def settings(self) -> dict[str, Any]:
        """Return all settings that affect the result, for the comparison with a checkpoint."""
        named = {
            "epochs": self.epochs,
            "clip_norm": self.clip_norm,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "loss": self.loss,
            "batches": self.batches,
            "validation": self.validation,
        }
        if self.shards is not None:
            named |= {"shards": self.shards.count, "sync_bn": self.shards.sync_bn}
        configured = {type(callback).__name__: callback for callback in self.callbacks if callback.settings()}
        settings = {name: describe(value) for name, value in {**named, **configured}.items()}
        settings["optimizer"]["lr"] = self.lr  # the initial one, because the schedule changes optimizer.lr
        return settings

    def __enter__(self) -> Run:
        with ExitStack() as stack:
            stack.callback(setattr, self.optimizer, "lr", self.lr)
            if hasattr(self.schedule, "watch"):
                self.schedule.reset()
            with self.processes.fail_together():
                for callback in self.callbacks:
                    callback.restore(self)
                for epoch in self.history.epochs:
                    self._watch(epoch)
                for callback in self._called:
                    stack.callback(callback.on_train_end, self)
                    callback.on_train_begin(self)
            self._end = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._end.__exit__(*error)

    def begin_epoch(self) -> bool:
        """Start an epoch, or continue the interrupted one; return False if the run is over."""
        if self.stop or (self.epoch_done and self.epoch >= self.epochs):
            return False
        if self.epoch_done:
            self.epoch, self.step, self.epoch_done = self.epoch + 1, 0, False
            self.means, self.seconds = Means(), 0.0
        self.order = self.batches.state() if hasattr(self.batches, "state") else None
        self._start_time = time.perf_counter() - self.seconds
        return True

    def remaining_batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield the remaining batches of this epoch; set the learning rate before each step."""
        for x, targets in each_pair(self.batches):
            targets = self._checked(x, targets)
            self._begin_step()
            self.last_x = x
            yield x, targets
            if self.stop:
                return
        self.steps = self.step

    def remaining_shards(self, shards: Shards) -> Iterator[ShardedBatch]:
        """Yield the shards of each remaining batch; set the learning rate before each step."""
        for batch in shards.divided(self.batches):
            self._begin_step()
            yield {shard: (x, self._checked(x, targets)) for shard, (x, targets) in batch.items()}
            if self.stop:
                return
        self.steps = self.step

    def _begin_step(self) -> None:
        self.optimizer.lr = self.lr * lr_factor(self.schedule, self._progress())
        self.step += 1

    def end_step(self, value: float, scores: Any, targets: Array) -> None:
        """Add a step to the means of the epoch and call the callbacks."""
        self.scores = scores = main_scores(scores)
        self.end_shards([Measured(0, len(scores), value, measure(self.functions, scores, targets))])

    def end_shards(self, measured: Iterable[Measured]) -> None:
        """Add a step on shards to the means of the epoch and call the callbacks."""
        for shard in measured:
            self.means.add(shard.images, {"loss": shard.loss, **shard.metrics})
        self.seconds, self.last_lr = time.perf_counter() - self._start_time, self.optimizer.lr
        self._call("on_step_end")

    def refuse_divergence(self, value: float, x: Array | None = None, cause: str = ADVICE) -> None:
        """Raise :class:`Diverged` if the loss of a step is not finite.

        The cause is given, or found with inputs x of this step.
        """
        if not math.isfinite(value):
            if self.images:  # recorded without validation and test, because the previous step made the weights useless
                self.history.epochs.append(self._record())
            cause = cause if x is None else cause_of_divergence(self.model, x)
            message = f"the loss is {value} at step {self.step} of epoch {self.epoch}{cause}"
            raise Diverged(message, self.history)

    def end_epoch(self) -> None:
        """Run validation and test, record the epoch and call the callbacks."""
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
        """Return the history, after checking the running averages of batch normalisation.

        If no epoch included the test, run it here. This happens if a checkpoint of a completed run is resumed.
        """
        completed = self.epoch_done and self.epoch == self.epochs
        self.history.stopped = self.stop and not self.history.stopped_early and not completed
        if self.test is not None and self.history.test is None:
            self.history.test = self._evaluate("test", self.test, None)
        if self.scores is not None and self.last_x is not None:
            warn_if_averages_lag(self.model, self.last_x, self.scores)
        return self.history

    def _call(self, method: str) -> None:
        for callback in self._called:
            getattr(callback, method)(self)

    def _checked(self, x: Array, targets: Any) -> Any:
        """Check the targets of this batch and return them as an array.

        Before the first step, check the targets of all data sets with ``labels``.
        """
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
        example_shape = x.shape[1:]
        if example_shape not in self._scores_shapes:  # cached, because computing it takes 1 % of a step of LeNet
            self._scores_shapes[example_shape] = scores_shape(self.model, x)
        return self._scores_shapes[example_shape]

    def _progress(self) -> float:
        """Return the completed fraction of the run; 0 in the first epoch if its length is unknown."""
        if not self.steps:
            return 0.0
        return min(((self.epoch - 1) * self.steps + self.step) / (self.epochs * self.steps), 1.0)

    def _record(self) -> Epoch:
        return Epoch(self.epoch, self.images, self.seconds, self.last_lr, self.metrics)

    def _evaluate(self, kind: str, batches: Iterable[Any], epoch: Epoch | None) -> Evaluation:
        """Evaluate the network; raise :class:`Diverged` if the loss is not finite."""
        # A plan chooses algorithms for its first batch, so its results would depend on which batches a process has.
        model = self.model if self.shards is None else self.model.__call__
        evaluation = evaluate(model, batches, loss=self.loss, metrics=self.functions, communicator=self.processes.communicator)
        if kind == "test":
            self.history.test = evaluation
        if epoch is not None and not math.isfinite(evaluation.loss):
            self.history.epochs.append(epoch)
            causes = (cause for x, _ in batches if (cause := cause_of_divergence(self.model, x)))
            message = f"the {kind} loss is {evaluation.loss} after epoch {self.epoch}{next(causes, ADVICE)}"
            raise Diverged(message, self.history)
        return evaluation

    def _watch(self, epoch: Epoch) -> None:
        if hasattr(self.schedule, "watch"):
            self.schedule.watch(epoch.validation_loss)


def _repeatable(name: str, batches: Any, epochs: int, *, shuffle: bool) -> Any:
    """Return batches that can be iterated over once in each epoch.

    None is returned unchanged, except for the training data, which are required.
    """
    if batches is None and name != "batches":
        return None
    batches = pairs(batches, shuffle=shuffle, name=name)
    if epochs > 1 and is_exhausted_after_one_pass(batches):
        raise ArgumentValueError(
            f"{name} must be iterable {epochs} times, got {type(batches).__name__}, which is exhausted after one epoch: "
            "pass a list, or an object whose __iter__ returns a new iterator"
        )
    return batches
