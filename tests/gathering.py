"""Evidence gathered in a second process while the other tests run."""

from dataclasses import replace

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

    def __init__(self, tasks=(), executor=None):
        self._futures = {task: executor.submit(gathered, *task) for task in reversed(tasks)}

    def __getitem__(self, task):
        future = self._futures.get(task)
        return gathered(*task) if future is None or future.cancel() else future.result()
