"""Check a student's own function against the loop of its name, and report the smallest case in which it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from refconv._arguments import real
from refconv._ascii import echo
from refconv._config import config
from refconv.verify.case import Case, floats, integers
from refconv.verify.catalogue import find
from refconv.verify.operator import Operator
from refconv.verify.student.drawn import drawn, forms
from refconv.verify.student.mistakes import explanation
from refconv.verify.student.repeated import UNSTEADY, repeated
from refconv.verify.student.report import about_arguments, about_results, about_right, common_options, report
from refconv.verify.student.signature import Signature, Unusable, read
from refconv.verify.student.trial import Attempt, Finding, Trial, fresh, shrink

__all__ = ["Verdict", "check"]


@dataclass(frozen=True)
class Verdict:
    """The result of a check; true if there was something to compare and nothing was wrong.

    Parameters
    ----------
    name : str
        The function of refconv with which yours was compared.
    cases, failed : int
        Number of cases that count, and of those in which something is wrong.
    finding : Finding or None
        What is wrong in the smallest case: its ``kind`` and ``words``, and, where numbers are wrong, the ``index``, what was
        ``expected`` there and what was ``got``. Its kind is "signature" if the function cannot be called at all.
    arguments : dict
        The arguments of the smallest case, by refconv's names, to call your function with. A function that is wrong only when
        it is called again must be called twice; ``finding.then`` holds the arguments that the second call changes.
    hint : str or None
        A common mistake that explains every result, right ones included; or, if it says so, every result with all options
        at their defaults.
    report : str
        The report that was printed.
    """

    name: str
    cases: int
    failed: int
    finding: Finding | None
    arguments: dict[str, Any]
    hint: str | None
    report: str

    def __bool__(self) -> bool:
        return self.finding is None and self.cases > 0

    def __str__(self) -> str:
        return self.report

    def __repr__(self) -> str:
        if not self.cases:
            return f"<{self.name}: not tried in any case>"
        return f"<{self.name}: {'right' if self else 'wrong'} in {self.cases if self else self.failed} of {self.cases} cases>"


def check(function: Callable[..., Any], name: str, *, seconds: float = 5.0) -> Verdict:
    """Compare your own function with the loop of this name, and print a report.

    The function is called with the arguments of ``refconv.name``, as float64 arrays. It may take a part of the options
    only; those that it does not take stay at their defaults. A derivative may take arguments of the forward pass instead of
    what follows from them: ``max_pool2d_dx(dy, x, window)`` needs no argmax. A convolution that takes no mode is right if it
    is right in one mode throughout.

    The result must depend on nothing but the arguments, so a function that is right is called again in each case: with the
    same arguments, with other numbers of the same shapes, with float32 before float64, and in random order. State between
    calls, a cache by shape, a returned buffer that the next call overwrites and unwritten memory of ``np.empty`` are found
    with certainty in a case where they change the result. Errors by chance are found with a probability of 1 − (1 − p)ⁿ: with
    99.9 % if p = 2 % of the calls are wrong, since there are at least n = 342 calls if time allows. If it does not, the report
    states the probability. A further call that is stopped is an error if it ran far longer than the first one.

    Parameters
    ----------
    function : callable
        Your version.
    name : str
        Any operator of refconv, or a derivative of one: "conv2d", "conv2d_dx", "batch_norm_grads".
    seconds : float
        Time limit for the comparison, up to a day. The repeated calls may take half of it in addition.

    Returns
    -------
    Verdict
        True if nothing was wrong, so that ``assert refconv.verify.check(my_conv2d, "conv2d")`` can stand in a test. False, and
        nothing is raised, for a function that raises, never returns, or cannot be called with arguments of that operator.

    Raises
    ------
    ValueError
        If refconv has no operator of this name, or seconds is out of range.
    TypeError
        If seconds is not a number.

    Examples
    --------
    Here the kernel is flipped, as in a convolution:

    >>> import numpy as np
    >>> def my_conv1d(x, w):
    ...     y = np.zeros((x.shape[0], x.shape[1] - w.shape[0] + 1, w.shape[2]))
    ...     for i in range(y.shape[1]):
    ...         for m in range(w.shape[0]):
    ...             y[:, i] += x[:, i + m] @ w[-1 - m]
    ...     return y
    >>> verdict = check(my_conv1d, "conv1d")  # doctest: +ELLIPSIS
    conv1d: wrong in ... of ... cases. The smallest:
        x = np.array([1., 2.]).reshape(1, 2, 1)
        w = np.array([1., 2.]).reshape(2, 1, 1)
      The numbers are wrong: at [0, 0, 0] it gives 4.0, and 5.0 is expected.
      Hint: it looks as if the kernel is flipped, as in a convolution: w[0] is multiplied with the first pixel under the window.
      Not tried, since the function does not take them: b, stride, padding, dilation, groups, data_format.
    >>> bool(verdict), verdict.finding.index
    (False, (0, 0, 0))
    """
    seconds = real("seconds", seconds, least=0.01, most=86400)
    operator = find(name)
    try:
        signature = read(function, name, operator)
    except Unusable as error:
        verdict = Verdict(name, 0, 0, Finding("signature", str(error)), {}, None, f"{name}: not tried: {error}.")
    else:
        with _one_thread():
            verdict = _compared(name, signature, operator, Attempt(function, signature, operator, name), seconds)
    echo(verdict)
    return verdict


def _compared(name: str, signature: Signature, operator: Operator, attempt: Attempt, seconds: float) -> Verdict:
    cases = drawn(operator, name, signature)
    if "mode" in signature.missing:
        return _of_the_mode_that_fits(name, signature, cases, seconds, attempt)
    return _verdict(name, signature, cases, seconds, attempt)


MODES = ("valid", "full", "same")


def _of_the_mode_that_fits(
    name: str, signature: Signature, cases: Sequence[Case], seconds: float, attempt: Attempt
) -> Verdict:
    """Return the verdict for the mode in which a function without an argument for the mode is right, or nearest to it."""
    verdicts = []
    for mode in MODES:
        of_the_mode = [case for case in cases if case.options["mode"] == mode]
        remark = f"It takes no mode: compared with mode={mode!r} alone."
        verdicts.append(_verdict(name, signature, of_the_mode, seconds / len(MODES), attempt, remark))
        if verdicts[-1]:
            return verdicts[-1]
    nearest = min(verdicts, key=lambda verdict: (verdict.hint is None, verdict.failed, _of_shape(verdict)))
    return replace(nearest, report=f"{nearest.report}\n  No other mode fits it either.")


def _of_shape(verdict: Verdict) -> bool:
    return verdict.finding is not None and verdict.finding.kind == "shape"


def _verdict(
    name: str, signature: Signature, cases: Sequence[Case], seconds: float, attempt: Attempt, *first_remarks: str
) -> Verdict:
    attempt.calls = attempt.failures = 0
    attempt.allow(seconds)
    trials, stopped = _all(attempt, cases, seconds)
    counted, refused = _without_refused(trials)
    counted, unsteady, complete = _called_again(attempt, counted, seconds)
    wrong = [trial for trial in counted if trial.finding]
    smallest, hint = unsteady, None
    if wrong and not unsteady:
        attempt.allow(seconds / 2)
        smallest = wrong[0] if wrong[0].late else shrink(wrong[0], attempt, name, attempt.end)
        hint = _hint(name, [smallest, *counted], {n: theirs for n, (theirs, _) in signature.differing.items()})
    remarks = [
        *first_remarks,
        *([] if unsteady else common_options(counted, signature)),
        *about_arguments(signature, name, smallest),
        *refused,
        *about_results(counted, name),
        *([] if smallest else about_right(attempt, counted, complete)),
        *([f"Stopped after {seconds:g} s."] if stopped else []),
    ]
    words = report(name, signature, counted, wrong, smallest, hint, remarks)
    arguments = fresh({n: v for n, v in smallest.given.items() if n in signature.takes}) if smallest else {}
    failed = len(wrong) or int(unsteady is not None)
    return Verdict(name, len(counted), failed, smallest.finding if smallest else None, arguments, hint, words)


def _called_again(attempt: Attempt, trials: list[Trial], seconds: float) -> tuple[list[Trial], Trial | None, bool]:
    """Return the trials with that of a wrong further call, an unsteady trial or None, and True if all calls were made."""
    if not trials or any(trial.late for trial in trials):
        return trials, None, True
    attempt.allow(seconds / 2)
    failed, complete = repeated(attempt, trials)
    if failed is None or failed.fault.kind in UNSTEADY:
        return trials, failed, complete
    others = [trial for trial in trials if not (failed.late and trial.case is failed.case)]
    return [*others, failed], None, complete


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run kernels on one thread: the cases are so small that a second one only adds waiting time."""
    with config(threads=1):
        yield


