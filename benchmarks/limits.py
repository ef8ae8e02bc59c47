"""Limits of the machine, measured with the threads and the clock of the comparison."""

from benchmarks.measure import interleaved
from refconv.inference.limits import Limits, limits_of

__all__ = ["Limits", "measure"]

LARGEST = 1 << 28  # bytes, far larger than any cache
SMALLEST = 1 << 16  # bytes


def measure(threads, rounds=10):
    """Measure the limits of this machine."""
    sizes = [1 << power for power in range(SMALLEST.bit_length() - 1, LARGEST.bit_length())]
    return limits_of(threads, sizes, lambda run: interleaved({"run": run}, rounds)["run"])
