"""Measured rows, and tables of them as text, Markdown or comma-separated values."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import dataclass

from benchmarks.peers import TORCH

__all__ = ["Measured", "columns", "heading", "line", "summary", "to_csv", "to_markdown"]

NAMES = {"row": 27, "work": 13}  # widths of the columns; these are aligned left
OURS = {"refconv": 8, "limit": 6}
VERDICT = {"ratio": 6, "bar": 5, "": 1}
KINDS = {"operators": ("forward", "backward", "both"), "training": ("training step",), "inference": ("inference",)}


def columns(peers):
    """Return the names of all columns with their widths, for the columns of these libraries."""
    return NAMES | OURS | {name: max(len(name), 8) for name in peers} | VERDICT


@dataclass(frozen=True)
class Measured:
    """Measurement of one row; times are in seconds.

    Libraries that were not compared are missing in ``seconds``. The bar is for the ratio to the fastest rival.
    """

    name: str
    work: str
    bar: float | None
    seconds: dict[str, float]
    limit: float  # shortest possible time on this machine, in seconds
    flops: int
    bytes: int
    dtype: str = "float32"
    rivals: tuple[str, ...] = TORCH

    @property
    def share(self):
        """Speed of refconv as a fraction of the machine's limit."""
        return self.limit / self.seconds["refconv"]

    @property
    def fastest(self):
        """Seconds of the fastest rival, or None."""
        return min((self.seconds[name] for name in self.rivals if name in self.seconds), default=None)

    @property
    def ratio(self):
        """Time of the fastest rival divided by the time of refconv, or None."""
        return self.fastest and self.fastest / self.seconds["refconv"]

    @property
    def verdict(self):
        """✓ if the ratio reaches the bar, ✗ if not, empty without a bar or without a rival."""
        return "" if self.bar is None or self.ratio is None else "✓" if self.ratio >= self.bar else "✗"

    def cells(self, peers):
        """Return the row as texts, with times in milliseconds and the times of these libraries."""
        times = {name: f"{1e3 * seconds:.3f}" for name, seconds in self.seconds.items()}
        others = [times.get(name, "–") for name in peers]
        ratio, bar = ("–" if number is None else f"{number:.2f}" for number in (self.ratio, self.bar))
        return [self.name, self.work, times["refconv"], f"{100 * self.share:.0f} %", *others, ratio, bar, self.verdict]


def line(cells, peers):
    """Return one line of the text table: names are aligned left, numbers right."""
    widths = list(columns(peers).values())
    left = len(NAMES)
    names = [cell.ljust(width) for cell, width in zip(cells[:left], widths, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[left:], widths[left:], strict=True)]
    return "  ".join(names + numbers).rstrip()


def heading(peers):
    """Return the header and the line under it."""
    return f"{line(list(columns(peers)), peers)}\n{'  '.join('─' * width for width in columns(peers).values())}"


def summary(table):
    """Return a line for each kind of work: the geometric mean and the smallest of the ratios."""
    lines = []
    for title, works in KINDS.items():
        ratios = {f"{row.name}, {row.work}": row.ratio for row in table if row.work in works and row.ratio}
        if ratios:
            worst = min(ratios, key=ratios.get)
            mean = statistics.geometric_mean(ratios.values())
            rows = f"{len(ratios)} row{'s' * (len(ratios) > 1)}"
            lines.append(f"{title}, {rows}: geometric mean of the ratios {mean:.2f}, smallest {ratios[worst]:.2f} ({worst})")
    return lines


def to_markdown(table, peers):
    """Return the rows as a Markdown table."""
    names = list(columns(peers))
    lines = [names, ["---"] * len(NAMES) + ["---:"] * (len(names) - len(NAMES)), *(row.cells(peers) for row in table)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def to_csv(table, peers):
    """Return the rows as comma-separated values.

    Times are in milliseconds with all digits; missing values are empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "work", "refconv", *peers, "limit", "ratio", "bar", "flops", "bytes"])
    for row in table:
        times = [1e3 * row.seconds[name] if name in row.seconds else "" for name in ("refconv", *peers)]
        rest = [1e3 * row.limit, *("" if number is None else number for number in (row.ratio, row.bar)), row.flops, row.bytes]
        writer.writerow([row.name, row.work, *times, *rest])
    return text.getvalue()
