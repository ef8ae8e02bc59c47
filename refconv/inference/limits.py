"""Limits of the machine: multiply-adds per second, and bytes per second to and from memory."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refconv import _core

__all__ = ["Limits", "measure_limits"]

SIZES = tuple(1 << power for power in range(16, 28, 2))  # bytes of all arrays: from the first cache to memory
PASSED = 1 << 24  # fewest bytes that one measurement reads and writes
LOOPS = 100_000  # of independent multiply-adds
ROUNDS = 5


class Limits(NamedTuple):
    """Peak operations per second by type, and bytes per second by the size of all arrays.

    The bandwidth depends on the size, because arrays in a cache are read faster.
    """

    peak: dict[str, float]
    bandwidths: dict[int, float]

    def seconds(self, operations: float, size: float, dtype: str) -> float:
        """Return the shortest time for these operations if each of ``size`` bytes is moved once."""
        larger = [measured for measured in self.bandwidths if measured >= size]
        return max(operations / self.peak[dtype], size / self.bandwidths[min(larger, default=max(self.bandwidths))])


@functools.cache
def measure_limits(threads: int) -> Limits:
    """Measure the limits of this machine for a number of threads, in about half a second."""
    kernels = _core.load("limits")
    peak = {dtype: _peak(kernels, np.dtype(dtype), threads) for dtype in ("float32", "float64")}
    return Limits(peak, {size: _bandwidth(kernels, size, threads) for size in SIZES})


def _peak(kernels: Any, dtype: Any, threads: int) -> float:
    operations: float = kernels.multiply_adds(LOOPS, dtype, threads)
    return operations / _fastest(lambda: kernels.multiply_adds(LOOPS, dtype, threads))


def _bandwidth(kernels: Any, size: int, threads: int) -> float:
    a, b, c = (np.ones(size // 12, np.float32) for _ in range(3))
    passes = max(1, PASSED // size)
    return passes * 3 * a.nbytes / _fastest(lambda: kernels.triad(a, b, c, passes, threads))


def _fastest(function: Callable[[], object]) -> float:
    """Return the seconds of the fastest of several calls."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
