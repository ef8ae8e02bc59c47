"""Processes of MPI in which ``refconv train`` runs together."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from typing import Any

from refconv._config import get_config
from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv._progress import is_quiet, quiet
from refconv.cli.command import Failure
from refconv.cli.console import in_one_line, print_error
from refconv.training.processes import Processes
from refconv.training.together import is_reported

__all__ = [
    "first_process_before_others",
    "first_value",
    "only_first_prints",
    "processes_of_mpiexec",
    "started_processes",
    "threads_of_a_process",
]

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")  # set by mpiexec of Open MPI, and of MPICH and its relatives
TASKS = "SLURM_STEP_NUM_TASKS"  # set by srun, also for the helpers of an mpiexec
REPORT_DELAY = 1.0  # seconds in which the first process can report an error that all processes have


def processes_of_mpiexec() -> Processes:
    """Return the processes that mpiexec has started, or only this one."""
    started = started_processes()
    if started <= 1:
        return Processes()
    need("mpi4py", "mpi", "training in several processes")
    world = need("mpi4py.MPI", "mpi", "training in several processes").COMM_WORLD
    if world.Get_size() != started:
        raise ArgumentValueError(
            f"mpiexec or srun must be of the MPI library of mpi4py, got {started} processes, of which mpi4py finds "
            f"{world.Get_size()}"
        )
    return Processes(world)


def started_processes() -> int:
    """Return how many processes mpiexec or srun has started; 0 if neither has started this one."""
    return max(int(os.environ.get(name, 0)) for name in SIZES) or int(os.environ.get(TASKS, 0))


@contextlib.contextmanager
def only_first_prints(processes: Processes) -> Iterator[None]:
    """Print only in the first process; an error of one process ends all.

    An error that all processes have is printed once.
    """
    if processes.size == 1:
        yield
        return
    is_reported.set(True)
    with quiet(is_quiet() or processes.rank > 0):
        try:
            yield
        except BaseException as error:
            if processes.rank:
                time.sleep(REPORT_DELAY)
            name = f"process {processes.rank}: " if processes.rank else ""
            print_error(f"refconv train: {name}{in_one_line_or_name(error)}")
            time.sleep(REPORT_DELAY / 4)  # mpiexec forwards the line; after Abort it may discard it
            processes.communicator.Abort(1)


def in_one_line_or_name(error: BaseException) -> str:
    """Return the message of an error, with the type of unexpected errors."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    expected = isinstance(error, Failure | OSError | ValueError | ImportError)
    return in_one_line(error) if expected and isinstance(error, Exception) else f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def first_process_before_others(processes: Processes) -> Iterator[dict[str, Any]]:
    """Run a block in the first process, for example a download, and afterwards in the others.

    The block gets a dict. The first process writes into it what the others need not find again.
    """
    kind = "the end of the first process's preparation"
    found: dict[str, Any] = processes.gather(kind, None)[0] if processes.rank else {}
    yield found
    if not processes.rank:
        processes.gather(kind, found)


def threads_of_a_process(processes: Processes) -> int | None:
    """Return the number of threads with which the processes of a machine share its processors.

    None keeps the default, which is right if mpiexec has bound each process to its own processors, or OMP_NUM_THREADS is set.
    """
    if processes.size == 1 or "OMP_NUM_THREADS" in os.environ or not hasattr(os, "sched_getaffinity"):
        return None
    own = platform.node(), os.sched_getaffinity(0)
    sharing = sum(node == own[0] and bool(mask & own[1]) for node, mask in processes.gather("the processors", own))
    return max(1, get_config().threads // sharing)


def first_value(processes: Processes, value: Any) -> Any:
    """Return the value of the first process in all processes."""
    return processes.gather("a value of the first process", value)[0]
