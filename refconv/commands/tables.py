"""``refconv tables``: what papers print about the architectures beside what is counted, with a verdict for each figure."""

from refconv.models.published import agrees, tables
from refconv.models.published.claim import size

__all__ = ["print_tables"]

HEAD = ("", "printed", "counted", "verdict")


def print_tables(families=(), form="text") -> int:
    """Print the tables; returns the exit status: 1 if a figure differs and nothing says why."""
    verdicts = []
    for table in tables(families):
        rows = [_row(claim, table.kilo) for claim in table.claims]
        verdicts += [row[-1] for row in rows]
        print("\n".join({"text": _text, "markdown": _markdown}[form](table.title, rows)), end="\n\n")
    equal, unexplained = verdicts.count("equal"), verdicts.count("DIFFERS")
    reasons = len(verdicts) - equal - unexplained
    print(f"{len(verdicts)} figures: {equal} equal, {reasons} differ for the reason given, {unexplained} differ without one")
    return int(unexplained > 0)


def _row(claim, kilo):
    counted = size(claim.counted) if isinstance(claim.counted, tuple) else f"{claim.counted:,}"
    if agrees(claim.printed, claim.counted, kilo):
        return claim.what, claim.printed, counted, "equal"
    return claim.what, claim.printed, counted, f"differs: {claim.reason}" if claim.reason else "DIFFERS"


def _text(title, rows):
    widths = [max(len(row[k]) for row in [HEAD, *rows]) for k in range(3)]
    yield title
    for what, printed, counted, verdict in [HEAD, *rows]:
        yield f"  {what:{widths[0]}}  {printed:>{widths[1]}}  {counted:>{widths[2]}}  {verdict}"


def _markdown(title, rows):
    yield f"**{title}**\n"
    yield f"| {' | '.join(HEAD)} |\n| --- | ---: | ---: | --- |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
