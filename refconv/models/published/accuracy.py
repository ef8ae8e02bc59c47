"""Error rates that the lectures print, compared where they are printed more than once.

Nothing here is measured by refconv: training the networks takes weeks. But many figures appear in several tables, in another
paper or on another slide, and then they can be compared.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from refconv.models.published.claim import Claim, Table

__all__ = ["MNIST", "RESULTS", "Figure", "Results", "printed", "tables"]

# Columns: errors in percent on ImageNet's 50,000 validation images or 100,000 test images; millions of training steps.
TOP1, TOP5, TEST5, STEPS = "top-1 val", "top-5 val", "top-5 test", "steps to 72.2 %, 10⁶"
MNIST = "test error on MNIST"
ONE_SCALE = "256 → 256", "384 → 384", "[256; 512] → 384"
SCALES = "256 → 224, 256, 288", "384 → 352, 384, 416", "[256; 512] → 256, 384, 512"


class Row(NamedTuple):
    """A line of a table of results.

    ``same`` names what was measured: other lines of this name report the same networks, tested in the same way. It is empty
    if no other line does.
    """

    what: str
    printed: tuple[str, ...]  # a figure for each column, in percent; "" if there is none
    same: str = ""


class Results(NamedTuple):
    """A table of results: its title, its slide, and its rows."""

    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def entries(self) -> Iterator[tuple[Row, str, str]]:
        """Yield the row, the column and the figure of each entry that is not empty."""
        for row in self.rows:
            for column, figure in zip(self.columns, row.printed, strict=True):
                if figure:
                    yield row, column, figure


class Figure(NamedTuple):
    """A printed figure and the figures printed elsewhere for the same measurement.

    ``reason`` explains why they differ.
    """

    what: str
    printed: str
    elsewhere: tuple[tuple[str, str], ...] = ()  # (source, printed)
    reason: str = ""

    @property
    def beside(self) -> str:
        """The other figures with their sources, as text."""
        return "; ".join(f"{printed} ({source})" for source, printed in self.elsewhere)

    def verdict(self, kilo: int = 1000) -> str:
        """Return "printed once", "equal", or "differs" with the reason."""
        if not self.elsewhere:
            return "printed once"
        if all(_same(self.printed, other) for _, other in self.elsewhere):
            return "equal"
        return f"differs: {self.reason}" if self.reason else "DIFFERS"


RESULTS = (
    Results(
        "VGG, Table 3: one scale; shorter side in training → in testing",
        "A, VGG paper, Table 3",
        (TOP1, TOP5),
        (
            Row(f"A, {ONE_SCALE[0]}", ("29.6", "10.4")),
            Row(f"A-LRN, {ONE_SCALE[0]}", ("29.7", "10.5")),
            Row(f"B, {ONE_SCALE[0]}", ("28.7", "9.9")),
            Row(f"C, {ONE_SCALE[0]}", ("28.1", "9.4")),
            Row(f"C, {ONE_SCALE[1]}", ("28.1", "9.3")),
            Row(f"C, {ONE_SCALE[2]}", ("27.3", "8.8")),
            Row(f"D, {ONE_SCALE[0]}", ("27.0", "8.8")),
            Row(f"D, {ONE_SCALE[1]}", ("26.8", "8.7")),
            Row(f"D, {ONE_SCALE[2]}", ("25.6", "8.1")),
            Row(f"E, {ONE_SCALE[0]}", ("27.3", "9.0")),
            Row(f"E, {ONE_SCALE[1]}", ("26.9", "8.7")),
            Row(f"E, {ONE_SCALE[2]}", ("25.5", "8.0")),
        ),
    ),
    Results(
        "VGG, Table 4: three scales; shorter side in training → in testing",
        "A, VGG paper, Table 4",
        (TOP1, TOP5),
        (
            Row(f"B, {SCALES[0]}", ("28.2", "9.6")),
            Row(f"C, {SCALES[0]}", ("27.7", "9.2")),
            Row(f"C, {SCALES[1]}", ("27.8", "9.2")),
            Row(f"C, {SCALES[2]}", ("26.3", "8.2")),
            Row(f"D, {SCALES[0]}", ("26.6", "8.6")),
            Row(f"D, {SCALES[1]}", ("26.5", "8.6")),
            Row(f"D, {SCALES[2]}", ("24.8", "7.5")),
            Row(f"E, {SCALES[0]}", ("26.9", "8.7")),
            Row(f"E, {SCALES[1]}", ("26.7", "8.6")),
            Row(f"E, {SCALES[2]}", ("24.8", "7.5")),
        ),
    ),
    Results(
        "VGG, comparison with other methods",
        "A, VGG paper, comparison",
        (TOP1, TOP5, TEST5),
        (
            Row("VGG (2 nets, multi-crop & dense)", ("23.7", "6.8", "6.8"), "VGG, 2 nets"),
            Row("VGG (1 net, multi-crop & dense)", ("24.4", "7.1", "7.0"), "VGG, 1 net"),
            Row("VGG (ILSVRC submission, 7 nets, dense)", ("24.7", "7.5", "7.3"), "VGG, 7 nets"),
            Row("GoogLeNet (1 net)", ("", "7.9", ""), "GoogLeNet, 1 net, 144 crops"),
            Row("GoogLeNet (7 nets)", ("", "6.7", ""), "GoogLeNet, 7 nets, 144 crops"),
            Row("MSRA (11 nets)", ("", "", "8.1")),
            Row("MSRA (1 net)", ("27.9", "9.1", "9.1")),
            Row("Clarifai (multiple nets)", ("", "", "11.7"), "Clarifai"),
            Row("Clarifai (1 net)", ("", "", "12.5")),
            Row("Zeiler & Fergus (6 nets)", ("36.0", "14.7", "14.8")),
            Row("Zeiler & Fergus (1 net)", ("37.5", "16.0", "16.1")),
            Row("OverFeat (7 nets)", ("34.0", "13.2", "13.6")),
            Row("OverFeat (1 net)", ("35.7", "14.2", "")),
            Row("Krizhevsky et al. (5 nets)", ("38.1", "16.4", "16.4"), "AlexNet, 5 nets"),
            Row("Krizhevsky et al. (1 net)", ("40.7", "18.2", "")),
        ),
    ),
    Results(
        "GoogLeNet, Table 3: models and crops",
        "A, GoogLeNet paper, Table 3",
        (TOP5,),
        (
            Row("1 model, 1 crop", ("10.07",), "GoogLeNet, 1 net, 1 crop"),
            Row("1 model, 10 crops", ("9.15",), "GoogLeNet, 1 net, 10 crops"),
            Row("1 model, 144 crops", ("7.89",), "GoogLeNet, 1 net, 144 crops"),
            Row("7 models, 1 crop", ("8.09",)),
            Row("7 models, 10 crops", ("7.62",)),
            Row("7 models, 144 crops", ("6.67",), "GoogLeNet, 7 nets, 144 crops"),
        ),
    ),
    Results(
        "Batch normalisation, Figure 3: 100 % minus the largest accuracy",
        "A, BN paper, Figure 3",
        (TOP1, STEPS),
        (
            Row("Inception", ("27.8", "31.0")),
            Row("BN-Baseline", ("27.3", "13.3")),
            Row("BN-x5", ("27.0", "2.1")),
            Row("BN-x30", ("25.2", "2.7"), "BN-Inception, 1 crop"),
            Row("BN-x5-Sigmoid", ("30.2", "")),
        ),
    ),
    Results(
        "Inception-v2, Table 3: one crop",
        "A, Inception-v3 paper, Table 3",
        (TOP1, TOP5),
        (
            Row("GoogLeNet", ("29", "9.2"), "GoogLeNet, 1 net, 1 crop"),
            Row("BN-GoogLeNet", ("26.8", "")),
            Row("BN-Inception", ("25.2", "7.8"), "BN-Inception, 1 crop"),
            Row("Inception-v2", ("23.4", "")),
            Row("Inception-v2 RMSProp", ("23.1", "6.3")),
            Row("Inception-v2 Label Smoothing", ("22.8", "6.1")),
            Row("Inception-v2 Factorized 7×7", ("21.6", "5.8")),
            Row("Inception-v2 BN-auxiliary", ("21.2", "5.6")),
        ),
    ),
    Results(
        "Inception-v3, Table 4: several crops, one model",
        "A, Inception-v3 paper, Table 4",
        (TOP1, TOP5),  # the paper's table has the two headers exchanged
        (
            Row("GoogLeNet, 10 crops", ("", "9.15"), "GoogLeNet, 1 net, 10 crops"),
            Row("GoogLeNet, 144 crops", ("", "7.89"), "GoogLeNet, 1 net, 144 crops"),
            Row("VGG", ("24.4", "6.8"), "VGG, 1 net"),
            Row("BN-Inception, 144 crops", ("22", "5.82"), "BN-Inception, 144 crops"),
            Row("PReLU, 10 crops", ("24.27", "7.38")),
            Row("PReLU", ("21.59", "5.71"), "PReLU, 1 net"),
            Row("Inception-v3, 12 crops", ("19.47", "4.48")),
            Row("Inception-v3, 144 crops", ("18.77", "4.2")),
        ),
    ),
    Results(
        "Inception-v3, Table 5: several models; 3.58 and 4.94 % on the test images",
        "A, Inception-v3 paper, Table 5",
        (TOP1, TOP5, TEST5),
        (
            Row("VGGNet, 2 models", ("23.7", "6.8", ""), "VGG, 2 nets"),
            Row("GoogLeNet, 7 models, 144 crops", ("", "6.67", ""), "GoogLeNet, 7 nets, 144 crops"),
            Row("PReLU", ("", "", "4.94"), "PReLU, ensemble"),
            Row("BN-Inception, 6 models, 144 crops", ("20.1", "4.9", ""), "BN-Inception, 6 nets"),
            Row("Inception-v3, 4 models, 144 crops", ("17.2", "", "3.58")),
        ),
    ),
    Results(
        "ResNet, Table 4: one model",
        "A, ResNet paper, Table 4",
        (TOP1, TOP5),
        (
            Row("GoogLeNet (ILSVRC'14)", ("", "7.89"), "GoogLeNet, 1 net, 144 crops"),
            Row("VGG (v5)", ("24.4", "7.1"), "VGG, 1 net"),
            Row("PReLU-net", ("21.59", "5.71"), "PReLU, 1 net"),
            Row("BN-inception", ("21.99", "5.81"), "BN-Inception, 144 crops"),
            Row("ResNet-34 B", ("21.84", "5.71")),
            Row("ResNet-34 C", ("21.53", "5.60")),
            Row("ResNet-50", ("20.74", "5.25")),
            Row("ResNet-101", ("19.87", "4.60")),
            Row("ResNet-152", ("19.38", "4.49")),
        ),
    ),
    Results(
        "ResNet, Tables 4 and 5: test images",
        "A, ResNet paper, Table 5",
        (TEST5,),
        (
            Row("VGG (ILSVRC'14), one model", ("8.43",)),
            Row("VGG (ILSVRC'14)", ("7.32",), "VGG, 7 nets"),
            Row("GoogLeNet (ILSVRC'14)", ("6.66",), "GoogLeNet, 7 nets, 144 crops"),
            Row("VGG (v5)", ("6.8",), "VGG, 2 nets"),
            Row("PReLU-net", ("4.94",), "PReLU, ensemble"),
            Row("BN-inception", ("4.82",), "BN-Inception, 6 nets"),
            Row("ResNet (ILSVRC'15)", ("3.57",), "ResNet, ensemble"),
        ),
    ),
    Results(
        "ResNeXt, Table 3: equal complexity, one crop",
        "B, ResNeXt paper, Table 3",
        (TOP1,),
        (
            Row("ResNet-50, 1×64d", ("23.9",)),
            Row("ResNeXt-50, 2×40d", ("23.0",)),
            Row("ResNeXt-50, 4×24d", ("22.6",)),
            Row("ResNeXt-50, 8×14d", ("22.3",)),
            Row("ResNeXt-50, 32×4d", ("22.2",)),
            Row("ResNet-101, 1×64d", ("22.0",)),
            Row("ResNeXt-101, 2×40d", ("21.7",)),
            Row("ResNeXt-101, 4×24d", ("21.4",)),
            Row("ResNeXt-101, 8×14d", ("21.3",)),
            Row("ResNeXt-101, 32×4d", ("21.2",)),
        ),
    ),
    Results(
        "ILSVRC 2012 to 2014",
        "B, ImageNet challenge 2012–2014",
        (TEST5,),
        (
            Row("SuperVision (2012)", ("16.4",), "AlexNet, 5 nets"),
            Row("SuperVision (2012, ImageNet 22k)", ("15.3",), "AlexNet, ImageNet 22k"),
            Row("Clarifai (2013)", ("11.7",), "Clarifai"),
            Row("Clarifai (2013, 1st place)", ("11.2",), "Clarifai, ImageNet 22k"),
            Row("VGG (2014)", ("7.32",), "VGG, 7 nets"),
            Row("GoogLeNet (2014)", ("6.67",), "GoogLeNet, 7 nets, 144 crops"),
            Row("human expert", ("5.1",)),
        ),
    ),
    Results(
        "ILSVRC 2012 to 2015",
        "B, summary of ILSVRC 2012–2015",
        (TEST5,),
        (
            Row("SuperVision (AlexNet, 2012)", ("16.4",), "AlexNet, 5 nets"),
            Row("SuperVision (2012, ImageNet 22k)", ("15.3",), "AlexNet, ImageNet 22k"),
            Row("Clarifai (2013)", ("11.7",), "Clarifai"),
            Row("Clarifai (2013, 1st place)", ("11.2",), "Clarifai, ImageNet 22k"),
            Row("VGG (2014)", ("7.32",), "VGG, 7 nets"),
            Row("GoogLeNet (2014)", ("6.67",), "GoogLeNet, 7 nets, 144 crops"),
            Row("ResNet (2015)", ("3.57",), "ResNet, ensemble"),
        ),
    ),
    Results(
        "Headlines of the slides",
        "A, headline",
        (TEST5,),
        (
            Row("VGG", ("6.8",), "VGG, 2 nets"),
            Row("GoogLeNet", ("6.7",), "GoogLeNet, 7 nets, 144 crops"),
            Row("Inception with BatchNorm", ("4.8",), "BN-Inception, 6 nets"),
            Row("ResNet", ("3.6",), "ResNet, ensemble"),
        ),
    ),
    Results(
        "LeNet-5 on the slide about AlexNet",
        "A, AlexNet",
        (MNIST,),
        (Row("LeNet", ("0.8",), "LeNet-5, distorted digits"),),
    ),
    Results(
        "LeNet-5, Figure 9",
        "LeNet-5 paper, Figure 9",
        (MNIST,),
        (
            Row("linear classifier", ("12.0",)),
            Row("300 hidden units", ("4.7",)),
            Row("LeNet-5", ("0.95",)),
            Row("LeNet-5, distorted digits", ("0.8",), "LeNet-5, distorted digits"),
            Row("three LeNet-4, boosted", ("0.7",)),
        ),
    ),
)

# Where the printed figures for one measurement differ: (what was measured, column) and the reason.
REASONS = {
    ("GoogLeNet, 1 net, 1 crop", TOP5): "the Inception-v3 paper cites 9.15 %, GoogLeNet's error with 10 crops",
    ("GoogLeNet, 7 nets, 144 crops", TEST5): "the challenge's result is 6.656 %; GoogLeNet's paper prints 6.67 %",
    ("VGG, 1 net", TOP5): "the Inception-v3 paper cites VGG's error with two nets, 6.8 %",
    ("BN-Inception, 144 crops", TOP5): "the BN paper prints 5.82 %; ResNet's paper copies it as 5.81 %",
}

SLIP = "the paper's slip: 10.07 − 6.67 = 3.40"

# GoogLeNet's Table 3: models, crops, printed cost, error, printed difference from the first error.
COSTS = (
    (1, 1, "1", "10.07", ""),
    (1, 10, "10", "9.15", "0.92"),
    (1, 144, "144", "7.89", "2.18"),
    (7, 1, "7", "8.09", "1.98"),
    (7, 10, "70", "7.62", "2.45"),
    (7, 144, "1008", "6.67", "3.45"),
)


def tables() -> list[Table]:
    """Return the tables of results, and the table of GoogLeNet's costs."""
    return [*(Table(results.title, _figures(results), beside="elsewhere") for results in RESULTS), _costs()]


