"""Command ``refconv tables``: compare figures in papers about architectures with our counts."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from refconv.cli.arguments import one_of
from refconv.cli.command import Command
from refconv.cli.console import bar, print_json, print_result
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.models.published.claim import Table

__all__ = ["COMMAND"]

DESCRIPTION = """\
Compare the numbers that papers, lectures and other libraries print for the architectures with our counts.

The family "accuracy" lists the error rates on the slides, each beside the same measurement in other tables and papers.

A number is equal if it matches the count to the last printed digit, rounded or truncated. If it differs, the reason is
printed: an error in the paper, or a difference between the paper's network and the one in common use. The exit status is 1 if
a number differs for an unknown reason.
"""


def add_arguments(parser: Parser) -> None:
    from refconv.models.published import FAMILIES

    family = {**one_of(*FAMILIES), "metavar": "FAMILY"}
    parser.add_argument("families", nargs="*", **family, help=f"any of: {', '.join(FAMILIES)} (default: all)")
    parser.add_argument(
        "--format", **one_of("text", "markdown", "json"), default="text", help="output format (default: %(default)s)"
    )


def run(options: Namespace) -> int:
    """Print the tables; return 1 if a figure differs for an unknown reason, else 0."""
    form = {"text": _text, "markdown": _markdown, "json": None}[options.format]
    verdicts, data = [], []
    for table in _counted(options.families):
        head = ("", "printed", table.beside, "verdict")
        rows = [(line.what, line.printed, line.beside, line.verdict(table.kilo)) for line in table.claims]
        verdicts += [row[-1] for row in rows]
        if form:
            print_result("\n".join([*form(table.title, [head, *rows]), ""]))
        else:
            keys = ("quantity", *head[1:])
            data.append({"title": table.title, "figures": [dict(zip(keys, row, strict=True)) for row in rows]})
    if form:
        print_result(_totals(verdicts))
    else:
        print_json(data)
    return int("DIFFERS" in verdicts)


def _counted(families: Sequence[str]) -> Iterator[Table]:
    """Yield the tables of the families, or of all, and show the progress."""
    from refconv.models.published import FAMILIES, tables

    names = families or list(FAMILIES)
    with bar("counting", len(names), "families") as advance:
        for name in names:
            advance(0, name)
            yield from tables([name])
            advance(1)


def _totals(verdicts: Sequence[str]) -> str:
    equal, unexplained, once = (verdicts.count(verdict) for verdict in ("equal", "DIFFERS", "printed once"))
    reasons = len(verdicts) - equal - unexplained - once
    return (
        f"{len(verdicts)} figures: {equal} equal, {reasons} differ for the given reason, {unexplained} differ without a reason"
        + (f", {once} printed once" if once else "")
    )


def _text(title: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    yield title
    for what, printed, beside, verdict in rows:
        yield f"  {what:{widths[0]}}  {printed:>{widths[1]}}  {beside:>{widths[2]}}  {verdict}"


def _markdown(title: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"**{title}**\n"
    yield f"| {' | '.join(rows[0])} |\n| --- | ---: | ---: | --- |"
    for row in rows[1:]:
        yield f"| {' | '.join(row)} |"


COMMAND = Command("tables", "compare the numbers in the papers with our counts", DESCRIPTION, add_arguments, run)
