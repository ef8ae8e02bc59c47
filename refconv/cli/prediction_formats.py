"""Forms in which ``refconv predict`` prints classes and masks: text, JSON and CSV."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from refconv.cli.console import print_json, print_result
from refconv.typing import Array

__all__ = ["FORMATS", "Writer"]


class Writer(ABC):
    """Printer of predictions.

    ``add`` or ``add_mask`` is called for each image, and ``end`` once.

    Parameters
    ----------
    classes : tuple of str
        Names of all classes.
    top : int
        Number of classes to print.
    has_masks : bool
        True if ``add_mask`` is called for the images.
    """

    def __init__(self, classes: tuple[str, ...], top: int, has_masks: bool = False) -> None:
        self.classes, self.top, self.has_masks = classes, min(top, len(classes)), has_masks

    def most_probable(self, probabilities: Array) -> list[tuple[str, float]]:
        """Return the names and probabilities of the most probable classes."""
        order = np.argsort(-probabilities, kind="stable")[: self.top]
        return [(self.classes[k], float(probabilities[k])) for k in order]

    @abstractmethod
    def add(self, name: str, probabilities: Array) -> None:
        """Print the prediction for an image, or keep it until the end."""

    @abstractmethod
    def add_mask(self, name: str, path: Path) -> None:
        """Print the file with the mask of an image, or keep it until the end."""

    def end(self) -> None:  # noqa: B027 - most forms keep nothing
        """Print what has been kept."""


class Text(Writer):
    """One line for each image."""

    def add(self, name: str, probabilities: Array) -> None:
        classes = "   ".join(f"{label} {100 * p:.1f} %" for label, p in self.most_probable(probabilities))
        print_result(f"{name}:  {classes}")

    def add_mask(self, name: str, path: Path) -> None:
        print_result(f"{name}:  {path}")


class Json(Writer):
    """One array with an object for each image."""

    def __init__(self, classes: tuple[str, ...], top: int, has_masks: bool = False) -> None:
        super().__init__(classes, top, has_masks)
        self.images: list[dict[str, object]] = []

    def add(self, name: str, probabilities: Array) -> None:
        predictions = [{"class": label, "probability": p} for label, p in self.most_probable(probabilities)]
        self.images.append({"image": name, "predictions": predictions})

    def add_mask(self, name: str, path: Path) -> None:
        self.images.append({"image": name, "mask": str(path)})

    def end(self) -> None:
        print_json(self.images)


class Csv(Writer):
    """A table with a row for each image and class, or for each mask."""

    def __init__(self, classes: tuple[str, ...], top: int, has_masks: bool = False) -> None:
        super().__init__(classes, top, has_masks)
        self._print([("image", "mask") if has_masks else ("image", "rank", "class", "probability")])

    def add(self, name: str, probabilities: Array) -> None:
        self._print([(name, k, label, f"{p:.6f}") for k, (label, p) in enumerate(self.most_probable(probabilities), 1)])

    def add_mask(self, name: str, path: Path) -> None:
        self._print([(name, path)])

    def _print(self, rows: list[tuple[object, ...]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        print_result(text.getvalue().removesuffix("\n"))


FORMATS: dict[str, type[Writer]] = {"text": Text, "json": Json, "csv": Csv}
