"""Experiments: their settings, their variants, and the table of their results."""

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
        Seed for the weights, the order of the images and the generated data.
    quick : bool
        True for less data and fewer epochs. Such a run only shows that the experiment works.
    data : {"digits", "mnist"}
        Digits drawn by refconv, or MNIST. Like ``images`` and ``epochs``, it is only for experiments whose ``options`` include
        it.
    images, epochs : int, optional
        Numbers that override the experiment's defaults.

    Raises
    ------
    TypeError, ValueError
        If a setting is not valid.

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
        """Return the setting ``name`` if it is given, else ``usual``, or ``quick`` in a quick run."""
        given = getattr(self, name)
        if given is not None:
            return given
        return quick if self.quick else usual


@dataclass(frozen=True)
class Experiment:
    """Statement of the lectures and the networks that test it.

    Parameters
    ----------
    name : str
        Name on the command line.
    statement : str
        The statement in one sentence.
    source : str
        Ids of the statement in SOURCES.md.
    variants : dict of callable
        The networks to compare. ``variant(settings)`` trains a network and returns its results as a dict. The keys are names
        with units. The value is NaN for a network that diverged, and infinity for a threshold that it never reached.
    seeds : int
        Usual number of runs per variant.
    options : tuple of str
        The settings "data", "images" and "epochs" that the variants use.
    compact: bool
        True for a table with one row per variant and a column with the mean of each quantity.
    """

    name: str
    statement: str
    source: str
    variants: dict[str, Callable[[Settings], dict[str, float]]]
    seeds: int = 3
    options: tuple[str, ...] = ()
    compact: bool = False


@dataclass
class Row:
    """Results of one variant: a number per seed for each quantity, and the duration of each run."""

    experiment: Experiment
    variant: str
    results: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def cells(self) -> Iterator[list[str]]:
        """Yield the cells of the table, with one row per quantity."""
        for (quantity, values), mean in zip(self.results.items(), self.means(), strict=True):
            each = ", ".join(_text(value) for value in values)
            yield [self.experiment.name, self.variant, quantity, each, mean, self.duration(), self.experiment.source]

    def means(self) -> list[str]:
        """Return the mean of each quantity over the seeds, "–" if one of them is not finite."""
        return [_text(np.mean(values)) if np.isfinite(values).all() else "–" for values in self.results.values()]

    def duration(self) -> str:
        """Return the mean duration of a run in seconds."""
        return f"{np.mean(self.seconds):.0f}"


def run(experiment, seeds=(0,), settings=None, variants=None, advance=None) -> Iterator[Row]:
    """Run an experiment and yield a row for each variant as soon as it is complete.

    Parameters
    ----------
    experiment : Experiment
        The experiment to run.
    seeds : iterable of int
        Seeds of the runs; the seed in ``settings`` is ignored.
    settings : Settings, optional
        All other settings.
    variants : iterable of str, optional
        Names of the variants to run (default: all).
    advance : callable, optional
        Function that shows the progress, such as :func:`refconv._progress.bar` returns. It is called with 0 and the name of
        each run before it starts, and with 1 after it.
    """
    settings = settings or Settings()
    seeds = list(seeds)
    for name in experiment.variants if variants is None else variants:
        row = Row(experiment, name)
        for seed in seeds:
            if advance:
                advance(0, f"{name}, seed {seed}")
            start = time.perf_counter()
            for quantity, value in experiment.variants[name](replace(settings, seed=seed)).items():
                row.results.setdefault(quantity, []).append(value)
            row.seconds.append(time.perf_counter() - start)
            if advance:
                advance(1)
        yield row


HEADER = ["experiment", "variant", "measured", "each seed", "mean", "seconds a run", "source"]


def table(rows) -> str:
    """Return the rows as a table in Markdown, and one more for each compact experiment.

    >>> variants = {"always 0": lambda settings: {"error, %": 90.0 + settings.seed}}
    >>> print(table(run(Experiment("guess", "Guessing fails.", "A12", variants), [0, 1])).splitlines()[2])
    | guess | always 0 | error, % | 90.00, 91.00 | 90.50 | 0 | A12 |
    >>> print(table(run(Experiment("guess", "Guessing fails.", "A12", variants, compact=True), [0, 1])))
    | experiment | variant | error, % | seconds a run |
    | --- | --- | --- | --- |
    | guess | always 0 | 90.50 | 0 |
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.experiment.name if row.experiment.compact else "", []).append(row)
    return "\n\n".join(_markdown(_compact(group) if name else _long(group)) for name, group in groups.items())


def _long(rows):
    return [HEADER, *(cells for row in rows for cells in row.cells())]


def _compact(rows):
    header = ["experiment", "variant", *rows[0].results, "seconds a run"]
    return [header, *([row.experiment.name, row.variant, *row.means(), row.duration()] for row in rows)]


def _markdown(lines):
    (header, *rows) = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([header, f"| {' | '.join(['---'] * len(lines[0]))} |", *rows])


def mnist(split, quick, count):
    """Return the images and labels of MNIST, but only the first ``count`` in a quick run."""
    return tuple(part[:count] if quick else part for part in data.load_mnist(split))


def ordered_batches(images_and_labels):
    """Return batches of digits in their stored order, prepared for LeNet."""
    return data.Batches(*images_and_labels, 500, shuffle=False, prepare=data.lenet_input)


def _text(value):
    if not np.isfinite(value):
        return "never" if value == np.inf else "diverged"
    if isinstance(value, int):
        return f"{value:,}"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2g}" if 0 < value < 0.1 else f"{value:.2f}"  # learning rates such as 0.005
