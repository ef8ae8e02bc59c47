"""Helper that runs the command ``refconv`` in a separate process, as a user does."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refconv import _core

# Open MPI refuses to run as root, which tests in containers do, and more processes than processors.
MPI_ENVIRONMENT = {
    **{f"{name}_ALLOW_RUN_AS_ROOT{end}": "1" for name in ("OMPI", "PRTE") for end in ("", "_CONFIRM")},
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}
WARNINGS = ("-W", "error", "-W", "ignore::EncodingWarning:matplotlib.font_manager")
SMALL = ("train", "lenet", "--images", "400", "--epochs", "2", "--batch-size", "32")


def refconv(*arguments, cwd, status=0, **environment):
    if _core.ISA is None and arguments[0] == "train" and "reference" not in arguments and status == 0:
        pytest.skip("training on the loops would take hours")
    run = subprocess.run(
        [sys.executable, *WARNINGS, "-m", "refconv", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert run.returncode == status, f"status {run.returncode}\n{run.stdout}\n{run.stderr}"
    return run.stdout if status == 0 else run.stderr


def find_mpiexec():
    """Return the path of mpiexec, or None if it is not installed."""
    return shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def lines_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
