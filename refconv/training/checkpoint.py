"""Checkpoints, from which a run continues with the same bits as if it had never stopped.

A checkpoint is one file, written completely or not at all. Its tensors are the parameters of the network and the state of the
optimiser. A few numbers and the states of all random generators are stored in the same file as JSON.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import refconv.weights as weights
from refconv._arguments import flag, integer
from refconv._errors import ArgumentError, ArgumentTypeError, ArgumentValueError
from refconv._files import clear_unfinished, keep_as
from refconv._lock import locked
from refconv.training.callbacks import Callback
from refconv.training.evaluate import Means
from refconv.training.generators import generators
from refconv.training.history import Epoch
from refconv.training.settings import differences
from refconv.weights.safetensors import DamagedFileError

if TYPE_CHECKING:
    import os

    from refconv.nn import Layer
    from refconv.training.run import Run
    from refconv.typing import Array

    Tensors = Mapping[str, Array]

__all__ = ["Checkpoint", "capture", "generators", "read_checkpoint", "restore"]

KIND = "refconv-checkpoint"


class Checkpoint(Callback):
    """Callback that saves the run, so that it can be resumed bit for bit, and its best epoch.

    ``last.safetensors`` is written after each epoch, when the run is stopped, and every ``every`` steps. The checkpoint before
    it remains as ``previous.safetensors``; a run continues from it, with a warning, if the last one is damaged.
    ``best.safetensors`` is written after each epoch with a new lowest validation loss, for :meth:`recall_best`.
    ``refconv.load`` reads the network from either file, unless it is a network that ``model.save`` cannot save.

    After an interruption, the same call of :func:`fit` with ``resume=True`` continues from the last checkpoint and ends with
    the same bits as a run that was never stopped. Layers, optimiser, schedule, loss, batches, data (compared by a
    fingerprint), patience and the number of epochs must be the same, else :func:`fit` raises ``ValueError``.

    Parameters
    ----------
    folder : path
        Output folder, created at the start of the run. Only one run at a time can use it.
    every : int, optional
        Number of steps between two checkpoints within an epoch.
    resume : bool
        True to continue from ``last.safetensors`` if it exists. If False, an existing checkpoint is never overwritten.
    notes : dict, optional
        Additional JSON-serialisable data to store.

    Raises
    ------
    FileExistsError
        If a checkpoint exists and ``resume`` is False. :func:`fit` raises it if another run uses the folder.
    TypeError, ValueError
        If ``every`` is not a positive integer. :func:`fit` raises ``ValueError`` if the checkpoint belongs to another run,
        and ``TypeError`` if the batches cannot be resumed.

    Examples
    --------
    ``fit(model, batches, optimizer, epochs=90, callbacks=[Checkpoint("runs/first", every=500, resume=True)])`` starts a run.
    Called again after an interruption, it continues the run.

    Source: lecture row A12 (SOURCES.md).
    """

    comes_last = True  # the other callbacks may change the state that it saves
    only_first = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every: int | None = None,
        resume: bool = False,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.last, self.previous, self.best = (self.folder / f"{name}.safetensors" for name in ("last", "previous", "best"))
        self.every = None if every is None else integer("every", every)
        self.resume, self.notes = flag("resume", resume), dict(notes or {})
        self._lock = ExitStack()
        self._restored_from: Path | None = None
        if not resume and self.last.exists():
            raise FileExistsError(f"{self.last} already exists: resume=True continues this run")

    def restore(self, run: Run) -> None:
        """Set the run to the state of the last checkpoint, if ``resume`` is True and one exists."""
        if not (hasattr(run.batches, "state") and hasattr(run.batches, "resume")):
            raise ArgumentTypeError(
                f"batches must have state() and resume(), like Batches, to be saved in a checkpoint, got {run.batches!r}"
            )
        _settings(run)  # recorded before the first step, because training may change attributes of these objects
        if self.resume and self.last.exists():
            tensors, description, self._restored_from = read_checkpoint(self.folder)
            restore(run, tensors, description, self._restored_from)

    def on_train_begin(self, run: Run) -> None:
        self._lock.enter_context(locked(self.folder))
        for path in (self.last, self.previous, self.best):
            clear_unfinished(path)
        if self._restored_from == self.previous:
            keep_as(self.previous, self.last)  # else save would replace the previous checkpoint by the damaged one

    def on_train_end(self, run: Run) -> None:
        self._lock.close()

    def on_step_end(self, run: Run) -> None:
        if run.stop or (self.every is not None and run.step % self.every == 0):
            self.save(run)

    def on_epoch_end(self, run: Run) -> None:
        if run.epoch_done:  # if the run was stopped within the epoch, on_step_end has saved it without the incomplete record
            self.save(run, best=run.history.best is run.history.epochs[-1])

    def save(self, run: Run, best: bool = False) -> None:
        """Write the last checkpoint, and the best one if this epoch is the best."""
        tensors, description = capture(run)
        network, arrays = _network(run.model)
        keep_as(self.last, self.previous)
        for path in (self.best, self.last) if best else (self.last,):  # if killed in between, a resumed run repeats the epoch
            weights.write_tensors(path, {**tensors, **arrays}, KIND, {**description, "notes": self.notes}, network)

    def recall_best(self, model: Layer) -> None:
        """Set a network to the weights of the best epoch.

        ``FileNotFoundError`` is raised if no epoch was validated, and ``ValueError`` if the run trained another network.
        """
        tensors, _ = weights.read_tensors(self.best, KIND)
        values = _group(tensors, "model")
        _refuse_others(model, values, self.best)
        _put(model, values)


def read_checkpoint(folder: Path) -> tuple[dict[str, Array], dict[str, Any], Path]:
    """Return arrays, description and path of the last checkpoint in a folder.

    If it is damaged, this is the checkpoint before it, and a warning names the damaged file.
    """
    last, previous = folder / "last.safetensors", folder / "previous.safetensors"
    try:
        return *weights.read_tensors(last, KIND), last
    except DamagedFileError as error:
        if not previous.exists():
            raise
        warnings.warn(f"{error}; the run continues from {previous}, the checkpoint before it", UserWarning, stacklevel=2)
        return *weights.read_tensors(previous, KIND), previous


def _network(model: Layer) -> tuple[dict[str, dict[str, Any]], Tensors]:
    """Return the description and the other arrays of a network, as in a saved model.

    They allow ``refconv.load`` to read a checkpoint as a model. They are empty if the network cannot be saved as a model.
    """
    try:
        description, arrays = weights.describe_network(model)
    except ArgumentError:  # an initializer may be a lambda, for instance; the run can be resumed nevertheless
        return {}, {}
    return {"refconv": description}, arrays


def _settings(run: Run) -> dict[str, Any]:
    """Return everything that determines the result: the settings of the run, and the layers.

    The settings are recorded at the start of the run, because objects without ``settings()`` may change their attributes
    later.
    """
    if run.initial_settings is None:
        network, _ = _network(run.model)
        architecture = network["refconv"]["architecture"] if network else {}
        run.initial_settings = {**run.settings(), "model": architecture.get("model")}
        if changed := architecture.get("settings"):  # attributes of layers that were set after construction
            run.initial_settings["layers"] = changed
    return run.initial_settings


def capture(run: Run) -> tuple[Tensors, dict[str, Any]]:
    """Return the complete state of a run, as tensors and as JSON-serialisable data."""
    tensors = {f"model/{name}": p.value for name, p in run.model.named_parameters().items()}
    tensors |= {f"optimizer/{name}": a for name, a in run.optimizer.state().items()}
    description = {
        "settings": _settings(run),
        "epoch": run.epoch,
        "step": run.step,
        "epoch_done": run.epoch_done,
        "order": run.batches.state() if run.epoch_done else run.order,
        "means": {"examples": run.means.examples, "sums": run.means.sums},
        "seconds": run.seconds,
        "lr": run.last_lr,
        "epochs": [asdict(epoch) for epoch in run.history.epochs],
        "generators": {name: rng.bit_generator.state for name, rng in generators(run.model).items()},
    }
    return tensors, description


def restore(run: Run, tensors: Tensors, description: Mapping[str, Any], path: Path) -> None:
    """Set a run to a state from :func:`capture`.

    If the state does not belong to this run, raise ``ValueError`` and leave the run unchanged.
    """
    if description["format"] == 1:
        raise ArgumentValueError(
            f"{path} must be a checkpoint of format 2, got format 1, which does not record all settings; "
            "model.load_weights(path) reads its weights"
        )
    values, own = _group(tensors, "model"), generators(run.model)
    _refuse_others(run.model, values, path)
    with _damage_named(path):
        epoch, step, epoch_done, order = (description[name] for name in ("epoch", "step", "epoch_done", "order"))
        means, seconds, lr = Means(**description["means"]), description["seconds"], description["lr"]
        epochs = [Epoch(**fields) for fields in description["epochs"]]
        states, settings = dict(description["generators"]), dict(description["settings"])
        _check_numbers(epoch, step, epoch_done, [seconds, lr, means.examples, *means.sums.values()], epochs)
    if own.keys() != states.keys():
        raise ArgumentValueError(f"{path} must be a checkpoint of this network, got other random generators")
    with _damage_named(path):
        for name, rng in own.items():
            deepcopy(rng).bit_generator.state = states[name]  # a damaged state is refused before anything changes
    if changes := differences(settings, json.loads(json.dumps(_settings(run)))):
        raise ArgumentValueError(
            f"{path} must be a checkpoint of a run with the same settings, got differences: {'; '.join(changes)}"
        )
    _restore_batches_and_optimizer(run, order, 0 if epoch_done else step, _group(tensors, "optimizer"), path)
    _put(run.model, values)
    for name, rng in own.items():
        rng.bit_generator.state = states[name]
    run.epoch, run.step, run.epoch_done = epoch, step, epoch_done
    run.means, run.seconds, run.last_lr = means, seconds, lr
    run.history.epochs = epochs


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Raise errors about values of unexpected kinds as ``ValueError`` with the name of the file."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArgumentValueError(
            f"{path} must be a complete checkpoint of this version of refconv, got {type(error).__name__}: {error}"
        ) from error


def _check_numbers(epoch: Any, step: Any, epoch_done: Any, numbers: list[Any], epochs: list[Epoch]) -> None:
    """Raise ``ValueError`` for entries of a checkpoint that have another type."""
    counts = [epoch, step, *(count for record in epochs for count in (record.epoch, record.images))]
    numbers = [*numbers, *(number for record in epochs for number in (record.seconds, record.lr, *record.metrics.values()))]
    if not all(type(count) is int and count >= 0 for count in counts) or type(epoch_done) is not bool:
        raise ValueError("epochs, steps or images that are not integers from 0")
    if not all(type(number) in (int, float) for number in numbers):
        raise ValueError("means, times or learning rates of another type")


def _restore_batches_and_optimizer(run: Run, order: Any, done: int, state: Tensors, path: Path) -> None:
    """Set the batches and the optimiser to a state; if it is damaged, leave both unchanged."""
    before = run.batches.state()
    with _damage_named(path):
        try:
            run.batches.resume(order, done)
            run.optimizer.restore(state)
        except Exception:
            run.batches.resume(before, 0)
            raise


def _group(tensors: Tensors, group: str) -> Tensors:
    """Return the tensors of a group, without the prefix that :func:`capture` adds."""
    return {name.removeprefix(f"{group}/"): a for name, a in tensors.items() if name.startswith(f"{group}/")}


def _refuse_others(model: Layer, values: Tensors, path: Path) -> None:
    expected = {name: (p.value.shape, p.value.dtype) for name, p in model.named_parameters().items()}
    if expected != {name: (a.shape, a.dtype) for name, a in values.items()}:
        raise ArgumentValueError(f"{path} must be a checkpoint of this network, got other parameters")


def _put(model: Layer, values: Tensors) -> None:
    for name, parameter in model.named_parameters().items():
        parameter.value[...] = values[name]
