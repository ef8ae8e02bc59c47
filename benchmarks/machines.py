"""Time of a training step on several machines: measurements, and a model.

    python -m benchmarks.machines --gigabits 1

The model of a step of p machines that share a batch of N images, for a network with n parameters of 4 bytes:

    seconds = step + image · N / p  +  latency · 4 log₂ p  +  byte · 8 n (p − 1) / p

The first two terms are the computation, fitted to steps of one process with several batch sizes. The others are the four
messages of a step: two lists of a few numbers, and Alltoallv and Allgatherv, in each of which a machine sends n (p − 1) / p
numbers. Their times are fitted to exchanges of two processes. The last rows compare the model with measured steps of two
processes with one thread each. The model assumes that all machines compute as fast as this one, that the network has its full
speed between all of them at the same time, and that messages do not overlap with the computation.

It needs mpi4py and MPICH. --gigabits also measures links of limited speed, which use TCP between two network namespaces of
Linux; that needs root, and the commands ip and tc.
"""

import argparse
import json
import sys
import time
from contextlib import ExitStack

import numpy as np

from benchmarks.links import SHARED_MEMORY, limited
from benchmarks.processes import random_problem
from refconv import config, get_config, models, optim, training
from refconv.cli.mpi import processes_of_mpiexec

__all__ = ["GIGABITS", "MACHINES", "NETWORKS", "Model", "links_of", "main", "measure"]

# Network: the batch that all machines share, and the batches of one process to which the computation is fitted.
NETWORKS = {"lenet": (64, (4, 16, 64)), "resnet20": (128, (4, 16, 64)), "resnet50": (64, (1, 4, 8))}
COMPARED = ("lenet", "resnet20")  # a step of ResNet-50 takes too long
FLOATS = (1, 1_000, 30_000, 300_000, 3_000_000, 25_000_000)
GIGABITS = (1, 25)  # speeds of the network for which the model is printed
MACHINES = (2, 4, 8, 16, 32, 64)
MESSAGES = 4  # of a step
BYTES = 8  # that a machine sends for each parameter, if there are many machines
REPEATS = 6


class Model:
    """Model of a step, fitted to rows that :func:`measure` returns.

    Attributes
    ----------
    latency, byte : float
        Seconds of a message without content, and of each byte.
    compute : dict
        For each network, seconds of a step without images and of each image.
    """

    def __init__(self, rows, link, threads):
        constant, self.byte = line([(BYTES * r["size"] / 2, r["seconds"]) for r in rows if r["link"] == link])
        self.latency = constant / MESSAGES
        self.compute = {
            name: line(
                [(r["size"], r["seconds"]) for r in rows if (r["network"], r["link"], r["threads"]) == (name, "", threads)]
            )
            for name in NETWORKS
        }

    def seconds(self, network, machines, gigabits=None):
        """Return the seconds of a step: of the computation, and of the messages.

        ``gigabits`` is the speed of the network in Gbit/s, by default as measured.
        """
        step, image = self.compute[network]
        byte = self.byte if gigabits is None else 8 / (gigabits * 1e9)
        sent = BYTES * parameters(network) * (machines - 1) / machines
        batch, _ = NETWORKS[network]
        return step + image * batch / machines, self.latency * MESSAGES * float(np.log2(machines)) + byte * sent


def links_of(rows):
    """Return the names of the links on which exchanges were measured."""
    return list(dict.fromkeys(r["link"] for r in rows if r["link"] and not r["network"]))


def line(points):
    """Return constant, at least 0, and slope of the line with the smallest relative errors.

    >>> line([(1.0, 5.0), (2.0, 7.0), (5.0, 13.0)])
    (3.0, 2.0)
    """
    x, y = np.array(points, float).T
    constant, slope = np.linalg.lstsq(np.stack([1 / y, x / y], axis=1), np.ones(len(y)), rcond=None)[0]
    if constant < 0:
        constant, slope = 0.0, np.mean(y / x)
    return round(float(constant), 12), round(float(slope), 12)


