"""SHA-256 digests of what the kernels compute, to show that a change of the code changes no number.

    python -m benchmarks.digests write before.json      with the old code
    python -m benchmarks.digests compare before.json    with the new code, on the same machine with the same compiler

Covers every operator and derivative of the catalogue on its fixed cases and the rows of the benchmark, in float32 and float64,
on every instruction set that this processor runs, and the weights of LeNet-5 after one epoch. Each is computed on one, two and
three threads, which must agree. ``compare`` lists what differs and exits with status 1.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.problems.lenet import LeNetStep
from benchmarks.problems.network import Network
from benchmarks.rows import ROWS
from refconv import _core, config, data, models, optim, training
from refconv._ascii import use_ascii_forms
from refconv.verify.case import fill, floats
from refconv.verify.catalogue import OPERATORS

THREADS = (1, 2, 3)
DTYPES = ("float32", "float64")
IMAGES = 6400  # of the epoch of LeNet-5


def main(arguments=None):
    """Run the command; returns 1 if ``compare`` finds a difference."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.digests", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("write", "compare", "measure"), help="measure: print those of one instruction set")
    parser.add_argument("file", nargs="?", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    if options.action == "measure":
        print(json.dumps(measure()))
        return 0
    if options.file is None:
        parser.error("FILE is required")
    found = {f"{isa}: {name}": digest for isa in _core.instruction_sets() for name, digest in elsewhere(isa).items()}
    if options.action == "write":
        options.file.write_text(json.dumps(found, indent=0), encoding="utf-8")
        print(f"{len(found)} digests written to {options.file}")
        return 0
    return report(json.loads(options.file.read_text(encoding="utf-8")), found)


def report(before, now):
    """Print what differs between two sets of digests; returns 1 if anything does."""
    changed = [name for name in before if name in now and now[name] != before[name]]
    for title, names in (
        ("changed", changed),
        ("no longer computed", [name for name in before if name not in now]),
        ("new", [name for name in now if name not in before]),
    ):
        for name in names:
            print(f"{title}: {name}")
    print(f"{len(before)} digests before, {len(now)} now, {len(changed)} changed")
    return int(bool(changed) or not before.keys() <= now.keys())


def elsewhere(isa):
    """The digests of one instruction set, measured in a process that uses it."""
    command = [sys.executable, "-m", "benchmarks.digests", "measure"]
    environment = {**os.environ, "REFCONV_ISA": isa, "PYTHONIOENCODING": "utf-8"}
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout)


def measure(tasks=None):
    """Digest of each task on all numbers of threads; RuntimeError if they differ."""
    found = {}
    for name, task in tasks or all_tasks():
        digests = set()
        for threads in THREADS:
            with config(threads=threads):
                digests.add(digest(task()))
        if len(digests) > 1:
            raise RuntimeError(f"{name} depends on the number of threads")
        found[name] = digests.pop()
    return found


def digest(arrays):
    """SHA-256 of arrays with their shapes and dtypes."""
    sha = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(array)
    return sha.hexdigest()


def all_tasks():
    """Pairs of a name and a function that computes a list of arrays."""
    yield from catalogue_tasks()
    yield from row_tasks(ROWS)
    yield "LeNet-5, weights after an epoch", lenet_epoch


def catalogue_tasks():
    """Every operator and derivative on the fixed cases of the catalogue."""
    for operator in OPERATORS.values():
        for k, case in enumerate(operator.fixed):
            for dtype in DTYPES:
                a = fill(case, lambda *arguments, dtype=dtype: floats(*arguments).astype(dtype))
                y = np.asarray(operator(a))
                with_dy = a.with_arrays(dy=floats("dy", y.shape, np.random.default_rng(1), False).astype(y.dtype))
                yield f"{dtype} {operator.name}, case {k}", lambda operator=operator, a=a: [operator(a)]
                for derivative in operator.derivatives:
                    name = f"{dtype} {operator.name}, {derivative.name}, case {k}"
                    yield name, lambda derivative=derivative, a=with_dy: derivative(a).values()


def row_tasks(rows):
    """The benchmark's rows of single layers, which are large enough for every algorithm."""
    for row in rows:
        if isinstance(row.problem, (LeNetStep, Network)):
            continue
        drawn = row.problem.draw(row.work)
        for dtype in DTYPES:
            a = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in drawn.items()}
            side = row.problem.refconv(row.work, a)
            yield f"{dtype} {row.name}", lambda side=side: side.read(side.run())


def lenet_epoch():
    """Weights of LeNet-5 after one epoch of drawn digits, from fixed first weights."""
    images, labels = data.draw_digits(IMAGES, seed=1)
    model = models.lenet()
    model.build((32, 32, 1), rng=1)
    optimizer = optim.SGD(model, lr=0.05, momentum=0.9, weight_decay=5e-4)
    for x, y in data.Batches(images, labels, 64, shuffle=False, prepare=data.lenet_input):
        training.train_step(model, optimizer, x, y)
    return [parameter.value for parameter in model.named_parameters().values()]


if __name__ == "__main__":
    sys.exit(main())
