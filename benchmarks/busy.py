"""Times of training and of single operators while other processes use the processor.

    python -m benchmarks.busy --busy 0 1 2 --against /path/to/another/checkout

An epoch of 12,000 images is trained alone, and while one or two processes loop forever. It is trained with `import refconv`
and with the command `refconv train`. Rows of the table of operators, named by --rows, run for a third of a second; the mean
time of a call counts. Checkouts and numbers of busy processes take turns. The benchmark prints medians in seconds and their
ratios to the time without busy processes. Another checkout needs its own compiled kernels.
"""

import argparse
import contextlib
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMAGES = 12_000
ROWS = (
    *("LeNet-5, batch 64, training step", "3×3, 64 channels, forward", "3×3, 64 channels, backward", "1×1, forward"),
    *("depthwise 3×3, forward", "max pool 2×2, forward", "batch norm, training, forward", "dense 400 to 120, forward"),
)

# Trains one epoch for each line of its standard input and prints its seconds.
TRAINER = """
import sys
import time
import refconv
from refconv import data, models, optim, training
model = models.create("lenet")
model.build(models.input_shape("lenet"), 0)
batches = data.Batches(*data.draw_digits(int(sys.argv[1]), 0), 64, rng=0, prepare=data.lenet_input)
optimizer = optim.SGD(model, 0.05, momentum=0.9)
for _ in sys.stdin:
    began = time.perf_counter()
    training.fit(model, batches, optimizer, epochs=1)
    print(time.perf_counter() - began, flush=True)
"""


# Runs a row of the table for each line of its standard input and prints the mean seconds of a call.
OPERATOR = """
import sys
import time
from benchmarks.rows import ROWS
(row,) = [row for row in ROWS if row.name == sys.argv[1]]
run = row.problem.sides(row.work, [])["refconv"].run
for _ in sys.stdin:
    began, calls = time.perf_counter(), 0
    while time.perf_counter() < began + 1 / 3:
        run()
        calls += 1
    print((time.perf_counter() - began) / calls, flush=True)
"""


class Importer:
    """Process that imports refconv from one checkout, and measures on request."""

    def __init__(self, root, program, argument):
        command = [sys.executable, "-X", "utf8", "-c", program, argument]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        self.process = subprocess.Popen(command, cwd=root, env=environment(root), **pipes)
        self.seconds()  # warm-up: the first run also draws the images and touches memory for the first time

    def seconds(self):
        """Train an epoch or call an operator; return the time in seconds."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.communicate()


class Command:
    """Command ``refconv train`` of one checkout."""

    def __init__(self, root, images):
        self.root = root
        options = f"--images {images} --test-images 10 --epochs 2 --out"
        self.arguments = [sys.executable, "-m", "refconv", "train", "lenet", *options.split()]

    def seconds(self):
        """Train two epochs; return the time of the second one in seconds."""
        with tempfile.TemporaryDirectory() as folder:
            command = [*self.arguments, f"{folder}/run"]
            subprocess.run(command, cwd=folder, env=environment(self.root), capture_output=True, check=True)
            with open(f"{folder}/run/history.csv", encoding="utf-8", newline="") as file:
                return float(list(csv.DictReader(file))[-1]["seconds"])

    def close(self):
        pass


def environment(root):
    return {**os.environ, "PYTHONPATH": str(root)}


@contextlib.contextmanager
def busy_processes(count):
    """Run processes that compute all the time, not bound to any processor."""
    command = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in processes:
            process.stdout.readline()
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def measure(sides, counts, rounds):
    """Return the median seconds of an epoch, by side and number of busy processes."""
    seconds = {(name, count): [] for name in sides for count in counts}
    for _ in range(rounds):
        for count in counts:
            with busy_processes(count):
                for name, side in sides.items():
                    seconds[name, count].append(side.seconds())
    return {key: statistics.median(values) for key, values in seconds.items()}


def table(names, counts, seconds):
    """Yield lines with the seconds, and their ratios to the first number of busy processes."""
    yield "seconds of an epoch or a call, beside busy processes: " + ", ".join(map(str, counts))
    width = max(map(len, names)) + 2
    for name in names:
        alone = seconds[name, counts[0]]
        yield f"{name:{width}}" + "".join(f"{seconds[name, n]:10.6f} ({seconds[name, n] / alone:.2f}×)" for n in counts)


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.busy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="numbers of busy processes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--from", choices=("import", "command"), nargs="*", default=["import", "command"], dest="entries")
    parser.add_argument(
        "--rows", nargs="*", default=ROWS, metavar="NAME", help="complete names of rows of python -m benchmarks"
    )
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="DIR", help="other checkouts")
    options = parser.parse_args(arguments)
    roots = [ROOT, *(root.resolve() for root in options.against)]
    makers = {
        "import": lambda root: Importer(root, TRAINER, str(options.images)),
        "command": lambda root: Command(root, options.images),
    }
    makers = {name: makers[name] for name in options.entries}
    makers |= {row: lambda root, row=row: Importer(root, OPERATOR, row) for row in options.rows}
    with contextlib.ExitStack() as stack:
        sides = {f"{root.name}, {name}": make(root) for name, make in makers.items() for root in roots}
        for side in sides.values():
            stack.callback(side.close)
        print(*table(sides, options.busy, measure(sides, options.busy, options.rounds)), sep="\n")


if __name__ == "__main__":
    main()
