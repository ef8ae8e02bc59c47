"""The report of a check, in words: what is wrong in the smallest case, the likely mistake, and remarks."""

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
    """Return a remark about options that all wrong cases have in common and no right case has."""
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
    """Return remarks about options: which were varied, which the function does not take, and which defaults differ."""
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


def about_results(trials: Sequence[Trial], name: str) -> list[str]:
    """Return a remark if the function returns fewer results than refconv does."""
    one = next((trial for trial in trials if trial.found and len(trial.found) < len(trial.expected)), None)
    return [f"Only the first of the {len(one.expected)} results of refconv.{name} was compared."] if one else []


def about_right(attempt: Attempt, trials: Sequence[Trial], complete: bool) -> list[str]:
    """Return remarks about a function that is right: its types, shared memory, and calls for which there was no time."""
    return [*_about_float32(attempt, trials), *_about_views(trials), *_about_chance(attempt, trials, complete)]


def _about_float32(attempt: Attempt, trials: Sequence[Trial]) -> list[str]:
    """Return a remark if float32 does not stay float32, which is no error."""

    def single(*arguments: Any) -> Array:
        return floats(*arguments).astype(np.float32)

    again = attempt(trials[0].case, single) if trials else None
    if again and again.found and again.found[0].dtype == np.float64 and again.expected[0].dtype == np.float32:
        return ["Note: float32 goes in and float64 comes out; refconv keeps float32, which takes half the memory."]
    return []


def _about_views(trials: Sequence[Trial]) -> list[str]:
    shared = next((trial.shares for trial in trials if trial.shares), None)
    words = "Note: the result can share memory with {}, so changing one changes the other; refconv returns new arrays."
    return [words.format(shared)] if shared else []


def _about_chance(attempt: Attempt, trials: Sequence[Trial], complete: bool) -> list[str]:
    """Return what remains uncertain if there was no time for all repeated calls."""
    remarks = []
    if trials and not complete:
        remarks.append("The repeated calls were stopped before their end: state between calls is not ruled out.")
    if trials and attempt.calls < CALLS:
        found = f"with a probability of {chance_of_detection(attempt.calls):.1%}"
        remarks.append(f"Called {attempt.calls} times: if {CHANCE:.0%} of the calls were wrong, this would show {found}.")
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
        The trials that count, and those in which something is wrong.
    smallest : Trial or None
        The trial to show; None if nothing is wrong.
    hint : str or None
    remarks : list of str
    """
    if not counted:
        return "\n  ".join([f"{name}: not tried in any case.", *remarks])
    if smallest is None:
        return "\n  ".join([f"{name}: right. {len(counted)} cases agree with the loops.", *remarks])
    lines = [f"{name}: {_outcome(len(counted), len(wrong), smallest)}:"]
    lines += [f"  {line}" for line in _described(smallest, signature, name)]
    lines.append(_said(smallest))
    lines += [f"Hint: {hint}."] if hint else []
    return "\n  ".join([*lines, *remarks])


def _outcome(cases: int, wrong: int, shown: Trial) -> str:
    if shown.fault.kind not in UNSTEADY:
        return f"wrong in {wrong} of {cases} cases. {'One case' if shown.late else 'The smallest'}"  # a late one is not shrunk
    when = "" if wrong else ": right when called once"
    return f"wrong in {wrong or 1} of {cases} cases{when}, but the result depends on more than the arguments. One case"


def _described(trial: Trial, signature: Signature, name: str) -> Iterator[str]:
    """Yield the arguments of a call as Python statements, and those that a second call changes."""
    order = [*parameters(name), *trial.given]
    for n, value in sorted(trial.given.items(), key=lambda item: order.index(item[0])):
        if n in signature.takes and value is not None:
            yield _argument(n, value)
    for n, value in trial.fault.then.items():
        if n in signature.takes:
            yield f"second call: {_argument(n, value)}"


def _argument(name: str, value: Any) -> str:
    if name == "rng":
        return f"rng = np.random.default_rng({value})"
    if not isinstance(value, np.ndarray):
        return f"{name} = {value!r}"
    if value.size > MAX_PRINTED:
        return f"{name} of shape {value.shape}"
    numbers = np.array2string(value.ravel(), separator=", ", max_line_width=10**6, threshold=MAX_PRINTED)
    return f"{name} = np.array({numbers})" + (f".reshape{value.shape}" if value.ndim != 1 else "")


def _said(trial: Trial) -> str:
    finding = trial.fault
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


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]
