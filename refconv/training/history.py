"""Record of a training run: its epochs, and how it ended."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field

from refconv.training.evaluate import Evaluation

__all__ = ["Diverged", "Epoch", "History"]


@dataclass
class Epoch:
    """Record of one epoch.

    ``metrics`` contains ``train_loss`` and, for each metric, ``train_…`` such as ``train_accuracy``: means over the steps of
    the epoch, during which the weights change. ``validation_…`` and ``test_…`` are measured after the epoch, if there are
    validation and test data.

    >>> epoch = Epoch(2, 60, seconds=1.5, lr=0.1, metrics={"train_loss": 0.75, "test_accuracy": 0.5})
    >>> epoch.train_loss, epoch.validation_loss, epoch.metrics["test_accuracy"], epoch.images_per_second
    (0.75, None, 0.5, 40.0)
    """

    epoch: int
    images: int  # number of images used; smaller than the size of the data set if the run was stopped in this epoch
    seconds: float  # duration of training, without validation and test
    lr: float  # learning rate of the last step
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def train_loss(self) -> float:
        """Mean loss of the steps."""
        return self.metrics["train_loss"]

    @property
    def validation_loss(self) -> float | None:
        """Loss on the validation data after the epoch; None without validation."""
        return self.metrics.get("validation_loss")

    @property
    def test_loss(self) -> float | None:
        """Loss on the test data after the epoch; None without a test."""
        return self.metrics.get("test_loss")

    @property
    def images_per_second(self) -> float:
        """Training speed in images per second."""
        return self.images / self.seconds if self.seconds else math.inf


@dataclass
class History:
    """Result of :func:`fit`: an :class:`Epoch` for each epoch, and how the run ended.

    :func:`refconv.drawing.training_picture` plots it.

    Parameters
    ----------
    epochs : list of Epoch
        One record for each epoch; its ``metrics`` are the means of the loss and of all metrics.
    stopped : bool
        True if a callback ended the run before the end of the last epoch.
    stopped_early : bool
        True if :class:`EarlyStopping` ended the run because the validation loss no longer fell.
    test : Evaluation, optional
        The last evaluation on the test data.
    measured : list of str
        Names of all metrics, including metrics that an incomplete epoch does not have.

    Examples
    --------
    >>> first = Epoch(1, 60, 1.5, 0.1, {"train_loss": 0.75, "validation_loss": 0.5})
    >>> second = Epoch(2, 60, 2.0, 0.1, {"train_loss": 0.5, "validation_loss": 0.6})
    >>> history = History([first, second])
    >>> [epoch.train_loss for epoch in history.epochs], history.best.epoch
    ([0.75, 0.5], 1)

    Source: lecture row A20 (SOURCES.md).
    """

    epochs: list[Epoch] = field(default_factory=list)
    stopped: bool = False
    stopped_early: bool = False
    test: Evaluation | None = None
    measured: list[str] = field(default_factory=list)

    @property
    def best(self) -> Epoch | None:
        """Epoch with the lowest validation loss, the first if several are equal.

        None without validation.

        >>> losses = [math.nan, 3.0, 2.0, 2.0]
        >>> History([Epoch(k + 1, 8, 1.0, 0.1, {"validation_loss": v}) for k, v in enumerate(losses)]).best.epoch
        3
        """
        validated = {epoch.epoch: epoch.validation_loss for epoch in self.epochs if epoch.validation_loss is not None}
        if not validated:
            return None
        best = min(validated, key=lambda number: (math.isnan(validated[number]), validated[number]))
        return next(epoch for epoch in self.epochs if epoch.epoch == best)

    def to_csv(self) -> str:
        """Return the epochs as comma-separated values with a header.

        Cells without a measurement are empty.

        >>> first = Epoch(1, 60, 1.5, 0.1, {"train_loss": 0.75})
        >>> second = Epoch(2, 60, 2.0, 0.1, {"train_loss": 0.5, "test_loss": 0.6})
        >>> print(History([first, second]).to_csv())
        epoch,images,seconds,lr,train_loss,test_loss,images_per_second
        1,60,1.5,0.1,0.75,,40.0
        2,60,2.0,0.1,0.5,0.6,30.0
        <BLANKLINE>
        """
        measured = dict.fromkeys([*self.measured, *(name for epoch in self.epochs for name in epoch.metrics)])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", "images", "seconds", "lr", *measured, "images_per_second"])
        for epoch in self.epochs:
            cells = [epoch.metrics.get(name, "") for name in measured]
            speed = round(epoch.images_per_second, 1)
            writer.writerow([epoch.epoch, epoch.images, epoch.seconds, epoch.lr, *cells, speed])
        return text.getvalue()


class Diverged(FloatingPointError):  # noqa: N818
    """Error of a run whose loss is not finite; ``history`` is the record up to that step."""

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history
