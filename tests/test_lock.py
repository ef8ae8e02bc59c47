"""Tests of the locks of folders."""

import subprocess
import sys

import pytest

from refconv._lock import LOCK, locked

pytest.importorskip("fcntl", reason="Windows has no such locks")

HOLDER = """
import sys, time
from pathlib import Path
from refconv._lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_live_process_holds_the_lock_and_a_killed_one_does_not(tmp_path):
    folder = tmp_path / "run"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, encoding="utf-8")
    try:
        assert holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(FileExistsError, match=rf"run must not be in use .*got the lock of process {holder.pid}$"),
            locked(folder),
        ):
            pass
        assert (folder / LOCK).exists()
    finally:
        holder.kill()
        holder.communicate()
    assert (folder / LOCK).exists()  # the file remains, without a lock
    with locked(folder):
        pass
    assert list(folder.iterdir()) == []


def test_a_folder_is_locked_once_in_a_process(tmp_path):
    with locked(tmp_path):
        with pytest.raises(FileExistsError, match="got the lock of process"), locked(tmp_path):
            pass
        assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        pass


def test_a_removed_file_is_not_locked(tmp_path, monkeypatch):
    import fcntl

    flock, calls = fcntl.flock, []

    def removed_in_between(handle, operation):
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / LOCK).unlink()  # by the process that held the lock until now
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", removed_in_between)
    with locked(tmp_path):
        assert len(calls) == 2
        with pytest.raises(FileExistsError), locked(tmp_path):
            pass


def test_a_file_system_without_locks_is_no_error(tmp_path, monkeypatch):
    import fcntl

    def refuse(handle, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path), locked(tmp_path):
        pass
