"""Problems and rows of the table: a computation that each library runs in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from benchmarks import peers
from benchmarks.side import Side

__all__ = ["Problem", "Row", "both", "normal"]


@dataclass(frozen=True)
class Problem(ABC):
    """Base class for problems: a name, and for each library a method that returns its side.

    A new problem implements ``draw``, ``refconv``, ``flops``, ``small`` and the methods of the libraries that can compute the
    problem. The method of another library returns None.
    """

    name: str

    @abstractmethod
    def draw(self, work: str) -> dict[str, np.ndarray]:
        """Return the arrays that the work needs, with the same numbers in every run."""

    @abstractmethod
    def refconv(self, work, a):
        """Return refconv's side of the work on these arrays."""

    def torch(self, work, a, layout):
        return None

    def jax(self, work, a):
        return None

    def torch_compiled(self, work, a):
        return None

    def onnxruntime(self, work, a):
        return None

    def openvino(self, work, a):
        return None

    @abstractmethod
    def flops(self, work, a, results):
        """Return the number of floating-point operations of the definition.

        A method that needs fewer may exceed the machine's limit.
        """

    def bytes(self, work, a, results):
        """Return the number of bytes of all inputs and outputs, each counted once."""
        return sum(array.nbytes for array in [*a.values(), *results])

    def small(self):
        """Return the same problem in a size that is small enough for the tests."""
        return replace(self)

    def sides(self, work, names) -> dict[str, Side]:
        """Return refconv's side, and the sides of the named libraries that can do this work."""
        a = self.draw(work)
        makers = {
            "refconv": lambda: self.refconv(work, a),
            "PyTorch NCHW": lambda: self.torch(work, a, peers.CONTIGUOUS),
            "PyTorch NHWC": lambda: self.torch(work, a, peers.CHANNELS_LAST),
            "torch.compile": lambda: self.torch_compiled(work, a),
            "JAX": lambda: self.jax(work, a),
            "ONNX Runtime": lambda: self.onnxruntime(work, a),
            "OpenVINO": lambda: self.openvino(work, a),
        }
        made = {name: makers[name]() for name in ("refconv", *names)}
        return {name: side for name, side in made.items() if side is not None}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    ``bar`` is the target for the shortest time of ``rivals``, which are columns of the table, ÷ the time of refconv on two
    threads, or None if there is no target.
    """

    problem: Problem
    work: str
    bar: float | None = None
    rivals: tuple[str, ...] = peers.TORCH

    @property
    def name(self):
        return f"{self.problem.name}, {self.work}"


def both(problem, forward=None, backward=None):
    """Return the rows of a problem and of its derivatives, with their bars."""
    return [Row(problem, "forward", forward), Row(problem, "backward", backward)]


def normal(dtype, **shapes):
    """Return arrays of normally distributed numbers, one for each shape."""
    rng = np.random.default_rng(1)
    return {name: aligned(rng.standard_normal(shape).astype(dtype)) for name, shape in shapes.items()}


def aligned(array):
    """Return a copy that starts at a cache line, as the libraries' own arrays do."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    first = -memory.ctypes.data % 64
    copy = memory[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
