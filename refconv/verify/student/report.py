"""Report of a check: what is wrong in the smallest case, the likely mistake, and remarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refconv.typing import Array
from refconv.verify.case import floats
from refconv.verify.student.repeated import CALLS, CHANCE, UNSTEADY, chance_of_detection
from refconv.verify.student.signature import Signature, parameters
from refconv.verify.student.trial import Attempt, Trial

__all__ = ["about_arguments", "about_results", "about_right", "common_options", "report"]

MAX_PRINTED = 40  # elements of an array that the report prints


def common_options(trials: Sequence[Trial], signature: Signature) -> list[str]:
    """Return a remark about options that all wrong cases have in common."""
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


def about_arguments(signature: Signature, name: str, smallest: Trial | None) -> list[str]:
    """Return remarks about options that were varied, are not accepted, or have other defaults."""
    remarks = []
    if signature.options and not smallest:
        remarks.append(f"Varied: {', '.join(signature.options)}.")
    if signature.without:
        remarks.append(f"Not tried, since the function does not take them: {', '.join(signature.without)}.")
    if smallest:
        if signature.unknown:
            remarks.append(f"Kept at the default, since refconv.{name} has no such argument: {', '.join(signature.unknown)}.")
        for option, (own_default, refconv_default) in signature.differing.items():
            if option not in smallest.given:
                remarks.append(f"The default of {option} is {own_default!r} here, and {refconv_default!r} in refconv.{name}.")
    return remarks


def about_results(trials: Sequence[Trial], name: str) -> list[str]:
    """Return a remark if the function returns fewer results than refconv does."""
    one = next((trial for trial in trials if trial.found and len(trial.found) < len(trial.expected)), None)
    return [f"Only the first of the {len(one.expected)} results of refconv.{name} was compared."] if one else []


def about_right(attempt: Attempt, trials: Sequence[Trial], complete: bool) -> list[str]:
    """Return remarks about a function that is right: dtypes, shared memory, and calls not made."""
    return [*_about_float32(attempt, trials), *_about_views(trials), *_about_missed_errors(attempt, trials, complete)]


def _about_float32(attempt: Attempt, trials: Sequence[Trial]) -> list[str]:
    """Return a remark, not an error, if the result for float32 arguments is not float32."""

    def single(*arguments: Any) -> Array:
        return floats(*arguments).astype(np.float32)

    again = attempt(trials[0].case, single) if trials else None
    if again and again.found and again.found[0].dtype == np.float64 and again.expected[0].dtype == np.float32:
        return ["Note: the result is float64 for float32 arguments; refconv returns float32, which takes half the memory."]
    return []


def _about_views(trials: Sequence[Trial]) -> list[str]:
    shared = next((trial.shares for trial in trials if trial.shares), None)
    message = "Note: the result can share memory with {}, so changing one changes the other; refconv returns new arrays."
    return [message.format(shared)] if shared else []


def _about_missed_errors(attempt: Attempt, trials: Sequence[Trial], complete: bool) -> list[str]:
    """Return remarks about errors that may be missed if not all repeated calls were made."""
    remarks = []
    if trials and not complete:
        remarks.append("There was no time for all repeated calls: the function may still keep state between calls.")
    if trials and attempt.calls < CALLS:
        detected = f"with a probability of {chance_of_detection(attempt.calls):.1%}"
        remarks.append(
            f"Called {attempt.calls} times: if {CHANCE:.0%} of the calls were wrong, this would be detected {detected}."
        )
    return remarks


def report(
    name: str,
    signature: Signature,
    counted: Sequence[Trial],
    wrong: Sequence[Trial],
    smallest: Trial | None,
    hint: str | None,
    remarks: Sequence[str],
) -> str:
    """Return the whole report of a check.

    Parameters
    ----------
    name : str
        The function of refconv.
    signature : Signature
    counted, wrong : list of Trial
        The trials that count, and the trials in which something is wrong.
    smallest : Trial or None
        The trial to print; None if nothing is wrong.
    hint : str or None
    remarks : list of str
    """
    if not counted:
        return "\n  ".join([f"{name}: not tried in any case.", *remarks])
    if smallest is None:
        return "\n  ".join([f"{name}: right. {len(counted)} cases agree with the loops.", *remarks])
    lines = [f"{name}: {_outcome(len(counted), len(wrong), smallest)}:"]
    lines += [f"  {line}" for line in _format_arguments(smallest, signature, name)]
    lines.append(_describe_finding(smallest))
    lines += [f"Hint: {hint}."] if hint else []
    return "\n  ".join([*lines, *remarks])


def _outcome(cases: int, wrong: int, shown: Trial) -> str:
    if shown.fault.kind not in UNSTEADY:
        # A call that was stopped is not shrunk.
        return f"wrong in {wrong} of {cases} cases. {'One case' if shown.late else 'The smallest'}"
    when = "" if wrong else ": right when called once"
    return f"wrong in {wrong or 1} of {cases} cases{when}, but the result depends on more than the arguments. One case"


def _format_arguments(trial: Trial, signature: Signature, name: str) -> Iterator[str]:
    """Yield the arguments of a call, and those changed in a second call, as Python statements."""
    accepted = parameters(name)
    order = [*accepted, *trial.given]
    for n, value in sorted(trial.given.items(), key=lambda item: order.index(item[0])):
        is_default = value is None and n in accepted and accepted[n].default is None
        if n in signature.takes and not is_default:
            yield _format_argument(n, value)
    for n, value in trial.fault.then.items():
        if n in signature.takes:
            yield f"second call: {_format_argument(n, value)}"


def _format_argument(name: str, value: Any) -> str:
    if name == "rng":
        return f"rng = np.random.default_rng({value})"
    if not isinstance(value, np.ndarray):
        return f"{name} = {value!r}"
    if value.size > MAX_PRINTED:
        return f"{name} of shape {value.shape}"
    numbers = np.array2string(value.ravel(), separator=", ", max_line_width=10**6, threshold=MAX_PRINTED)
    return f"{name} = np.array({numbers})" + (f".reshape{value.shape}" if value.ndim != 1 else "")


def _describe_finding(trial: Trial) -> str:
    finding = trial.fault
    prefix = (
        f"result {finding.part + 1} of {len(trial.expected)}: "
        if len(trial.expected) > 1 and finding.index is not None
        else ""
    )
    if finding.index is None or finding.kind in UNSTEADY:
        sentence = f"It {finding.words}" if finding.kind in BY_THE_FUNCTION else _capitalised(finding.words)
        return sentence if sentence.endswith("?") else f"{sentence}."
    position = f"at {list(finding.index)} " if finding.index else ""
    wrong_count = (
        f"; {finding.wrong} of {np.size(trial.expected[finding.part])} elements are wrong" if finding.wrong > 1 else ""
    )
    return _capitalised(
        f"{prefix}{finding.words}: {position}it gives {finding.got!r}, and {finding.expected!r} is expected{wrong_count}."
    )


BY_THE_FUNCTION = ("raises", "none", "type", "count", "modifies")


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
