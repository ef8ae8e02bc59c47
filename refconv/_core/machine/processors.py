"""Default number of threads: the user's choice or the processors that this process may use."""

import math
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

__all__ = ["MOST_THREADS", "Default", "cpu_quota", "default_threads"]

MOST_THREADS = 1024  # limits the memory of the buffers, which each thread has
ROOT_GROUPS = ("0::/", "1:cpu:/")  # the root groups of versions 2 and 1, as lines of /proc/self/cgroup


class Default(NamedTuple):
    """Number of threads, and the reason for it."""

    threads: int
    reason: str


def default_threads(available: int, environment: Mapping[str, str] = os.environ, root: str | Path = "/") -> Default:
    """Return the number of threads that kernels start with.

    It is the value of ``OMP_NUM_THREADS`` if that is a positive integer, or a list of them; the first one in a list is for the
    outermost level. Otherwise it is the number of processors that the system lets this process use, or the CPU quota of its
    control group (Linux containers), rounded up, if that is smaller. In both cases, ``OMP_THREAD_LIMIT`` and 1024 are upper
    limits.

    Parameters
    ----------
    available : int
        Number of processors that this process may run on; 0 if kernels cannot use threads.
    environment : mapping of str to str
        Environment variables.
    root : path
        Folder that contains ``proc`` and ``sys``.
    """
    if not available:
        return Default(1, "no OpenMP in this build")
    requested, notes = environment.get("OMP_NUM_THREADS", "").strip(), []
    counts = [_positive(part) for part in requested.split(",")] if requested else []
    if counts and all(counts):
        chosen = Default(counts[0], f"OMP_NUM_THREADS={requested}")
    else:
        quota = cpu_quota(root)
        limited = Default(math.ceil(quota), f"CPU quota of the control group: {quota:g}") if quota < available else None
        chosen = limited or Default(available, "available processors")
        notes = [f"OMP_NUM_THREADS={requested} ignored: not a positive integer"] if requested else []
    limit = min(_positive(environment.get("OMP_THREAD_LIMIT", "")) or MOST_THREADS, MOST_THREADS)
    if chosen.threads > limit:
        notes.append(f"at most {limit}")
    return Default(min(chosen.threads, limit), "; ".join([chosen.reason, *notes]))


def _positive(text: str) -> int:
    """Return the positive integer in a string of at most 18 digits, or 0 if there is none."""
    text = text.strip().removeprefix("+")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def cpu_quota(root: str | Path = "/") -> float:
    """Return the number of processors that Linux's control groups let this process use.

    The result is ∞ without a limit. A group's limit also applies to the groups inside it, so the result is the smallest limit
    from the process's group up to the root. The limit at the root also applies if ``proc/self/cgroup`` is missing.
    """
    quotas = [math.inf]
    mounts: tuple[str, ...]
    for line in [*ROOT_GROUPS, *_read(Path(root, "proc/self/cgroup")).split("\n")]:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0":
            mounts, quota_of = ("unified", ""), _quota_v2
        elif "cpu" in controllers.split(","):
            mounts, quota_of = (controllers, "cpu", "cpu,cpuacct", "cpuacct,cpu"), _quota_v1
        else:
            continue
        for mount in mounts:
            quotas += [quota_of(Path(root, "sys/fs/cgroup", mount, folder)) for folder in _up_to_root(group)]
    return min(quotas)


def _up_to_root(group: str) -> list[PurePosixPath]:
    """Return the paths of a group and of its parents, relative to the mount.

    In a container, only the last ones may exist.
    """
    parts = [part for part in PurePosixPath(group).parts if part not in ("/", "..")]
    return [PurePosixPath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _quota_v2(folder: Path) -> float:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _quota_v1(folder: Path) -> float:
    return _ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float:
    """Return the number of processors of a quota in microseconds per period.

    The result is ∞ for "max", for -1 and for files that are missing or damaged.
    """
    quota_time, period_time = _positive(quota), _positive(period)
    return quota_time / period_time if quota_time and period_time else math.inf


def _read(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes())  # a group's name is the name of a folder: any bytes except newlines
    except (OSError, ValueError):
        return ""
