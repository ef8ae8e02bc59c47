"""Progress bar in the terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from refconv._progress import Bar, bar, tqdm
from refconv.training.callbacks import Callback

if TYPE_CHECKING:
    from refconv.training.run import Run

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """Progress bar for the current epoch, and a printed line for each completed one.

    If the output is a file or a pipe, only the lines are printed. `refconv train --quiet` hides both.

    Parameters
    ----------
    write : callable
        Function that prints a line.

    Raises
    ------
    ImportError
        If tqdm is not installed.

    Examples
    --------
    ``fit(model, batches, optimizer, epochs=3, callbacks=[ProgressBar()])`` prints, for instance,
    ``epoch 1: loss 0.2513, accuracy 92.11 %  |  5.2 s, 11,479 images/s``.

    Source: lecture row A12 (SOURCES.md).
    """

    only_first = True

    def __init__(self, write: Callable[[str], Any] = print) -> None:
        self.write = write
        self._bar: Bar | None = None
        tqdm()  # raises an error if it is missing

    def on_step_end(self, run: Run) -> None:
        if self._bar is None:
            self._bar = bar(f"epoch {run.epoch}/{run.epochs}", run.images_per_epoch, "images")
        self._bar(run.images - self._bar.count, as_text(run.metrics, "train_"))

    def on_epoch_end(self, run: Run) -> None:
        self._close()
        epoch = run.history.epochs[-1]
        parts = [as_text(epoch.metrics, "train_")]
        for kind in ("validation", "test"):
            if metrics := as_text(epoch.metrics, f"{kind}_"):
                parts.append(f"{kind}: {metrics}")
        parts.append(f"{epoch.seconds:.1f} s, {epoch.images_per_second:,.0f} images/s")
        self.write(f"epoch {epoch.epoch}: {'  |  '.join(parts)}")

    def on_train_end(self, run: Run) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:  # None if the run was resumed after the last step of the epoch
            self._bar.close()
        self._bar = None


def as_text(metrics: Mapping[str, float], prefix: str) -> str:
    """Return the metrics with this prefix as text, accuracies in percent.

    >>> as_text({"train_loss": 0.25, "train_accuracy": 0.875, "test_loss": 0.5}, "train_")
    'loss 0.2500, accuracy 87.50 %'
    """
    parts = []
    for name, value in metrics.items():
        if name.startswith(prefix):
            number = f"{100 * value:.2f} %" if "accuracy" in name else f"{value:.4f}"
            parts.append(f"{name.removeprefix(prefix)} {number}")
    return ", ".join(parts)
