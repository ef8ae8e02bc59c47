"""Evidence gathered in a second process while the other tests run.

One Python process keeps only one processor busy, so a second process shortens the test run.
"""

import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from refconv.verify.catalogue import CATALOGUE
from refconv.verify.evidence.kinds import gather
from refconv.verify.evidence.report import report

__all__ = ["Gathering", "gathered"]


def gathered(name, kind, quick):
    """Return an outcome and its report.

    The case is removed from the outcome: it may contain a function, which cannot be sent to another process.
    """
    outcome = gather(CATALOGUE[name], kind, quick=quick)
    return replace(outcome, case=None), report(outcome)


class Gathering:
    """Outcomes by (name, kind, quick), computed in a second process or here.

    The second process starts with the last tasks. A task that it has not started when its outcome is needed is computed here.
    """

    def __init__(self, tasks=()):
        # The process is spawned: a forked child would inherit the kernels' threads. Its warnings are errors, as in pytest.
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), warnings.simplefilter, ("error",)) if tasks else None
        self._futures = {task: self._pool.submit(gathered, *task) for task in reversed(tasks)}

    def __getitem__(self, task):
        future = self._futures.get(task)
        return gathered(*task) if future is None or future.cancel() else future.result()

    def stop(self):
        """Cancel the tasks that have not started."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
