"""Computations of several shards that wait for each other and add arrays."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any

from refconv._errors import ArgumentValueError
from refconv.training.processes import Processes, tree_sum, whole_parts
from refconv.typing import Array

__all__ = ["NOT_ALIKE", "in_lockstep"]


def in_lockstep(
    functions: Mapping[int, Callable[[Callable[[Array, object], Array]], Any]], processes: Processes, count: int
) -> dict[int, Any]:
    """Run a function for each shard of this process; return the results by shard.

    Each function gets a function ``add(array, key)``, which returns the sum of the arrays of all shards of all processes. The
    shards run one after the other up to the next ``add``.

    Parameters
    ----------
    functions : dict of callable
        A function for each of this process's shards, by number.
    processes : Processes
        The processes, which call this function at the same time.
    count : int
        Number of shards of all processes.

    Raises
    ------
    ValueError
        If shards add arrays with different keys, or different numbers of arrays.

    >>> import numpy as np
    >>> def share(add, part):
    ...     return part / add(part, "total")
    >>> in_lockstep({k: lambda add, k=k: share(add, np.array([k + 1.0])) for k in range(3)}, Processes(), 3)
    {0: array([0.16666667]), 1: array([0.33333333]), 2: array([0.5])}
    """
    return _Lockstep(processes, count, list(functions)).run(functions)


class _Stopped(Exception):  # noqa: N818 - an outcome of another shard
    """Another shard has raised an error."""


class _Lockstep:
    """Threads of which one runs at a time, and the arrays that they add.

    With the shards 4 and 5 in this process, and one ``add`` in the function: shard 4 runs to its ``add`` and lets shard 5 run.
    Shard 5, the last, calls ``add``, which exchanges the sum of both with the other processes, and lets shard 4 run, which
    returns from its ``add`` with the total, and ends. Then shard 5 returns with the same total.
    """

    def __init__(self, processes: Processes, count: int, shards: list[int]) -> None:
        self.processes, self.count, self.shards = processes, count, shards
        self.turns = {shard: threading.Semaphore(0) for shard in shards}
        self.arrays: dict[range, tuple[Array, object]] = {}
        self.total: Any = None
        self.additions = 0
        self.error: BaseException | None = None
        self.results: dict[int, Any] = {}
        self.ended: set[int] = set()

    def run(self, functions: Mapping[int, Callable[..., Any]]) -> dict[int, Any]:
        """Run all functions; return their results or raise the first error."""
        threads = []
        for shard in self.shards:
            context = contextvars.copy_context()
            threads.append(threading.Thread(target=context.run, args=(self._work, shard, functions[shard]), daemon=True))
            threads[-1].start()
        self.turns[self.shards[0]].release()
        for thread in threads:
            thread.join()
        if self.error is not None:
            raise self.error
        return self.results

    def _work(self, shard: int, function: Callable[..., Any]) -> None:
        self.turns[shard].acquire()
        try:
            if self.error is None:
                self.results[shard] = function(partial(self._add, shard))
        except _Stopped:
            pass
        except BaseException as error:
            self.error = error
        self.ended.add(shard)
        self._next(shard)

    def _next(self, shard: int) -> None:
        """Let the next shard run that has not ended."""
        index = self.shards.index(shard) + 1
        following = (other for other in self.shards[index:] + self.shards[:index] if other not in self.ended)
        if (other := next(following, None)) is not None:
            self.turns[other].release()

    def _add(self, shard: int, array: Array, key: object) -> Array:
        done = self.additions
        self.arrays[range(shard, shard + 1)] = array, key
        if shard == self.shards[-1]:
            self._exchange()
        self._next(shard)
        self.turns[shard].acquire()
        if self.error is not None:
            raise _Stopped
        if self.additions == done:  # the last shard ended without adding an array
            raise ArgumentValueError(NOT_ALIKE)
        total: Array = self.total
        return total

    def _exchange(self) -> None:
        kinds = {(key, array.size) for array, key in self.arrays.values()}
        if len(self.arrays) < len(self.shards):
            kinds.add((None, 0))  # a shard has ended
        if len(set(chain(*self.processes.gather("a batch normalisation", sorted(kinds, key=str))))) > 1:
            self.processes.failed_in_all = True
            raise ArgumentValueError(NOT_ALIKE)
        leaves = {part: array for part, (array, _) in self.arrays.items()}
        parts = whole_parts(range(self.count), self.processes.local_shards(self.count))
        self.total = self.processes.total({part: tree_sum(part, leaves) for part in parts}, self.count)
        self.arrays, self.additions = {}, self.additions + 1


NOT_ALIKE = "sync_bn must be False for networks that leave out layers at random, such as stochastic depth"
