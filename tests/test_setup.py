"""The build, where a system lacks what it would like to use."""

import importlib.util
import multiprocessing
import os
import subprocess
import sys
import types
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


def test_sources_are_read_as_utf_8_whatever_the_locale():
    """With PYTHONUTF8=0, a read_text() without an encoding would raise EncodingWarning here and fail with cp1252 or gbk."""
    script = (
        "import importlib.util as u; spec = u.spec_from_file_location('s', 'setup.py'); m = u.module_from_spec(spec); "
        "spec.loader.exec_module(m); print(sum(len(m.headers(f)) for f in sorted(m.CORE.glob('*/*.pyx'))))"
    )
    command = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning:__main__", "-W"]
    command += ["error::EncodingWarning:s", "-c", script]
    run = subprocess.run(
        command, cwd=SETUP.parent, env={**os.environ, "PYTHONUTF8": "0"}, capture_output=True, encoding="utf-8", timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 50


def test_msvc_reads_the_generated_sources_as_utf_8(setup, monkeypatch):
    monkeypatch.setattr(setup, "openmp_flags", lambda: types.SimpleNamespace(extra_compile_args=[], extra_link_args=[]))
    monkeypatch.setattr(setup.sys, "platform", "win32")
    assert all("/utf-8" in setup.flags(own)[0] for own in setup.MSVC_FLAGS.values())
