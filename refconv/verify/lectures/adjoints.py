"""Table of adjoints as text and in Markdown: operator, derivative and equivalent operator."""

from __future__ import annotations

from refconv.verify.catalogue import CATALOGUE
from refconv.verify.catalogue.adjoints import ADJOINTS, Adjoint
from refconv.verify.columns import aligned
from refconv.verify.lectures.index import named

__all__ = ["data", "markdown", "text"]

HEAD = ("operator", "its derivative", "equivalent operator")


def text() -> str:
    """Return the table for a terminal."""
    return "\n".join(aligned([HEAD, *map(_row, ADJOINTS)], "<<<"))


def data() -> list[dict[str, str]]:
    """Return the rows of the table as JSON-serialisable data."""
    names = ("operator", "derivative", "equivalent")
    return [dict(zip(names, _row(row), strict=True)) for row in ADJOINTS]


def markdown() -> str:
    """Return the table in Markdown."""
    rows = [(f"`{name}`", f"`{derivative}`", other) for name, derivative, other in map(_row, ADJOINTS)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ("---",) * len(HEAD), *rows))


def _row(row: Adjoint):
    operator = CATALOGUE[row.operators[0]]
    names = [d.name for d in operator.derivatives if row.array in d.wrt]
    if row.formula:
        return operator.name, row.formula, row.other
    loop = named(names[0])
    assert loop is not None  # the catalogue names only loops that exist
    return operator.name, loop.formula, row.other
