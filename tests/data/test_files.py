"""Tests of finding, verifying and downloading files, with tiny data sets and local mirrors."""

import contextlib
import gzip
import hashlib
import io
import logging
import re
import socket
import sys
from pathlib import Path

import pytest

from refconv import _optional
from refconv._progress import quiet
from refconv.data import files
from refconv.data.files import ADVICE, BadDataFile, DataFile, DataNotFound, DataSet, find
from refconv.data.retrieve import read_data_file
from terminal import Terminal

CONTENT = bytes(range(256)) * 20
PACKED = gzip.compress(CONTENT, mtime=0)
HTML = b"\n<!DOCTYPE html><html><body>Please sign in to the network.</body></html>"
FILE = DataFile("digits", hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(PACKED).hexdigest())
OTHER = gzip.compress(b"other digits", mtime=0)

# Content that each mirror serves, by the folder in its URL. Any other folder is answered by 404.
SERVED = {
    "good": PACKED,
    "html": HTML,
    "cut": PACKED[:-40],
    "other": OTHER,
    "repacked": gzip.compress(CONTENT, compresslevel=1, mtime=0),
    "empty": b"",
    "hang-up": PACKED[:100],
}


pytestmark = pytest.mark.usefixtures("no_user_folders")


@pytest.fixture
def server(web_server):
    """Return a local web server of `SERVED`."""
    web_server.content = SERVED
    return web_server


@pytest.fixture
def mirrored(server):
    """Return a function that makes a data set of one file with the named mirrors."""
    pytest.importorskip("pooch", reason="downloading needs pooch")
    pytest.importorskip("tqdm", reason="downloading needs tqdm")

    def make(*mirrors):
        return a_set(*(f"{server.url}/{mirror}/" for mirror in mirrors))

    return make


def a_set(*mirrors):
    return DataSet("Digits", "tiny", mirrors, {"all": (FILE,)})


def put(path, data=PACKED):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# ---------------------------------------------------------------------------------------- finding files


@pytest.mark.parametrize(
    ("name", "data"),
    [("tiny/digits.gz", PACKED), ("tiny/digits", CONTENT), ("digits.gz", PACKED), ("digits", CONTENT)],
)
def test_a_file_is_found_in_or_above_the_folder_of_the_data_set_with_or_without_gz(tmp_path, name, data):
    put(tmp_path / name, data)
    assert find(a_set(), FILE, tmp_path) == [tmp_path / name]
    assert files.available(a_set(), tmp_path)
    assert read_data_file(a_set(), FILE, tmp_path, download=False) == CONTENT


def test_copies_of_a_file_are_found_in_order_of_preference(tmp_path):
    names = ["tiny/digits.gz", "tiny/digits", "digits.gz", "digits"]
    paths = [put(tmp_path / name) for name in names]
    assert find(a_set(), FILE, tmp_path) == paths


def test_the_variable_precedes_the_cache_and_root_replaces_both(tmp_path, monkeypatch):
    cached = put(tmp_path / "cache" / "tiny" / "digits.gz")
    assert find(a_set(), FILE) == [cached]
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "named"))
    named = put(tmp_path / "named" / "digits.gz")
    assert find(a_set(), FILE) == [named, cached]
    assert find(a_set(), FILE, tmp_path / "root") == []
    monkeypatch.setenv(files.FOLDER_VARIABLE, "")  # counts as not set, and not as the current folder
    assert files.data_folders() == [tmp_path / "cache"]


def test_a_tilde_means_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    put(tmp_path / "data" / "digits.gz")
    assert files.available(a_set(), "~/data")
    monkeypatch.setenv(files.FOLDER_VARIABLE, "~/data")
    assert files.available(a_set())


def test_a_data_set_is_available_if_all_its_files_are(tmp_path):
    second = DataFile("labels", FILE.sha256, FILE.gz_sha256)
    both = DataSet("Digits", "tiny", (), {"train": (FILE,), "test": (second,)})
    put(tmp_path / "digits.gz")
    assert not files.available(both, tmp_path)
    put(tmp_path / "labels.gz")
    assert files.available(both, tmp_path)


def test_the_cache_folder_is_that_of_pooch(monkeypatch):
    pooch = pytest.importorskip("pooch")
    monkeypatch.undo()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert files.cache_folder() == pooch.os_cache("refconv")


@pytest.mark.parametrize(
    ("platform", "variable", "end"),
    [
        ("linux", "XDG_CACHE_HOME", "refconv"),
        ("win32", "LOCALAPPDATA", "refconv/refconv/Cache"),
    ],
)
def test_the_cache_folder_depends_on_the_variable_of_the_platform(tmp_path, monkeypatch, platform, variable, end):
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert files.cache_folder() == tmp_path / end


