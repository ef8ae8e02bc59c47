"""Callback that writes event files for TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refconv._optional import need
from refconv.training.callbacks import Callback

if TYPE_CHECKING:
    import os

    from refconv.training.run import Run

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Callback that writes the metrics of each epoch for TensorBoard.

    Parameters
    ----------
    folder : path
        Output folder, a new one for each run. ``tensorboard --logdir FOLDER`` shows it.

    Raises
    ------
    ImportError
        If tensorboardX is not installed.

    Examples
    --------
    ``fit(model, batches, optimizer, epochs=3, callbacks=[TensorBoard("runs/first")])``

    Source: lecture row A12 (SOURCES.md).
    """

    only_first = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._module = need("tensorboardX", "tensorboard", "writing for TensorBoard")
        self.folder = str(folder)
        self._writer: Any = None

    def on_train_begin(self, run: Run) -> None:
        self._writer = self._module.SummaryWriter(self.folder, flush_secs=1)  # with 0, its thread would use a full core

    def on_epoch_end(self, run: Run) -> None:
        epoch = run.history.epochs[-1]
        numbers = {"images": epoch.images, "seconds": epoch.seconds, "lr": epoch.lr}
        for name, value in {**numbers, "images_per_second": epoch.images_per_second}.items():
            self._writer.add_scalar(name, value, epoch.epoch)
        for name, value in epoch.metrics.items():
            self._writer.add_scalar(name.replace("_", "/", 1), value, epoch.epoch)  # "train/loss"

    def on_train_end(self, run: Run) -> None:
        if self._writer is not None:
            self._writer.close()
