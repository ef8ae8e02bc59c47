"""What a recipe is, how it is run, and the table of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Recipe", "Row", "cook", "fewer", "table"]


@dataclass(frozen=True)
class Recipe:
    """Something that the lectures say of training, and the networks that show it.

    Parameters
    ----------
    name : str
        What the command line calls it.
    says : str
        The statement, in a sentence.
    source : str
        Its id.
    variants : dict of callable
        What is compared: ``variant(seed, quick)`` trains and returns what it measured, numbers by their names with units. A
        network that diverged has measured NaN.
    """

    name: str
    says: str
    source: str
    variants: dict[str, Callable[[int, bool], dict[str, float]]]


@dataclass
class Row:
    """What one variant has measured: for each quantity the results of the seeds; and the seconds that a run took."""

    recipe: Recipe
    variant: str
    results: dict[str, list[float]]
    seconds: list[float]

    def cells(self) -> Iterator[list[str]]:
        """Cells of the table: a line for each quantity."""
        for quantity, values in self.results.items():
            some = [v for v in values if np.isfinite(v)]
            mean = _said(np.mean(some)) if len(some) == len(values) else "–"
            each = ", ".join(_said(v) for v in values)
            yield [self.recipe.name, self.variant, quantity, each, mean, f"{np.mean(self.seconds):.0f}", self.recipe.source]


def cook(recipe: Recipe, seeds, quick=False) -> Iterator[Row]:
    """Run a recipe: a row for each variant, as soon as it is there."""
    for variant, run in recipe.variants.items():
        row = Row(recipe, variant, {}, [])
        for seed in seeds:
            began = time.perf_counter()
            for quantity, value in run(seed, quick).items():
                row.results.setdefault(quantity, []).append(value)
            row.seconds.append(time.perf_counter() - began)
        yield row


HEADER = ["recipe", "variant", "measured", "each seed", "mean", "seconds a run", "source"]


def table(rows) -> str:
    """The rows as a table in Markdown.

    >>> recipe = Recipe("tiny", "Nothing is learnt.", "A12", {"at all": lambda seed, quick: {"error, %": 90.0 + seed}})
    >>> print(table(cook(recipe, [0, 1])).splitlines()[2])
    | tiny | at all | error, % | 90.00, 91.00 | 90.50 | 0 | A12 |
    """
    lines = [HEADER, ["---"] * len(HEADER), *(cells for row in rows for cells in row.cells())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fewer(quick, images_and_labels, count):
    """The whole data set, or its first few."""
    return tuple(part[:count] for part in images_and_labels) if quick else images_and_labels


def _said(value):
    if not np.isfinite(value):
        return "diverged"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
