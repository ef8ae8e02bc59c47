"""What one row of the table is about: a piece of work that each library does in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from benchmarks import peers
from benchmarks.side import Side

__all__ = ["Problem", "Row", "both", "normal"]


@dataclass(frozen=True)
class Problem(ABC):
    """A problem has a name, and for each library a method that makes its side, or returns None.

    Whoever adds one writes ``draw``, ``refconv``, ``torch``, ``jax``, ``onnxruntime``, ``flops`` and ``small``.
    """

    name: str

    @abstractmethod
    def draw(self, work: str) -> dict[str, np.ndarray]:
        """The arrays that the work takes: the same numbers in every run."""

    @abstractmethod
    def refconv(self, work, a):
        """refconv's side of the work on these arrays."""

    def torch(self, work, a, layout):
        return None

    def jax(self, work, a):
        return None

    def onnxruntime(self, work, a):
        return None

    @abstractmethod
    def flops(self, work, a, results):
        """Floating-point operations of the definition; a method that needs fewer may pass the machine's limit."""

    def bytes(self, work, a, results):
        """Each array that goes in or comes out, once."""
        return sum(array.nbytes for array in [*a.values(), *results])

    def small(self):
        """The same problem in a size that takes no time: for the tests."""
        return replace(self)

    def sides(self, work, names) -> dict[str, Side]:
        """refconv's side, and those of the libraries in names that can do this work."""
        a = self.draw(work)
        makers = {
            "refconv": lambda: self.refconv(work, a),
            "PyTorch NCHW": lambda: self.torch(work, a, peers.CONTIGUOUS),
            "PyTorch NHWC": lambda: self.torch(work, a, peers.CHANNELS_LAST),
            "JAX": lambda: self.jax(work, a),
            "ONNX Runtime": lambda: self.onnxruntime(work, a),
        }
        made = {name: makers[name]() for name in ("refconv", *names)}
        return {name: side for name, side in made.items() if side is not None}


@dataclass(frozen=True)
class Row:
    """One line of the table; the bar is what PyTorch ÷ refconv shall reach on two threads, None where nothing is asked."""

    problem: Problem
    work: str
    bar: float | None = None

    @property
    def name(self):
        return f"{self.problem.name}, {self.work}"


def both(problem, forward=None, backward=None):
    """The rows of a problem and of its derivatives, with their bars."""
    return [Row(problem, "forward", forward), Row(problem, "backward", backward)]


def normal(dtype, **shapes):
    """Arrays of normally distributed numbers, one for each shape."""
    rng = np.random.default_rng(1)
    return {name: aligned(rng.standard_normal(shape).astype(dtype)) for name, shape in shapes.items()}


def aligned(array):
    """The same numbers from the beginning of a cache line on, where every library puts its own arrays."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    first = -memory.ctypes.data % 64
    copy = memory[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
