"""Measured rows, and tables of them as text, Markdown or comma-separated values."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

__all__ = ["COLUMNS", "Measured", "line", "rule", "to_csv", "to_markdown"]

TORCH = ("PyTorch NCHW", "PyTorch NHWC")
COLUMNS = ("row", "work", "refconv", "limit", *TORCH, "JAX", "ONNX Runtime", "ratio", "bar", "")
WIDTHS = (27, 13, 8, 6, 12, 12, 8, 12, 6, 5, 1)


@dataclass(frozen=True)
class Measured:
    """Measurement of one row; times are in seconds.

    Libraries that were not compared are missing in ``seconds``.
    """

    name: str
    work: str
    bar: float | None
    seconds: dict[str, float]
    limit: float  # shortest possible time on this machine, in seconds
    flops: int
    bytes: int
    dtype: str = "float32"

    @property
    def share(self):
        """Speed of refconv as a fraction of the machine's limit."""
        return self.limit / self.seconds["refconv"]

    @property
    def torch(self):
        """Seconds in PyTorch's faster memory format, or None."""
        return min((self.seconds[name] for name in TORCH if name in self.seconds), default=None)

    @property
    def ratio(self):
        """Time of PyTorch divided by the time of refconv, or None."""
        return self.torch and self.torch / self.seconds["refconv"]

    @property
    def verdict(self):
        """✓ if the ratio reaches the bar, ✗ if not, empty without a bar or without PyTorch."""
        return "" if self.bar is None or self.ratio is None else "✓" if self.ratio >= self.bar else "✗"

    def cells(self):
        """Return the row as texts, with times in milliseconds."""
        times = {name: f"{1e3 * seconds:.3f}" for name, seconds in self.seconds.items()}
        peers = [times.get(name, "–") for name in (*TORCH, "JAX", "ONNX Runtime")]
        ratio, bar = ("–" if number is None else f"{number:.2f}" for number in (self.ratio, self.bar))
        return [self.name, self.work, times["refconv"], f"{100 * self.share:.0f} %", *peers, ratio, bar, self.verdict]


def line(cells):
    """Return one line of the text table: names are aligned left, numbers right."""
    names = [cell.ljust(width) for cell, width in zip(cells[:2], WIDTHS, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], WIDTHS[2:], strict=True)]
    return "  ".join(names + numbers).rstrip()


def rule():
    """Return the line under the header."""
    return "  ".join("─" * width for width in WIDTHS)


def to_markdown(table):
    """Return the rows as a Markdown table."""
    lines = [COLUMNS, ["---"] * 2 + ["---:"] * (len(COLUMNS) - 2), *(row.cells() for row in table)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def to_csv(table):
    """Return the rows as comma-separated values.

    Times are in milliseconds with all digits; missing values are empty.
    """
    text = io.StringIO()
    peers = (*TORCH, "JAX", "ONNX Runtime")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "work", "refconv", *peers, "limit", "ratio", "bar", "flops", "bytes"])
    for row in table:
        times = [1e3 * row.seconds[name] if name in row.seconds else "" for name in ("refconv", *peers)]
        rest = [1e3 * row.limit, *("" if number is None else number for number in (row.ratio, row.bar)), row.flops, row.bytes]
        writer.writerow([row.name, row.work, *times, *rest])
    return text.getvalue()
