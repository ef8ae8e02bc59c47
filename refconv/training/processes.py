"""Processes that train one network together, and the messages between them.

The gradient of a batch is the sum of the gradients of its shards, which are equal parts of the batch. Sums of floating-point
numbers depend on the order of their terms, so the order is fixed: shards are added in pairs, the sums of pairs in pairs, and
so on. This tree does not depend on the number of processes. Each process has consecutive shards. It first adds the subtrees
whose shards are all its own. The other sums of the tree are divided among the processes: each computes them for one piece of
the gradient.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Array

__all__ = ["Processes", "halves", "tree_sum", "whole_parts"]


def halves(part: range) -> tuple[range, range]:
    """Return the two parts whose sums are added to the sum of a part.

    >>> halves(range(3, 8))
    (range(3, 6), range(6, 8))
    """
    middle = (part.start + part.stop + 1) // 2
    return range(part.start, middle), range(middle, part.stop)


def whole_parts(part: range, own: range) -> list[range]:
    """Return the largest parts of the tree that contain only numbers of ``own``, in order.

    >>> whole_parts(range(8), range(2, 7))
    [range(2, 4), range(4, 6), range(6, 7)]
    """
    if max(part.start, own.start) >= min(part.stop, own.stop):
        return []
    if own.start <= part.start and part.stop <= own.stop:
        return [part]
    return [inside for half in halves(part) for inside in whole_parts(half, own)]


def tree_sum(part: range, sums: Mapping[range, Array]) -> Array:
    """Return the sum of a part of the tree, from the sums of smaller parts.

    >>> float(tree_sum(range(3), {range(0, 1): np.array(1e16), range(1, 2): np.array(1.0), range(2, 3): np.array(1.0)}))
    1e+16
    >>> float(tree_sum(range(3), {range(0, 2): np.array(2.0), range(2, 3): np.array(1e16)}))
    1.0000000000000002e+16
    """
    if part in sums:
        return sums[part]
    first, second = (tree_sum(half, sums) for half in halves(part))
    total: Array = first + second
    return total


class Processes:
    """Processes that train together; without a communicator, only this one.

    Parameters
    ----------
    communicator : mpi4py.MPI.Comm, optional
        The processes of MPI.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and number of processes.
    failed_in_all : bool
        True after an error that all processes have raised.

    >>> processes = Processes()
    >>> processes.size, processes.local_shards(8), processes.gather("a letter", "b")
    (1, range(0, 8), ['b'])
    """

    def __init__(self, communicator: Any = None) -> None:
        names = ("Get_rank", "Get_size", "Is_inter", "allgather", "Alltoallv", "Allgatherv", "Abort")
        if communicator is not None and not all(hasattr(communicator, name) for name in names):
            raise ArgumentTypeError(
                f"communicator must be a communicator of mpi4py, such as MPI.COMM_WORLD, got {communicator!r}"
            )
        if communicator is not None and (not communicator or communicator.Is_inter()):
            kind = "an intercommunicator" if communicator else "COMM_NULL"
            raise ArgumentValueError(f"communicator must be of one group of processes, such as MPI.COMM_WORLD, got {kind}")
        self.communicator: Any = communicator
        self.rank: int = 0 if communicator is None else communicator.Get_rank()
        self.size: int = 1 if communicator is None else communicator.Get_size()
        self.failed_in_all = False

    def local_shards(self, count: int, rank: int | None = None) -> range:
        """Return the shards of a process, by default of this one."""
        rank = self.rank if rank is None else rank
        return range(count * rank // self.size, count * (rank + 1) // self.size)

    def gather(self, kind: str, value: Any) -> list[Any]:
        """Return the values of all processes, in the order of their ranks.

        Processes that gather values of different kinds, for example because one has more batches, would misunderstand each
        other, so ``RuntimeError`` is raised in all.
        """
        if self.size == 1:
            return [value]
        kinds, values = zip(*self.communicator.allgather((kind, value)), strict=True)
        for rank, other in enumerate(kinds):
            if other != kinds[0]:
                self.failed_in_all = True
                raise RuntimeError(
                    f"the processes must call the same functions, got {kinds[0]} in process 0 and {other} in "
                    f"process {rank}: do their batches or callbacks differ?"
                )
        return list(values)

    def total(self, sums: Mapping[range, Array], count: int) -> Array:
        """Return the sum over all shards, in every process.

        Parameters
        ----------
        sums : dict of array (n,)
            The sums of this process's parts of the tree, as :func:`whole_parts` lists them.
        count : int
            Number of shards of all processes.

        Notes
        -----
        With 4 shards and 3 processes, process 0 has the sum of shard 0, process 1 the sum of shard 1, and process 2 the sum
        of shards 2 and 3. Alltoallv gives the first third of the three sums to process 0, which adds (0 + 1) + (2 + 3), and
        the other thirds to the others. Allgatherv then gives the three results to all.
        """
        whole = range(count)
        if self.size == 1:
            return tree_sum(whole, sums)
        parts = [whole_parts(whole, self.local_shards(count, rank)) for rank in range(self.size)]
        first = next(iter(sums.values()))
        bounds = [first.size * rank // self.size for rank in range(self.size + 1)]
        lengths = [end - begin for begin, end in itertools.pairwise(bounds)]
        sent = np.concatenate(
            [sums[part][begin:end] for begin, end in itertools.pairwise(bounds) for part in parts[self.rank]]
        )
        rows = np.empty((sum(map(len, parts)), lengths[self.rank]), first.dtype)
        self.communicator.Alltoallv(
            [sent, [length * len(sums) for length in lengths]],
            [rows, [lengths[self.rank] * len(theirs) for theirs in parts]],
        )
        piece = tree_sum(whole, dict(zip(itertools.chain(*parts), rows, strict=True)))
        total = np.empty(first.size, first.dtype)
        self.communicator.Allgatherv(np.ascontiguousarray(piece), [total, lengths])
        return total

    def share_order(self, batches: Any) -> None:
        """Let all processes read batches in the order of the first.

        Batches without a seed have different orders.
        """
        if self.size > 1 and hasattr(batches, "state") and hasattr(batches, "resume"):
            batches.resume(self.gather("the order of the batches", batches.state())[0], 0)

    @contextmanager
    def fail_together(self) -> Iterator[None]:
        """Raise an error of one process in all; the others would wait for it.

        All processes must enter the block.
        """
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
        messages = self.gather("an outcome", None if error is None else f"{type(error).__name__}: {error}")
        for rank, message in enumerate(messages):
            if message is not None:
                self.failed_in_all = True
                raise error or RuntimeError(f"process {rank} has failed: {message}")

    def refuse_differences(self, facts: Mapping[str, Any]) -> None:
        """Raise ``ValueError`` in every process if a fact differs between processes.

        The name of the first fact must be the same in all.
        """
        gathered = self.gather(next(iter(facts)), dict(facts))
        first = gathered[0]
        for rank, theirs in enumerate(gathered):
            for name in {**first, **theirs}:  # in the same order in all processes, so that all raise the same error
                if theirs.get(name, "none") != first.get(name, "none"):
                    self.failed_in_all = True
                    raise ArgumentValueError(
                        f"{name} must be the same in all processes, got {first.get(name, 'none')} in process 0 and "
                        f"{theirs.get(name, 'none')} in process {rank}"
                    )
