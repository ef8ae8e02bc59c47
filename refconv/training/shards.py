"""Division of batches into shards, and the measurements of a shard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from refconv._arguments import flag, integer
from refconv._errors import ArgumentValueError
from refconv.nn import BatchNorm, Layer
from refconv.nn.container import RandomContainer
from refconv.nn.layer import all_layers
from refconv.training.pairs import can_read_parts, each_pair
from refconv.training.processes import Processes
from refconv.training.settings import digest_of
from refconv.typing import Array

__all__ = ["DEFAULT_SHARDS", "Measured", "ShardedBatch", "Shards", "drops_normalisation"]

ShardedBatch = dict[int, tuple[Array, Array]]  # x and targets of shards, by number

DEFAULT_SHARDS = 8  # shards, if there are several processes


class Shards:
    """Division of each batch into shards.

    Parameters
    ----------
    count : int
        Number of shards of a batch, in all processes together.
    processes : Processes
        The processes, each with some of the shards.
    batches : iterable
        The training data; if it has a batch size, the number of shards must divide it.
    sync_bn : bool
        True if batch normalisation uses the statistics of all shards.
    """

    def __init__(self, count: int | None, processes: Processes, batches: Any, sync_bn: bool = False) -> None:
        self.sync_bn = flag("sync_bn", sync_bn)
        self.count, self.processes = integer("shards", DEFAULT_SHARDS if count is None else count), processes
        if self.count < processes.size:
            raise ArgumentValueError(f"shards must be at least {processes.size}, the number of processes, got {self.count}")
        size = getattr(batches, "batch_size", self.count)
        if size % self.count:
            raise ArgumentValueError(f"shards must divide the batch size {size}, got {self.count}")
        last = len(getattr(batches, "labels", ())) % size
        if sync_bn and last and not getattr(batches, "drop_last", False):
            self.check_size(last)

    def check_size(self, images: int) -> None:
        """Raise ``ValueError`` if a batch has too few images for statistics of all shards."""
        if images < self.count:
            raise ArgumentValueError(
                f"batches must have at least {self.count} images, one for each shard, with sync_bn=True, got {images}: "
                "drop_last=True leaves out a smaller last batch"
            )

    @property
    def local(self) -> range:
        """Shards of this process."""
        return self.processes.local_shards(self.count)

    def divided(self, batches: Iterable[Any]) -> Iterator[ShardedBatch]:
        """Yield this process's shards of each batch, without empty ones.

        Batches that cannot be divided before they are read are read completely by each process. They must be the same in all.
        """
        if can_read_parts(batches):
            yield from batches.sharded(self.count, self.local)  # type: ignore[attr-defined]
            return
        for x, targets in each_pair(batches):
            if self.processes.size > 1:
                checksum = digest_of([np.shape(x), np.asarray(x), np.shape(targets), np.asarray(targets)])
                self.processes.refuse_differences({"the checksum of each batch": checksum})
            ends = [len(part) for part in np.array_split(np.arange(len(x)), self.count)]
            ends = np.cumsum([0, *ends]).tolist()
            yield {k: (x[a:b], targets[a:b]) for k in self.local if (a := ends[k]) < (b := ends[k + 1])}


def drops_normalisation(model: Layer) -> bool:
    """Return True if a layer of the network leaves out batch normalisation at random.

    A shard that leaves it out has no statistics to share.

    >>> from refconv import nn
    >>> drops_normalisation(nn.StochasticDepth(nn.BatchNorm(), 0.5)), drops_normalisation(nn.StochasticDepth(nn.ReLU(), 0.5))
    (True, False)
    """
    random = (layer for layer in all_layers(model) if isinstance(layer, RandomContainer) and not layer.frozen)
    return any(isinstance(inner, BatchNorm) for layer in random for inner in all_layers(layer))


class Measured(NamedTuple):
    """Loss and metrics of one shard: means over its images.

    ``weight`` is the weight of its gradient in the gradient of the batch, and ``cause`` explains a loss that is not finite.
    """

    shard: int
    images: int
    loss: float
    metrics: dict[str, float]
    weight: float = 1.0
    cause: str = ""
