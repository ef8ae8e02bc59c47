"""Evidence that is gathered in a second process while the other tests run: one process of Python uses one processor only."""

import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from refconv.verify.catalogue import CATALOGUE
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.report import report

__all__ = ["Gathering", "gathered"]


def gathered(name, kind, quick):
    """An outcome, and its report. The outcome is without its case, which may hold a function and then cannot be sent."""
    outcome = gather(CATALOGUE[name], kind, quick=quick)
    return replace(outcome, case=None), report(outcome)


class Gathering:
    """Outcomes by (name, kind, quick): a second process starts with the last ones, and those it has not begun are computed
    here when they are needed."""

    def __init__(self, wanted=()):
        # Spawned, since a forked child would inherit the kernels' threads. Warnings are errors there too.
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), warnings.simplefilter, ("error",)) if wanted else None
        self._begun = {task: self._pool.submit(gathered, *task) for task in reversed(wanted)}

    def __getitem__(self, task):
        future = self._begun.get(task)
        return gathered(*task) if future is None or future.cancel() else future.result()

    def stop(self):
        """Begin nothing more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
