"""The table operator × evidence, printed while it grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator

from refconv._ascii import echo
from refconv.verify.catalogue import CATALOGUE, find
from refconv.verify.evidence.kinds import KINDS, Outcome, gather

__all__ = ["lines", "table"]

WIDTH = 12


def table(names=(), *, quick=False, engine=None, kinds=None, out=None) -> list[Outcome]:
    """Gather the evidence for operators and print it, a row each, as it comes in.

    Parameters
    ----------
    names : sequence of str
        Operators, derivatives of theirs, optimisers such as "optim.SGD" or layers such as "nn.Conv2D"; all if empty.
    quick : bool
        Fewer cases.
    engine : str or None
        "kernels" or "reference": where differences and other libraries look at the operators.
    kinds : sequence of str or None
        Some kinds of evidence instead of all five.
    out : text stream or None
        Where to print; None for standard output.

    Returns
    -------
    list of Outcome

    Raises
    ------
    ValueError
        If there is no operator or kind of evidence of such a name.
    """
    out = sys.stdout if out is None else out
    operators = list(dict.fromkeys(find(name, CATALOGUE) for name in names)) if names else list(CATALOGUE.values())
    kinds = tuple(kinds or KINDS)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"kinds must be among {', '.join(KINDS)}, but one is {kind!r}")
    start, outcomes = time.perf_counter(), []
    label = max(len(operator.name) for operator in operators) + 2
    echo(_head(label, kinds), file=out)
    for operator in operators:
        echo(operator.name.ljust(label), end="", file=out, flush=True)
        row = []
        for kind in kinds:
            row.append(gather(operator, kind, quick=quick, engine_name=engine))
            echo("", row[-1].cell.ljust(WIDTH), end="", file=out, flush=True)
        echo(file=out)
        for outcome in row:
            if outcome.refuted is not None:
                echo(f"  {outcome.kind}: {outcome.refuted}", file=out)
        outcomes += row
    echo(_summary(outcomes, time.perf_counter() - start), file=out)
    for line in _left_out(outcomes):
        echo(line, file=out)
    return outcomes


def lines(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the table of outcomes that were gathered before, a line each, in the order of the catalogue.

    It has a row for each operator and a column for each kind that has an outcome. What was refuted is not described.
    """
    by_place = {(outcome.operator, outcome.kind): outcome for outcome in outcomes}
    operators = [name for name in CATALOGUE if any(operator == name for operator, _ in by_place)]
    kinds = [kind for kind in KINDS if any(other == kind for _, other in by_place)]
    label = max(map(len, operators), default=0) + 2
    yield _head(label, kinds)
    for name in operators:
        row = [by_place.get((name, kind)) for kind in kinds]
        cells = ((outcome.cell if outcome else "").ljust(WIDTH) for outcome in row)
        yield " ".join([name.ljust(label), *cells]).rstrip()
    yield from _summary(by_place.values(), sum(outcome.seconds for outcome in by_place.values())).splitlines()


def _head(label, kinds):
    return " ".join(["".ljust(label), *(kind.ljust(WIDTH) for kind in kinds)])


def _summary(outcomes, seconds):
    proved = [outcome for outcome in outcomes if outcome.cases and outcome.refuted is None]
    wrong = [outcome for outcome in outcomes if outcome.refuted is not None]
    operators = len({outcome.operator for outcome in outcomes})
    verdict = f"{len(wrong)} refuted" if wrong else "nothing refuted"
    cases = sum(outcome.cases for outcome in proved)
    total = f"operators: {operators}, pieces of evidence: {len(proved)}, cases: {cases}; {verdict}, {seconds:.0f} s"
    return f"\n✓ number of cases and largest relative error; – nothing to be had for this operator here\n{total}"


def _left_out(outcomes):
    """Lines about the cases that were not compared: each reason once for each operator, with the first error message."""
    grouped = {}
    for outcome in outcomes:
        for entry in outcome.left_out:
            grouped.setdefault((outcome.operator, entry.reason), []).append(entry)
    if grouped:
        yield f"\ncases not compared: {sum(entry.cases for entries in grouped.values() for entry in entries)}"
    for (operator, reason), entries in grouped.items():
        cases, first = sum(entry.cases for entry in entries), entries[0]
        accepting = f", accepted by {', '.join(first.accepting)}" if first.accepting else ""
        yield f"  {operator}: {cases} in which {reason}{', refused' if first.error else ''}{accepting}"
        if first.error:
            yield f"    {first.error}"
