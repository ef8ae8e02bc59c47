"""Calls of a student's function, compared with the loops."""

from __future__ import annotations

import inspect
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import refconv
from refconv._config import config
from refconv.typing import Array
from refconv.verify.case import Case, Make
from refconv.verify.evidence.parity import several
from refconv.verify.operator import Operator
from refconv.verify.student.drawn import arguments, counting, equal, measure, smaller
from refconv.verify.student.signature import Signature, parameters

__all__ = ["Attempt", "Finding", "TimeUp", "Trial", "close", "fresh", "right", "shrink", "time_limit", "tried"]


REFUSALS = (TypeError, ValueError, NotImplementedError, AssertionError)


class TimeUp(BaseException):  # not an Exception, so that a student's "except Exception" lets it through
    """Raised inside a call that exceeds its time limit."""


@dataclass(frozen=True)
class Finding:
    """Error found in one result of a student's function.

    ``kind`` is "signature", "raises", "time", "none", "type", "count", "shape", "dtype", "nan", "numbers" or "modifies", or
    one of :data:`refconv.verify.student.repeated.UNSTEADY`, which occur only in repeated calls. Where known, ``part`` is
    the number of the wrong result, ``index`` the first wrong element, and ``wrong`` the number of wrong elements. ``then``
    contains the arguments that a second call changed.
    """

    kind: str
    words: str
    part: int = 0
    index: tuple[int, ...] | None = None
    expected: Any = None
    got: Any = None
    wrong: int = 0
    then: dict[str, Any] = field(default_factory=dict)

    @property
    def sort(self) -> tuple[str, str]:
        """Kind of the finding and, for an exception, its type."""
        return self.kind, self.words.partition(":")[0] if self.kind == "raises" else ""


@dataclass(frozen=True, eq=False)
class Trial:
    """One call of a function: the case, its arguments, the expected results and the outcome.

    ``given`` contains the arguments by refconv's names, ``expected`` the results of the loops, and ``found`` copies of the
    function's results, or None if they cannot be compared. ``make`` filled the case with numbers. ``refused`` is True if the
    function raised an exception of a type that is usual for an argument that is not supported. ``passed`` are the arguments
    passed to the function, and ``results`` the arrays that it returned, not copied. ``previous`` is the previous trial, if
    the function was called by an :class:`Attempt`.
    """

    case: Case
    given: dict[str, Any]
    expected: tuple[Any, ...]
    found: tuple[Array, ...] | None
    finding: Finding | None
    make: Make
    seconds: float = 0.0
    refused: bool = False
    passed: dict[str, Any] = field(default_factory=dict)
    results: tuple[Array, ...] = ()
    previous: Trial | None = field(default=None, repr=False)

    @property
    def fault(self) -> Finding:
        """Finding of a trial in which something is wrong."""
        if self.finding is None:
            raise ValueError(f"trial must have a finding, got one in which nothing is wrong: {self.case}")
        return self.finding

    @property
    def late(self) -> bool:
        """True if the call was stopped at its time limit."""
        return self.finding is not None and self.finding.kind == "time"

    @property
    def shares(self) -> str | None:
        """Name of an argument that shares memory with a result, or None."""
        arrays = {n: v for n, v in self.passed.items() if isinstance(v, np.ndarray)}
        return next((n for n, v in arrays.items() if any(np.may_share_memory(v, one) for one in self.results)), None)


def right(name: str, given: dict[str, Any]) -> tuple[Any, ...]:
    """Return the results of ``refconv.name`` on the current engine as a tuple.

    Arguments that the function does not accept are left out.
    """
    return several(getattr(refconv, name)(**{n: v for n, v in given.items() if n in parameters(name)}))


def tried(
    function: Callable[..., Any], signature: Signature, operator: Operator, name: str, case: Case, make: Make, seconds: float
) -> Trial | None:
    """Call the function in one case, filled with numbers.

    Return None if refconv or the function does not accept the case.
    """
    given = arguments(operator, name, case, make)
    if given is None or ("b" in signature.demanded and "b" not in given):
        return None
    with config(engine="reference"):
        expected = right(name, given)
    return _with_outcome(function, signature, name, Trial(case, given, expected, None, None, make), fresh(given), seconds)


