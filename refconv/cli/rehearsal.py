"""What ``refconv train`` does instead of training with --dry-run and with --find-lr."""

from __future__ import annotations

import itertools
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import refconv
from refconv._files import write_atomically
from refconv.cli.console import bar, print_result, say
from refconv.cli.memory import MEBIBYTE, peak_memory
from refconv.drawing.training import lr_range_picture
from refconv.nn import Layer
from refconv.optim import Optimizer
from refconv.training import CrossEntropy, lr_range_test
from refconv.training.step import train_step
from refconv.typing import Array, Shape

__all__ = ["dry_run", "find_lr"]

STEPS = 10  # of a dry run
LR_STEPS = 100
LR_FILES = ("learning_rates.png", "learning_rates.csv")


def dry_run(model: Layer, optimizer: Optimizer, batches: Any, input_shape: Shape, options: Namespace) -> None:
    """Print the table of the network, and time and memory of ten training steps."""
    refconv.summary(model, input_shape, depth=1)
    seconds, start = [], time.perf_counter()
    for x, labels in itertools.islice(batches, STEPS):
        train_step(model, optimizer, x, labels, loss=CrossEntropy(options.label_smoothing), clip_norm=options.clip_norm)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    step = float(np.median(seconds[1:] or seconds))  # the first step also allocates the buffers
    epoch = step * len(batches)
    print_result(
        f"\n{len(seconds)} steps of {options.batch_size} images: {1000 * step:,.1f} ms a step, {duration(epoch)} an epoch of "
        f"{len(batches):,} steps, {duration(options.epochs * epoch)} for --epochs {options.epochs}, without tests"
    )
    memory = peak_memory()
    if memory is not None:
        print_result(f"peak memory: {memory / MEBIBYTE:,.0f} MiB, with the data in memory")
    say("nothing was saved")


def find_lr(model: Layer, optimizer: Optimizer, batches: Any, folder: Path, options: Namespace) -> None:
    """Train a copy of the network with rising learning rates; print the best ones."""
    with bar("learning rates", LR_STEPS, "steps") as progress:
        rates = lr_range_test(
            model,
            _Counted(batches, progress),
            optimizer,
            steps=LR_STEPS,
            loss=CrossEntropy(options.label_smoothing),
            clip_norm=options.clip_norm,
        )
    lines = ["lr,loss", *(f"{lr:.6g},{loss:.6g}" for lr, loss in zip(rates.lrs, rates.losses, strict=True))]
    write_atomically(folder / LR_FILES[1], "\n".join([*lines, ""]).encode())
    write_atomically(folder / LR_FILES[0], lr_range_picture(rates, f"{options.model} on {options.data}, {options.optimizer}"))
    print_result(f"the loss falls fastest at --lr {rates.steepest:.2g} and is lowest at {rates.lowest:.2g}")
    say(f"saved {folder / LR_FILES[0]} and {LR_FILES[1]}")


def duration(seconds: float) -> str:
    """Return a duration with a unit that fits it.

    >>> duration(0.25), duration(75.2), duration(4000), duration(400_000)
    ('0.2 s', '75 s', '67 min', '111 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


class _Counted:
    """Batches that report each batch to a progress bar."""

    def __init__(self, batches: Any, progress: Any) -> None:
        self.batches, self.progress = batches, progress

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for batch in self.batches:
            yield batch
            self.progress(1)