def printed(source: str, what: str, column: str = TOP1) -> float:
    """Return a printed figure by its table, row and column.

    >>> printed("A, VGG paper, Table 3", "E, [256; 512] → 384")
    25.5
    """
    (results,) = (results for results in RESULTS if results.source == source)
    (row,) = (row for row in results.rows if row.what == what)
    return float(row.printed[results.columns.index(column)])


def _figures(results: Results) -> list[Figure]:
    """Return the figures of a table, each with the repetitions in other tables."""
    return [
        Figure(
            f"{row.what}, {column}",
            figure,
            tuple(entry for entry in _repeated()[row.same, column] if row.same and entry[0] != results.source),
            REASONS.get((row.same, column), ""),
        )
        for row, column, figure in results.entries()
    ]


@functools.cache
def _repeated() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return (source, figure) of all lines about a measurement, by its name and column."""
    lines: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for results in RESULTS:
        for row, column, figure in results.entries():
            lines[row.same, column].append((results.source, figure))
    return lines


def _same(one: str, other: str) -> bool:
    """Return True if two decimal numbers are equal after rounding to the fewer decimals.

    >>> _same("6.7", "6.67"), _same("6.66", "6.67"), _same("22", "21.99")
    (True, False, True)
    """
    coarse, fine = sorted((Decimal(one), Decimal(other)), key=lambda number: -int(number.as_tuple().exponent))
    return fine.quantize(coarse) == coarse


def _views(models: int, crops: int) -> str:
    return f"{models} model{'s' if models > 1 else ''} × {crops} crop{'s' if crops > 1 else ''}"


def _costs() -> Table:
    """Return the costs, models × crops, and the gains over the first error in percentage points."""
    base = float(COSTS[0][3])
    costs = [Claim(f"{_views(m, c)}, cost", printed, m * c) for m, c, printed, _, _ in COSTS]
    gains = [
        Claim(f"{_views(m, c)}, gain", gain, round(base - float(error), 2), SLIP if gain == "3.45" else "")
        for m, c, _, error, gain in COSTS
        if gain
    ]
    return Table("GoogLeNet, Table 3: cost and points below the first error", [*costs, *gains])
