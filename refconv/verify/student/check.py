"""Check a student's own function against the loop of its name, and report the smallest case in which it is wrong."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from refconv._arguments import real
from refconv._ascii import echo
from refconv.ops.engine import get_num_threads, set_num_threads
from refconv.verify.case import floats, integers
from refconv.verify.catalogue import find
from refconv.verify.student.drawn import drawn, forms
from refconv.verify.student.mistakes import explanation
from refconv.verify.student.repeated import CALLS, CHANCE, UNSTEADY, chance_of_detection, repeated
from refconv.verify.student.signature import Signature, parameters, read
from refconv.verify.student.trial import Attempt, Finding, Trial, fresh, shrink

__all__ = ["Verdict", "check"]

MOST_NUMBERS = 40  # of an array that the report prints


@dataclass(frozen=True)
class Verdict:
    """What came of a check; true if there was something to compare and nothing was wrong.

    Parameters
    ----------
    name : str
        The function of refconv that was the measure.
    cases, failed : int
        How many cases counted, and in how many of them something was wrong.
    finding : Finding or None
        What is wrong in the smallest case: its ``kind`` and ``words``, and, where numbers are wrong, the ``index``, what was
        ``expected`` there and what was ``got``.
    arguments : dict
        The arguments of the smallest case, by refconv's names: call your function with them and look. A function that is
        wrong only when it is called again has to be called twice; ``finding.then`` holds what the second call changes.
    hint : str or None
        A common mistake that explains every result, right ones included; or, where it says so, every result with all
        options at their defaults.
    report : str
        All of it in words.
    """

    name: str
    cases: int
    failed: int
    finding: Finding | None
    arguments: dict
    hint: str | None
    report: str

    def __bool__(self):
        return self.finding is None and self.cases > 0

    def __str__(self):
        return self.report

    def __repr__(self):
        return f"<{self.name}: {'right' if self else 'wrong'} in {self.cases if self else self.failed} of {self.cases} cases>"


def check(function, name: str, *, seconds: float = 5.0) -> Verdict:
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
        True if nothing was wrong, so that ``assert refconv.verify.check(my_conv2d, "conv2d")`` can stand in a test.

    Raises
    ------
    ValueError
        If refconv has no operator of this name.
    TypeError
        If the function cannot be called with arguments of that operator, or seconds is no number.

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
      Hint: it looks as if the kernel is flipped, as in a convolution: w[0] belongs on the first pixel under the window.
      Not tried, since the function does not take them: b, stride, padding, dilation, groups, data_format.
    >>> bool(verdict), verdict.finding.index
    (False, (0, 0, 0))
    """
    seconds = real("seconds", seconds, least=0.01, most=86400)
    operator = find(name)
    signature = read(function, name, operator)
    attempt = Attempt(function, signature, operator, name)
    with _one_thread():
        cases = drawn(operator, name, signature)
        if "mode" in signature.missing:
            verdict = _of_the_mode_that_fits(name, signature, cases, seconds, attempt)
        else:
            verdict = _verdict(name, signature, cases, seconds, attempt)
    echo(verdict)
    return verdict


MODES = ("valid", "full", "same")


def _of_the_mode_that_fits(name, signature, cases, seconds, attempt):
    """The verdict on a function that takes no mode: of the first one in which it is right, explained, or at least near."""
    verdicts = []
    for mode in MODES:
        of_the_mode = [case for case in cases if case.options["mode"] == mode]
        remark = f"It takes no mode: compared with mode={mode!r} alone."
        verdicts.append(_verdict(name, signature, of_the_mode, seconds / len(MODES), attempt, remark))
        if verdicts[-1]:
            return verdicts[-1]
    nearest = min(verdicts, key=lambda verdict: (verdict.hint is None, verdict.failed, _of_shape(verdict)))
    return replace(nearest, report=f"{nearest.report}\n  No other mode fits it either.")


def _of_shape(verdict):
    return verdict.finding is not None and verdict.finding.kind == "shape"


def _verdict(name, signature, cases, seconds, attempt, *first_remarks):
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
        *([] if unsteady else _localised(counted, signature)),
        *_about_arguments(signature, name, smallest),
        *refused,
        *_about_results(counted, name),
        *([] if smallest else _about_right(attempt, counted, complete)),
        *([f"Stopped after {seconds:g} s."] if stopped else []),
    ]
    report = _report(name, signature, counted, wrong, smallest, hint, remarks)
    arguments = fresh({n: v for n, v in smallest.given.items() if n in signature.takes}) if smallest else {}
    failed = len(wrong) or int(unsteady is not None)
    return Verdict(name, len(counted), failed, smallest and smallest.finding, arguments, hint, report)


