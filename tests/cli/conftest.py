"""Fixtures for the tests of several commands."""

import pytest

from command_line import SMALL, refconv
from refconv.cli import main


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Train a small run; return its folder and its output."""
    for module in ("tqdm", "matplotlib"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("trained")
    return folder, refconv(*SMALL, "--out", "out", "--threads", "1", cwd=folder)


@pytest.fixture
def printed(capsys):
    """Return a function that runs a command in this process.

    It returns the standard output, or the standard error if the command fails.
    """

    def run(*arguments, status=0):
        assert main(arguments) == status
        out, error = capsys.readouterr()
        return out if status == 0 else error

    return run
