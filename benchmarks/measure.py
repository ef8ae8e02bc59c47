"""Two things to ask of several libraries: do they compute the same, and how long do they take, taken in turns.

A machine that others use as well is now fast, now slow. So the sides take turns: in each round each of them runs a block of
repetitions, whose median counts, and of the rounds the best counts.
"""

import statistics
import time

import numpy as np

__all__ = ["differences", "interleaved", "median_block", "repetitions"]

BLOCK = 0.03  # seconds
LEAST, MOST = 3, 2000  # repetitions of a block
SLOW = 0.5  # seconds: who takes longer takes one turn, of one call
PAUSE = 0.02  # seconds before each turn: the threads of the side before may still be spinning on the cores


def interleaved(runs, rounds, clock=time.perf_counter):
    """Seconds of each callable of the dictionary: the minimum, over the rounds, of the medians of its blocks."""
    counts = {name: repetitions(run, clock) for name, run in runs.items()}
    best = dict.fromkeys(runs, float("inf"))
    for turn in range(rounds):
        for name, run in runs.items():
            if turn == 0 or counts[name] > 1:
                time.sleep(PAUSE)
                best[name] = min(best[name], median_block(run, counts[name], clock))
    return best


def repetitions(run, clock=time.perf_counter):
    """How often it is repeated to fill a block; the calls that find out also warm it up."""
    if _seconds(run, clock) > SLOW:
        return 1
    seconds = min(_seconds(run, clock) for _ in range(LEAST))
    return int(min(max(BLOCK / max(seconds, 1e-9), LEAST), MOST))


def median_block(run, count, clock=time.perf_counter):
    """The median of so many calls."""
    return statistics.median(_seconds(run, clock) for _ in range(count))


def _seconds(run, clock):
    began = clock()
    run()
    return clock() - began


def differences(expected, found):
    """How far arrays are from those expected: the largest difference, in units of the largest number; ∞ if shapes differ."""
    if [np.shape(array) for array in expected] != [np.shape(array) for array in found]:
        return float("inf")
    return max(_difference(np.asarray(a), np.asarray(b)) for a, b in zip(expected, found, strict=True))


def _difference(expected, found):
    if not expected.size:
        return 0.0
    worst = float(np.abs(expected.astype(float) - found).max() / (np.abs(expected).max() or 1))
    return worst if np.isfinite(worst) else float("inf")
