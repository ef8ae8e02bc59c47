"""The build, where a system lacks what it would like to use."""

import importlib.util
import multiprocessing
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "setup.py"


@pytest.fixture
def setup():
    pytest.importorskip("setuptools")
    spec = importlib.util.spec_from_file_location("refconv_setup", SETUP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # as the processes that translate do: nothing may be built by that
    return module


@pytest.mark.parametrize("error", [ImportError, PermissionError, FileNotFoundError])
def test_without_semaphores_one_process_translates_all(setup, monkeypatch, error):
    def lock():
        raise error("no semaphores here")

    assert setup.processes() >= 0
    monkeypatch.setattr(multiprocessing, "Lock", lock)
    assert setup.processes() == 0
