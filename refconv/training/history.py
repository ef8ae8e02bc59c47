"""What a training run tells: its epochs, where it is, and why it ended."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, field, fields

from refconv.training.evaluate import Evaluation

__all__ = ["Diverged", "Epoch", "History", "Progress"]


@dataclass
class Epoch:
    """One line of a training run: how an epoch went."""

    epoch: int
    images: int  # seen in this epoch; fewer than the data set holds if the run was stopped
    seconds: float  # of training, without the test
    lr: float  # at the last step
    train_loss: float  # means over the epoch, while the weights moved
    train_accuracy: float
    test_loss: float | None = None
    test_accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds else math.inf


@dataclass
class History:
    """What :func:`fit` returns: an :class:`Epoch` for each epoch, and how the run ended."""

    epochs: list[Epoch] = field(default_factory=list)
    stopped: bool = False  # before its end, by whoever was asked
    stopped_early: bool = False  # because the validation loss fell no more
    test: Evaluation | None = None  # the last one

    @property
    def best(self) -> Epoch | None:
        """The epoch with the lowest validation loss, the first of equals; None where nothing was validated.

        >>> lines = [Epoch(k + 1, 8, 1.0, 0.1, 2.0, 0.5, validation_loss=v) for k, v in enumerate([math.nan, 3.0, 2.0, 2.0])]
        >>> History(lines).best.epoch
        3
        """
        validated = [line for line in self.epochs if line.validation_loss is not None]
        return min(validated, key=lambda line: (math.isnan(line.validation_loss), line.validation_loss), default=None)

    def to_csv(self) -> str:
        """The epochs as comma-separated values with a header; what was not measured is empty."""
        text = io.StringIO()
        columns = [*(f.name for f in fields(Epoch)), "images_per_second"]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(e), "images_per_second": round(e.images_per_second, 1)} for e in self.epochs)
        return text.getvalue()


class Diverged(FloatingPointError):  # noqa: N818
    """The loss is no finite number any more; ``history`` is the run up to there."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


@dataclass
class Progress:
    """Where a run is, for those who watch it: told after each step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images: int
    loss: float
    accuracy: float
