"""Seconds until refconv can be used: importing it, building the kernels, and running the tests.

    python -m benchmarks.startup                what is not named below: import, build and tests
    python -m benchmarks.startup import         only the import
    python -m benchmarks.startup tests --all    every test, as pytest --all

Imports run in new processes, which take turns: another program may slow down some of them. Their minimum and median are
printed, once for the whole process and once beyond the process before it. The build compiles a copy of the sources; it needs
Cython and extension-helpers. For build and tests, processor time is printed beside elapsed time: the sum over all cores,
which changes less when other programs run.
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

# What each process runs, from the smallest to the largest.
STATEMENTS = {
    "Python": "pass",
    "NumPy": "import numpy",
    "refconv": "import refconv",
    "refconv, an operator": "import refconv; refconv.conv2d",
    "refconv, everything": "from refconv import *",
}
NOT_BUILT_FROM = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "*.pyd", "*.so", "build", "figures", "runs", "tutorials")


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="import, build or tests (default: all three)")
    parser.add_argument("--processes", type=int, default=20, help="processes of each import (default: %(default)s)")
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
    """Lists of the seconds of each process, by the names of STATEMENTS."""
    seconds = {name: [] for name in STATEMENTS}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(processes):
        for name, statement in STATEMENTS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def import_table(seconds):
    """The lines of the table of imports, in milliseconds."""
    lines, before = [f"{'milliseconds':24}{'minimum':>8}{'median':>8}{'beyond':>20}"], None
    for name, taken in seconds.items():
        now = (1e3 * min(taken), 1e3 * statistics.median(taken))
        line = f"{name:24}{now[0]:8.0f}{now[1]:8.0f}"
        if before:
            line += f"{now[0] - before[0]:12.0f}{now[1] - before[1]:8.0f}"
        lines.append(line)
        before = now
    return lines


def build():
    """Compile the kernels in a copy of the sources; the time it took, as text."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "refconv")
        shutil.copytree(ROOT, copy, ignore=NOT_BUILT_FROM)
        return timed(["setup.py", "build_ext", "--inplace"], copy)


def timed(command, folder):
    """Run Python with these arguments; elapsed and processor time as text."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    began, used = time.perf_counter(), children_seconds()
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, encoding="utf-8")
    seconds, used = time.perf_counter() - began, children_seconds() - used
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return f"{seconds:.0f} s elapsed, {used:.0f} s of processor time"


def children_seconds():
    """Processor time of all child processes that have ended, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
