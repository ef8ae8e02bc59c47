"""Tests that files are written completely or not at all."""

import errno
import os
import stat
import tempfile

import pytest

from refconv import _files


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "file"
    _files.write_atomically(path, b"first")
    assert path.read_bytes() == b"first"

    def fails(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        _files.write_atomically(path, b"second, longer")
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_reported_with_the_name_of_the_file(tmp_path, monkeypatch):
    def fails(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left on device") as caught:
        _files.write_atomically(tmp_path / "file", b"content")
    assert caught.value.filename == str(tmp_path / "file")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("step", ["mkstemp", "replace"])
def test_an_error_about_the_temporary_file_has_the_name_of_the_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file"

    def fails(prefix, dir):
        raise PermissionError(errno.EACCES, "Permission denied", f"{dir}/{prefix}k3x9")

    if step == "mkstemp":
        monkeypatch.setattr(tempfile, "mkstemp", fails)
    else:
        path.mkdir()  # a file cannot replace a folder
    with pytest.raises(OSError, match=r"Permission denied|Is a directory") as caught:
        _files.write_atomically(path, b"content")
    assert (caught.value.filename, caught.value.filename2) == (str(path), None)


def test_only_unfinished_files_of_a_killed_program_are_removed(tmp_path):
    for name in (".model.k3x9", "model", "other", ".other.k3x9"):
        (tmp_path / name).write_bytes(b"")
    _files.clear_unfinished(tmp_path / "model")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "other", ".other.k3x9"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        _files.write_atomically(tmp_path / "file", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("links", [True, False])
def test_another_name_keeps_the_content_of_a_file_that_is_replaced(tmp_path, links, monkeypatch):
    def refuse(*arguments):
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    last, previous = tmp_path / "last", tmp_path / "previous"
    _files.keep_as(last, previous)  # there is no file yet
    for number in range(3):
        _files.keep_as(last, previous)
        _files.write_atomically(last, bytes([number]))
    assert (last.read_bytes(), previous.read_bytes()) == (b"\2", b"\1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "previous"]


@pytest.mark.skipif(os.name == "nt", reason="links need permissions on Windows")
class TestLinks:
    def test_the_file_that_a_link_points_to_is_written(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "file").write_bytes(b"first")
        (tmp_path / "near").symlink_to("real/file")
        (tmp_path / "far").symlink_to(tmp_path / "near")
        _files.write_atomically(tmp_path / "far", b"second")
        assert (tmp_path / "real" / "file").read_bytes() == b"second"
        assert sorted(path.name for path in tmp_path.rglob("*") if path.is_symlink()) == ["far", "near"]
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["far", "file", "near", "real"]

    def test_another_name_keeps_the_content_of_the_file_that_a_link_points_to(self, tmp_path):
        (tmp_path / "real").write_bytes(b"first")
        (tmp_path / "last").symlink_to("real")
        _files.keep_as(tmp_path / "last", tmp_path / "previous")
        _files.write_atomically(tmp_path / "last", b"second")
        assert [(tmp_path / name).read_bytes() for name in ("previous", "real")] == [b"first", b"second"]

    def test_writing_through_a_link_is_all_or_nothing(self, tmp_path, monkeypatch):
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "file").write_bytes(b"first")
        (tmp_path / "link").symlink_to("real/file")
        folders = []

        def fails(handle):
            folders.extend(path.parent.name for path in tmp_path.rglob(".file.*"))  # the temporary file
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="No space left on device") as caught:
            _files.write_atomically(tmp_path / "link", b"second")
        assert (folders, caught.value.filename) == (["real"], str(tmp_path / "link"))
        assert (tmp_path / "real" / "file").read_bytes() == b"first"
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "link", "real"]

    @pytest.mark.parametrize("name", ["link", "link/file", "link/folder/file"])
    @pytest.mark.parametrize(
        ("target", "reason"),
        [
            ("gone", "Symbolic link to gone, which does not exist"),
            ("other/gone", "Symbolic link to other/gone, which does not exist"),
            ("other", "Too many levels of symbolic links"),
        ],
    )
    def test_a_link_without_a_target_is_refused(self, tmp_path, name, target, reason):
        (tmp_path / "link").symlink_to(target)
        (tmp_path / "other").symlink_to("link" if target == "other" else tmp_path)
        with pytest.raises(OSError, match=reason) as caught:
            _files.write_atomically(tmp_path / name, b"content")
        assert caught.value.filename == str(tmp_path / "link")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "other"]

    @pytest.mark.parametrize("name", ["pipe", "link"])
    def test_a_pipe_is_never_replaced(self, tmp_path, name):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to("pipe")
        with pytest.raises(OSError, match="Not a regular file"):
            _files.write_atomically(tmp_path / name, b"content")
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

    def test_unfinished_files_beside_the_target_of_a_link_are_removed(self, tmp_path):
        (tmp_path / "real").mkdir()
        for name in ("file", ".file.k3x9"):
            (tmp_path / "real" / name).write_bytes(b"")
        (tmp_path / "link").symlink_to("real/file")
        _files.clear_unfinished(tmp_path / "link")
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "link", "real"]
