"""Limits of the machine: multiply-adds per second, and bytes per second to and from memory."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from refconv import _core

__all__ = ["Limits", "limits_of", "measure_limits"]

LOOPS = 100_000  # of independent multiply-adds
PASSED = 1 << 24  # fewest bytes that one call reads and writes
SIZES = tuple(1 << power for power in range(16, 28, 2))  # bytes of all arrays: from the first cache to memory
ROUNDS = 5


class Limits(NamedTuple):
    """Peak operations per second by dtype, and peak bytes per second by size of the arrays.

    The bandwidth depends on the size, because arrays in a cache are read faster.
    """

    peak: dict[str, float]  # dtype's name -> operations per second
    by_size: dict[int, float]  # bytes of all arrays together -> bytes per second

    def bandwidth(self, size: float | None = None) -> float:
        """Return the bytes per second for arrays of ``size`` bytes in total, by default from memory.

        It is the bandwidth of the next larger size that was measured.
        """
        largest = max(self.by_size)
        return self.by_size[min((n for n in self.by_size if n >= (size or largest)), default=largest)]

    def seconds(self, operations: float, size: float, dtype: str) -> float:
        """Return the shortest time for these operations if each of ``size`` bytes is moved once."""
        return max(operations / self.peak[dtype], size / self.bandwidth(size))


def limits_of(threads: int, sizes: Iterable[int], seconds: Callable[[Callable[[], object]], float]) -> Limits:
    """Measure the limits for a number of threads; ``seconds(run)`` times a call of run."""
    kernels = _core.load("limits")
    peak = {name: _peak(kernels, np.dtype(name), threads, seconds) for name in ("float32", "float64")}
    return Limits(peak, {size: _bandwidth(kernels, size, threads, seconds) for size in sizes})


@functools.cache
def measure_limits(threads: int) -> Limits:
    """Measure the limits of this machine for a number of threads, in about half a second."""
    return limits_of(threads, SIZES, _fastest)


def _peak(kernels: Any, dtype: Any, threads: int, seconds: Callable[[Callable[[], object]], float]) -> float:
    operations: float = kernels.multiply_adds(LOOPS, dtype, threads)
    return operations / seconds(lambda: kernels.multiply_adds(LOOPS, dtype, threads))


def _bandwidth(kernels: Any, size: int, threads: int, seconds: Callable[[Callable[[], object]], float]) -> float:
    a, b, c = (np.ones(size // 12, np.float32) for _ in range(3))
    passes = max(1, PASSED // size)
    return passes * (a.nbytes + b.nbytes + c.nbytes) / seconds(lambda: kernels.triad(a, b, c, passes, threads))


def _fastest(run: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several calls."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
