"""Callbacks and errors of several processes that train one network."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from refconv.training.callbacks import Callback
from refconv.training.history import Diverged
from refconv.training.processes import Processes

if TYPE_CHECKING:
    from refconv.training.run import Run

__all__ = ["end_together", "is_reported", "own_callbacks"]

# True if the caller of ``fit`` reports errors and ends the other processes.
is_reported: ContextVar[bool] = ContextVar("is_reported", default=False)


def own_callbacks(callbacks: Sequence[Callback], processes: Processes) -> list[Callback]:
    """Return the callbacks of this process.

    Before the callbacks that come last, the processes agree on whether to stop.
    """
    if processes.size == 1:
        return list(callbacks)
    return sorted([*callbacks, Agreement(processes)], key=lambda callback: callback.comes_last)


@contextmanager
def end_together(processes: Processes) -> Iterator[None]:
    """End all processes if an error ends this one.

    The others would wait for its messages. Errors that all processes raise, such as :class:`Diverged`, only end the run.
    """
    try:
        yield
    except Diverged:
        raise
    except BaseException:
        if processes.size > 1 and not processes.failed_in_all and not is_reported.get():
            traceback.print_exc()
            sys.stderr.flush()
            processes.communicator.Abort(1)
        raise


class Agreement(Callback):
    """Callback with which all processes stop after the same step if one of them wants to stop."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def on_step_end(self, run: Run) -> None:
        run.stop = any(self._processes.gather("whether to stop after a step", run.stop))

    def on_epoch_end(self, run: Run) -> None:
        run.stop = any(self._processes.gather("whether to stop after an epoch", run.stop))
