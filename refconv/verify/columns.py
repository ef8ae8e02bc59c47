"""Text in columns, for a terminal."""

from __future__ import annotations

import unicodedata

__all__ = ["aligned", "width"]


def aligned(rows, sides):
    """Rows of cells as lines in which each column is as wide as its widest cell.

    ``sides`` has a "<" or ">" for each column: on which side its text stands. Columns that are empty everywhere are left out.

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


def width(text):
    """The number of places that a text takes in a terminal: accents take none, letters of the Far East two.

    >>> width("μ̂"), width("∂e/∂w"), width("畳")
    (1, 5, 2)
    """
    return sum(0 if unicodedata.combining(sign) else 1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)
