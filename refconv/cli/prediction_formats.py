"""Forms in which ``refconv predict`` prints its results: text, JSON and CSV."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from refconv.cli.console import print_json, print_result
from refconv.typing import Array

__all__ = ["FORMATS", "Writer"]

BOX = ("line", "top", "left", "bottom", "right")  # columns of the boxes of a sheet
CLASS = ("rank", "class", "probability")
COLUMNS = {"image": CLASS, "sheet": (*BOX, *CLASS), "mask": ("mask",)}  # of the table, after the name of the image


class Writer(ABC):
    """Printer of predictions; one of three functions is called for each image, and ``end`` once.

    Parameters
    ----------
    classes : tuple of str
        Names of all classes.
    top : int
        Number of classes to print.
    kind : {"image", "sheet", "mask"}
        What is printed: classes with ``add``, the digits of a sheet with ``add_sheet``, or masks with ``add_mask``.
    """

    def __init__(self, classes: tuple[str, ...], top: int, kind: str = "image") -> None:
        self.classes, self.top, self.kind = classes, min(top, len(classes)), kind

    def most_probable(self, probabilities: Array) -> list[tuple[str, float]]:
        """Return the names and probabilities of the most probable classes."""
        order = (-probabilities).argsort(kind="stable")[: self.top]
        return [(self.classes[k], float(probabilities[k])) for k in order]

    @abstractmethod
    def add(self, name: str, probabilities: Array) -> None:
        """Print the prediction for an image, probabilities (K,), or keep it until the end."""

    @abstractmethod
    def add_sheet(self, name: str, probabilities: Array, boxes: Array) -> None:
        """Print the predictions for the digits of an image, probabilities (N, K) and boxes (N, 5)."""

    @abstractmethod
    def add_mask(self, name: str, path: Path) -> None:
        """Print the file with the mask of an image, or keep it until the end."""

    def end(self) -> None:  # noqa: B027 - most forms keep nothing
        """Print what has been kept."""


class Text(Writer):
    """One line for each image, or for each line and each digit of a sheet."""

    def add(self, name: str, probabilities: Array) -> None:
        classes = "   ".join(f"{label} {100 * p:.1f} %" for label, p in self.most_probable(probabilities))
        print_result(f"{name}:  {classes}")

    def add_sheet(self, name: str, probabilities: Array, boxes: Array) -> None:
        digits = probabilities.argmax(1)
        for number in range(boxes[-1, 0] + 1):
            members = (boxes[:, 0] == number).nonzero()[0]
            print_result(f"{name}, line {number + 1}:  {' '.join(self.classes[digits[k]] for k in members)}")
            for k in members:
                _, top, left, bottom, right = boxes[k]
                digit, percent = self.classes[digits[k]], 100 * probabilities[k].max()
                print_result(f"    {digit}  {percent:5.1f} %   columns {left} to {right - 1}, rows {top} to {bottom - 1}")

    def add_mask(self, name: str, path: Path) -> None:
        print_result(f"{name}:  {path}")


class Json(Writer):
    """One array with an object for each image."""

    def __init__(self, classes: tuple[str, ...], top: int, kind: str = "image") -> None:
        super().__init__(classes, top, kind)
        self.images: list[dict[str, Any]] = []

    def add(self, name: str, probabilities: Array) -> None:
        self.images.append({"image": name, "predictions": self._predictions(probabilities)})

    def add_sheet(self, name: str, probabilities: Array, boxes: Array) -> None:
        digits = [
            {**dict(zip(BOX, box, strict=True)), "predictions": self._predictions(p)}
            for box, p in zip(boxes.tolist(), probabilities, strict=True)
        ]
        self.images.append({"image": name, "digits": digits})

    def add_mask(self, name: str, path: Path) -> None:
        self.images.append({"image": name, "mask": str(path)})

    def end(self) -> None:
        print_json(self.images)

    def _predictions(self, probabilities: Array) -> list[dict[str, Any]]:
        return [{"class": label, "probability": p} for label, p in self.most_probable(probabilities)]


class Csv(Writer):
    """A table with a row for each mask, or for each class of an image or of a digit."""

    def __init__(self, classes: tuple[str, ...], top: int, kind: str = "image") -> None:
        super().__init__(classes, top, kind)
        self._print([("image", *COLUMNS[kind])])

    def add(self, name: str, probabilities: Array) -> None:
        self._print(self._rows((name,), probabilities))

    def add_sheet(self, name: str, probabilities: Array, boxes: Array) -> None:
        for box, p in zip(boxes.tolist(), probabilities, strict=True):
            self._print(self._rows((name, *box), p))

    def add_mask(self, name: str, path: Path) -> None:
        self._print([(name, path)])

    def _rows(self, begin: tuple[Any, ...], probabilities: Array) -> list[tuple[Any, ...]]:
        return [(*begin, rank, label, f"{p:.6f}") for rank, (label, p) in enumerate(self.most_probable(probabilities), 1)]

    def _print(self, rows: list[tuple[Any, ...]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        print_result(text.getvalue().removesuffix("\n"))


FORMATS: dict[str, type[Writer]] = {"text": Text, "json": Json, "csv": Csv}