def _with_outcome(
    function: Callable[..., Any], signature: Signature, name: str, trial: Trial, passed: dict[str, Any], seconds: float
) -> Trial:
    """Call the function once with the arguments ``passed``; return the trial with the outcome."""
    start = time.perf_counter()
    error = None
    try:
        with time_limit(seconds), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            result = signature.call(function, passed)
    except (Exception, SystemExit, TimeUp) as raised:
        error = raised
    elapsed = time.perf_counter() - start
    if error is None:
        results, finding = _as_arrays(result, trial.expected, name)
        changed = [n for n, v in trial.given.items() if isinstance(v, np.ndarray) and not np.array_equal(v, passed[n], True)]
        if finding is None and changed:
            finding = Finding("modifies", f"changes its argument {changed[0]} in place; work on a copy")
    else:
        timed_out = isinstance(error, TimeUp)
        message = f"it does not return within {elapsed:.1f} s" if timed_out else _describe_error(function, error)
        results = None
        finding = Finding("time" if timed_out else "raises", message)
    return replace(
        trial,
        found=None if results is None else tuple(one.copy() for one in results),
        finding=finding,
        seconds=elapsed,
        refused=isinstance(error, REFUSALS),
        passed=passed,
        results=results or (),
    )


class Attempt:
    """Student's function with a time limit and counters of its calls and its wrong calls."""

    end, calls, failures = 0.0, 0, 0
    last: Trial | None = None

    def __init__(self, function: Callable[..., Any], signature: Signature, operator: Operator, name: str) -> None:
        self.function, self.signature, self.operator, self.name = function, signature, operator, name

    def allow(self, seconds: float) -> None:
        """Set the time limit to this number of seconds from now."""
        self.end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds until the time limit, at least 0.01."""
        return max(self.end - time.perf_counter(), 0.01)

    @property
    def time_is_up(self) -> bool:
        """True if the time limit has passed."""
        return time.perf_counter() > self.end

    def __call__(self, case: Case, make: Make) -> Trial | None:
        """Call the function in a case, as :func:`tried` does."""
        trial = tried(self.function, self.signature, self.operator, self.name, case, make, self.left)
        return None if trial is None else self._counted(trial)

    def again(self, trial: Trial, passed: dict[str, Any] | None = None) -> Trial:
        """Call the function again with the arguments of a trial.

        The arguments are new copies, unless the arrays ``passed`` are given.
        """
        passed = fresh(trial.given) if passed is None else passed
        return self._counted(_with_outcome(self.function, self.signature, self.name, trial, passed, self.left))

    def _counted(self, trial: Trial) -> Trial:
        if not trial.refused:
            self.calls += 1
            self.failures += trial.finding is not None and not trial.late
        # Only one previous trial is kept: a chain would keep the arrays of all trials in memory.
        self.last = replace(trial, previous=self.last and replace(self.last, previous=None))
        return self.last


def fresh(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return copies of the arguments to pass to a function; a seed becomes a new generator."""
    copies = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in given.items()}
    return {n: np.random.default_rng(v) if n == "rng" else v for n, v in copies.items()}


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeUp` inside the block after this number of seconds.

    There is no limit where Python cannot be interrupted: outside the main thread, on Windows, and if the program that embeds
    Python handles SIGALRM itself.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGALRM) is None  # installed outside Python, which could not restore it
    ):
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeUp

    # The signal repeats every 0.1 s: a bare "except:" in the function would swallow a single one.
    previous_handler = signal.signal(signal.SIGALRM, stop)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, remaining, interval)
        signal.signal(signal.SIGALRM, previous_handler)


def _describe_error(function: Callable[..., Any], error: BaseException) -> str:
    """Describe the error and the innermost line that raised it in the file of the function."""
    file = getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f", in line {lines[-1].lineno}: {lines[-1].line}" if lines and lines[-1].line else ""
    return f"raises {type(error).__name__}: {error}{where}"


def _as_arrays(result: Any, expected: tuple[Any, ...], name: str) -> tuple[tuple[Array, ...] | None, Finding | None]:
    """Return the results as arrays, or None if they cannot be compared, and a finding or None."""
    if result is None:
        return None, Finding("none", "returns None; is there a return at its end?")
    results = tuple(result) if isinstance(result, tuple | list) and len(expected) > 1 else (result,)
    if len(results) not in (1, len(expected)):
        return None, Finding("count", f"returns {len(results)} results, and refconv.{name} returns {len(expected)}")
    for part, (result_part, expected_part) in enumerate(zip(results, expected, strict=False)):
        if isinstance(result_part, np.ma.MaskedArray):
            return None, Finding("type", "returns a masked array, not a plain NumPy array", part)
        if not isinstance(result_part, np.ndarray | np.generic) and not (
            isinstance(result_part, int | float) and not np.ndim(expected_part)
        ):
            return None, Finding("type", f"returns {_with_article(type(result_part).__name__)}, not a NumPy array", part)
    results = tuple(map(np.asarray, results))
    findings = (
        _wrong(part, result_part, np.asarray(expected_part))
        for part, (result_part, expected_part) in enumerate(zip(results, expected, strict=False))
    )
    return results, next((finding for finding in findings if finding), None)


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _wrong(part: int, actual: Array, expected: Array) -> Finding | None:
    if actual.shape != expected.shape:
        message = f"the result has shape {actual.shape}, and {expected.shape} is expected"
        return Finding("shape", message, part, expected=expected.shape, got=actual.shape)
    if actual.dtype.kind != "f":
        return Finding("dtype", f"the result has dtype {actual.dtype}, and float64 is expected", part)
    differs = ~close(actual, expected)
    if differs.any():
        # NaN is reported first: it is easier to trace than a wrong number.
        not_a_number = differs & np.isnan(actual)
        index = tuple(int(i) for i in np.argwhere(not_a_number if not_a_number.any() else differs)[0])
        kind, message = ("nan", "the result is NaN") if not_a_number.any() else ("numbers", "the numbers are wrong")
        return Finding(kind, message, part, index, float(expected[index]), float(actual[index]), int(differs.sum()))
    if actual.dtype != np.float64:
        return Finding(
            "dtype", f"the result has dtype {actual.dtype} for float64 arguments: half of the digits are lost", part
        )
    return None


def close(actual: Any, expected: Any) -> Any:
    """Return a mask of the elements that are equal except for rounding in any order of sums."""
    relative = 1e-9 if np.asarray(actual).dtype.itemsize >= 8 else 1e-4
    with np.errstate(all="ignore"):
        size = np.max(np.abs(expected), initial=1.0, where=np.isfinite(expected))
        same = np.abs(actual - expected) <= relative * size
    return same | (actual == expected) | (np.isnan(actual) & np.isnan(expected))


def shrink(trial: Trial, attempt: Callable[[Case, Make], Trial | None], name: str, deadline: float) -> Trial:
    """Search for smaller trials that are wrong in the same way and return the smallest.

    ``attempt(case, make)`` tries a case.
    """

    def fails_alike(case: Case, make: Make) -> Trial | None:
        candidate = attempt(case, make)
        return candidate if candidate and candidate.finding and candidate.finding.sort == trial.fault.sort else None

    def plainest(case: Case, makes: Sequence[Make]) -> Trial | None:
        return next((similar for make in makes if (similar := fails_alike(case, make))), None)

    best = trial
    improved = True
    while improved:
        improved = False
        for case in smaller(best.case, name):
            if time.perf_counter() > deadline:
                return best
            if measure(case) < measure(best.case) and (smaller_trial := plainest(case, (counting, equal, trial.make))):
                best = smaller_trial
                improved = True
                break
    return plainest(best.case, () if best.make is counting else (counting, equal)) or best
