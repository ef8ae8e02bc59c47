"""Forms in which ``refconv predict`` prints the most probable classes: text, JSON and CSV."""

from __future__ import annotations

import csv
import json
import sys
from abc import ABC, abstractmethod
from typing import Any

from refconv.typing import Array

__all__ = ["FORMATS", "Writer"]

EDGES = ("line", "top", "left", "bottom", "right")  # columns of the boxes of a sheet


class Writer(ABC):
    """Printer of predictions.

    ``add`` is called for each image, or ``add_sheet`` for each image of several digits, and ``end`` once.
    """

    def __init__(self, classes: tuple[str, ...], top: int, is_sheet: bool = False) -> None:
        self.classes, self.top, self.is_sheet = classes, min(top, len(classes)), is_sheet

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

    def end(self) -> None:  # noqa: B027 - most forms keep nothing
        """Print what has been kept."""


class Text(Writer):
    """One line for each image, or for each line and each digit of a sheet."""

    def add(self, name: str, probabilities: Array) -> None:
        classes = "   ".join(f"{label} {100 * p:.1f} %" for label, p in self.most_probable(probabilities))
        print(f"{name}:  {classes}")

    def add_sheet(self, name: str, probabilities: Array, boxes: Array) -> None:
        digits = probabilities.argmax(1)
        for number in range(boxes[-1, 0] + 1):
            members = (boxes[:, 0] == number).nonzero()[0]
            print(f"{name}, line {number + 1}:  {' '.join(self.classes[digits[k]] for k in members)}")
            for k in members:
                _, top, left, bottom, right = boxes[k]
                digit, percent = self.classes[digits[k]], 100 * probabilities[k].max()
                print(f"    {digit}  {percent:5.1f} %   columns {left} to {right - 1}, rows {top} to {bottom - 1}")


class Json(Writer):
    """One array with an object for each image."""

    def __init__(self, classes: tuple[str, ...], top: int, is_sheet: bool = False) -> None:
        super().__init__(classes, top, is_sheet)
        self.images: list[dict[str, Any]] = []

    def add(self, name: str, probabilities: Array) -> None:
        self.images.append({"image": name, "predictions": self._predictions(probabilities)})

    def add_sheet(self, name: str, probabilities: Array, boxes: Array) -> None:
        digits = [
            {**dict(zip(EDGES, box.tolist(), strict=True)), "predictions": self._predictions(p)}
            for box, p in zip(boxes, probabilities, strict=True)
        ]
        self.images.append({"image": name, "digits": digits})

    def end(self) -> None:
        print(json.dumps(self.images, ensure_ascii=False, indent=1))

    def _predictions(self, probabilities: Array) -> list[dict[str, Any]]:
        return [{"class": label, "probability": p} for label, p in self.most_probable(probabilities)]


class Csv(Writer):
    """A table with a row for each image, or digit of a sheet, and class."""

    def __init__(self, classes: tuple[str, ...], top: int, is_sheet: bool = False) -> None:
        super().__init__(classes, top, is_sheet)
        self.table = csv.writer(sys.stdout, lineterminator="\n")
        self.table.writerow(("image", *(EDGES if is_sheet else ()), "rank", "class", "probability"))

    def add(self, name: str, probabilities: Array) -> None:
        self._write((name,), probabilities)

    def add_sheet(self, name: str, probabilities: Array, boxes: Array) -> None:
        for box, p in zip(boxes.tolist(), probabilities, strict=True):
            self._write((name, *box), p)

    def _write(self, begin: tuple[Any, ...], probabilities: Array) -> None:
        for rank, (label, p) in enumerate(self.most_probable(probabilities), 1):
            self.table.writerow((*begin, rank, label, f"{p:.6f}"))


FORMATS: dict[str, type[Writer]] = {"text": Text, "json": Json, "csv": Csv}