def _all(attempt: Attempt, cases: Sequence[Case], seconds: float) -> tuple[list[Trial], bool]:
    """Return the trials of all cases for which there is time, and True if there was no time for the others.

    A call that was stopped counts only if it had most of the time, or if there is no other.
    """
    trials: list[Trial] = []
    for number, case in enumerate(cases):
        trial = attempt(case, integers if number % 2 else floats)
        if trial and trial.late:
            return (trials, True) if trials and trial.seconds < seconds / 2 else ([*trials, trial], False)
        trials += [trial] if trial else []
        if attempt.time_is_up:
            return trials, number + 1 < len(cases)
    return trials, False


def _without_refused(trials: list[Trial]) -> tuple[list[Trial], list[str]]:
    """Return the trials in which the function does not refuse the form of an argument, and remarks about the others.

    A form, such as a stride as a pair, is refused if the function raises wherever it occurs, and not wherever
    the same argument occurs in another form.
    """
    raised: Counter[tuple[str, str]] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        for said in forms(trial.case).items():
            seen[said] += 1
            raised[said] += trial.refused
    refused = {said for said, count in seen.items() if raised[said] == count}
    refused = {(n, form) for n, form in refused if any(other == n and (n, f) not in refused for other, f in seen)}
    trials, remarks = _without_pixels(trials)
    kept = [trial for trial in trials if not refused & forms(trial.case).items()]
    reasons: dict[str, list[str]] = {}
    for name, form in sorted(refused):
        first = next(trial for trial in trials if forms(trial.case).get(name) == form)
        reasons.setdefault(first.fault.words.splitlines()[0], []).append(form)
    return kept, [*remarks, *(f"Refused, not counted: {_list(said)} ({_short(reason)})." for reason, said in reasons.items())]