def test_the_error_about_a_missing_file_lists_the_folders_if_download_is_off(tmp_path, monkeypatch):
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "named"))
    with pytest.raises(DataNotFound) as error:
        read_data_file(a_set("https://mirror.example/digits/"), FILE, download=False)
    assert str(error.value).splitlines() == [
        "Digits: no usable digits.gz (nor digits) in",
        f"  {tmp_path / 'named' / 'tiny'}",
        f"  {tmp_path / 'named'}",
        f"  {tmp_path / 'cache' / 'tiny'}",
        f"  {tmp_path / 'cache'}",
        "Downloads are disabled (download=False).",
        "By hand: download the files from https://mirror.example/digits/, put them into a folder,",
        "and pass that folder as root=, or set REFCONV_DATA_DIR to it.",
        "Without a network: use the drawn digits of refconv.data.draw_digits.",
    ]


# --------------------------------------------------------------------------------------- verifying files

WRONG = {
    "an HTML page": (HTML, "is an HTML page, not gzip data"),
    "with a byte order mark": (b"\xef\xbb\xbf<html>", "is an HTML page, not gzip data"),
    "an XML error": (b"<?xml version='1.0'?><Error/>", "is an XML document, not gzip data"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer, not gzip data"),
    "a zip archive": (b"PK\x03\x04 and so on", "is a zip archive, not gzip data"),
    "empty": (b"", "is empty"),
    "cut in the data": (PACKED[:200], "ends early: its gzip data stop after 200 bytes"),
    "cut in the header": (PACKED[:5], "ends early: its gzip data stop after 5 bytes"),
    "cut in the check sum": (PACKED[:-3], "ends early: its gzip data stop"),
    "a flipped sum": (PACKED[:-8] + bytes(4) + PACKED[-4:], "is damaged gzip data: CRC check failed"),
    "overwritten": (PACKED[:30] + b"\xff" * 99 + PACKED[129:], "is damaged gzip data: "),
    "other data": (
        OTHER,
        f"has another content: 12 bytes, sha256 {hashlib.sha256(b'other digits').hexdigest()},",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_error_about_a_wrong_file_describes_it_and_the_file_is_not_changed(tmp_path, case):
    data, problem = WRONG[case]
    path = put(tmp_path / "tiny" / "digits.gz", data)
    with pytest.raises(BadDataFile) as error:
        # No mirror may be used, because only the user may replace the user's own file.
        read_data_file(a_set("http://127.0.0.1:9/"), FILE, tmp_path)
    assert str(error.value).startswith(f"{path} {problem}")
    assert str(error.value).endswith(f". {ADVICE}")
    assert "\n" not in str(error.value)
    assert not re.search("delet|remov", ADVICE, re.I)
    assert path.read_bytes() == data


def test_the_error_about_other_content_shows_the_expected_hash(tmp_path):
    put(tmp_path / "digits", CONTENT[:-1])
    with pytest.raises(BadDataFile, match=f"digits has another content: {len(CONTENT) - 1} .*expected {FILE.sha256}"):
        read_data_file(a_set(), FILE, tmp_path)


def test_the_gzip_header_does_not_matter_on_disk(tmp_path):
    put(tmp_path / "digits.gz", gzip.compress(CONTENT, compresslevel=1, mtime=12345))
    assert read_data_file(a_set(), FILE, tmp_path) == CONTENT


def test_a_file_that_a_browser_decompressed_under_its_gz_name_is_accepted(tmp_path):
    put(tmp_path / "digits.gz", CONTENT)
    assert read_data_file(a_set(), FILE, tmp_path) == CONTENT


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split must be 'all' of Digits, got 'tset'"):
        a_set().files("tset")


def test_a_good_copy_is_used_although_another_one_is_bad(tmp_path):
    bad = put(tmp_path / "tiny" / "digits.gz", HTML)
    put(tmp_path / "digits", CONTENT)
    assert read_data_file(a_set(), FILE, tmp_path, download=False) == CONTENT
    assert bad.read_bytes() == HTML


def test_a_file_that_cannot_be_read_is_skipped(tmp_path, monkeypatch):
    blocked = put(tmp_path / "tiny" / "digits.gz")
    put(tmp_path / "digits", CONTENT)
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path == blocked:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert read_data_file(a_set(), FILE, tmp_path, download=False) == CONTENT
    (tmp_path / "digits").unlink()
    with pytest.raises(BadDataFile, match=r"digits\.gz cannot be read: Permission denied"):
        read_data_file(a_set(), FILE, tmp_path, download=False)


# ------------------------------------------------------------------------------------- downloading files


@pytest.mark.parametrize("name", ["digits.gz", "digits", "tiny/digits"])
def test_a_foreign_file_is_kept_and_the_correct_one_is_downloaded(tmp_path, mirrored, server, name):
    foreign = put(tmp_path / name, OTHER)
    assert read_data_file(mirrored("good"), FILE, tmp_path) == CONTENT
    assert read_data_file(mirrored("good"), FILE, tmp_path) == CONTENT
    assert server.requests == ["/good/digits.gz"]
    assert foreign.read_bytes() == OTHER
    assert (tmp_path / "tiny" / "digits.gz").read_bytes() == PACKED


def test_a_foreign_file_is_named_if_no_mirror_has_the_correct_one(tmp_path, mirrored):
    foreign = put(tmp_path / "digits.gz", OTHER)
    with pytest.raises(BadDataFile, match="has another content: 12 bytes") as error:
        read_data_file(mirrored("html"), FILE, tmp_path)
    assert error.value.source == str(foreign)
    assert "html/digits.gz is an HTML page" in str(error.value.__cause__)


def test_a_download_does_not_overwrite_a_foreign_file(tmp_path, mirrored, server):
    foreign = put(tmp_path / "tiny" / "digits.gz", OTHER)
    with pytest.raises(BadDataFile, match="has another content: 12 bytes"):
        read_data_file(mirrored("good"), FILE, tmp_path)
    assert (foreign.read_bytes(), server.requests) == (OTHER, [])


@pytest.mark.parametrize("where", ["root", "variable", "cache"])
def test_a_file_is_downloaded_once_into_the_first_folder(tmp_path, monkeypatch, mirrored, server, where):
    data_set, root = mirrored("good"), None
    if where == "root":
        root = tmp_path / "root"
    elif where == "variable":
        monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "variable"))
    assert read_data_file(data_set, FILE, root) == CONTENT
    assert read_data_file(data_set, FILE, root) == CONTENT
    assert server.requests == ["/good/digits.gz"]
    assert files_below(tmp_path) == [f"{where}/tiny/digits.gz"]
    assert (tmp_path / where / "tiny" / "digits.gz").read_bytes() == PACKED


@pytest.mark.parametrize("bad", ["absent", "html", "cut", "hang-up", "other", "repacked", "empty"])
def test_the_next_mirror_is_tried_after_a_bad_one(tmp_path, mirrored, server, bad):
    assert read_data_file(mirrored(bad, "good"), FILE, tmp_path) == CONTENT
    assert server.requests == [f"/{bad}/digits.gz", "/good/digits.gz"]
    assert files_below(tmp_path) == ["tiny/digits.gz"]


def test_mirrors_after_the_first_good_one_are_not_used(tmp_path, mirrored, server):
    read_data_file(mirrored("good", "html"), FILE, tmp_path)
    assert server.requests == ["/good/digits.gz"]


def test_the_error_after_all_mirrors_failed_lists_each_with_its_reason(tmp_path, mirrored, server):
    with socket.socket() as unused:  # bound but not listening, so connections are refused
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        mirrors = mirrored("absent", "html", "cut", "hang-up", "other", "repacked", "empty").mirrors
        with pytest.raises(DataNotFound) as error:
            read_data_file(a_set(dead, *mirrors), FILE, tmp_path)
    message = str(error.value)
    for url, reason in {
        dead: ": .*refused",
        f"{server.url}/absent": ": 404 Client Error: Not Found",
        f"{server.url}/html": " is an HTML page, not gzip data",
        f"{server.url}/cut": " ends early",
        f"{server.url}/hang-up": ".*100 bytes",
        f"{server.url}/other": f" has another content: 12 bytes, sha256 .* expected {FILE.sha256}",
        f"{server.url}/repacked": f": .* does not match the known hash: expected {FILE.gz_sha256}",
        f"{server.url}/empty": " is empty",
    }.items():
        assert re.search(rf"(?m)^  {url}/digits\.gz{reason}", message), message
    assert "REFCONV_DATA_DIR" in message
    assert "draw_digits" in message
    assert files_below(tmp_path) == []


def test_a_download_has_its_final_name_only_after_verification(tmp_path, mirrored, monkeypatch):
    seen = []
    read_file = files.read_file

    def watching(path, limit, source=None):
        seen.append((str(source).startswith("http"), (tmp_path / "tiny" / "digits.gz").exists()))
        return read_file(path, limit, source)

    monkeypatch.setattr(files, "read_file", watching)
    read_data_file(mirrored("good"), FILE, tmp_path)
    assert seen == [(True, False), (False, True)]


def test_the_published_sum_of_a_download_is_compared_before_it_is_decompressed(tmp_path, mirrored, monkeypatch):
    sources = []
    unpack = files.unpack
    monkeypatch.setattr(files, "unpack", lambda raw, source, limit: sources.append(str(source)) or unpack(raw, source, limit))
    assert read_data_file(mirrored("good"), FILE, tmp_path) == CONTENT
    assert sources == [str(tmp_path / "tiny" / "digits.gz")]


@pytest.mark.parametrize("bad", [HTML, PACKED[:-40], OTHER, b""], ids=["html", "cut", "other", "empty"])
@pytest.mark.parametrize("name", ["tiny/digits.gz", "tiny/digits", "digits.gz"])
def test_a_bad_file_in_the_cache_is_downloaded_again(tmp_path, mirrored, server, name, bad):
    put(tmp_path / "cache" / name, bad)
    data_set = mirrored("good")
    assert read_data_file(data_set, FILE) == CONTENT
    assert read_data_file(data_set, FILE) == CONTENT
    assert server.requests == ["/good/digits.gz"]


def test_a_good_copy_after_a_bad_one_in_the_cache_needs_no_download(tmp_path):
    put(tmp_path / "cache" / "tiny" / "digits.gz", HTML)
    put(tmp_path / "cache" / "tiny" / "digits", CONTENT)
    assert read_data_file(a_set(), FILE) == CONTENT


def test_a_bad_file_in_the_cache_is_an_error_if_download_is_off(tmp_path):
    path = put(tmp_path / "cache" / "tiny" / "digits.gz", HTML)
    with pytest.raises(BadDataFile, match=r"digits.gz is an HTML page, not gzip data\. It was not changed"):
        read_data_file(a_set(), FILE, download=False)
    assert path.exists()


def test_the_error_names_a_bad_file_in_the_cache_that_no_mirror_replaces(tmp_path, mirrored):
    path = put(tmp_path / "cache" / "tiny" / "digits.gz", PACKED[:50])
    with pytest.raises(DataNotFound) as error:
        read_data_file(mirrored("html"), FILE)
    assert f"{path} ends early" in str(error.value)
    assert "html/digits.gz is an HTML page" in str(error.value)


def test_the_error_about_a_folder_that_cannot_be_written_does_not_mention_mirrors(tmp_path, mirrored, server):
    blocked = put(tmp_path / "a-file")
    with pytest.raises(DataNotFound, match=r"The file cannot be downloaded into .*a-file.tiny: ") as error:
        read_data_file(mirrored("good"), FILE, blocked)
    assert "mirror" not in str(error.value)
    assert server.requests == []


def test_a_download_shows_a_bar_only_in_a_terminal_and_nothing_if_quiet(tmp_path, mirrored, monkeypatch):
    messages = []
    handler = logging.Handler()
    handler.emit = messages.append
    logger = sys.modules["pooch"].get_logger()
    monkeypatch.setattr(logger, "handlers", [handler])
    pipe = io.StringIO()
    with contextlib.redirect_stderr(pipe):
        read_data_file(mirrored("good"), FILE, tmp_path / "pipe")
    assert (pipe.getvalue(), len(messages)) == ("", 1)
    terminal = Terminal.installed(monkeypatch)
    read_data_file(mirrored("good"), FILE, tmp_path / "terminal")
    assert "100%|" in terminal.getvalue()
    terminal.truncate(0)
    messages.clear()
    with quiet():
        read_data_file(mirrored("good"), FILE, tmp_path / "quiet")
    assert (terminal.getvalue(), messages) == ("", [])


@pytest.mark.parametrize("package", ["pooch", "tqdm"])
def test_the_error_about_a_missing_package_shows_the_pip_command(tmp_path, monkeypatch, package):
    pytest.importorskip("pooch")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataNotFound) as error:
        read_data_file(a_set("http://127.0.0.1:9/"), FILE, tmp_path / "root")
    assert f'needs {package}: pip install "refconv[train]"' in str(error.value)
    assert "REFCONV_DATA_DIR" in str(error.value)
    assert isinstance(error.value.__cause__, ImportError)


def test_a_file_on_disk_needs_no_optional_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    put(tmp_path / "digits.gz")
    assert read_data_file(a_set(), FILE, tmp_path) == CONTENT


# --------------------------------------------------------------------------------- optional packages


def test_need_imports_a_module():
    assert _optional.need("xml.dom", "train", "nothing") is sys.modules["xml.dom"]


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.pyplot"])
def test_need_names_the_purpose_and_the_pip_command(module):
    with pytest.raises(ImportError) as error:
        _optional.need(module, "train", "drawing a figure")
    assert str(error.value) == 'drawing a figure needs no_such_package: pip install "refconv[train]"'
    assert error.value.name == "no_such_package"


def test_need_does_not_hide_an_import_error_inside_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import its_own_missing_dependency", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="its_own_missing_dependency"):
        _optional.need("half_installed", "train", "drawing a figure")
