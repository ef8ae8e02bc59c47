"""Results of ``refconv evaluate`` as text and as JSON-serialisable data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refconv.training import Evaluation
    from refconv.typing import Array

__all__ = ["Classification", "Segmentation"]

PAIRS = 10  # pairs of confused classes that are printed


@dataclass(frozen=True)
class Classification:
    """Test of a network that classifies images."""

    classes: tuple[str, ...]
    evaluation: Evaluation

    @property
    def counts(self) -> Array:
        """Number of images of each true class (row) by predicted class (column)."""
        import numpy as np

        known = self.evaluation.confusion()  # without the classes after the last one that occurs
        counts = np.zeros((len(self.classes),) * 2, int)
        counts[: len(known), : len(known)] = known
        return counts

    def confused(self) -> list[tuple[str, str, int]]:
        """Return the most frequent pairs of true and wrong class, with their number of images."""
        counts = self.counts
        pairs = [(-counts[i, j], i, j) for i in range(len(counts)) for j in range(len(counts)) if i != j and counts[i, j]]
        return [(self.classes[i], self.classes[j], -int(negative)) for negative, i, j in sorted(pairs)[:PAIRS]]

    def as_dict(self) -> dict[str, Any]:
        """Return all results as JSON-serialisable data."""
        counts = self.counts
        return {
            "images": int(counts.sum()),
            "loss": self.evaluation.loss,
            **self.evaluation.metrics,
            "classes": [
                {"name": name, "images": int(row.sum()), "correct": int(row[k])}
                for k, (name, row) in enumerate(zip(self.classes, counts, strict=True))
            ],
            "confusion": counts.tolist(),
        }

    def as_text(self) -> str:
        """Return the results as lines: a summary, the classes, and the confused pairs."""
        counts = self.counts
        metrics = [f"{name.replace('_', ' ')} {100 * value:.2f} %" for name, value in self.evaluation.metrics.items()]
        width = max(5, *map(len, self.classes))
        lines = [f"{counts.sum():,} images, loss {self.evaluation.loss:.4f}, {', '.join(metrics)}", ""]
        lines.append(f"{'class':{width}}  {'images':>7}  accuracy")
        for k, (name, row) in enumerate(zip(self.classes, counts, strict=True)):
            share = f"{100 * row[k] / row.sum():6.2f} %" if row.sum() else "       –"
            lines.append(f"{name:{width}}  {row.sum():7,}  {share}")
        if pairs := self.confused():
            lines += ["", "most often confused (is → predicted):"]
            lines += [f"  {true} → {predicted}: {number:,}" for true, predicted, number in pairs]
        return "\n".join(lines)


@dataclass(frozen=True)
class Segmentation:
    """Test of a network that classifies pixels."""

    classes: tuple[str, ...]
    images: int
    counts: Array

    @property
    def overlaps(self) -> list[float | None]:
        """Intersection over union of each class in all images; None for a class without pixels."""
        inside, union = self.counts.diagonal(), self.counts.sum(0) + self.counts.sum(1) - self.counts.diagonal()
        return [float(i / u) if u else None for i, u in zip(inside, union, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Return all results as JSON-serialisable data."""
        return {
            "images": self.images,
            "pixel_accuracy": float(self.counts.trace() / self.counts.sum()),
            "iou": dict(zip(self.classes, self.overlaps, strict=True)),
            "confusion": self.counts.tolist(),
        }

    def as_text(self) -> str:
        """Return the results as lines: a summary and the classes."""
        present = [overlap for overlap in self.overlaps if overlap is not None]
        width = max(5, *map(len, self.classes))
        lines = [
            f"{self.images:,} images, {100 * self.counts.trace() / self.counts.sum():.2f} % of pixels correct, "
            f"mean IoU {sum(present) / len(present):.4f}",
            "",
            f"{'class':{width}}  {'pixels':>11}  IoU",
        ]
        for name, pixels, overlap in zip(self.classes, self.counts.sum(1), self.overlaps, strict=True):
            lines.append(f"{name:{width}}  {pixels:11,}  {'–' if overlap is None else f'{overlap:.4f}'}")
        return "\n".join(lines)
