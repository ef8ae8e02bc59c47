"""The gradient of a batch as a sum over its shards, in one or several processes."""

from __future__ import annotations

import copy
import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv import _core
from refconv._config import config
from refconv._errors import ArgumentValueError
from refconv._version import __version__
from refconv.nn.layer import call_backward
from refconv.nn.shared_statistics import add_over_shards
from refconv.training.generators import generators
from refconv.training.lockstep import in_lockstep
from refconv.training.metrics import measure
from refconv.training.processes import halves, whole_parts
from refconv.training.settings import as_text
from refconv.training.shards import Measured, Parts, Shards
from refconv.training.step import main_scores
from refconv.typing import Array

if TYPE_CHECKING:
    from refconv.nn import Layer, Parameter
    from refconv.training.run import Run

__all__ = ["ShardedGradient", "facts_of"]


class ShardedGradient:
    """Gradient and running averages of a network on a batch, added up over the shards.

    Each shard begins with the same running averages of batch normalisation; their changes are averaged like the gradient. Each
    shard has its own random numbers, for example for dropout, which depend on the epoch, the step and the shard only. So the
    result does not depend on which process computes a shard.

    Parameters
    ----------
    run : Run
        The run; its network, loss and metrics are used.
    shards : Shards
        The division of the batches.
    """

    def __init__(self, run: Run, shards: Shards) -> None:
        self.run, self.shards = run, shards
        self.network = Network(run.model, run)
        # With shared statistics, all shards are computed at the same time, each with its own gradients.
        self.copies = {k: Network(copy.deepcopy(run.model), run) for k in shards.own} if shards.sync_bn else {}

    def __call__(self, images: int, parts: Parts) -> list[Measured]:
        """Set the gradients of a batch, and return the measurements of its shards.

        Parameters
        ----------
        images : int
            Number of images of the whole batch.
        parts : dict of (x, targets)
            This process's shards that are not empty.

        Returns
        -------
        list of Measured
            For all shards in order. If a loss is not finite, the gradients are not set.
        """
        count, own = self.shards.count, self.shards.own
        results: Iterable[tuple[Array, Measured] | None]
        if self.shards.sync_bn:
            results = self._in_lockstep(images, parts)
        else:
            results = ((self.network.gradient(k, *parts[k]) if k in parts else None) for k in own)
        measured: list[Measured] = []
        leaves = (self._vector(result, measured) for result in results)
        sums = {part: self._sum(part, leaves) for part in whole_parts(range(count), own)}
        everything = sorted(itertools.chain(*self.shards.processes.gather(measured)))
        if all(math.isfinite(shard.loss) for shard in everything):
            self.network.set(self.shards.processes.total(sums, count) / self.network.dtype.type(images))
        return everything

    def _vector(self, result: tuple[Array, Measured] | None, measured: list[Measured]) -> Array:
        """Return the gradient of a shard, or zeros for an empty one, and keep its measurements."""
        if result is None:
            return np.zeros(self.network.size, self.network.dtype)
        measured.append(result[1])
        return result[0]

    def _sum(self, part: range, leaves: Iterator[Array]) -> Array:
        """Return the sum of the next shards, in the order of the tree."""
        if len(part) == 1:
            return next(leaves)
        first, second = (self._sum(half, leaves) for half in halves(part))
        first += second
        return first

    def _in_lockstep(self, images: int, parts: Parts) -> list[tuple[Array, Measured]]:
        if images < self.shards.count:
            raise ArgumentValueError(
                f"batches must have at least {self.shards.count} images, one for each shard, with sync_bn=True, got {images}: "
                "drop_last=True leaves out a smaller last batch"
            )

        def gradient(shard: int, add: Any) -> tuple[Array, Measured]:
            add_over_shards.set(add)
            with config(fusion=False):  # a fused step would not call the batch normalisation
                return self.copies[shard].gradient(shard, *parts[shard])

        for replica in self.copies.values():
            replica.copy_values(self.network)
        functions = {shard: partial(gradient, shard) for shard in parts}
        return list(in_lockstep(functions, self.shards.processes, self.shards.count).values())


