"""Fixtures that the tests of several commands share."""

import pytest

from command_line import SMALL, refconv
from refconv.cli import main


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of one small run, and what the run printed."""
    for module in ("tqdm", "matplotlib"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("trained")
    return folder, refconv(*SMALL, "--out", "out", "--threads", "1", cwd=folder)


@pytest.fixture
def printed(capsys):
    """Run a command in this process and return what it printed, on standard error if it fails."""

    def run(*arguments, status=0):
        assert main(arguments) == status
        out, error = capsys.readouterr()
        return out if status == 0 else error

    return run
