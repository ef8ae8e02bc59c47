"""Communicators whose processes are threads, with the methods of mpi4py that refconv uses."""

import contextvars
import copy
import threading

import numpy as np

__all__ = ["Aborted", "in_processes"]


class Aborted(Exception):  # noqa: N818 - an outcome of another process
    """Error in a process that another process has ended."""


class Communicator:
    """Communicator of one thread."""

    def __init__(self, rank, barrier, values):
        self.rank, self.barrier, self.values, self.messages = rank, barrier, values, 0

    def Get_rank(self):  # noqa: N802
        return self.rank

    def Get_size(self):  # noqa: N802
        return len(self.values)

    def Is_inter(self):  # noqa: N802
        return False

    def allgather(self, value):
        self.messages += 1
        self.values[self.rank] = copy.deepcopy(value)
        try:
            self.barrier.wait(60)
            gathered = copy.deepcopy(self.values)
            self.barrier.wait(60)
        except threading.BrokenBarrierError:
            raise Aborted from None
        return gathered

    def Alltoallv(self, sent, received):  # noqa: N802
        array, counts = sent
        pieces = np.split(array, np.cumsum(counts)[:-1])
        columns = [row[self.rank] for row in self.allgather(pieces)]
        assert [piece.size for piece in columns] == list(received[1])
        received[0].reshape(-1)[...] = np.concatenate(columns)

    def Allgatherv(self, sent, received):  # noqa: N802
        pieces = self.allgather(sent)
        assert [piece.size for piece in pieces] == list(received[1])
        received[0][...] = np.concatenate(pieces)

    def Abort(self, status):  # noqa: N802
        self.barrier.abort()


def in_processes(size, function):
    """Call ``function(communicator)`` in several threads; return the results in order.

    If some raise errors, the first error is raised.
    """
    barrier, values = threading.Barrier(size), [None] * size
    results, errors = [None] * size, []

    def work(rank):
        try:
            results[rank] = function(Communicator(rank, barrier, values))
        except BaseException as error:
            errors.append((isinstance(error, Aborted), rank, error))
            barrier.abort()

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, rank)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise min(errors, key=lambda found: found[:2])[2]
    return results
