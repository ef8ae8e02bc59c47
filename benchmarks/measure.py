"""Functions that time several callables in turns, and compare their results.

The speed of a shared machine changes over time. So the callables take turns: in each round, each callable runs a block of
repetitions. The median of a block counts, and over the rounds the smallest median.
"""

import statistics
import time

import numpy as np

__all__ = ["differences", "interleaved", "median_block", "repetitions"]

BLOCK = 0.03  # seconds
LEAST, MOST = 3, 2000  # fewest and most repetitions of a block
SLOW = 0.5  # seconds; the block of a slower callable is one call
LONG = 5.0  # seconds; a callable that takes longer is not called again after the first round
PAUSE = 0.02  # seconds before each turn, because the threads of the previous callable may still spin on the cores


def interleaved(runs, rounds, clock=time.perf_counter):
    """Return the seconds of each callable in a dictionary: the smallest median of its blocks."""
    counts = {name: repetitions(run, clock) for name, run in runs.items()}
    best = dict.fromkeys(runs, float("inf"))
    for turn in range(rounds):
        for name, run in runs.items():
            if turn == 0 or best[name] < LONG:
                time.sleep(PAUSE)
                best[name] = min(best[name], median_block(run, counts[name], clock))
    return best


def repetitions(run, clock=time.perf_counter):
    """Return the number of repetitions that fill a block.

    The calls that measure it also warm up the callable.
    """
    if _seconds(run, clock) > SLOW:
        return 1
    seconds = min(_seconds(run, clock) for _ in range(LEAST))
    return int(min(max(BLOCK / max(seconds, 1e-9), LEAST), MOST))


def median_block(run, count, clock=time.perf_counter):
    """Return the median time of ``count`` calls, in seconds."""
    return statistics.median(_seconds(run, clock) for _ in range(count))


def _seconds(run, clock):
    began = clock()
    run()
    return clock() - began


def differences(expected, found):
    """Return the largest difference from the expected arrays, relative to the largest number.

    The result is ∞ if shapes differ.
    """
    if [np.shape(array) for array in expected] != [np.shape(array) for array in found]:
        return float("inf")
    return max(_difference(np.asarray(a), np.asarray(b)) for a, b in zip(expected, found, strict=True))


def _difference(expected, found):
    if not expected.size:
        return 0.0
    worst = float(np.abs(expected.astype(float) - found).max() / (np.abs(expected).max() or 1))
    return worst if np.isfinite(worst) else float("inf")