def parameters(network):
    """Return the number of parameters of a network."""
    return models.create(network, classes=10).count_parameters(models.input_shape(network), trainable_only=True)


def measure(gigabits=()):
    """Return rows of seconds: steps of one process, and exchanges and steps of two processes."""
    rows = []
    for name, (_, batches) in NETWORKS.items():
        for threads in sorted({1, get_config().threads}):
            with config(threads=threads):
                rows += [row(name, "", 1, threads, batch, step_seconds(name, batch)) for batch in batches]
    with ExitStack() as stack:
        for link in (SHARED_MEMORY, *(stack.enter_context(limited(speed)) for speed in gigabits)):
            for size, seconds in link.run("benchmarks.machines", ["--exchange"], 2):
                rows.append(row("", str(link), 2, 1, size, seconds))
            for name in COMPARED:
                rows.append(row(name, f"{link}, step", 2, 1, NETWORKS[name][0], step_of_two(link, name)))
    return rows


def row(network, link, processes, threads, size, seconds):
    """Return one row; ``size`` counts the images of a step or the numbers of an exchange."""
    names = ("network", "link", "processes", "threads", "size", "seconds")
    return dict(zip(names, (network, link, processes, threads, size, float(f"{seconds:.3g}")), strict=True))


def step_seconds(network, batch):
    """Return the shortest time of a training step."""
    model, x, labels = random_problem(network, batch)
    optimizer = optim.SGD(model, 0.01, momentum=0.9)
    return fastest(lambda: training.train_step(model, optimizer, x, labels))


def exchange_seconds():
    """Return sizes of vectors, and the shortest times of steps that only add such vectors."""
    processes = processes_of_mpiexec()

    def step(vector):
        processes.gather("the measurements", [0.0])
        processes.total({processes.local_shards(processes.size): vector}, processes.size)
        processes.gather("whether to stop", False)

    found = [(size, fastest(lambda size=size: step(np.ones(size, np.float32)))) for size in FLOATS]
    return found if processes.rank == 0 else None


def step_of_two(link, network):
    """Return the seconds of a step of two processes with one thread each, with two shards."""
    batch, _ = NETWORKS[network]
    arguments = [network, 2, False, 10 * batch, batch, 3]
    result = link.run("benchmarks.processes", ["--train", json.dumps(arguments)], 2)
    return batch / result["images_per_second"]


def fastest(function):
    """Return the shortest time of several calls, without the first."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.machines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabits", type=float, nargs="*", default=[], metavar="X", help="speeds of links, in Gbit/s")
    parser.add_argument("--exchange", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.exchange:
        if found := exchange_seconds():
            print(json.dumps(found))
        return
    rows = measure(options.gigabits)
    links = links_of(rows)
    for link in links:
        _compare(rows, link)
    model = Model(rows, links[-1], get_config().threads)
    for name, (batch, _) in NETWORKS.items():
        alone = sum(model.seconds(name, 1))
        print(f"{name}, batch {batch}: {1e3 * alone:.1f} ms on one machine; by the model, speed on more machines:")
        for gigabits in GIGABITS:
            faster = [f"{p}: {alone / sum(model.seconds(name, p, gigabits)):.2f}" for p in MACHINES]
            print(f"  {gigabits:2} Gbit/s: {'  '.join(faster)}")


def _compare(rows, link):
    """Print the fitted numbers of a link, and modelled and measured steps of two processes."""
    model = Model(rows, link, 1)
    print(f"{link}: {1e6 * model.latency:.0f} μs for a message and {1e-9 / model.byte:.2f} GB/s")
    for r in (r for r in rows if r["link"] == f"{link}, step"):
        expected = 1e3 * sum(model.seconds(r["network"], 2))
        print(f"  {r['network']}, 2 processes: {expected:.1f} ms by the model, {1e3 * r['seconds']:.1f} ms measured")


if __name__ == "__main__":
    sys.exit(main())
