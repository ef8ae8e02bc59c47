"""Forms in which ``refconv predict`` prints the most probable classes: text, JSON and CSV."""

from __future__ import annotations

import csv
import json
import sys
from abc import ABC, abstractmethod

import numpy as np

from refconv.typing import Array

__all__ = ["FORMATS", "Writer"]


class Writer(ABC):
    """Printer of predictions; ``add`` is called for each image, and ``end`` once."""

    def __init__(self, classes: tuple[str, ...], top: int) -> None:
        self.classes, self.top = classes, min(top, len(classes))

    def most_probable(self, probabilities: Array) -> list[tuple[str, float]]:
        """Return the names and probabilities of the most probable classes."""
        order = np.argsort(-probabilities, kind="stable")[: self.top]
        return [(self.classes[k], float(probabilities[k])) for k in order]

    @abstractmethod
    def add(self, name: str, probabilities: Array) -> None:
        """Print the prediction for an image, or keep it until the end."""

    def end(self) -> None:  # noqa: B027 - most forms keep nothing
        """Print what has been kept."""


class Text(Writer):
    """One line for each image."""

    def add(self, name: str, probabilities: Array) -> None:
        classes = "   ".join(f"{label} {100 * p:.1f} %" for label, p in self.most_probable(probabilities))
        print(f"{name}:  {classes}")


class Json(Writer):
    """One array with an object for each image."""

    def __init__(self, classes: tuple[str, ...], top: int) -> None:
        super().__init__(classes, top)
        self.images: list[dict[str, object]] = []

    def add(self, name: str, probabilities: Array) -> None:
        predictions = [{"class": label, "probability": p} for label, p in self.most_probable(probabilities)]
        self.images.append({"image": name, "predictions": predictions})

    def end(self) -> None:
        print(json.dumps(self.images, ensure_ascii=False, indent=1))


class Csv(Writer):
    """A table with a row for each image and class."""

    def __init__(self, classes: tuple[str, ...], top: int) -> None:
        super().__init__(classes, top)
        self.table = csv.writer(sys.stdout, lineterminator="\n")
        self.table.writerow(("image", "rank", "class", "probability"))

    def add(self, name: str, probabilities: Array) -> None:
        for rank, (label, p) in enumerate(self.most_probable(probabilities), 1):
            self.table.writerow((name, rank, label, f"{p:.6f}"))


FORMATS: dict[str, type[Writer]] = {"text": Text, "json": Json, "csv": Csv}
