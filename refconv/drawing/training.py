"""Plots of training: curves, misclassified images, confusion matrix and learning-rate test."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.typing import Array

__all__ = ["as_png", "confusion_picture", "lr_range_picture", "segmentation_picture", "training_picture"]


# Colours of Okabe and Ito, distinguishable with colour blindness.
TRAIN, VALIDATION, TEST = "#0072B2", "#009E73", "#D55E00"
CURVES = {
    "train": ("o-", TRAIN, "training, while learning"),
    "validation": ("^:", VALIDATION, "validation, after the epoch"),
    "test": ("s--", TEST, "test, after the epoch"),
}
COLUMNS, ROWS = 12, 3
LONGEST_NAME = 9  # characters of a class above its image


def training_picture(
    history: Any,
    images: Array | None = None,
    labels: Array | None = None,
    predictions: Array | None = None,
    title: str = "",
    *,
    classes: Sequence[str] | None = None,
    ink: bool = True,
) -> bytes:
    """Plot the training curves and the first misclassified test images as a PNG.

    There is a curve of the loss and a curve of the first metric.

    Parameters
    ----------
    history : History
        Result of :func:`refconv.training.fit`. Validation and test have separate curves if they were measured.
    images : array (N, H, W) or (N, H, W, C), uint8, optional
        The test images, which may be :class:`refconv.data.ImageFiles`; without them, only the curves are plotted.
    labels, predictions : integer arrays (N,), optional
        The classes and the predicted classes; predictions are None if the run ended before its first test.
    title : str
        Title of the figure.
    classes : sequence of str, optional
        Names of the classes (default: numbers).
    ink : bool
        True if grey images show ink, 255, on an empty background, 0; they are drawn dark on light.

    Returns
    -------
    bytes
        The content of a PNG file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Source: lecture rows M2 and F20 (SOURCES.md).
    """
    # pyplot is not used, because it needs a display and has global state.
    figures = need("matplotlib.figure", "train", "drawing a picture")
    if images is None or labels is None:
        figure = figures.Figure(figsize=(10, 3.8), dpi=120, layout="constrained")
        figure.suptitle(plain(title))
        _draw_curves(figure, history)
        return as_png(figure)
    figure = figures.Figure(figsize=(10, 7.2), dpi=120, layout="constrained")
    figure.suptitle(plain(title))
    curves, image_grid = figure.subfigures(2, 1, height_ratios=[1, 1.05])
    _draw_curves(curves, history)
    _draw_misread(image_grid, images, labels, predictions, classes, "gray_r" if ink else "gray")
    return as_png(figure)


def segmentation_picture(
    history: Any, images: Array, masks: Array, predictions: Array | None = None, title: str = ""
) -> bytes:
    """Plot the training curves, and test images with true and predicted masks, as a PNG.

    Parameters
    ----------
    history : History
        Result of :func:`refconv.training.fit`.
    images : array (n, H, W, C), uint8
        The test images to show.
    masks : integer array (n, H, W)
        The class of each pixel.
    predictions : integer array (n, H, W), optional
        The predicted classes.
    title : str
        Title of the figure.

    Returns
    -------
    bytes
        The content of a PNG file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Source: lecture rows M16 and F20 (SOURCES.md).
    """
    figures = need("matplotlib.figure", "train", "drawing a picture")
    figure = figures.Figure(figsize=(10, 8), dpi=120, layout="constrained")
    figure.suptitle(plain(title))
    curves, grid = figure.subfigures(2, 1, height_ratios=[1, 1.4])
    _draw_curves(curves, history)
    rows = {"image": images, "mask": masks, **({} if predictions is None else {"predicted": predictions})}
    cells = grid.subplots(len(rows), len(images), squeeze=False)
    for line, (name, pictures) in zip(cells, rows.items(), strict=True):
        line[0].set_ylabel(name)
        for axes, picture in zip(line, pictures, strict=True):
            axes.set(xticks=[], yticks=[])
            colours = {"cmap": "gray"} if name == "image" else {"vmin": 0, "vmax": max(1, int(masks.max()))}
            axes.imshow(picture, interpolation="nearest", **colours)
    return as_png(figure)


def confusion_picture(confusion: Array, classes: Sequence[str] | None = None, title: str = "") -> bytes:
    """Plot a confusion matrix, the number of images of each class by predicted class, as a PNG.

    The shade shows the fraction of all images of the class. Correct predictions, on the diagonal, are blue. Mistakes are
    orange, on a scale that makes a single mistake visible among thousands of correct predictions.

    Parameters
    ----------
    confusion : integer array (classes, classes)
        Result of :meth:`refconv.training.Evaluation.confusion`: rows are true classes, columns are predicted classes.
    classes : sequence of str, optional
        Names of the classes (default: numbers).
    title : str
        Title of the figure.

    Returns
    -------
    bytes
        The content of a PNG file.

    Raises
    ------
    ValueError
        If the matrix is not square, or ``classes`` has a different length.
    ImportError
        If matplotlib is not installed.

    Source: lecture row F20 (SOURCES.md).
    """
    count = len(confusion)
    if confusion.ndim != 2 or confusion.shape != (count, count):
        raise ArgumentValueError(f"confusion must be a square matrix, got shape {confusion.shape}")
    names = [str(k) for k in range(count)] if classes is None else [plain(name) for name in classes]
    if len(names) != count:
        raise ArgumentValueError(f"classes must be {count} names, got {len(names)}")
    figures = need("matplotlib.figure", "train", "drawing a picture")
    side = max(4.5, 0.55 * count + 1.5)
    figure = figures.Figure(figsize=(side, side), dpi=120, layout="constrained")
    figure.suptitle(plain(title))
    axes = figure.subplots()
    axes.set(xlabel="read as", ylabel="is", xticks=range(count), yticks=range(count), xticklabels=names, yticklabels=names)
    if max(map(len, names)) > 3:
        axes.tick_params(axis="x", rotation=60)
    shades = _shades(confusion)
    axes.imshow(shades)
    for row in range(count):
        for column in range(count):
            if confusion[row, column]:
                colour = "white" if min(shades[row][column]) < 0.35 else "black"
                axes.text(column, row, f"{confusion[row, column]}", ha="center", va="center", color=colour, fontsize=8)
    return as_png(figure)


def lr_range_picture(rates: Any, title: str = "") -> bytes:
    """Plot the loss against the learning rate of a range test, as a PNG.

    Parameters
    ----------
    rates : LearningRates
        Result of :func:`refconv.training.lr_range_test`.
    title : str
        Title of the figure.

    Returns
    -------
    bytes
        The content of a PNG file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Source: lecture row A20 (SOURCES.md); Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.
    """
    figures = need("matplotlib.figure", "train", "drawing a picture")
    figure = figures.Figure(figsize=(6, 4), dpi=120, layout="constrained")
    figure.suptitle(plain(title))
    axes = figure.subplots()
    axes.semilogx(rates.lrs, rates.losses, color=TRAIN)
    axes.axvline(rates.steepest, color=TEST, linestyle="--", label=f"steepest descent: {rates.steepest:.2g}")
    axes.set(xlabel="learning rate", ylabel="loss, running average (nats)")
    axes.grid(alpha=0.3)
    axes.legend()
    return as_png(figure)


def _shades(confusion: Array) -> Array:
    """Return the colours of the cells (classes, classes, 3), which are white for 0 images.

    The colour of mistakes depends on the root of their fraction, so that a single mistake is visible.
    """
    totals = confusion.sum(1)
    colours = need("matplotlib.colors", "train", "drawing a picture")
    picture = []
    for row, counts in enumerate(confusion):
        colours_of_row = []
        for column, number in enumerate(counts):
            share = (number / max(totals[row], 1)) ** (0.5 if row != column else 1)
            full = colours.to_rgb(TRAIN if row == column else TEST)
            colours_of_row.append([1 - share * (1 - part) for part in full])
        picture.append(colours_of_row)
    return np.array(picture)


def as_png(figure: Any) -> bytes:
    """Return a figure as the content of a PNG file."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box is drawn for a letter that the font does not have
        figure.savefig(content, format="png")
    return content.getvalue()


