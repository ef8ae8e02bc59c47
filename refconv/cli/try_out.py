"""Command ``refconv try``: run architectures once and measure time and memory."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from refconv.cli.architecture import input_shape, model_name, variant
from refconv.cli.arguments import positive, size
from refconv.cli.command import Command
from refconv.cli.console import bar, print_json, print_result
from refconv.cli.memory import MEBIBYTE, peak_memory
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.typing import Array, Shape

__all__ = ["COMMAND", "Measurement", "measure"]

DESCRIPTION = """\
Run each architecture once on a batch of noise, and print time and memory.

Each architecture runs in a separate process. The printed memory is the peak memory of this process minus the peak memory of
an empty process: weights, gradients, activations and the kernels' buffers. The exit status is 1 if any output or gradient is
not finite.
"""

HEAD = ("model", "input", "parameters", "build", "forward", "backward", "memory")
WIDTHS = (20, 16, 12, 8, 9, 9, 10)


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("models", nargs="*", type=model_name, metavar="MODEL", help="names that `refconv summary` accepts (default: all)")
    add("--small", action="store_true", help="run the small variants")
    add("--batch", type=positive, default=1, metavar="N", help="number of images (default: %(default)s)")
    add("--backward", action="store_true", help="also run the backward pass, as in training")
    add("--input", type=size, metavar="HxW", help="input size, or HxWxC (default: as in the paper)")
    add("--json", action="store_true", help="print the results as JSON, with the memory in bytes")


def run(options: Namespace) -> int:
    """Run each model once and print a line for it, or all results as JSON.

    Return 1 if an output or a gradient is not finite, else 0.
    """
    from refconv import models

    names = [variant(name, options.small) for name in options.models or models.names()]
    for name in names:
        models.create(name).output_shape(input_shape(name, options.input))  # raises for a wrong size before any model runs
    measured = []
    if not options.json:
        print_result(f"{_row(HEAD)}\n{_row(tuple('─' * width for width in WIDTHS))}")
    with bar("running", len(names), "networks") as advance:
        for name in names:
            advance(0, name)
            measured.append(_run_in_process(name, options.batch, options.backward, options.input))
            if not options.json:
                print_result(_row(measured[-1].cells()))
            advance(1)
    non_finite = [one.model for one in measured if not one.finite]
    if options.json:
        print_json([asdict(one) for one in measured])
    elif non_finite:
        print_result(f"not finite: {', '.join(non_finite)}")
    return int(bool(non_finite))


def _run_in_process(name: str, batch: int, backward: bool, size: Shape | None) -> Measurement:
    import multiprocessing

    # A new interpreter inherits no memory, so its peak memory is due to this model alone.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (name, batch, backward, size))


@dataclass(frozen=True)
class Measurement:
    """Time and memory of one run of a model.

    The times are in seconds, and the memory is in bytes; None if it was not measured. ``finite`` is True if all outputs and
    gradients are finite.
    """

    model: str
    input: Shape
    parameters: int
    build_seconds: float
    forward_seconds: float
    backward_seconds: float | None
    memory: int | None
    finite: bool

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the model's row."""
        return (
            self.model.removesuffix("-small"),
            "×".join(map(str, self.input)),
            f"{self.parameters:,}",
            f"{self.build_seconds:.2f} s",
            f"{self.forward_seconds:.2f} s",
            "" if self.backward_seconds is None else f"{self.backward_seconds:.2f} s",
            "unknown" if self.memory is None else f"{self.memory / MEBIBYTE:,.0f} MiB",
        )


def measure(name: str, batch: int = 1, backward: bool = False, size: Shape | None = None) -> Measurement:
    """Build a model and run a batch of noise through it, optionally also backward."""
    import numpy as np

    from refconv import models

    shape, memory_before = input_shape(name, size), peak_memory()
    model = models.create(name)
    start = time.perf_counter()
    model.build(shape, rng=0)
    build_seconds = time.perf_counter() - start
    x = np.random.default_rng(1).uniform(0, 1, (batch, *shape)).astype(np.float32)
    start = time.perf_counter()
    outputs, backward_function = model.forward(x, train=backward)
    forward_seconds, backward_seconds = time.perf_counter() - start, None
    finite = all(np.isfinite(y).all() for y in _as_tuple(outputs))
    if backward:
        dy = tuple(np.ones_like(y) for y in _as_tuple(outputs))
        start = time.perf_counter()
        backward_function(dy if isinstance(outputs, tuple) else dy[0], want_dx=False)
        backward_seconds = time.perf_counter() - start
        finite &= all(np.isfinite(p.grad).all() for p in model.named_parameters().values() if p.trainable)
    memory_after = peak_memory()
    return Measurement(
        name,
        (batch, *shape),
        model.inference_layer.count_parameters(shape, trainable_only=True),
        build_seconds,
        forward_seconds,
        backward_seconds,
        None if memory_before is None or memory_after is None else memory_after - memory_before,
        bool(finite),
    )


def _as_tuple(outputs: Any) -> tuple[Array, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _row(cells: Sequence[str]) -> str:
    first, *others = (cell.ljust(w) if k < 2 else cell.rjust(w) for k, (cell, w) in enumerate(zip(cells, WIDTHS, strict=True)))
    return "  ".join([first, *others]).rstrip()


COMMAND = Command(
    "try", "run architectures once, at their paper's input size", DESCRIPTION, add_arguments, run, can_be_quiet=True
)