class Network:
    """Network that computes the gradients of shards, or a copy of it for one shard.

    Parameters
    ----------
    model : Layer
        The network.
    run : Run
        The run; its loss and metrics are used.
    """

    def __init__(self, model: Layer, run: Run) -> None:
        self.model, self.run = model, run
        self.parameters = list({id(p): p for p in model.named_parameters().values()}.values())
        self.size = sum(p.value.size for p in self.parameters)
        self.dtype = np.result_type(*(p.value.dtype for p in self.parameters))
        # The generators of the layers keep their states: each shard gets its numbers from a new generator.
        self.keys = [(rng, int(copy.deepcopy(rng).integers(2**63))) for rng in generators(model).values()]

    def copy_values(self, other: Network) -> None:
        """Copy all parameters of another network."""
        for own, p in zip(self.parameters, other.parameters, strict=True):
            own.value[...] = p.value

    def gradient(self, shard: int, x: Array, targets: Array) -> tuple[Array, Measured]:
        """Return the gradient of a shard, with changes of running averages, and its measurements.

        It is the sum over the images. The running averages themselves do not change.
        """
        before = [p.value.copy() for p in self.parameters if p.grad is None]
        with self._own_random_numbers(shard):
            scores, backward = self.model.forward(x, train=True)
            value, dscores = self.run.loss(scores, targets)
            self.model.zero_grad()
            call_backward(backward, _times(dscores, len(x)), want_dx=False)
        vector, old = np.empty(self.size, self.dtype), iter(before)
        for piece, p in self._pieces(vector):
            if p.grad is not None:
                piece[...] = p.grad
            else:
                value_before = next(old)
                piece[...] = (p.value - value_before) * len(x)
                p.value[...] = value_before
        scores = main_scores(scores)
        self.run.scores, self.run.last_x = scores, x
        return vector, Measured(shard, len(x), float(value), measure(self.run.functions, scores, targets))

    def set(self, vector: Array) -> None:
        """Set the gradients, and change the running averages."""
        for piece, p in self._pieces(vector):
            if p.grad is not None:
                p.grad[...] = piece
            else:
                p.value += piece

    def _pieces(self, vector: Array) -> Iterator[tuple[Array, Parameter]]:
        """Yield the part of a vector for each parameter, and the parameter."""
        offset = 0
        for p in self.parameters:
            yield vector[offset : offset + p.value.size].reshape(p.value.shape), p
            offset += p.value.size

    @contextmanager
    def _own_random_numbers(self, shard: int) -> Iterator[None]:
        states = [(rng, rng.bit_generator.state) for rng, _ in self.keys]
        for rng, key in self.keys:
            fresh = type(rng.bit_generator)(np.random.SeedSequence([key, self.run.epoch, self.run.step, shard]))
            rng.bit_generator.state = fresh.state
        try:
            yield
        finally:
            for rng, state in states:
                rng.bit_generator.state = state


def _times(dscores: Any, images: int) -> Any:
    """Return the gradients of the scores of all heads, multiplied by a number of images."""
    if isinstance(dscores, tuple):
        return tuple(_times(part, images) for part in dscores)
    return dscores * dscores.dtype.type(images)


def facts_of(run: Run) -> dict[str, Any]:
    """Return everything that must be the same in all processes."""
    weights = hashlib.sha256()
    for parameter in run.model.named_parameters().values():
        weights.update(np.ascontiguousarray(parameter.value).tobytes())
    state = run.batches.state() if hasattr(run.batches, "state") else None
    return {
        "the version of refconv": __version__,
        "the version of NumPy": np.__version__,
        "the instruction set": _core.ISA,
        "the results of NumPy's products and functions": arithmetic(),
        **{f"the setting {name}": as_text(value) for name, value in run.settings().items()},
        "the digest of the weights": weights.hexdigest()[:16],
        "the digest of the order of the batches": hashlib.sha256(repr(state).encode()).hexdigest()[:16],
        "the epoch": run.epoch,
        "the step": run.step,
    }


def arithmetic() -> str:
    """Return a digest of results of NumPy whose last bits depend on the processor."""
    digest = hashlib.sha256()
    numbers = np.random.default_rng(0).standard_normal((2, 97, 97))
    for dtype in (np.float32, np.float64):
        a, b = numbers.astype(dtype)
        for result in (a @ b, np.exp(a), np.tanh(a), np.log(abs(b)), a.sum(axis=0)):
            digest.update(result.tobytes())
    return digest.hexdigest()[:16]
