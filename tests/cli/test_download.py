"""Tests of ``refconv download``: its output and its errors, with a local web server."""

import dataclasses
import gzip
import hashlib

import pytest

from image_archives import describe, zip_of
from refconv.cli import main
from refconv.data import sources
from refconv.data.files import Archive, DataFile, DataSet
from terminal import Terminal

CONTENTS = {"train": b"the training images" * 9, "test": b"the test images" * 9}
PACKED = {name: gzip.compress(content, mtime=0) for name, content in CONTENTS.items()}
ZIP = zip_of({f"{name}.gz": content for name, content in PACKED.items()})


def accept(raw, content, source):
    """Recognise every content."""


@pytest.fixture
def small(no_user_folders, monkeypatch, web_server):
    """Replace MNIST by two files and CIFAR-10 by an archive of them; return the web server."""
    for package in ("pooch", "tqdm"):
        pytest.importorskip(package, reason=f"downloading needs {package}")
    web_server.content = {f"{name}.gz": packed for name, packed in PACKED.items()} | {"all.zip": ZIP}
    single = {name: (DataFile(name, None, hashlib.sha256(packed).hexdigest(), accept),) for name, packed in PACKED.items()}
    archive = Archive("all.zip", f"{web_server.url}/all.zip", **describe(ZIP))
    tables = {
        "mnist": DataSet("MNIST", "mnist", (web_server.url,), single),
        "cifar10": DataSet("CIFAR-10", "cifar10", (), single, archive=archive),
    }
    for name, table in tables.items():
        monkeypatch.setitem(sources.SOURCES, name, dataclasses.replace(sources.SOURCES[name], data_set=table))
    return web_server


def test_files_are_downloaded_once_and_their_folder_is_printed(printed, tmp_path, small):
    assert printed("download", "mnist") == f"mnist: downloaded: 2 files in {tmp_path / 'cache' / 'mnist'} (SHA-256 verified)\n"
    assert printed("download", "mnist") == (
        f"mnist: already there: 2 files in {tmp_path / 'cache' / 'mnist'} (SHA-256 verified)\n"
    )
    (tmp_path / "cache" / "mnist" / "test.gz").unlink()
    assert printed("download", "mnist") == (
        f"mnist: 1 downloaded, 1 already there: 2 files in {tmp_path / 'cache' / 'mnist'} (SHA-256 verified)\n"
    )


def test_archives_are_downloaded_into_root_and_not_unpacked(printed, tmp_path, small):
    path = tmp_path / "root" / "cifar10" / "all.zip"
    assert printed("download", "cifar10", "--root", str(tmp_path / "root")) == (
        f"cifar10: downloaded: {path} (SHA-256 verified)\n"
    )
    assert printed("download", "mnist", "cifar10", "--root", str(tmp_path / "root")).splitlines() == [
        f"mnist: downloaded: 2 files in {tmp_path / 'root' / 'mnist'} (SHA-256 verified)",
        f"cifar10: already there: {path} (SHA-256 verified)",
    ]
    assert [*path.parent.iterdir()] == [path]


def test_unpacked_files_that_cannot_be_verified_are_reported(printed, tmp_path, small):
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    assert printed("download", "cifar10", "--root", str(tmp_path)) == (
        f"cifar10: already there: 2 files in {tmp_path} (not verified: only shape and counts were checked)\n"
    )


def test_one_file_that_cannot_be_verified_is_reported_beside_a_verified_one(printed, tmp_path, small):
    (tmp_path / "train.gz").write_bytes(PACKED["train"])
    (tmp_path / "test").write_bytes(CONTENTS["test"])
    assert printed("download", "mnist", "--root", str(tmp_path)) == (
        f"mnist: already there: 2 files in {tmp_path} (not verified: only shape and counts were checked)\n"
    )


def test_a_progress_bar_is_shown_in_a_terminal(small, monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    assert main(["download", "cifar10"]) == 0
    assert "100%" in terminal.getvalue()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_failed_download_is_one_line_with_the_address_and_status_1(printed, small, name):
    file = {"mnist": "train.gz", "cifar10": "all.zip"}[name]
    del small.content[file]
    title = {"mnist": "MNIST", "cifar10": "CIFAR-10"}[name]
    last = printed("download", name, status=1).splitlines()[-1]
    assert last.startswith(f"refconv: {title} was not downloaded: http://127.0.0.1:")
    assert f"/{file}: 404 Client Error" in last


def test_a_page_instead_of_an_archive_is_named(printed, small):
    small.content["all.zip"] = b"<html>Sign in</html>"
    assert "/all.zip is an HTML page, not a zip archive" in printed("download", "cifar10", status=1).splitlines()[-1]


def test_a_bad_file_of_the_user_is_named_and_kept(printed, tmp_path, small):
    path = tmp_path / "cifar10" / "all.zip"
    path.parent.mkdir()
    path.write_bytes(ZIP[:100])
    last = printed("download", "cifar10", "--root", str(tmp_path), status=1).splitlines()[-1]
    assert last.startswith(f"refconv: {path} ends early: got 100 bytes, expected {len(ZIP)}. It was not changed")
    assert path.read_bytes() == ZIP[:100]


def test_the_error_about_an_unknown_name_suggests_one(printed, capsys):
    with pytest.raises(SystemExit, match="2"):
        printed("download", "cifar-10")
    assert "argument NAME: must be one of mnist, fashion-mnist, " in (error := capsys.readouterr().err)
    assert "got 'cifar-10'; did you mean cifar10" in error
    with pytest.raises(SystemExit, match="2"):
        printed("download", "digits")
    assert "got 'digits'" in capsys.readouterr().err
