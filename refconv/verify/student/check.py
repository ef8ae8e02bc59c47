"""Comparison of a student's function with a loop, and a report of the smallest wrong case."""

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
    """Result of a check: true if at least one case was compared and nothing was wrong.

    Parameters
    ----------
    name : str
        The function of refconv with which yours was compared.
    cases, failed : int
        Number of cases that count, and number of these in which the function is wrong.
    finding : Finding or None
        What is wrong in the smallest case: its ``kind`` and ``words``, and, for wrong numbers, the ``index`` of an element,
        the number ``expected`` there and the number ``got``. The kind is "signature" if the function cannot be called.
    arguments : dict
        Arguments of the smallest case, by refconv's names; call your function with them to reproduce the error. A function
        that is wrong only in a second call must be called twice; ``finding.then`` contains the arguments that the second
        call changes.
    hint : str or None
        A common mistake that explains every result, including right results; or, if the hint says so, every result with all
        options at their defaults.
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

    The function is called with the arguments of ``refconv.name``, as float64 arrays. Options that your function does not
    accept stay at their defaults. A derivative may accept arguments of the forward pass instead of arguments that follow
    from them: ``max_pool2d_dx(dy, x, window)`` needs no argmax. A convolution that accepts no mode is right if there is one
    mode in which it is right in every case.

    The result must depend only on the arguments, so a function that is right is called again in each case: with the same
    arguments, with other numbers of the same shapes, with float32 before float64, and in random order. State between calls,
    a cache by shape, a returned buffer that the next call overwrites and uninitialised memory of ``np.empty`` are always
    found in a case where they change the result. Random errors are found with probability 1 − (1 − p)ⁿ: 99.9 % if p = 2 % of
    the calls are wrong, since there are at least n = 342 calls if time allows. Otherwise the report states the probability.
    A further call that is stopped is an error if it ran far longer than the first one.

    Parameters
    ----------
    function : callable
        Your version.
    name : str
        Any operator of refconv or one of its derivatives, such as "conv2d", "conv2d_dx" or "batch_norm_grads".
    seconds : float
        Time limit for the comparison, at most a day. The repeated calls may take half of this time in addition.

    Returns
    -------
    Verdict
        True if nothing was wrong, so that ``assert refconv.verify.check(my_conv2d, "conv2d")`` works in a test. False, without
        an exception, for a function that raises, never returns, or cannot be called with the arguments of the operator.

    Raises
    ------
    ValueError
        If refconv has no operator of this name, or seconds is out of range.
    TypeError
        If seconds is not a real number.

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
      Hint: it looks as if the kernel is flipped, as in a convolution: w[0] multiplies the first pixel under the window.
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
    """Return the best verdict over all modes, for a function without an argument for the mode."""
    verdicts = []
    for mode in MODES:
        of_the_mode = [case for case in cases if case.options["mode"] == mode]
        remark = f"It accepts no mode: compared with mode={mode!r} only."
        verdicts.append(_verdict(name, signature, of_the_mode, seconds / len(MODES), attempt, remark))
        if verdicts[-1]:
            return verdicts[-1]
    nearest = min(verdicts, key=lambda verdict: (verdict.hint is None, verdict.failed, _of_shape(verdict)))
    return replace(nearest, report=f"{nearest.report}\n  It is also wrong in every other mode.")


def _of_shape(verdict: Verdict) -> bool:
    return verdict.finding is not None and verdict.finding.kind == "shape"


def _verdict(
    name: str, signature: Signature, cases: Sequence[Case], seconds: float, attempt: Attempt, *first_remarks: str
) -> Verdict:
    attempt.calls = attempt.failures = 0
    attempt.allow(seconds)
    trials, stopped = _all_trials(attempt, cases, seconds)
    counted, refused = _without_refused(trials)
    counted, unsteady, complete = _called_again(attempt, counted, seconds)
    wrong = [trial for trial in counted if trial.finding]
    smallest, hint = unsteady, None
    if wrong and not unsteady:
        attempt.allow(seconds / 2)
        smallest = wrong[0] if wrong[0].late else shrink(wrong[0], attempt, name, attempt.end)
        hint = _hint(name, [smallest, *counted], {n: own_default for n, (own_default, _) in signature.differing.items()})
    remarks = [
        *first_remarks,
        *([] if unsteady else common_options(counted, signature)),
        *about_arguments(signature, name, smallest),
        *refused,
        *about_results(counted, name),
        *([] if smallest else about_right(attempt, counted, complete)),
        *([f"Stopped after {seconds:g} s."] if stopped else []),
    ]
    text = report(name, signature, counted, wrong, smallest, hint, remarks)
    arguments = fresh({n: v for n, v in smallest.given.items() if n in signature.takes}) if smallest else {}
    failed = len(wrong) or int(unsteady is not None)
    return Verdict(name, len(counted), failed, smallest.finding if smallest else None, arguments, hint, text)


def _called_again(attempt: Attempt, trials: list[Trial], seconds: float) -> tuple[list[Trial], Trial | None, bool]:
    """Repeat calls of a function that is right when called once.

    Return the trials, including a wrong further call; the trial of an unsteady function or None; and True if all calls were
    made.
    """
    if not trials or any(trial.late for trial in trials):
        return trials, None, True
    attempt.allow(seconds / 2)
    failed, complete = repeated(attempt, trials)
    if failed is None or failed.fault.kind in UNSTEADY:
        return trials, failed, complete
    other_trials = [trial for trial in trials if not (failed.late and trial.case is failed.case)]
    return [*other_trials, failed], None, complete


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run kernels on one thread; in such small cases, a second one would only wait."""
    with config(threads=1):
        yield


