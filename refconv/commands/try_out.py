"""``refconv try``: architectures run once, each in a process of its own, whose memory is then its own."""

import multiprocessing
import time

import numpy as np

from refconv import models
from refconv.commands.console import say
from refconv.commands.summary import input_shape, variant

__all__ = ["try_out"]

HEAD = ("model", "input", "parameters", "build", "forward", "backward", "memory")
WIDTHS = (20, 16, 12, 8, 9, 9, 10)
MEBIBYTE = 2**20


def try_out(options) -> int:
    """Run each model once and print a line for it; returns the exit status: 1 if an output or a gradient is not finite."""
    names = [variant(name, options.small) for name in options.models or models.list()]
    for name in names:
        models.build(name).output_shape(input_shape(name, options.input))  # what does not fit is refused before the first runs
    say(_line(HEAD))
    say(_line(tuple("─" * width for width in WIDTHS)))
    wrong = [name for name in names if not _in_a_process(name, options.batch, options.backward, options.input)]
    if wrong:
        say(f"not finite: {', '.join(wrong)}")
    return int(bool(wrong))


def _in_a_process(name, batch, backward, size) -> bool:
    # A new interpreter, which inherits no memory: its high-water mark is this model's.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        line, finite = pool.apply(measure, (name, batch, backward, size))
    say(_line(line))
    return finite


def measure(name, batch=1, backward=False, size=None):
    """Build a model, run a batch of noise through it and, if asked, back; returns the line, and whether all is finite."""
    shape, before = input_shape(name, size), _most_memory()
    model = models.build(name)
    began = time.perf_counter()
    model.build(shape, rng=0)
    built = time.perf_counter()
    x = np.random.default_rng(1).uniform(0, 1, (batch, *shape)).astype(np.float32)
    ran = time.perf_counter()
    outputs, way_back = model.forward(x, train=backward)
    forward_seconds, back_seconds = time.perf_counter() - ran, None
    finite = all(np.isfinite(y).all() for y in _several(outputs))
    if backward:
        dy = tuple(np.ones_like(y) for y in _several(outputs))
        began_back = time.perf_counter()
        way_back(dy if isinstance(outputs, tuple) else dy[0], want_dx=False)
        back_seconds = time.perf_counter() - began_back
        finite &= all(np.isfinite(p.grad).all() for p in model.named_parameters().values() if p.trainable)
    after = _most_memory()
    line = (
        name.removesuffix("-small"),
        "×".join(map(str, (batch, *shape))),
        f"{model.count_parameters(shape):,}",
        f"{built - began:.2f} s",
        f"{forward_seconds:.2f} s",
        "" if back_seconds is None else f"{back_seconds:.2f} s",
        "unknown" if after is None else f"{(after - before) / MEBIBYTE:,.0f} MiB",
    )
    return line, bool(finite)


def _several(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _line(cells):
    first, *others = (cell.ljust(w) if k < 2 else cell.rjust(w) for k, (cell, w) in enumerate(zip(cells, WIDTHS, strict=True)))
    return "  ".join([first, *others]).rstrip()


def _most_memory():
    """The most memory that this process has had so far, in bytes; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
