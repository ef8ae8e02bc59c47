"""Experiments: their settings, their variants, and the table of results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from refconv import data
from refconv._arguments import choice, integer

__all__ = ["DATA", "Experiment", "Row", "Settings", "mnist", "ordered_batches", "run", "table"]

DATA = ("digits", "mnist")


@dataclass(frozen=True)
class Settings:
    """Settings of one run.

    Parameters
    ----------
    seed : int
        Seeds the weights, the order of the images and the generated data.
    quick : bool
        Use less data and fewer epochs: shows that the experiment runs, not what it achieves.
    data : {"digits", "mnist"}
        Digits that refconv draws, or MNIST. Only for experiments whose ``options`` include it, like the next two.
    images, epochs : int, optional
        Replace the experiment's own numbers.

    Raises
    ------
    TypeError, ValueError
        If a value is not one of these.

    Examples
    --------
    >>> Settings(quick=True).number("epochs", 20, quick=2), Settings(epochs=7, quick=True).number("epochs", 20, quick=2)
    (2, 7)
    """

    seed: int = 0
    quick: bool = False
    data: str = "digits"
    images: int | None = None
    epochs: int | None = None

    def __post_init__(self):
        choice("data", self.data, DATA)
        integer("seed", self.seed, least=0)
        for name in ("images", "epochs"):
            if getattr(self, name) is not None:
                integer(name, getattr(self, name))

    def number(self, name, usual, quick):
        """Return the setting `name` if it is given, else `usual`, or `quick` for a quick run."""
        given = getattr(self, name)
        if given is not None:
            return given
        return quick if self.quick else usual


@dataclass(frozen=True)
class Experiment:
    """A statement of the lectures and the networks that test it.

    Parameters
    ----------
    name : str
        Name on the command line.
    statement : str
        One sentence.
    source : str
        Its ids in SOURCES.md.
    variants : dict of callable
        The networks to compare. ``variant(settings)`` trains one and returns its results, numbers by names with units; NaN
        for a network that diverged.
    seeds : int
        Usual number of runs per variant.
    options : tuple of str
        The settings "data", "images" and "epochs" that the variants use.
    """

    name: str
    statement: str
    source: str
    variants: dict[str, Callable[[Settings], dict[str, float]]]
    seeds: int = 3
    options: tuple[str, ...] = ()


@dataclass
class Row:
    """Results of one variant: for each quantity one number per seed, and the seconds of each run."""

    experiment: Experiment
    variant: str
    results: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def cells(self) -> Iterator[list[str]]:
        """Yield the cells of the table, one line per quantity."""
        seconds = f"{np.mean(self.seconds):.0f}"
        for quantity, values in self.results.items():
            mean = _text(np.mean(values)) if np.isfinite(values).all() else "–"
            each = ", ".join(_text(value) for value in values)
            yield [self.experiment.name, self.variant, quantity, each, mean, seconds, self.experiment.source]


def run(experiment, seeds=(0,), settings=None, variants=None) -> Iterator[Row]:
    """Run an experiment and yield a row for each variant as soon as it is complete.

    Parameters
    ----------
    experiment : Experiment
    seeds : iterable of int
        One run per seed; the seed in `settings` is ignored.
    settings : Settings, optional
    variants : iterable of str, optional
        Names of the variants to run (default: all).
    """
    settings = settings or Settings()
    seeds = list(seeds)
    for name in experiment.variants if variants is None else variants:
        row = Row(experiment, name)
        for seed in seeds:
            began = time.perf_counter()
            for quantity, value in experiment.variants[name](replace(settings, seed=seed)).items():
                row.results.setdefault(quantity, []).append(value)
            row.seconds.append(time.perf_counter() - began)
        yield row


HEADER = ["experiment", "variant", "measured", "each seed", "mean", "seconds a run", "source"]


def table(rows) -> str:
    """Return the rows as a table in Markdown.

    >>> variants = {"always 0": lambda settings: {"error, %": 90.0 + settings.seed}}
    >>> print(table(run(Experiment("guess", "Guessing fails.", "A12", variants), [0, 1])).splitlines()[2])
    | guess | always 0 | error, % | 90.00, 91.00 | 90.50 | 0 | A12 |
    """
    lines = [HEADER, ["---"] * len(HEADER), *(cells for row in rows for cells in row.cells())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mnist(split, quick, count):
    """Return the images and labels of MNIST, only the first `count` for a quick run."""
    return tuple(part[:count] if quick else part for part in data.load_mnist(split))


def ordered_batches(images_and_labels):
    """Return the digits in their stored order, as LeNet takes them."""
    return data.Batches(*images_and_labels, 500, shuffle=False, prepare=data.lenet_input)


def _text(value):
    if not np.isfinite(value):
        return "diverged"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
