"""Common mistakes and the functions that make them, used to find hints for wrong results.

A mistake is a description and one or several functions that make it. Such a function takes the arguments of a call,
:class:`Given`, and returns the wrong result, mostly by calling the right function with a changed argument. The description is
the hint if the student's results equal the results of one of these functions in all cases: in those where the student's
function is wrong, and in those where it happens to be right.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from refconv.families import FAMILIES
from refconv.typing import Array
from refconv.verify.student.mistakes.mistake import Given, Mistake, Way, layout
from refconv.verify.student.trial import Trial, close

__all__ = ["MISTAKES", "Given", "Mistake", "explanation"]

MISTAKES: dict[str, tuple[Mistake, ...]] = {}
for _family in FAMILIES:
    _name = f"{__name__}.{_family}"
    if find_spec(_name):  # the optimisers have no mistakes, since a student's function is compared with an operator
        MISTAKES.update(import_module(_name).MISTAKES)


def explanation(name: str, trials: Sequence[Trial], defaults: Mapping[str, Any] | None = None) -> str | None:
    """Return the description of the first mistake that explains all of these trials, or None.

    ``defaults`` are the defaults of the student's function for options that a trial does not pass.
    """
    if not any(trial.finding and trial.finding.kind in COMPARED for trial in trials):
        return None
    trials = sorted(trials, key=lambda trial: trial.finding is None)  # wrong trials first: they rule out most mistakes
    for mistake in MISTAKES.get(name, ()):
        for way in mistake.ways:
            if all(_explains(way, name, trial, defaults or {}) for trial in trials):
                return mistake.words
    return None


COMPARED = ("numbers", "shape", "nan")


def _explains(way: Way, name: str, trial: Trial, defaults: Mapping[str, Any]) -> bool:
    """Return True if the mistake leads to the same results or error as the student's function."""
    if trial.finding is not None and trial.finding.kind not in (*COMPARED, "raises"):
        return False
    has_no_elements = trial.found is None or any(not actual.size for actual in trial.found)
    given = {**defaults, **trial.given}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = way(Given(name, given))
    except (ValueError, IndexError, TypeError):
        return has_no_elements
    results = results if isinstance(results, tuple) else (results,)
    if trial.found is None or len(results) < len(trial.found):
        return False
    return all(
        _agree(layout(name, given, np.asarray(result)), actual) for result, actual in zip(results, trial.found, strict=False)
    )


def _agree(result: Array, actual: Array) -> bool:
    return result.shape == actual.shape and bool(np.all(close(actual, result)))
