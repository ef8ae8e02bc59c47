"""Callbacks: objects that :func:`fit` calls after each step and each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refconv._arguments import integer
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._files import write_atomically

if TYPE_CHECKING:
    import os

    from refconv.training.run import Run

__all__ = ["CSVLogger", "Callback", "EarlyStopping", "in_order"]


class Callback:
    """Base class for callbacks of :func:`fit`; override what you need.

    Each method gets the :class:`Run`, with ``model``, ``optimizer``, ``epoch``, ``step``, ``metrics`` and ``history``. A
    callback may set ``run.stop = True``, which ends the run after the current step. Do not change anything else in a callback.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv import nn, optim, training
    >>> class Target(training.Callback):
    ...     def on_epoch_end(self, run):
    ...         epoch = run.history.epochs[-1]
    ...         print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}")
    ...         if epoch.train_loss < 0.3:
    ...             run.stop = True
    >>> model = nn.Dense(2)
    >>> _ = model.build((3,), rng=0)
    >>> batches = [(np.array([[1, 0, 2], [0, 3, 1]], np.float32), np.array([1, 0]))]
    >>> _ = training.fit(model, batches, optim.SGD(model, lr=0.1), epochs=9, callbacks=[Target()])
    epoch 1: loss 0.348
    epoch 2: loss 0.292

    Source: lecture row A12 (SOURCES.md).
    """

    comes_last = False  # True for a callback that must be called after all others, such as Checkpoint
    only_first = False  # True for a callback that writes or prints: of several processes, only the first calls its hooks

    def restore(self, run: Run) -> None:
        """Restore a saved state of the run; called once, before ``on_train_begin`` of all callbacks."""

    def on_train_begin(self, run: Run) -> None:
        """Override to act before the first step."""

    def on_step_end(self, run: Run) -> None:
        """Override to act after each step."""

    def on_epoch_end(self, run: Run) -> None:
        """Override to act after each epoch, including its validation and test.

        ``run.history.epochs[-1]`` is the record of the epoch. The method is also called after an epoch in which the run was
        stopped; ``run.epoch_done`` is then False.
        """

    def on_train_end(self, run: Run) -> None:
        """Override to act at the end of the run, even if an error ended it."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments that affect the result, as JSON-serialisable data.

        A resumed run compares them with its checkpoint.
        """
        return {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.settings().items())})"


class EarlyStopping(Callback):
    """Callback that stops the run if the validation loss has no new minimum for some epochs.

    The model keeps the weights of the last epoch; :class:`Checkpoint` saves the best ones.

    Parameters
    ----------
    patience : int
        Number of epochs without a new minimum after which the run stops.

    Raises
    ------
    TypeError, ValueError
        If patience is not a positive integer. :func:`fit` raises ``ValueError`` if it has no validation data.

    Examples
    --------
    ``fit(model, batches, optimizer, epochs=90, validation=held_out, callbacks=[EarlyStopping(5)])``

    Source: lecture row A20 (SOURCES.md).
    """

    def __init__(self, patience: int) -> None:
        self.patience = integer("patience", patience)

    def on_train_begin(self, run: Run) -> None:
        if run.validation is None:
            raise ArgumentValueError("validation must be given if EarlyStopping is used, got None")
        self._stop_if_exhausted(run)  # the interrupted run may already have ended here

    def on_epoch_end(self, run: Run) -> None:
        self._stop_if_exhausted(run)

    def _stop_if_exhausted(self, run: Run) -> None:
        best = run.history.best
        if run.epoch_done and best is not None and run.epoch - best.epoch >= self.patience:
            run.stop = run.history.stopped_early = True

    def settings(self) -> dict[str, Any]:
        return {"patience": self.patience}


class CSVLogger(Callback):
    """Callback that writes the history to a CSV file after each epoch.

    Parameters
    ----------
    path : path
        Path of the file. The whole file is replaced after each epoch, so it is never incomplete. Its folder is created if
        it does not exist.

    Examples
    --------
    ``fit(model, batches, optimizer, epochs=3, callbacks=[CSVLogger("history.csv")])``

    Source: lecture row A12 (SOURCES.md).
    """

    only_first = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_epoch_end(self, run: Run) -> None:
        write_atomically(self.path, run.history.to_csv().encode())


def in_order(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return the callbacks in the order of their calls, after checking their types."""
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
        raise ArgumentTypeError(f"callbacks must be a sequence of Callback, got {callbacks!r}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise ArgumentTypeError(f"callbacks must be instances of Callback, got {callback!r}")
        _refuse_unknown_hooks(callback)
    return sorted(callbacks, key=lambda callback: callback.comes_last)


def _refuse_unknown_hooks(callback: Callback) -> None:
    """Raise ``TypeError`` for a hook that :func:`fit` never calls, such as ``on_batch_end``."""
    hooks = [name for name in dir(Callback) if name.startswith("on_")]
    for name in dir(type(callback)):
        if name.startswith("on_") and name not in hooks:
            raise ArgumentTypeError(
                f"callbacks must define only the hooks {', '.join(hooks)}, got {type(callback).__name__}.{name}"
            )
