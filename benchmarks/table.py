"""One measured row, and how a table of them is written: as text, Markdown or comma-separated values."""

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
    """What came out for one row. Times are in seconds, and a side that is not there was not compared."""

    name: str
    work: str
    bar: float | None
    seconds: dict[str, float]
    limit: float  # seconds that the machine needs at least
    flops: int
    bytes: int
    dtype: str = "float32"

    @property
    def share(self):
        """refconv's speed, as a part of the machine's limit."""
        return self.limit / self.seconds["refconv"]

    @property
    def torch(self):
        """Seconds in PyTorch's better memory format, or None."""
        return min((self.seconds[name] for name in TORCH if name in self.seconds), default=None)

    @property
    def ratio(self):
        """How many times as fast as PyTorch refconv is, or None."""
        return self.torch and self.torch / self.seconds["refconv"]

    @property
    def verdict(self):
        """✓ if the bar is reached, ✗ if not, nothing where there is none or no PyTorch."""
        return "" if self.bar is None or self.ratio is None else "✓" if self.ratio >= self.bar else "✗"

    def cells(self):
        """The row as texts; times in milliseconds."""
        times = {name: f"{1e3 * seconds:.3f}" for name, seconds in self.seconds.items()}
        peers = [times.get(name, "–") for name in (*TORCH, "JAX", "ONNX Runtime")]
        ratio, bar = ("–" if number is None else f"{number:.2f}" for number in (self.ratio, self.bar))
        return [self.name, self.work, times["refconv"], f"{100 * self.share:.0f} %", *peers, ratio, bar, self.verdict]


def line(cells):
    """One line of the text table: two names to the left, numbers to the right."""
    names = [cell.ljust(width) for cell, width in zip(cells[:2], WIDTHS, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], WIDTHS[2:], strict=True)]
    return "  ".join(names + numbers).rstrip()


def rule():
    """The line under the header."""
    return "  ".join("─" * width for width in WIDTHS)


def to_markdown(table):
    """The rows as a Markdown table."""
    lines = [COLUMNS, ["---"] * 2 + ["---:"] * (len(COLUMNS) - 2), *(row.cells() for row in table)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def to_csv(table):
    """The rows as comma-separated values, times in milliseconds with all their digits, what is not there empty."""
    text = io.StringIO()
    peers = (*TORCH, "JAX", "ONNX Runtime")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "work", "refconv", *peers, "limit", "ratio", "bar", "flops", "bytes"])
    for row in table:
        times = [1e3 * row.seconds[name] if name in row.seconds else "" for name in ("refconv", *peers)]
        rest = [1e3 * row.limit, *("" if number is None else number for number in (row.ratio, row.bar)), row.flops, row.bytes]
        writer.writerow([row.name, row.work, *times, *rest])
    return text.getvalue()
