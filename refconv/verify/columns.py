"""Formatting of text in columns for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["aligned", "width"]


def aligned(rows: Iterable[Sequence[object]], sides: str) -> list[str]:
    """Format rows of cells as lines, with each column as wide as its widest cell.

    ``sides`` contains "<" (left) or ">" (right) for the alignment of each column. Empty columns are left out.

    >>> aligned([["x", "value"], ["x[0]", 3], ["ŷ", -12]], "<>")
    ['x     value', 'x[0]      3', 'ŷ       -12']
    """
    columns = [[str(cell) for cell in column] for column in zip(*rows, strict=True)]
    padded = []
    for column, side in zip(columns, sides, strict=True):
        widest = max(map(width, column))
        if widest:
            blanks = [" " * (widest - width(cell)) for cell in column]
            pairs = zip(column, blanks, strict=True)
            padded.append([cell + blank if side == "<" else blank + cell for cell, blank in pairs])
    return ["  ".join(line).rstrip() for line in zip(*padded, strict=True)]


def width(text: str) -> int:
    """Return the width of a text in a terminal: 0 for combining accents, 2 for wide characters.

    >>> width("μ̂"), width("∂e/∂w"), width("畳")
    (1, 5, 2)
    """
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF") for character in text
    )
