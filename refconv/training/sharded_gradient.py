"""The gradient of a batch as a sum over its shards, in one or several processes."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv import _core
from refconv._config import config, get_config
from refconv._version import __version__
from refconv.nn.layer import call_backward
from refconv.nn.shared_statistics import add_over_shards
from refconv.training.divergence import cause_of_divergence
from refconv.training.generators import generators
from refconv.training.lockstep import in_lockstep
from refconv.training.losses import Loss
from refconv.training.metrics import measure
from refconv.training.processes import halves, whole_parts
from refconv.training.settings import describe, digest_of, entries
from refconv.training.shards import Measured, ShardedBatch, Shards
from refconv.training.step import main_scores
from refconv.typing import Array

if TYPE_CHECKING:
    from refconv.nn import Layer
    from refconv.training.run import Run

__all__ = ["ShardedGradient", "digest_of_weights", "facts_of"]


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
        self.copies = {k: Network(copy.deepcopy(run.model), run) for k in shards.local} if shards.sync_bn else {}

    def __call__(self, batch: ShardedBatch) -> list[Measured]:
        """Set the gradients of a batch, and return the measurements of its shards.

        Parameters
        ----------
        batch : dict of (x, targets)
            This process's shards that are not empty.

        Returns
        -------
        list of Measured
            For all shards in order. If a loss is not finite, the gradients are not set.
        """
        count, processes = self.shards.count, self.shards.processes
        self.own_measured: list[Measured] = []
        gradients = self._in_lockstep(batch) if self.shards.sync_bn else self._one_by_one(batch)
        sums = {part: self._sum(part, gradients) for part in whole_parts(range(count), self.shards.local)}
        step = f"step {self.run.step} of epoch {self.run.epoch}"
        measured = sorted(itertools.chain(*processes.gather(step, self.own_measured)))
        if all(math.isfinite(shard.loss) for shard in measured):
            self.network.set(processes.total(sums, count), sum(shard.weight for shard in measured))
        return measured

    def _one_by_one(self, batch: ShardedBatch) -> Iterator[Array]:
        """Yield the gradient of each shard of this process; zeros for an empty one."""
        for shard in self.shards.local:
            if shard not in batch:
                yield np.zeros(self.network.size, self.network.dtype)
                continue
            gradient, measured = self.network.gradient(shard, *batch[shard])
            self.own_measured.append(measured)
            yield gradient

    def _in_lockstep(self, batch: ShardedBatch) -> Iterator[Array]:
        """Yield the gradient of each shard of this process, with the statistics of all shards."""

        def gradient(shard: int, add: Any) -> tuple[Array, Measured]:
            add_over_shards.set(add)
            with config(fusion=False):  # a fused step would not call the batch normalisation
                return self.copies[shard].gradient(shard, *batch[shard])

        if len(batch) < len(self.shards.local):
            self.shards.check_size(sum(len(x) for x, _ in batch.values()))
        for replica in self.copies.values():
            replica.copy_values(self.network)
        functions = {shard: partial(gradient, shard) for shard in batch}
        for own, measured in in_lockstep(functions, self.shards.processes, self.shards.count).values():
            self.own_measured.append(measured)
            yield own

    def _sum(self, part: range, gradients: Iterator[Array]) -> Array:
        """Return the sum of the next gradients, in the order of the tree."""
        if len(part) == 1:
            return next(gradients)
        first, second = (self._sum(half, gradients) for half in halves(part))
        first += second
        return first


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
        parameters = {id(p): p for p in model.named_parameters().values()}.values()
        self.trained, self.averages = [p for p in parameters if p.grad is not None], [p for p in parameters if p.grad is None]
        self.size = sum(p.value.size for p in parameters) + len(self.averages)
        self.dtype = np.result_type(*(p.value.dtype for p in parameters))
        # The generators of the layers keep their states: each shard gets its numbers from a new generator.
        self.keys = [(rng, int(copy.deepcopy(rng).integers(2**63))) for rng in generators(model).values()]

    def copy_values(self, other: Network) -> None:
        """Copy all parameters of another network."""
        for own, p in zip(self.trained + self.averages, other.trained + other.averages, strict=True):
            own.value[...] = p.value

    def gradient(self, shard: int, x: Array, targets: Array) -> tuple[Array, Measured]:
        """Return the gradient of a shard, its running averages, and its measurements.

        The gradient is multiplied by the weight of the shard, and each running average by the number of images if this shard
        has changed it, else by 0. These factors of the averages are the last elements. The averages themselves do not change.
        """
        loss, before = self.run.loss, [p.value.copy() for p in self.averages]
        weight = float(loss.weight_of_batch(targets)) if isinstance(loss, Loss) else float(len(x))
        with self._own_random_numbers(shard):
            scores, backward = self.model.forward(x, train=True)
            value, dscores = loss(scores, targets)
            self.model.zero_grad()
            call_backward(backward, _times(dscores, weight), want_dx=False)
        vector = np.empty(self.size, self.dtype)
        gradients, averages, factors = self._parts(vector)
        for part, p in zip(gradients, self.trained, strict=True):
            part[...] = p.grad
        for k, (p, old) in enumerate(zip(self.averages, before, strict=True)):
            factors[k] = 0 if np.array_equal(p.value, old) else len(x)
            averages[k][...] = p.value * factors[k]
            p.value[...] = old
        scores = main_scores(scores)
        self.run.scores, self.run.last_x = scores, x
        cause = "" if math.isfinite(value) else cause_of_divergence(self.model, x)
        return vector, Measured(shard, len(x), float(value), measure(self.run.functions, scores, targets), weight, cause)

    def set(self, total: Array, weight: float) -> None:
        """Set the gradients and the running averages from sums over all shards."""
        gradients, averages, factors = self._parts(total)
        for part, p in zip(gradients, self.trained, strict=True):
            p.grad[...] = part / self.dtype.type(weight)
        for part, p, images in zip(averages, self.averages, factors, strict=True):
            if images > 0:
                p.value[...] = part / images

    def _parts(self, vector: Array) -> tuple[list[Array], list[Array], Array]:
        """Return views of the gradients, of the running averages, and of the factors of these."""
        parts, offset = [], 0
        for p in self.trained + self.averages:
            parts.append(vector[offset : offset + p.value.size].reshape(p.value.shape))
            offset += p.value.size
        return parts[: len(self.trained)], parts[len(self.trained) :], vector[offset:]

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


def _times(dscores: Any, weight: float) -> Any:
    """Return the gradients of the scores of all heads, multiplied by a weight."""
    if isinstance(dscores, tuple):
        return tuple(_times(part, weight) for part in dscores)
    return dscores * dscores.dtype.type(weight)


def facts_of(run: Run) -> dict[str, Any]:
    """Return everything that must be the same in all processes."""
    settings = get_config()
    states = [rng.bit_generator.state for rng in generators(run.model).values()]
    return {
        "the version of refconv": __version__,
        "the version of NumPy": np.__version__,
        "the instruction set": _core.ISA,
        "the engine": settings.engine,
        "the precision": settings.precision,
        "the fusion": settings.fusion,
        "the results of NumPy's products and functions": arithmetic(),
        **{key: text for name, value in run.settings().items() for key, text in entries(f"the setting {name}", value).items()},
        **entries("the test", describe(run.test)),
        "the metrics": [*run.functions],
        "the network": repr(run.model),
        "the frozen parameters": [name for name, p in run.model.named_parameters().items() if p.frozen],
        "the digest of the weights": digest_of_weights(run.model),
        "the digest of the state of the optimiser": digest_of(run.optimizer.state().values()),
        "the digest of the random generators of the layers": digest_of(states),
        "the epoch": run.epoch,
        "the step": run.step,
    }


def digest_of_weights(model: Layer) -> str:
    """Return a digest of all parameters and running averages."""
    return digest_of(parameter.value for parameter in model.named_parameters().values())


def arithmetic() -> str:
    """Return a digest of results of NumPy whose last bits depend on the processor."""
    numbers, results = np.random.default_rng(0).standard_normal((2, 97, 97)), []
    for dtype in (np.float32, np.float64):
        a, b = numbers.astype(dtype)
        results += [a @ b, np.exp(a), np.tanh(a), np.log(abs(b)), a.sum(axis=0)]
    return digest_of(results)