def plain(text: str) -> str:
    r"""Return a text that matplotlib draws as it is; dollar signs would enclose a formula.

    Bytes of a file name that are not UTF-8 become question marks.

    >>> print(plain("$5 or $10"))
    \$5 or \$10
    """
    return text.encode(errors="replace").decode().replace("$", r"\$")


def _draw_curves(figure: Any, history: Any) -> None:
    """Draw the curves of the loss, and of the first metric if the run has one."""
    epochs = [epoch.epoch for epoch in history.epochs]
    measured = [name.removeprefix("train_") for epoch in history.epochs for name in epoch.metrics if name.startswith("train_")]
    quantities = [*dict.fromkeys(measured)][:2] or ["loss", "accuracy"]
    for axes, quantity in zip(figure.subplots(1, len(quantities), squeeze=False).flat, quantities, strict=True):
        is_share = quantity.endswith("accuracy")
        for kind, (form, colour, label) in CURVES.items():
            points = {epoch.epoch: epoch.metrics.get(f"{kind}_{quantity}", np.nan) for epoch in history.epochs}
            if any(f"{kind}_loss" in epoch.metrics for epoch in history.epochs):
                values = [(100 if is_share else 1) * value for value in points.values()]
                axes.plot([*points], values, form, color=colour, label=label)
        unit = " (%)" if is_share else " (nats)" if "accuracy" in quantities else ""
        axes.set(xlabel="epoch", ylabel=f"{quantity.replace('_', ' ')}{unit}", xticks=_ticks(epochs))
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right" if is_share else "upper right")  # corner without curves if the network learns


def _ticks(epochs: list[int]) -> list[int]:
    return epochs[:: max(1, len(epochs) // 10)]


def _draw_misread(
    figure: Any, images: Array, labels: Array, predictions: Array | None, classes: Sequence[str] | None, greys: str
) -> None:
    if predictions is None:
        figure.suptitle("The run ended before its first test", fontsize=10)
        return
    misread = [k for k in range(len(labels)) if labels[k] != predictions[k]]
    shown = misread[: COLUMNS * ROWS]
    which = "all of them" if len(shown) == len(misread) else f"the first {len(shown)}"
    sentence = f"{len(misread):,} of {len(labels):,} test images were misread; {which} (is → read as)"
    figure.suptitle(sentence if shown else f"None of {len(labels):,} test images was misread", fontsize=10)
    cells = list(figure.subplots(ROWS, COLUMNS).flat)
    for axes in cells:
        axes.axis("off")
    for axes, k in zip(cells, shown, strict=False):
        axes.imshow(images[k], cmap=greys, vmin=0, vmax=255, interpolation="nearest")
        label, prediction = (str(c) if classes is None else classes[c][:LONGEST_NAME] for c in (labels[k], predictions[k]))
        axes.set_title(plain(f"{label} → {prediction}"), fontsize=9 if len(label + prediction) < 8 else 6, pad=2)
