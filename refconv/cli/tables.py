"""Command ``refconv tables``: compare figures in papers about architectures with our counts."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from refconv.cli.arguments import one_of
from refconv.cli.command import Command
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.models.published.claim import Claim

__all__ = ["COMMAND"]

DESCRIPTION = """\
Compare the numbers that papers, lectures and other libraries print for the architectures with our counts.

A number is equal if it matches the count to the last printed digit, rounded or truncated. If it differs, the reason is
printed: an error in the paper, or a difference between the paper's network and the one in common use. The exit status is 1 if
a number differs for an unknown reason.
"""

HEAD = ("", "printed", "counted", "verdict")


def add_arguments(parser: Parser) -> None:
    from refconv.models.published import FAMILIES

    family = {**one_of(*FAMILIES), "metavar": "FAMILY"}
    parser.add_argument("families", nargs="*", **family, help=f"any of: {', '.join(FAMILIES)} (default: all)")
    parser.add_argument("--format", **one_of("text", "markdown"), default="text", help="output format (default: %(default)s)")


def run(options: Namespace) -> int:
    """Print the tables; return 1 if a figure differs for an unknown reason, else 0."""
    from refconv.models.published import tables

    form = {"text": _text, "markdown": _markdown}[options.format]
    verdicts = []
    for table in tables(options.families):
        rows = [_row(claim, table.kilo) for claim in table.claims]
        verdicts += [row[-1] for row in rows]
        print("\n".join(form(table.title, rows)), end="\n\n")
    equal, unexplained = verdicts.count("equal"), verdicts.count("DIFFERS")
    reasons = len(verdicts) - equal - unexplained
    print(
        f"{len(verdicts)} figures: {equal} equal, {reasons} differ for the given reason, {unexplained} differ without a reason"
    )
    return int(unexplained > 0)


def _row(claim: Claim, kilo: int) -> tuple[str, str, str, str]:
    from refconv.models.published import agrees
    from refconv.models.published.claim import size

    counted = size(claim.counted) if isinstance(claim.counted, tuple) else f"{claim.counted:,}"
    if agrees(claim.printed, claim.counted, kilo):
        return claim.what, claim.printed, counted, "equal"
    return claim.what, claim.printed, counted, f"differs: {claim.reason}" if claim.reason else "DIFFERS"


def _text(title: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[k]) for row in [HEAD, *rows]) for k in range(3)]
    yield title
    for what, printed, counted, verdict in [HEAD, *rows]:
        yield f"  {what:{widths[0]}}  {printed:>{widths[1]}}  {counted:>{widths[2]}}  {verdict}"


def _markdown(title: str, rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"**{title}**\n"
    yield f"| {' | '.join(HEAD)} |\n| --- | ---: | ---: | --- |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


COMMAND = Command("tables", "compare the numbers in the papers with our counts", DESCRIPTION, add_arguments, run)
