"""SHA-256 digests of the kernels' results, which show whether a change alters any bit.

    python -m benchmarks.digests write before.json      with the old code
    python -m benchmarks.digests compare before.json    with the new code, on the same machine with the same compiler

The digests cover all operators and derivatives of the catalogue on their fixed cases, the rows of the benchmark, and the
weights of LeNet-5 after one epoch. They are computed in float32 and float64, for each instruction set that this processor can
run. Each result is computed with one, two and three threads, which must agree. ``compare`` lists the differences and exits
with status 1 if there are any.
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
IMAGES = 6400  # images in the epoch of LeNet-5


def main(arguments=None):
    """Run the command; return 1 if ``compare`` finds a difference."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.digests", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "action",
        choices=("write", "compare", "measure"),
        help="write or compare FILE; measure: print the digests of one instruction set",
    )
    parser.add_argument("file", nargs="?", type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    if options.action == "measure":
        print(json.dumps(measure()))
        return 0
    if options.file is None:
        parser.error(f"FILE is required for {options.action}")
    digests = {
        f"{isa}: {name}": digest for isa in _core.instruction_sets() for name, digest in measure_in_subprocess(isa).items()
    }
    if options.action == "write":
        options.file.write_text(json.dumps(digests, indent=0), encoding="utf-8")
        print(f"{len(digests)} digests written to {options.file}")
        return 0
    return report(json.loads(options.file.read_text(encoding="utf-8")), digests)


def report(before, now):
    """Print the differences between two sets of digests.

    Return 1 if a digest has changed or is no longer computed, else 0.
    """
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


def measure_in_subprocess(isa):
    """Return the digests of one instruction set, measured in a process that uses it."""
    command = [sys.executable, "-m", "benchmarks.digests", "measure"]
    environment = {**os.environ, "REFCONV_ISA": isa, "PYTHONIOENCODING": "utf-8"}
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout)


def measure(tasks=None):
    """Return the digest of each task; raise RuntimeError if it depends on the thread count."""
    result = {}
    for name, task in tasks or all_tasks():
        digests = set()
        for threads in THREADS:
            with config(threads=threads):
                digests.add(digest(task()))
        if len(digests) > 1:
            raise RuntimeError(f"the result of {name} must not depend on the number of threads")
        result[name] = digests.pop()
    return result


def digest(arrays):
    """Return the SHA-256 digest of arrays with their shapes and dtypes."""
    sha = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(array)
    return sha.hexdigest()


def all_tasks():
    """Yield pairs of a name and a function that computes a list of arrays."""
    yield from catalogue_tasks()
    yield from row_tasks(ROWS)
    yield "LeNet-5, weights after an epoch", lenet_epoch


def catalogue_tasks():
    """Yield a task for each operator and derivative and each fixed case of the catalogue."""
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
    """Yield a task for each row of a single layer; these are large enough for all algorithms."""
    for row in rows:
        if isinstance(row.problem, (LeNetStep, Network)):
            continue
        drawn = row.problem.draw(row.work)
        for dtype in DTYPES:
            a = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in drawn.items()}
            side = row.problem.refconv(row.work, a)
            yield f"{dtype} {row.name}", lambda side=side: side.read(side.run())


def lenet_epoch():
    """Return the weights of LeNet-5 after one epoch of drawn digits, from fixed initial weights."""
    images, labels = data.draw_digits(IMAGES, seed=1)
    model = models.lenet()
    model.build((32, 32, 1), rng=1)
    optimizer = optim.SGD(model, lr=0.05, momentum=0.9, weight_decay=5e-4)
    for x, y in data.Batches(images, labels, 64, shuffle=False, prepare=data.lenet_input):
        training.train_step(model, optimizer, x, y)
    return [parameter.value for parameter in model.named_parameters().values()]


if __name__ == "__main__":
    sys.exit(main())
