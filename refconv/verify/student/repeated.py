"""Repeat calls of a student's function, whose results may depend on its arguments only.

A function that is right when it is called once can still be wrong in use. It may add to a buffer that it keeps between
calls, cache a result by the shape of the input, return a buffer that the next call overwrites, read memory that it never
wrote, depend on the calls before, or fail by chance. :func:`repeated` calls it again in the cases in which it was tried:

* with the same arguments, while ``np.empty`` and ``np.empty_like`` return memory full of NaN;
* with other numbers in one of its arrays, in new arrays and in the arrays of the call before;
* with float64 after a call with float32 of the same shapes;
* with the same arguments in random order, until an error in 2 % of the calls would be found with a probability of 99.9 %.

The first three find their faults with certainty, the last one with that probability. A further call that is still running when
time is up is a fault if it ran far longer than the first call of its case.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refconv.typing import Array, Shape
from refconv.verify.case import floats
from refconv.verify.evidence.parity import GARBAGE, garbage
from refconv.verify.student.drawn import smaller
from refconv.verify.student.trial import Attempt, Finding, Trial, close, fresh

__all__ = ["CALLS", "CHANCE", "UNSTEADY", "chance_of_detection", "repeated"]

UNSTEADY = ("memory", "state", "cache", "buffer", "chance")  # kinds of findings
CHANCE = 0.02  # of an error in one call
MISSED = 0.001  # probability with which errors of that rate may be missed
CALLS = math.ceil(math.log(MISSED) / math.log1p(-CHANCE))
REPEATS = 5  # calls that tell state, which is always wrong from some call on, from chance
CASES_IF_WRONG = 8  # right cases to call again when the function is wrong in others
CASES_AFTER_FLOAT32 = 3
SLOWDOWN = 10  # a further call that is stopped after this multiple of the first call's time does not return
SHORTEST_HANG = 0.2  # seconds; a busy machine can delay a fast function for less


def chance_of_detection(calls: int) -> float:
    """Probability that at least one of these calls is wrong, if each is wrong with probability :data:`CHANCE`."""
    return 1 - (1 - CHANCE) ** calls


def repeated(attempt: Attempt, trials: list[Trial]) -> tuple[Trial | None, bool]:
    """Call a function again in cases in which it was tried.

    Parameters
    ----------
    attempt : Attempt
        The function, with its time limit.
    trials : list of Trial
        The smallest case first.

    Returns
    -------
    failed : Trial or None
        The first case in which a further call is wrong. If its finding is one of :data:`UNSTEADY`, the function does not
        depend on its arguments alone; if it is "time", the further call did not return; otherwise the function is wrong for
        the numbers of this trial.
    complete : bool
        False if time was up before all further calls were made.
    """
    steady = all(trial.finding is None for trial in trials)
    for failed in _failures(attempt, trials, steady):
        if failed and (steady or failed.fault.kind in UNSTEADY):
            return failed, True
        if attempt.time_is_up:
            return None, False
    return None, True


def _failures(attempt: Attempt, trials: Sequence[Trial], steady: bool) -> Iterator[Trial | None]:
    """Yield a failed trial or None after each check."""
    right = [trial for trial in trials if trial.finding is None]
    if not steady:
        yield _same_numbers(attempt, next(trial for trial in trials if trial.finding))[1]
    for number, trial in enumerate(right if steady else right[:CASES_IF_WRONG]):
        second, failed = _same_numbers(attempt, trial)
        yield failed
        arrays = [*trial.case.shapes, *(["dy"] if attempt.name != attempt.operator.name else [])]
        for array in arrays if number == 0 or not steady else [arrays[number % len(arrays)]]:
            yield _other_numbers(attempt, second, array)
    if steady and right:
        yield from _after_float32(attempt, right)
        yield from _in_random_order(attempt, right)


def _same_numbers(attempt: Attempt, first: Trial) -> tuple[Trial, Trial | None]:
    """The trial of a second call with the same arguments, and what is wrong with it, as a trial or None."""
    with garbage(GARBAGE[0]):
        second = attempt.again(first)
    return second, _diagnosed(attempt, first, second)


def _other_numbers(attempt: Attempt, first: Trial, array: str) -> Trial | None:
    """What is wrong with calls that have other numbers in one array, after a call that was right; None if nothing is."""

    def make(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
        numbers = first.make(name, shape, rng, positive)  # taken from rng in any case: later arrays keep their numbers
        return first.make(name, shape, np.random.default_rng(1), positive) if name == array else numbers

    second = attempt(first.case, make) if first.found else None
    if first.found is None or second is None:
        return None
    then = _changed(attempt, first, second)
    if second.late:
        return _hanging(first, second, "a second call with other numbers of the same shapes", then)
    if not then:
        return None
    if any(now.tobytes() != before.tobytes() for now, before in zip(first.results, first.found, strict=True)):
        words = "the result of the first call changes during the second: it is a buffer that the function keeps; return a copy"
        return _with(first, "buffer", words, then=then)
    if second.finding:
        return _unchanged(attempt, first, second, "shape") or _diagnosed(attempt, second, attempt.again(second)) or second
    passed = fresh(second.given)
    for name in [name for name, value in passed.items() if isinstance(value, np.ndarray)]:
        passed[name] = first.passed[name]
        passed[name][...] = second.given[name]
    third = attempt.again(second, passed)
    if third.finding is None:
        return None
    if third.late:
        return _hanging(first, third, "a further call with other numbers in the same arrays", then)
    return _unchanged(attempt, first, third, "array object") or _diagnosed(attempt, second, third)


def _changed(attempt: Attempt, first: Trial, second: Trial) -> dict[str, Any]:
    """Arrays that the function takes and that are not the same in the second call."""
    arrays = {n: v for n, v in second.given.items() if n in attempt.signature.takes and isinstance(v, np.ndarray)}
    return {n: v for n, v in arrays.items() if not np.array_equal(v, first.given[n])}


def _unchanged(attempt: Attempt, first: Trial, second: Trial, key: str) -> Trial | None:
    """The finding that a call with other numbers returns the first result again; None if it returns another one."""
    if not _agree(first, second):
        return None
    if state := _diagnosed(attempt, first, attempt.again(first)):
        return state
    then = _changed(attempt, first, second)
    words = f"the result does not change when the numbers in {' and '.join(then)} change: it caches by {key}"
    return _with(first, "cache", f"{words} ({_both(first, second)})", second, then)


def _after_float32(attempt: Attempt, right: Sequence[Trial]) -> Iterator[Trial | None]:
    """Call the function with float32 and then with float64, in cases with shapes that it has not seen."""
    seen = {str(trial.case.shapes) for trial in right}
    cases = (case for trial in reversed(right) for case in smaller(trial.case, attempt.name))
    new = (case for case in cases if str(case.shapes) not in seen)
    for case in itertools.islice(new, CASES_AFTER_FLOAT32):
        single = attempt(case, lambda *arguments: floats(*arguments).astype(np.float32))
        double = attempt(case, floats)  # numbers of two decimals, which float32 rounds
        late = next((trial for trial in (single, double) if trial and trial.late), None)
        if late:
            yield _hanging(right[-1], late, "a further call with other shapes")
        elif single is None or double is None or double.finding is None:
            yield None
        elif double.found and all(map(_equal_in_float32, double.found, double.expected)):
            words = "after a call with float32, a call with float64 of the same shapes has the precision of float32"
            yield _with(double, "state", f"{words}: it keeps state between calls", double)
        else:  # not wrong: a case that was not drawn may be one that the function need not have
            yield _diagnosed(attempt, double, attempt.again(double))


def _equal_in_float32(found: Array, expected: Any) -> bool:
    return found.shape == np.shape(expected) and bool(close(found.astype(np.float32), expected).all())


def _in_random_order(attempt: Attempt, right: Sequence[Trial]) -> Iterator[Trial | None]:
    """Call the function in each case once more, and go on until there are :data:`CALLS` calls in all."""
    rng = np.random.default_rng(0)
    for number in itertools.count():
        if number >= len(right) and attempt.calls >= CALLS:
            return
        trial = right[int(rng.integers(len(right)))]
        later = attempt.again(trial)
        yield _diagnosed(attempt, trial, later)


def _diagnosed(attempt: Attempt, first: Trial, second: Trial) -> Trial | None:
    """Why two calls with the same arguments disagree, as a trial with that finding; None if they agree."""
    if second.late:
        return _hanging(first, second, "a further call with the same arguments")
    if _agree(first, second):
        return None
    if found := _uninitialised(attempt, first):
        return found
    if all(_wrong(_after(attempt, first, first)) for _ in range(REPEATS)):
        words = "the second call with the same input returns something else: it keeps state between calls"
        return _with(first, "state", f"{words} ({_both(first, second)})", second)
    wrong = second if second.finding else first
    before = wrong.previous
    if before and all(_wrong(_after(attempt, before, first)) for _ in range(REPEATS)):
        words = f"the same input returns something else after a call with {before.case}: it keeps state between calls"
        return _with(first, "state", f"{words} ({_numbers(wrong)})", wrong)
    while attempt.calls < CALLS and not attempt.time_is_up:
        attempt.again(first)
    words = f"it was wrong in {attempt.failures} of {attempt.calls} calls, and right in others with the same input"
    return _with(first, "chance", f"{words} ({_numbers(wrong)})", wrong)


def _hanging(first: Trial, later: Trial, call: str, then: dict[str, Any] | None = None) -> Trial | None:
    """The finding that a further call does not return; None if it was stopped too early to tell."""
    if later.seconds < max(SLOWDOWN * first.seconds, SHORTEST_HANG):
        return None
    words = f"{call} did not return within {later.seconds:.1f} s; the first took {first.seconds:.2g} s"
    shown = first if then else later  # together with ``then``, the arguments of the first call are those of both
    return _with(replace(shown, found=None, finding=None, results=()), "time", words, then=then)


def _wrong(trial: Trial) -> bool:
    return trial.finding is not None and not trial.late


def _after(attempt: Attempt, previous: Trial, trial: Trial) -> Trial:
    """Call the function with the arguments of another trial first."""
    attempt.again(previous)
    return attempt.again(trial)


def _uninitialised(attempt: Attempt, first: Trial) -> Trial | None:
    """The finding that the bytes in new memory decide about the result; None if they do not."""
    calls: dict[int, list[Trial]] = {byte: [] for byte in GARBAGE}
    for byte in (*GARBAGE, *reversed(GARBAGE), *GARBAGE):  # irregular, so that a function with a period cannot follow it
        with garbage(byte):
            calls[byte].append(attempt.again(first))
    one, other = calls.values()
    same = all(_agree(trials[0], trial) and not trial.late for trials in calls.values() for trial in trials)
    if not same or _agree(one[0], other[0]):
        return None
    wrong = one[0] if one[0].finding else other[0]
    words = "the result depends on memory that is not initialised, such as that of np.empty; use np.zeros"
    return _with(first, "memory", f"{words} ({_numbers(wrong)})", wrong)


def _agree(one: Trial, other: Trial) -> bool:
    """True if two calls had the same outcome, except for rounding."""
    if one.found is None or other.found is None:
        return one.found is other.found and one.fault.sort == other.fault.sort
    return len(one.found) == len(other.found) and all(
        a.shape == b.shape and a.dtype == b.dtype and bool(close(a, b).all())
        for a, b in zip(one.found, other.found, strict=True)
    )


def _both(first: Trial, second: Trial) -> str:
    """Where two calls differ and what each returned, or the finding of the second."""
    if first.found is None or second.found is None:
        return f"second call: {second.finding.words if second.finding else 'right'}"
    for part, (one, other) in enumerate(zip(first.found, second.found, strict=False)):
        if one.shape != other.shape:
            return f"first call: shape {one.shape}, second call: shape {other.shape}"
        differing = _first_wrong(one, other)
        index = _first_wrong(other, second.expected[part]) if differing is None else differing
        if index is not None:
            return f"{_at(index)}first call {float(one[index])!r}, second call {float(other[index])!r}"
    return f"first call: {first.found[0].dtype}, second call: {second.found[0].dtype}"


def _first_wrong(found: Array, expected: Any) -> tuple[int, ...] | None:
    """Index of the first element that differs, or None."""
    wrong = np.argwhere(~close(found, np.asarray(expected)))
    return tuple(wrong[0].tolist()) if len(wrong) else None


def _numbers(trial: Trial) -> str:
    """What a wrong call returned and what it should have."""
    finding = trial.fault
    if finding.index is None:
        return finding.words
    return f"{_at(finding.index)}{finding.got!r}, and {finding.expected!r} is expected"


def _at(index: tuple[int, ...]) -> str:
    return f"at {list(index)}: " if index else ""


def _with(trial: Trial, kind: str, words: str, wrong: Trial | None = None, then: dict[str, Any] | None = None) -> Trial:
    """The trial with a finding of this kind, whose numbers are those of the wrong call."""
    numbers = wrong.finding if wrong is not None and wrong.finding is not None else Finding(kind, words)
    return replace(trial, finding=replace(numbers, kind=kind, words=words, then=then or {}))