def _all_trials(attempt: Attempt, cases: Sequence[Case], seconds: float) -> tuple[list[Trial], bool]:
    """Return the trials of the cases that fit in the time limit, and True if some cases did not.

    A call that was stopped counts only if it ran for at least half of the time limit, or if it is the only one.
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
    """Return the trials with forms of arguments that the function accepts, and remarks.

    A form, such as a stride as a pair, is refused if the function raises in every trial with this form, and accepts the same
    argument in another form.
    """
    raised_by_form: Counter[tuple[str, str]] = Counter()
    count_by_form: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        for form_key in forms(trial.case).items():
            count_by_form[form_key] += 1
            raised_by_form[form_key] += trial.refused
    refused = {form_key for form_key, count in count_by_form.items() if raised_by_form[form_key] == count}
    refused = {(n, form) for n, form in refused if any(other == n and (n, f) not in refused for other, f in count_by_form)}
    trials, remarks = _without_pixels(trials)
    accepted = [trial for trial in trials if not refused & forms(trial.case).items()]
    reasons: dict[str, list[str]] = {}
    for name, form in sorted(refused):
        example = next(trial for trial in trials if forms(trial.case).get(name) == form)
        reasons.setdefault(example.fault.words.splitlines()[0], []).append(form)
    return accepted, [
        *remarks,
        *(f"Refused, not counted: {_format_forms(form_key)} ({_shortened(reason)})." for reason, form_key in reasons.items()),
    ]


def _without_pixels(trials: list[Trial]) -> tuple[list[Trial], list[str]]:
    """Leave out trials with several predictions per example if a loss is wrong in only these."""
    plain = _one_prediction_per_example(trials)
    if not plain or any(trial.finding for trial in plain) or not any(trial.finding for trial in trials):
        return trials, []
    return plain, ["Compared for one prediction per example only: it is wrong for several, such as one per pixel."]


def _one_prediction_per_example(trials: list[Trial]) -> list[Trial]:
    return [trial for trial in trials if len(trial.case.shapes.get("logits", ())) == 2]


def _format_forms(options: Iterable[str]) -> str:
    """Format forms of options, such as "dilation, stride as a number; padding='full', 'same'"."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for form in options:
        option, separator, form_value = form.partition("=") if "=" in form else form.partition(" as ")
        grouped.setdefault((separator, option if separator == "=" else form_value), []).append(
            form_value if separator == "=" else option
        )
    lists = {key: ", ".join(values) for key, values in grouped.items()}
    return "; ".join(f"{key}={items}" if sep == "=" else f"{items}{sep}{key}" for (sep, key), items in lists.items())


def _shortened(reason: str, most: int = 50) -> str:
    """Return the description of an error without the line that raised it, shortened."""
    text = reason.removeprefix("raises ").partition(", in line ")[0]
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _hint(name: str, trials: list[Trial], defaults: Mapping[str, Any]) -> str | None:
    """Return a hint: the mistake that explains all trials or all trials of a group, else None.

    The groups are the trials with one prediction per example and the trials with all options at their defaults.
    """
    for group in (trials, _one_prediction_per_example(trials)):
        if group and (mistake := explanation(name, group, defaults)):
            return f"it looks as if {mistake}"
    plain = [trial for trial in trials if not trial.case.options and "b" not in trial.given]
    mistake_by_default = explanation(name, plain, defaults)
    return mistake_by_default and f"with all options at their defaults it looks as if {mistake_by_default}"