def _called_again(attempt, trials, seconds):
    """Trials with that of a wrong further call, a trial that shows unsteadiness or None, and whether all calls were made."""
    if not trials or any(trial.late for trial in trials):
        return trials, None, True
    attempt.allow(seconds / 2)
    failed, complete = repeated(attempt, trials)
    if failed is None or failed.finding.kind in UNSTEADY:
        return trials, failed, complete
    others = [trial for trial in trials if not (failed.late and trial.case is failed.case)]
    return [*others, failed], None, complete


@contextmanager
def _one_thread():
    """The cases are so small that a second thread would only be waited for."""
    before = get_num_threads()
    set_num_threads(1)
    try:
        yield
    finally:
        set_num_threads(before)


def _all(attempt, cases, seconds):
    """The trials in all cases, or as many as there is time for; and whether it was too short.

    A call that was cut short says something only if it had most of the time, or if there is no other.
    """
    trials = []
    for number, case in enumerate(cases):
        trial = attempt(case, integers if number % 2 else floats)
        if trial and trial.late:
            return (trials, True) if trials and trial.seconds < seconds / 2 else ([*trials, trial], False)
        trials += [trial] if trial else []
        if attempt.time_is_up:
            return trials, number + 1 < len(cases)
    return trials, False


def _without_refused(trials):
    """Trials in which the function did not refuse the form of an argument, and remarks about those in which it did.

    A form, such as a stride as a pair, is refused if the function raises wherever it occurs, and not wherever
    the same argument occurs in another form.
    """
    raised, seen = Counter(), Counter()
    for trial in trials:
        for said in forms(trial.case).items():
            seen[said] += 1
            raised[said] += trial.refused
    refused = {said for said, count in seen.items() if raised[said] == count}
    refused = {(n, form) for n, form in refused if any(other == n and (n, f) not in refused for other, f in seen)}
    kept = [trial for trial in trials if not refused & forms(trial.case).items()]
    reasons = {}
    for name, form in sorted(refused):
        first = next(trial for trial in trials if forms(trial.case).get(name) == form)
        reasons.setdefault(first.finding.words.splitlines()[0], []).append(form)
    return kept, [f"Refused, not counted: {_list(said)} ({_short(reason)})." for reason, said in reasons.items()]


def _list(said):
    """Forms of options in one line: "dilation, stride as a number; padding='full', 'same'"."""
    together = {}
    for form in said:
        option, separator, way = form.partition("=") if "=" in form else form.partition(" as ")
        together.setdefault((separator, option if separator == "=" else way), []).append(way if separator == "=" else option)
    lists = {key: ", ".join(several) for key, several in together.items()}
    return "; ".join(f"{key}={many}" if sep == "=" else f"{many}{sep}{key}" for (sep, key), many in lists.items())


def _short(reason, most=50):
    """Which error it was, without the line where it was raised."""
    said = reason.removeprefix("raises ").partition(", in line ")[0]
    return said if len(said) <= most else said[: most - 1].rstrip() + "…"


def _hint(name, trials, defaults):
    """The mistake that explains all trials, or else all those with every option at its default."""
    whole = explanation(name, trials, defaults)
    if whole:
        return f"it looks as if {whole}"
    plain = [trial for trial in trials if not trial.case.options and "b" not in trial.given]
    part = explanation(name, plain, defaults)
    return part and f"with all options at their defaults it looks as if {part}"


def _localised(trials, signature):
    """Which option all wrong cases have in common."""
    wrong = [trial for trial in trials if trial.finding]
    right = [trial for trial in trials if not trial.finding]
    common = [
        option
        for option in signature.options
        if wrong
        and right
        and all(option in trial.case.options or (option == "b" and trial.given.get("b") is not None) for trial in wrong)
    ]
    return [f"It is right in all cases that leave {' or '.join(common)} at the default."] if common else []


def _about_arguments(signature: Signature, name, smallest):
    remarks = []
    if signature.options and not smallest:
        remarks.append(f"Varied: {', '.join(signature.options)}.")
    if signature.without:
        remarks.append(f"Not tried, since the function does not take them: {', '.join(signature.without)}.")
    if smallest:
        if signature.unknown:
            remarks.append(f"Left alone, since refconv.{name} has no such argument: {', '.join(signature.unknown)}.")
        for option, (theirs, ours) in signature.differing.items():
            if option not in smallest.given:
                remarks.append(f"The default of {option} is {theirs!r} here, and {ours!r} in refconv.{name}.")
    return remarks


