"""Helper that runs the command ``refconv`` in a separate process, as a user does."""

import csv
import os
import subprocess
import sys

import pytest

from refconv import _core

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


def lines_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
