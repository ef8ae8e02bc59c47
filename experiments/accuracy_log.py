"""Log of the accuracy during training, and the first step that reaches a given accuracy."""

import math

from refconv.training import Callback, evaluate

__all__ = ["AccuracyLog", "best_accuracy", "first_step"]


class AccuracyLog(Callback):
    """Callback that logs the accuracy on given data after given steps.

    Parameters
    ----------
    batches : iterable of (x, labels)
        The data to evaluate, iterated over once for each entry.
    steps : iterable of int
        Steps after which the model is evaluated, counted from 1 over all epochs.
    stop_at : float
        Accuracy in percent that ends the run (default: it never ends the run).

    Attributes
    ----------
    entries : list of (int, float)
        Steps and accuracies in percent, rounded to two digits.
    """

    def __init__(self, batches, steps, stop_at=math.inf):
        self.batches, self.steps, self.stop_at = batches, frozenset(steps), stop_at
        self.entries = []

    def on_step_end(self, run):
        step = (run.epoch - 1) * run.steps + run.step
        if step in self.steps:
            accuracy = round(100 * evaluate(run.model, self.batches).accuracy, 2)
            self.entries.append((step, accuracy))
            run.stop = run.stop or accuracy >= self.stop_at


def first_step(entries, accuracy):
    """Return the first logged step with at least this accuracy, or infinity if there is none.

    >>> first_step([(20, 61.5), (50, 72.5), (90, 70.0), (140, 75.0)], 72)
    50
    >>> first_step([(20, 61.5), (50, 72.5)], 75)
    inf

    Source: lecture row D5 (SOURCES.md).
    """
    return next((step for step, reached in entries if reached >= accuracy), math.inf)


def best_accuracy(entries):
    """Return the highest accuracy in the log.

    >>> best_accuracy([(20, 61.5), (50, 72.5), (90, 70.0)])
    72.5
    """
    return max(accuracy for _, accuracy in entries)
