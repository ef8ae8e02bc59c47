"""Time to import refconv, to build the kernels and to run the tests.

    python -m benchmarks.startup                import, build and tests
    python -m benchmarks.startup import         only the import
    python -m benchmarks.startup tests --all    every test, as pytest --all

The import is measured in several new processes. Each process runs the statements of the table one after the other, so the time
of `import refconv` does not contain NumPy's own import; the last line is the sum. The build compiles a copy of the sources; it
needs Cython and extension-helpers. For the build and the tests, the elapsed time and the processor time are printed. Processor
time is the sum over all cores; it changes less when other programs run.
"""

import argparse
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from refconv._ascii import use_ascii_forms

ROOT = Path(__file__).parents[1]
PARTS = ("import", "build", "tests")

STATEMENTS = ("import numpy", "import refconv", "refconv.conv2d", "from refconv import *")
SCRIPT = """
import sys, time
for statement in sys.argv[1:]:
    began = time.perf_counter()
    exec(statement)
    print(time.perf_counter() - began)
"""

RUN = {"capture_output": True, "encoding": "utf-8"}
EXCLUDED = (
    ".*",
    "__pycache__",
    "*.egg-info",
    "*.pyd",
    "*.so",
    "build",
    "figures",
    "rendered",
    "runs",
    "tutorials",
)  # files and folders that the copy for the build does not contain


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="import, build or tests (default: all three)")
    parser.add_argument("--processes", type=int, default=20, help="number of processes that import (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="run every test, not only the fast ones")
    options = parser.parse_args(arguments)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"PART must be one of {', '.join(PARTS)}, got {part!r}")
    parts = options.parts or PARTS
    if "build" in parts and not (importlib.util.find_spec("Cython") and importlib.util.find_spec("extension_helpers")):
        parser.error("the build needs Cython and extension-helpers: pip install Cython extension-helpers")

    if "import" in parts:
        print("\n".join(import_table(import_seconds(options.processes))), flush=True)
    if "build" in parts:
        print(f"build, {os.cpu_count()} processors: {build()}", flush=True)
    if "tests" in parts:
        command = ["-m", "pytest", "-q", *(["--all"] if options.all else [])]
        print(f"{' '.join(command[1:])}: {timed(command, ROOT)}", flush=True)


def import_seconds(processes):
    """Return lists with the seconds of each process, by statement."""
    seconds = {statement: [] for statement in STATEMENTS}
    for _ in range(processes):
        printed = subprocess.run([sys.executable, "-c", SCRIPT, *STATEMENTS], **RUN, cwd=ROOT, check=True).stdout
        for taken, text in zip(seconds.values(), printed.split(), strict=True):
            taken.append(float(text))
    return {**seconds, "all of these": [sum(process) for process in zip(*seconds.values(), strict=True)]}


def import_table(seconds):
    """Return the lines of the table of imports, in milliseconds."""
    return [f"{'milliseconds':24}{'minimum':>8}{'median':>8}"] + [
        f"{statement:24}{1e3 * min(taken):8.1f}{1e3 * statistics.median(taken):8.1f}" for statement, taken in seconds.items()
    ]


def build():
    """Compile the kernels in a copy of the sources; return the time as text."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "refconv")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*EXCLUDED))
        return timed(["setup.py", "build_ext", "--inplace"], copy)


def timed(command, folder):
    """Run Python with these arguments; return the elapsed and the processor time as text."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    began, used = time.perf_counter(), children_seconds()
    done = subprocess.run([sys.executable, *command], **RUN, cwd=folder, env=environment)
    seconds, used = time.perf_counter() - began, children_seconds() - used
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return f"{seconds:.0f} s elapsed, {used:.0f} s of processor time"


def children_seconds():
    """Return the processor time of all child processes that have ended, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
