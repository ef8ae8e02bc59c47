"""Program that trains on disks that become full, and resumes each run on a disk with space.

    python tests/full_disk.py
    python tests/full_disk.py --kilobytes 100 600 1100

The folder of the run is a file system of this size in memory, so that the disk is full when the run writes its first file, its
last, or any other. The run must end with exit status 1 and one line that names the file and the reason, and leave no temporary
file. From its last checkpoint, it must continue to the same bits as a run without this error. The program needs Linux and the
right to use namespaces (unshare).
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

KILOBYTES = (4, 200, 488, 600, 976, 1000, 1200, 1300, 1360, 1500)
REFCONV = [sys.executable, "-W", "error", "-m", "refconv"]
TRAIN = [*REFCONV, "train", "lenet", "--data", "digits", "--images", "300", "--epochs", "3", "--out", "run", "--quiet"]
FILES = {"history.csv", "last.safetensors", "model.safetensors", "previous.safetensors", "training.png"}
# Arguments: size, folder of the file system, folder that gets a copy of its files, command.
ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1" tmpfs "$2" || exit 99
disk=$2 saved=$3 && shift 3
(cd "$disk" && "$@")
status=$?
cp -a "$disk/." "$saved" && exit $status
"""


def on_a_small_disk(kilobytes, saved, command=TRAIN):
    """Run a command in a file system of this size, and return the process that has ended.

    The files that it wrote are copied to the folder ``saved``.
    """
    with tempfile.TemporaryDirectory() as disk:
        arguments = [f"{kilobytes}k", disk, str(saved), *command]
        return subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", *arguments],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )


def is_allowed():
    """Return True if this process may mount a file system in a namespace of its own."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return on_a_small_disk(4, folder, ["true"]).returncode == 0
        except FileNotFoundError:  # no unshare
            return False


def weights(path):
    """Return all parameters of a model file, one after the other."""
    from refconv import load

    return np.concatenate([p.value.ravel() for p in load(path).named_parameters().values()])


def uninterrupted():
    """Return the final weights of a run whose disk has space."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(TRAIN, cwd=folder, check=True, timeout=300)
        return weights(Path(folder, "run", "model.safetensors"))


def outcome(kilobytes, expected):
    """Train on a disk of this size, and resume; return a sentence.

    ``expected`` are the final weights of an uninterrupted run. Raises ``AssertionError`` if the run does not end as it must.
    """
    with tempfile.TemporaryDirectory() as saved:
        run = on_a_small_disk(kilobytes, saved)
        if run.returncode == 0:
            return "the disk is large enough"
        (line,) = run.stderr.splitlines()
        assert run.returncode == 1, run.returncode
        assert re.fullmatch("refconv: run.*: no space left on device", line), line
        left = {path.name for path in Path(saved, "run").glob("*")}
        assert left <= FILES, left
        if "last.safetensors" not in left:
            return f"{line}; there is no checkpoint yet"
        subprocess.run([*REFCONV, "train", "lenet", "--resume", "run", "--quiet"], cwd=saved, check=True, timeout=300)
        assert (weights(Path(saved, "run", "model.safetensors")) == expected).all()
        return f"{line}; resumed to the same bits"


def main(arguments=None):
    """Print a line for each size of a disk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kilobytes", type=int, nargs="+", default=KILOBYTES, metavar="N")
    sizes = parser.parse_args(arguments).kilobytes
    if not is_allowed():
        sys.exit("full_disk.py: this process may not mount file systems")
    expected = uninterrupted()
    for kilobytes in sizes:
        print(f"{kilobytes:6} kB  {outcome(kilobytes, expected)}", flush=True)


if __name__ == "__main__":
    main()
