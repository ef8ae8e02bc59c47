"""Training in several processes of MPI: equal weights, speed, and messages of a step.

    python -m benchmarks.processes --processes 1 2 4 8 --networks lenet resnet20

For each network, and for batch normalisation of each shard and of all shards (--sync-bn), the benchmark trains with 8 shards:
in this process without MPI, and with ``mpiexec`` in each number of processes with one thread each. It prints a digest of the
weights, images in a second of the last epoch, and the messages that the first process sends in a step: their number and bytes.
All digests of a network must be equal. The command returns 1 if they are not. The last lines compare the images in a second of
two processes with one thread each, and of one process with two threads, without shards.

It needs mpi4py, and ``mpiexec`` of its MPI library. Images are random. --gigabits also runs two processes on links of limited
speed, as in benchmarks.machines.
"""

import argparse
import json
import pickle
import sys
from contextlib import ExitStack

import numpy as np

from benchmarks.links import SHARED_MEMORY, limited
from refconv import data, models, optim, training
from refconv.cli.mpi import processes_of_mpiexec
from refconv.training.sharded_gradient import digest_of_weights

__all__ = ["main", "random_problem", "train"]

SHARDS = 8


class Counted:
    """Communicator that counts the messages and bytes that this process sends."""

    def __init__(self, communicator):
        self.communicator, self.messages, self.bytes = communicator, 0, 0

    def __getattr__(self, name):
        return getattr(self.communicator, name)

    def _count(self, size):
        self.messages += 1
        self.bytes += size

    def allgather(self, value):
        self._count(len(pickle.dumps(value)))
        return self.communicator.allgather(value)

    def Alltoallv(self, sent, received):  # noqa: N802
        self._count(sent[0].nbytes)
        self.communicator.Alltoallv(sent, received)

    def Allgatherv(self, sent, received):  # noqa: N802
        self._count(sent.nbytes)
        self.communicator.Allgatherv(sent, received)


def random_problem(network, images):
    """Return a network, random images and random labels."""
    model, shape = models.create(network, classes=10), models.input_shape(network)
    model.build(shape, rng=0)
    rng = np.random.default_rng(0)
    return model, rng.standard_normal((images, *shape)).astype(np.float32), rng.integers(0, 10, images)


def train(network, shards, sync_bn, images, batch_size, epochs, communicator=None):
    """Train a network on random images; return a digest of the weights, its speed and messages."""
    counted = communicator and Counted(communicator)
    model, x, labels = random_problem(network, images)
    batches = data.Batches(x, labels, batch_size, rng=1, drop_last=True)
    optimizer = optim.SGD(model, 0.02, momentum=0.9)
    history = training.fit(
        model, batches, optimizer, epochs=epochs, shards=shards, sync_bn=sync_bn, clip_norm=1.0, communicator=counted
    )
    steps = epochs * len(batches)
    messages, size = (counted.messages / steps, counted.bytes / steps) if counted else (0, 0)
    return {
        "digest": digest_of_weights(model),
        "images_per_second": history.epochs[-1].images_per_second,
        "messages": messages,
        "bytes": size,
    }


def measured(link, processes, threads, *arguments):
    """Return the result of ``train`` in new processes; without mpiexec if their number is 0."""
    return link.run("benchmarks.processes", ["--train", json.dumps(arguments)], processes, threads)


def main(arguments=None):
    """Run the command; return 1 if weights differ."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.processes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8], metavar="N")
    parser.add_argument("--networks", nargs="+", default=["lenet", "resnet20", "densenet-bc100-small"], metavar="NAME")
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--gigabits", type=float, nargs="*", default=[], metavar="X", help="also with links of X Gbit/s")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.train:
        return _train_here(*json.loads(options.train))
    sizes = options.images, options.batch_size, 2
    print(f"{'network':24}{'batch norm':12}{'processes':>26}  {'digest':18}{'images/s':>9}{'messages':>10}{'kB a step':>11}")
    runs = [(SHARED_MEMORY, count) for count in (0, *options.processes)]
    with ExitStack() as stack:
        runs += [(stack.enter_context(limited(speed)), 2) for speed in options.gigabits]
        equal = [_compared(network, sync_bn, runs, sizes) for network in options.networks for sync_bn in (False, True)]
    for network in options.networks:
        one, two = (measured(SHARED_MEMORY, *run, False, *sizes) for run in ((0, 2, network, None), (2, 1, network, 2)))
        ratio = two["images_per_second"] / one["images_per_second"]
        print(f"{network}: 2 processes with 1 thread, 2 shards: {ratio:.2f} × the images/s of 1 process with 2 threads")
    return 0 if all(equal) else 1


def _train_here(*arguments):
    """Train in this process, and print the result if it is the first of mpiexec."""
    processes = processes_of_mpiexec()
    result = train(*arguments, communicator=processes.communicator)
    if not processes.rank:
        print(json.dumps(result))


def _compared(network, sync_bn, runs, sizes):
    """Print the rows of a network; return True if all digests are equal."""
    digests = set()
    for link, count in runs:
        found = measured(link, count, 1, network, SHARDS, sync_bn, *sizes)
        digests.add(found["digest"])
        where = f"{count}, {link}" if count else "no MPI"
        row = f"{network:24}{'all shards' if sync_bn else 'each shard':12}{where:>26}  {found['digest']:18}"
        numbers = f"{found['images_per_second']:9.0f}{found['messages']:10.1f}{found['bytes'] / 1000:11.1f}"
        print(row + numbers, flush=True)
    return len(digests) == 1


if __name__ == "__main__":
    sys.exit(main())