def _without_pixels(trials: list[Trial]) -> tuple[list[Trial], list[str]]:
    """Return the trials of one prediction per example, with a remark, if a loss is right in these and wrong in the others."""
    plain = _one_prediction_per_example(trials)
    if not plain or any(trial.finding for trial in plain) or not any(trial.finding for trial in trials):
        return trials, []
    return plain, ["Compared with one prediction per example alone: it is wrong for several, such as one per pixel."]


def _one_prediction_per_example(trials: list[Trial]) -> list[Trial]:
    return [trial for trial in trials if len(trial.case.shapes.get("logits", ())) == 2]


def _list(said: Iterable[str]) -> str:
    """Forms of options in one line: "dilation, stride as a number; padding='full', 'same'"."""
    together: dict[tuple[str, str], list[str]] = {}
    for form in said:
        option, separator, way = form.partition("=") if "=" in form else form.partition(" as ")
        together.setdefault((separator, option if separator == "=" else way), []).append(way if separator == "=" else option)
    lists = {key: ", ".join(several) for key, several in together.items()}
    return "; ".join(f"{key}={many}" if sep == "=" else f"{many}{sep}{key}" for (sep, key), many in lists.items())


def _short(reason: str, most: int = 50) -> str:
    """Return an error without the line that raised it."""
    said = reason.removeprefix("raises ").partition(", in line ")[0]
    return said if len(said) <= most else said[: most - 1].rstrip() + "…"


def _hint(name: str, trials: list[Trial], defaults: Mapping[str, Any]) -> str | None:
    """Return the mistake that explains all trials, those of one prediction per example, or those with default options."""
    for group in (trials, _one_prediction_per_example(trials)):
        if group and (whole := explanation(name, group, defaults)):
            return f"it looks as if {whole}"
    plain = [trial for trial in trials if not trial.case.options and "b" not in trial.given]
    part = explanation(name, plain, defaults)
    return part and f"with all options at their defaults it looks as if {part}"
