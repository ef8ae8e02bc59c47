"""Checkpoints: all that a run needs to go on as if it had never stopped, to the last bit.

A checkpoint is one file, written at once or not at all. Its tensors are the network's parameters and what the optimiser
remembers of them; the rest, a few numbers and the states of all random generators, is JSON beside them.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

import refconv.weights as weights
from refconv._arguments import integer
from refconv._errors import ArgumentValueError
from refconv._files import clear_unfinished
from refconv.training.history import Epoch

__all__ = ["Checkpoints", "capture", "generators", "restore"]

KIND = "refconv-checkpoint"


class Checkpoints:
    """A folder with a run's last checkpoint and its best one.

    ``last.safetensors`` is written after each epoch, when the run is asked to stop, and as often as ``every`` says;
    ``best.safetensors`` after each epoch with a new lowest validation loss, for :meth:`recall_best`. A run that is killed goes
    on from the last one: the same call of :func:`fit` with ``resume=True`` ends with the same bits as a run that was never
    stopped.

    Parameters
    ----------
    folder : path
        Made when the first checkpoint is written.
    every : int, optional
        Steps between two checkpoints inside of an epoch.
    resume : bool
        Whether to go on from ``last.safetensors``, if there is one. Without it, one that is there is not written over.
    notes : dict, optional
        Anything else worth keeping that JSON can hold.

    Raises
    ------
    FileExistsError
        If there is a checkpoint that is not to be resumed.
    TypeError, ValueError
        If every is no count.
    ImportError
        If safetensors is not installed.

    Examples
    --------
    ``fit(model, batches, optimizer, epochs=90, checkpoints=Checkpoints("runs/first", every=500, resume=True))`` begins a run,
    and, started again after whatever has stopped it, goes on with it.

    Source: A12.
    """

    def __init__(self, folder, *, every=None, resume=False, notes=None):
        weights.need_safetensors("checkpoints")
        self.last, self.best = Path(folder) / "last.safetensors", Path(folder) / "best.safetensors"
        self.every = None if every is None else integer("every", every)
        self.resume, self.notes = resume, notes or {}
        if not resume and self.last.exists():
            raise FileExistsError(f"{self.last} is a run's checkpoint already: resume=True goes on with it")

    def save(self, run, best=False) -> None:
        """Write the run's checkpoint, and the best one if this is it."""
        tensors, description = capture(run)
        for path in (self.best, self.last) if best else (self.last,):  # killed between them, it does this epoch again
            weights.write_tensors(path, tensors, KIND, {**description, "notes": self.notes})

    def load(self, run) -> bool:
        """Put a run where the last checkpoint was; False if it is to begin, or there is none."""
        if not self.resume or not self.last.exists():
            return False
        for path in (self.last, self.best):
            clear_unfinished(path)
        restore(run, *weights.read_tensors(self.last, KIND), self.last)
        return True

    def recall_best(self, model) -> None:
        """Put a network where the best epoch left it: its parameters, without the rest of the run.

        A ``FileNotFoundError`` if no epoch was validated, a ``ValueError`` if it was another network.
        """
        tensors, _ = weights.read_tensors(self.best, KIND)
        values = _group(tensors, "model")
        _refuse_others(model, values, self.best)
        _put(model, values)

    def due(self, step) -> bool:
        """Whether to save after this step."""
        return self.every is not None and step % self.every == 0


def capture(run):
    """All of a run, as tensors and as what JSON can hold."""
    tensors = {f"model/{name}": p.value for name, p in run.model.named_parameters().items()}
    tensors |= {f"optimizer/{name}": a for name, a in run.optimizer.state().items()}
    description = {
        "settings": run.settings,
        "epoch": run.epoch,
        "step": run.step,
        "order": run.order,
        "sums": asdict(run.sums),
        "epochs": [asdict(line) for line in run.history.epochs],
        "generators": {name: rng.bit_generator.state for name, rng in generators(run.model).items()},
    }
    return tensors, description


def restore(run, tensors, description, path):
    """Continue a run from what :func:`capture` returned; a ``ValueError``, and nothing changed, if it does not fit."""
    values, own = _group(tensors, "model"), generators(run.model)
    _refuse_others(run.model, values, path)
    try:
        epoch, step, order = (description[name] for name in ("epoch", "step", "order"))
        sums, epochs = type(run.sums)(**description["sums"]), [Epoch(**line) for line in description["epochs"]]
        states, settings = dict(description["generators"]), description["settings"]
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentValueError(
            f"{path} must hold a complete run of this version of refconv, got {type(error).__name__}: {error}"
        ) from error
    if own.keys() != states.keys():
        raise ArgumentValueError(f"{path} is the checkpoint of another network")
    if run.settings != settings:
        raise ArgumentValueError(f"{path} is the checkpoint of another run: {settings}, and this one is {run.settings}")
    run.optimizer.restore(_group(tensors, "optimizer"))
    _put(run.model, values)
    for name, rng in own.items():
        rng.bit_generator.state = states[name]
    run.epoch, run.step, run.order, run.sums = epoch, step, order, sums
    run.history.epochs = epochs


def _group(tensors, group):
    """The tensors of a group, which :func:`capture` put in front of their names."""
    return {name.removeprefix(f"{group}/"): a for name, a in tensors.items() if name.startswith(f"{group}/")}


def _refuse_others(model, values, path):
    expected = {name: (p.value.shape, p.value.dtype) for name, p in model.named_parameters().items()}
    if expected != {name: (a.shape, a.dtype) for name, a in values.items()}:
        raise ArgumentValueError(f"{path} is the checkpoint of another network")


def _put(model, values):
    for name, parameter in model.named_parameters().items():
        parameter.value[...] = values[name]


def generators(model) -> dict[str, np.random.Generator]:
    """The random generators of all layers that have one, such as dropout, under dotted names."""
    found = {}
    for name, layer in model.named_layers():
        found |= {f"{name}.{inner}": rng for inner, rng in generators(layer).items()}
    own = {name: value for name, value in vars(model).items() if isinstance(value, np.random.Generator)}
    return {**own, **found}
