"""The machine's two limits, measured with the threads that are compared: multiply-adds, and bytes from memory and back."""

import numpy as np

from benchmarks.measure import interleaved
from refconv import _core

__all__ = ["Limits", "measure"]

LARGEST = 1 << 28  # bytes, well beyond any cache
SMALLEST = 1 << 16
PASSED = 1 << 24  # bytes of one call at least


class Limits:
    """Operations per second of each type, and bytes per second for arrays of each size; what lies in a cache comes faster."""

    def __init__(self, peak, bandwidth):
        self.peak = peak  # dtype's name -> operations per second
        self.by_size = bandwidth  # bytes of all arrays together -> bytes per second

    def bandwidth(self, size=LARGEST):
        """Bytes per second where the arrays of a problem take so many bytes together; the next larger size stands for it."""
        larger = [measured for measured in sorted(self.by_size) if measured >= size]
        return self.by_size[larger[0] if larger else max(self.by_size)]

    def seconds(self, flops, size, dtype):
        """The time that nobody can beat who does these operations, and moves each byte once."""
        return max(flops / self.peak[dtype], size / self.bandwidth(size))


def measure(threads, rounds=10):
    """The limits of this machine."""
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
