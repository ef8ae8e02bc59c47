"""Tables and sizes as text for the terminal."""

from __future__ import annotations

from collections.abc import Container, Sequence

from refconv.typing import Shape

__all__ = ["aligned", "size", "storage"]


def aligned(lines: Sequence[Sequence[str]], left: Container[int], totals: int | None = None) -> list[str]:
    """Return the lines of a table with aligned columns.

    Parameters
    ----------
    lines : sequence of sequences of str
        The cells. The first line is the head, below which there is a rule.
    left : container of int
        Numbers of the columns that are aligned on the left; the others are aligned on the right.
    totals : int, optional
        Number of the first line of totals, above which there is another rule.

    Examples
    --------
    >>> for line in aligned([("name", "size"), ("conv", "1,234"), ("total", "7")], {0}, totals=2):
    ...     print(line)
    name    size
    ─────  ─────
    conv   1,234
    ─────  ─────
    total      7
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["─" * width for width in widths]
    body = [*lines[1:]] if totals is None else [*lines[1:totals], rule, *lines[totals:]]
    return [
        "  ".join(
            cell.ljust(width) if k in left else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [lines[0], rule, *body]
    ]


def size(shape: Shape) -> str:
    """Return a shape as text.

    >>> size((28, 24, 6))
    '28 × 24 × 6'
    """
    return " × ".join(map(str, shape))


def storage(n: int) -> str:
    """Return a number of bytes as text, in the largest suitable unit.

    >>> storage(624), storage(42336), storage(102228128)
    ('624 bytes', '41.3 KiB', '97.5 MiB')
    """
    if n < 2**10:
        return f"{n} bytes"
    return f"{n / 2**10:,.1f} KiB" if n < 2**20 else f"{n / 2**20:,.1f} MiB"
