"""Repeated calls of a student's function, whose results must depend only on its arguments.

A function that is right when it is called once can still be wrong in use. It may add to a buffer that it keeps between
calls, cache a result by the shape of the input, return a buffer that the next call overwrites, read uninitialised memory,
depend on earlier calls, or fail at random. :func:`repeated` calls it again in the cases in which it was tried:

* with the same arguments, while ``np.empty`` and ``np.empty_like`` return memory full of NaN;
* with other numbers in one of its arrays, in new arrays and in the arrays of the previous call;
* with float64 after a call with float32 of the same shapes;
* with the same arguments in random order, until an error in 2 % of the calls would be found with a probability of 99.9 %.

The first three always find the faults they test for, the last one with that probability. A further call that is still running
at the time limit is a fault if it ran far longer than the first call of its case.
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
CHANCE = 0.02  # probability of an error in one call
MISS_PROBABILITY = 0.001  # probability with which errors of this rate may be missed
CALLS = math.ceil(math.log(MISS_PROBABILITY) / math.log1p(-CHANCE))
REPEATS = 5  # calls that distinguish state from random errors: with state, all of them are wrong
CASES_IF_WRONG = 8  # right cases to repeat if the function is wrong in others
CASES_AFTER_FLOAT32 = 3
SLOWDOWN = 10  # a further call that is stopped counts as hanging after this multiple of the first call's time
SHORTEST_HANG = 0.2  # seconds; a busy machine can delay a fast function by less


def chance_of_detection(calls: int) -> float:
    """Return the probability that at least one call is wrong, if each is with :data:`CHANCE`."""
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
        The first case in which a further call is wrong. If its finding is one of :data:`UNSTEADY`, the result does not
        depend only on the arguments; if it is "time", the further call did not return; otherwise the function is wrong for
        the numbers of this trial.
    complete : bool
        False if there was no time for all further calls.
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
        yield _repeat_call(attempt, next(trial for trial in trials if trial.finding))[1]
    for number, trial in enumerate(right if steady else right[:CASES_IF_WRONG]):
        second, failed = _repeat_call(attempt, trial)
        yield failed
        arrays = [*trial.case.shapes, *(["dy"] if attempt.name != attempt.operator.name else [])]
        for array in arrays if number == 0 or not steady else [arrays[number % len(arrays)]]:
            yield _check_other_numbers(attempt, second, array)
    if steady and right:
        yield from _after_float32(attempt, right)
        yield from _in_random_order(attempt, right)


def _repeat_call(attempt: Attempt, first: Trial) -> tuple[Trial, Trial | None]:
    """Repeat a call with the same arguments; return the trial, and a failed trial or None."""
    with garbage(GARBAGE[0]):
        second = attempt.again(first)
    return second, _diagnosed(attempt, first, second)


def _check_other_numbers(attempt: Attempt, first: Trial, array: str) -> Trial | None:
    """Return a failed trial of calls with other numbers in one array, or None."""

    def make(name: str, shape: Shape, rng: np.random.Generator, positive: bool) -> Array:
        numbers = first.make(name, shape, rng, positive)  # always drawn from rng, so that later arrays keep their numbers
        return first.make(name, shape, np.random.default_rng(1), positive) if name == array else numbers

    second = attempt(first.case, make) if first.found else None
    if first.found is None or second is None:
        return None
    then = _changed(attempt, first, second)
    if second.late:
        return _hanging(first, second, "a second call with other numbers of the same shapes", then)
    if not then:
        return None
    if any(current.tobytes() != copy.tobytes() for current, copy in zip(first.results, first.found, strict=True)):
        message = "the result of the first call changes during the second: the function reuses its buffer; return a copy"
        return _with_finding(first, "buffer", message, then=then)
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
    """Return the arrays that the function accepts and that differ in the second call."""
    arrays = {n: v for n, v in second.given.items() if n in attempt.signature.takes and isinstance(v, np.ndarray)}
    return {n: v for n, v in arrays.items() if not np.array_equal(v, first.given[n])}


def _unchanged(attempt: Attempt, first: Trial, second: Trial, key: str) -> Trial | None:
    """Return a failed trial if other numbers lead to the same result as before, else None."""
    if not _same_outcome(first, second):
        return None
    if state := _diagnosed(attempt, first, attempt.again(first)):
        return state
    then = _changed(attempt, first, second)
    message = f"the result does not change when the numbers in {' and '.join(then)} change: the function caches by {key}"
    return _with_finding(first, "cache", f"{message} ({_describe_both(first, second)})", second, then)


def _after_float32(attempt: Attempt, right: Sequence[Trial]) -> Iterator[Trial | None]:
    """Yield a failed trial or None after calls with float32 and then float64, in new shapes."""
    known_shapes = {str(trial.case.shapes) for trial in right}
    cases = (case for trial in reversed(right) for case in smaller(trial.case, attempt.name))
    new_cases = (case for case in cases if str(case.shapes) not in known_shapes)
    for case in itertools.islice(new_cases, CASES_AFTER_FLOAT32):
        single = attempt(case, lambda *arguments: floats(*arguments).astype(np.float32))
        double = attempt(case, floats)  # numbers with two decimals, which float32 cannot represent exactly
        late = next((trial for trial in (single, double) if trial and trial.late), None)
        if late:
            yield _hanging(right[-1], late, "a further call with other shapes")
        elif single is None or double is None or double.finding is None:
            yield None
        elif double.found and all(map(_equal_in_float32, double.found, double.expected)):
            message = "after a call with float32, a call with float64 of the same shapes has the precision of float32"
            yield _with_finding(double, "state", f"{message}: it keeps state between calls", double)
        else:  # not a failure by itself: the function need not support a case that was not drawn
            yield _diagnosed(attempt, double, attempt.again(double))


def _equal_in_float32(actual: Array, expected: Any) -> bool:
    return actual.shape == np.shape(expected) and bool(close(actual.astype(np.float32), expected).all())


def _in_random_order(attempt: Attempt, right: Sequence[Trial]) -> Iterator[Trial | None]:
    """Yield a failed trial or None after each repeated call, up to :data:`CALLS` calls."""
    rng = np.random.default_rng(0)
    for number in itertools.count():
        if number >= len(right) and attempt.calls >= CALLS:
            return
        trial = right[int(rng.integers(len(right)))]
        later = attempt.again(trial)
        yield _diagnosed(attempt, trial, later)


def _diagnosed(attempt: Attempt, first: Trial, second: Trial) -> Trial | None:
    """Return a trial that explains why two calls with the same arguments disagree, or None."""
    if second.late:
        return _hanging(first, second, "a further call with the same arguments")
    if _same_outcome(first, second):
        return None
    if diagnosis := _uninitialised(attempt, first):
        return diagnosis
    if all(_is_wrong(_called_after(attempt, first, first)) for _ in range(REPEATS)):
        message = "the second call with the same input returns a different result: it keeps state between calls"
        return _with_finding(first, "state", f"{message} ({_describe_both(first, second)})", second)
    wrong = second if second.finding else first
    previous = wrong.previous
    if previous and all(_is_wrong(_called_after(attempt, previous, first)) for _ in range(REPEATS)):
        message = f"the same input gives a different result after a call with {previous.case}: it keeps state between calls"
        return _with_finding(first, "state", f"{message} ({_describe_numbers(wrong)})", wrong)
    while attempt.calls < CALLS and not attempt.time_is_up:
        attempt.again(first)
    message = f"the result is wrong in {attempt.failures} of {attempt.calls} calls, and right in others with the same input"
    return _with_finding(first, "chance", f"{message} ({_describe_numbers(wrong)})", wrong)


def _hanging(first: Trial, later: Trial, call: str, then: dict[str, Any] | None = None) -> Trial | None:
    """Return a trial that states that a further call hangs; None if it was stopped too early."""
    if later.seconds < max(SLOWDOWN * first.seconds, SHORTEST_HANG):
        return None
    message = f"{call} did not return within {later.seconds:.1f} s; the first took {first.seconds:.2g} s"
    reported = first if then else later  # ``then`` describes how the second call differs from the first
    return _with_finding(replace(reported, found=None, finding=None, results=()), "time", message, then=then)


def _is_wrong(trial: Trial) -> bool:
    return trial.finding is not None and not trial.late


def _called_after(attempt: Attempt, previous: Trial, trial: Trial) -> Trial:
    """Call the function with the arguments of ``previous``, then of ``trial``."""
    attempt.again(previous)
    return attempt.again(trial)


def _uninitialised(attempt: Attempt, first: Trial) -> Trial | None:
    """Return a trial if the result depends on the bytes in new memory, else None."""
    calls: dict[int, list[Trial]] = {byte: [] for byte in GARBAGE}
    for byte in (
        *GARBAGE,
        *reversed(GARBAGE),
        *GARBAGE,
    ):  # irregular: the errors of a function with a period must not coincide with it
        with garbage(byte):
            calls[byte].append(attempt.again(first))
    one, other = calls.values()
    same = all(_same_outcome(trials[0], trial) and not trial.late for trials in calls.values() for trial in trials)
    if not same or _same_outcome(one[0], other[0]):
        return None
    wrong = one[0] if one[0].finding else other[0]
    message = "the result depends on memory that is not initialised, such as the array from np.empty; use np.zeros"
    return _with_finding(first, "memory", f"{message} ({_describe_numbers(wrong)})", wrong)


def _same_outcome(one: Trial, other: Trial) -> bool:
    """Return True if two calls have the same outcome except for rounding."""
    if one.found is None or other.found is None:
        return one.found is other.found and one.fault.sort == other.fault.sort
    return len(one.found) == len(other.found) and all(
        a.shape == b.shape and a.dtype == b.dtype and bool(close(a, b).all())
        for a, b in zip(one.found, other.found, strict=True)
    )


def _describe_both(first: Trial, second: Trial) -> str:
    """Describe where two calls differ and what each returned, or the finding of the second."""
    if first.found is None or second.found is None:
        return f"second call: {second.finding.words if second.finding else 'right'}"
    for part, (first_result, second_result) in enumerate(zip(first.found, second.found, strict=False)):
        if first_result.shape != second_result.shape:
            return f"first call: shape {first_result.shape}, second call: shape {second_result.shape}"
        differing = _first_wrong(first_result, second_result)
        index = _first_wrong(second_result, second.expected[part]) if differing is None else differing
        if index is not None:
            return (
                f"{_format_index(index)}first call {float(first_result[index])!r}, second call {float(second_result[index])!r}"
            )
    return f"first call: {first.found[0].dtype}, second call: {second.found[0].dtype}"


def _first_wrong(actual: Array, expected: Any) -> tuple[int, ...] | None:
    """Return the index of the first element that differs, or None."""
    wrong = np.argwhere(~close(actual, np.asarray(expected)))
    return tuple(wrong[0].tolist()) if len(wrong) else None


def _describe_numbers(trial: Trial) -> str:
    """Describe what a wrong call returned and what is expected."""
    finding = trial.fault
    if finding.index is None:
        return finding.words
    return f"{_format_index(finding.index)}{finding.got!r}, and {finding.expected!r} is expected"


def _format_index(index: tuple[int, ...]) -> str:
    return f"at {list(index)}: " if index else ""


def _with_finding(
    trial: Trial, kind: str, words: str, wrong: Trial | None = None, then: dict[str, Any] | None = None
) -> Trial:
    """Return the trial with a finding of this kind and the numbers of the wrong call."""
    numbers = wrong.finding if wrong is not None and wrong.finding is not None else Finding(kind, words)
    return replace(trial, finding=replace(numbers, kind=kind, words=words, then=then or {}))