def _about_results(trials, name):
    one = next((trial for trial in trials if trial.found and len(trial.found) < len(trial.expected)), None)
    return [f"Only the first of the {len(one.expected)} results of refconv.{name} was compared."] if one else []


def _about_right(attempt, trials, complete):
    return [*_about_float32(attempt, trials), *_about_views(trials), *_about_chance(attempt, trials, complete)]


def _about_float32(attempt, trials):
    """float32 should stay float32; a remark, no fault."""

    def single(*arguments):
        return floats(*arguments).astype(np.float32)

    again = attempt(trials[0].case, single) if trials else None
    if again and again.found and again.found[0].dtype == np.float64 and again.expected[0].dtype == np.float32:
        return ["A remark: float32 goes in and float64 comes out; refconv keeps float32, half of the memory."]
    return []


def _about_views(trials):
    shared = next((trial.shares for trial in trials if trial.shares), None)
    words = (
        "A remark: the result can share memory with {}, so that changing one changes the other; refconv returns new arrays."
    )
    return [words.format(shared)] if shared else []


def _about_chance(attempt, trials, complete):
    """What the further calls leave open, if there was no time for all of them."""
    remarks = []
    if trials and not complete:
        remarks.append("The repeated calls were stopped before their end: state between calls is not ruled out.")
    if trials and attempt.calls < CALLS:
        found = f"with a probability of {chance_of_detection(attempt.calls):.1%}"
        remarks.append(f"Called {attempt.calls} times: if {CHANCE:.0%} of the calls were wrong, this would show {found}.")
    return remarks


def _report(name, signature, counted, wrong, smallest, hint, remarks):
    if not counted:
        return "\n  ".join([f"{name}: not tried in any case.", *remarks])
    if smallest is None:
        return "\n  ".join([f"{name}: right. {len(counted)} cases agree with the loops.", *remarks])
    lines = [f"{name}: {_outcome(len(counted), len(wrong), smallest)}:"]
    lines += [f"  {line}" for line in _described(smallest, signature, name)]
    lines.append(_said(smallest))
    lines += [f"Hint: {hint}."] if hint else []
    return "\n  ".join([*lines, *remarks])


def _outcome(cases, wrong, shown):
    if shown.finding.kind not in UNSTEADY:
        return f"wrong in {wrong} of {cases} cases. {'One case' if shown.late else 'The smallest'}"  # a late one is not shrunk
    when = "" if wrong else ": right when called once"
    return f"wrong in {wrong or 1} of {cases} cases{when}, but the result depends on more than the arguments. One case"


def _described(trial: Trial, signature, name):
    """The arguments of a call, so that they can be copied; and those that a second call changes."""
    order = [*parameters(name), *trial.given]
    for n, value in sorted(trial.given.items(), key=lambda item: order.index(item[0])):
        if n in signature.takes and value is not None:
            yield _argument(n, value)
    for n, value in trial.finding.then.items():
        if n in signature.takes:
            yield f"second call: {_argument(n, value)}"


def _argument(name, value):
    if name == "rng":
        return f"rng = np.random.default_rng({value})"
    if not isinstance(value, np.ndarray):
        return f"{name} = {value!r}"
    if value.size > MOST_NUMBERS:
        return f"{name} of shape {value.shape}"
    numbers = np.array2string(value.ravel(), separator=", ", max_line_width=10**6, threshold=MOST_NUMBERS)
    return f"{name} = np.array({numbers})" + (f".reshape{value.shape}" if value.ndim != 1 else "")


def _said(trial: Trial):
    finding = trial.finding
    which = (
        f"result {finding.part + 1} of {len(trial.expected)}: "
        if len(trial.expected) > 1 and finding.index is not None
        else ""
    )
    if finding.index is None or finding.kind in UNSTEADY:
        words = f"It {finding.words}" if finding.kind in BY_THE_FUNCTION else _sentence(finding.words)
        return words if words.endswith("?") else f"{words}."
    at = f"at {list(finding.index)} " if finding.index else ""
    more = f"; {finding.wrong} of {np.size(trial.expected[finding.part])} elements are wrong" if finding.wrong > 1 else ""
    return _sentence(f"{which}{finding.words}: {at}it gives {finding.got!r}, and {finding.expected!r} is expected{more}.")


BY_THE_FUNCTION = ("raises", "none", "type", "count", "modifies")


def _sentence(words):
    return words[0].upper() + words[1:]
