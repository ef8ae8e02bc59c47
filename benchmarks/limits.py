"""Limits of the machine: multiply-adds per second, and bytes per second to and from memory.

They are measured with the number of threads of the comparison.
"""

import numpy as np

from benchmarks.measure import interleaved
from refconv import _core

__all__ = ["Limits", "measure"]

LARGEST = 1 << 28  # bytes, far larger than any cache
SMALLEST = 1 << 16  # bytes
PASSED = 1 << 24  # fewest bytes that one call reads and writes


class Limits:
    """Peak operations per second by dtype, and peak bytes per second by size of the arrays.

    The bandwidth depends on the size, because arrays in a cache are read faster.
    """

    def __init__(self, peak, bandwidth):
        self.peak = peak  # dtype's name -> operations per second
        self.by_size = bandwidth  # bytes of all arrays together -> bytes per second

    def bandwidth(self, size=LARGEST):
        """Return the bytes per second for arrays of ``size`` bytes in total.

        It is the bandwidth of the next larger size that was measured.
        """
        larger = [measured for measured in sorted(self.by_size) if measured >= size]
        return self.by_size[larger[0] if larger else max(self.by_size)]

    def seconds(self, flops, size, dtype):
        """Return the shortest possible time for these operations if each byte is moved once."""
        return max(flops / self.peak[dtype], size / self.bandwidth(size))


def measure(threads, rounds=10):
    """Measure the limits of this machine."""
    kernels = _core.load("limits")
    peak = {name: _peak(kernels, np.dtype(name), threads, rounds) for name in ("float32", "float64")}
    sizes = [1 << power for power in range(SMALLEST.bit_length() - 1, LARGEST.bit_length())]
    return Limits(peak, {size: _bandwidth(kernels, size, threads, rounds) for size in sizes})


def _peak(kernels, dtype, threads, rounds):
    flops = kernels.multiply_adds(100_000, dtype, threads)
    return flops / interleaved({"peak": lambda: kernels.multiply_adds(100_000, dtype, threads)}, rounds)["peak"]


def _bandwidth(kernels, size, threads, rounds):
    a, b, c = (np.ones(size // 12, np.float32) for _ in range(3))
    passes = max(1, PASSED // size)
    seconds = interleaved({"triad": lambda: kernels.triad(a, b, c, passes, threads)}, rounds)["triad"]
    return passes * (a.nbytes + b.nbytes + c.nbytes) / seconds
