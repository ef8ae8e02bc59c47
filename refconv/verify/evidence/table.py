"""Table operator × evidence: printed row by row, or formatted from given outcomes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from textwrap import indent

from refconv._ascii import echo
from refconv._errors import ArgumentValueError
from refconv._progress import bar, bars_cleared
from refconv.verify.catalogue import CATALOGUE, find
from refconv.verify.evidence.kinds import KINDS, Outcome, gather
from refconv.verify.evidence.report import report

__all__ = ["outcomes_of", "table", "text"]

WIDTH = 12


def table(names=(), *, quick=False, engine=None, kinds=None, out=None) -> list[Outcome]:
    """Gather the evidence for operators and print the table, row by row as it is completed.

    Parameters
    ----------
    names : sequence of str
        Operators, their derivatives, optimisers such as "optim.SGD" or layers such as "nn.Conv2D"; all if empty.
    quick : bool
        True for fewer cases.
    engine : str or None
        "kernels", "numpy" or "reference": the engine for differences and oracles; None for the current one.
    kinds : sequence of str or None
        Kinds of evidence to gather; None for all five.
    out : text stream or None
        Stream to print to; None for standard output.

    Returns the outcomes. Raises ValueError if there is no operator or kind of evidence of this name.
    """
    operators, kinds = _selected(names, kinds)
    start = time.perf_counter()
    outcomes = []
    label = _label_width(operator.name for operator in operators)
    echo(_head(label, kinds), file=out, flush=True)
    for row in _gathered(operators, kinds, quick, engine):
        lines = [" ".join([row[0].operator.ljust(label), *map(_cell, row)])]
        lines += [indent(report(outcome), "  ") for outcome in row if outcome.refuted is not None]
        with bars_cleared():
            echo("\n".join(lines), file=out, flush=True)
        outcomes += row
    for line in _foot(outcomes, time.perf_counter() - start):
        echo(line, file=out)
    return outcomes


def outcomes_of(names=(), *, quick=False, engine=None, kinds=None) -> Iterator[Outcome]:
    """Gather the evidence as :func:`table` does; yield the outcomes without printing them."""
    operators, kinds = _selected(names, kinds)
    for row in _gathered(operators, kinds, quick, engine):
        yield from row


def _selected(names, kinds):
    """Return the operators with these names and the kinds of evidence; all if none are given."""
    operators = list(dict.fromkeys(find(name, CATALOGUE) for name in names)) if names else list(CATALOGUE.values())
    kinds = tuple(kinds or KINDS)
    for kind in kinds:
        if kind not in KINDS:
            raise ArgumentValueError(f"kinds must be among {', '.join(KINDS)}, got {kind!r}")
    return operators, kinds


def _gathered(operators, kinds, quick, engine):
    """Yield the outcomes of each operator, and show the progress."""
    with bar("verifying", len(operators) * len(kinds), "proofs") as advance:
        for operator in operators:
            row = []
            for kind in kinds:
                advance(0, f"{operator.name}, {kind}")
                row.append(gather(operator, kind, quick=quick, engine_name=engine))
                advance(1)
            yield row


def text(outcomes: Iterable[Outcome], seconds: float) -> str:
    """Return the table of given outcomes, for example those gathered by the tests.

    Rows are in the order of the catalogue; kinds of evidence without any outcome are left out.

    >>> print(text([Outcome("relu", "numeric", 7, 1e-9, 0.1), Outcome("conv1d", "adjoint", 3, 0.0, 0.1)], 2.0))
              numeric      adjoint
    conv1d                 ✓   3 exact
    relu      ✓   7 1e-09
    <BLANKLINE>
    ✓ number of cases and largest relative error; – no such evidence for this operator
    operators: 2, pieces of evidence: 2, cases: 10; nothing refuted, 2 s
    """
    by_operator: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        by_operator.setdefault(outcome.operator, {})[outcome.kind] = outcome
    names = [*(name for name in CATALOGUE if name in by_operator), *(name for name in by_operator if name not in CATALOGUE)]
    kinds = [kind for kind in KINDS if any(kind in row for row in by_operator.values())]
    label = _label_width(names)
    rows = [" ".join([name.ljust(label), *(_cell(by_operator[name].get(kind)) for kind in kinds)]) for name in names]
    ordered = [outcome for name in names for outcome in by_operator[name].values()]
    return "\n".join(line.rstrip() for line in [_head(label, kinds), *rows, *_foot(ordered, seconds)])


def _cell(outcome):
    return (outcome.cell if outcome else "").ljust(WIDTH)


def _label_width(names):
    return max(map(len, names), default=0) + 2


def _head(label, kinds):
    return " ".join(["".ljust(label), *(kind.ljust(WIDTH) for kind in kinds)])


def _foot(outcomes, seconds):
    """Yield the lines below the table: the legend, the totals and the cases not compared."""
    confirmed = [outcome for outcome in outcomes if outcome.cases and outcome.refuted is None]
    refuted = sum(outcome.refuted is not None for outcome in outcomes)
    operators = len({outcome.operator for outcome in outcomes})
    cases = sum(outcome.cases for outcome in confirmed)
    yield ""
    yield "✓ number of cases and largest relative error; – no such evidence for this operator"
    verdict = f"{refuted} refuted" if refuted else "nothing refuted"
    yield f"operators: {operators}, pieces of evidence: {len(confirmed)}, cases: {cases}; {verdict}, {seconds:.0f} s"
    yield from _left_out(outcomes)


def _left_out(outcomes):
    """Yield lines about cases not compared: each reason once per operator, with the first error."""
    grouped = {}
    for outcome in outcomes:
        for entry in outcome.left_out:
            grouped.setdefault((outcome.operator, entry.reason), []).append(entry)
    if grouped:
        yield f"\ncases not compared: {sum(entry.cases for entries in grouped.values() for entry in entries)}"
    for (operator, reason), entries in grouped.items():
        cases = sum(entry.cases for entry in entries)
        first_entry = entries[0]
        accepting = f", accepted by {', '.join(first_entry.accepting)}" if first_entry.accepting else ""
        yield f"  {operator}: {cases} in which {reason}{', refused' if first_entry.error else ''}{accepting}"
        if first_entry.error:
            yield f"    {first_entry.error}"
