"""Finding, verifying and downloading: the mirrors are servers on this computer, the data sets a few bytes."""

import gzip
import hashlib
import http.server
import re
import socket
import sys
import threading
from pathlib import Path

import pytest

from refconv import _optional
from refconv.data import files
from refconv.data.files import ADVICE, BadDataFile, DataFile, DataNotFound, DataSet, find
from refconv.data.retrieve import read_data_file

CONTENT = bytes(range(256)) * 20
PACKED = gzip.compress(CONTENT, mtime=0)
HTML = b"\n<!DOCTYPE html><html><body>Please sign in to the network.</body></html>"
FILE = DataFile("digits", hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(PACKED).hexdigest())
OTHER = gzip.compress(b"other digits", mtime=0)

# What each mirror serves: the folder in its URL, and the bytes that come. Any other folder is a 404.
SERVED = {
    "good": PACKED,
    "html": HTML,
    "cut": PACKED[:-40],
    "other": OTHER,
    "repacked": gzip.compress(CONTENT, compresslevel=1, mtime=0),
    "empty": b"",
}


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No test looks at the user's own folders, nor at a proxy."""
    monkeypatch.delenv(files.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")


@pytest.fixture
def server():
    """A web server on this computer: its URL, and the paths it was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            mirror = self.path.split("/")[1]
            if mirror == "hang-up":  # more is announced than comes
                self.send_response(200)
                self.send_header("Content-Length", str(len(PACKED)))
                self.end_headers()
                self.wfile.write(PACKED[:100])
            elif mirror in SERVED:
                self.send_response(200)
                self.send_header("Content-Length", str(len(SERVED[mirror])))
                self.end_headers()
                self.wfile.write(SERVED[mirror])
            else:
                self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.asked = []
        served.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def mirrored(server):
    """Make a data set of one file with the named mirrors."""
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


# ---------------------------------------------------------------------------------------- finding


@pytest.mark.parametrize(
    ("name", "data"),
    [("tiny/digits.gz", PACKED), ("tiny/digits", CONTENT), ("digits.gz", PACKED), ("digits", CONTENT)],
)
def test_a_file_is_found_in_the_sets_folder_or_above_it_packed_or_not(tmp_path, name, data):
    put(tmp_path / name, data)
    assert find(a_set(), FILE, tmp_path) == [tmp_path / name]
    assert files.available(a_set(), tmp_path)
    assert read_data_file(a_set(), FILE, tmp_path, download=False) == CONTENT


def test_copies_are_preferred_in_order(tmp_path):
    names = ["tiny/digits.gz", "tiny/digits", "digits.gz", "digits"]
    paths = [put(tmp_path / name) for name in names]
    assert find(a_set(), FILE, tmp_path) == paths


def test_the_variable_comes_before_the_cache_and_root_stands_alone(tmp_path, monkeypatch):
    cached = put(tmp_path / "cache" / "tiny" / "digits.gz")
    assert find(a_set(), FILE) == [cached]
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "named"))
    named = put(tmp_path / "named" / "digits.gz")
    assert find(a_set(), FILE) == [named, cached]
    assert find(a_set(), FILE, tmp_path / "root") == []
    monkeypatch.setenv(files.FOLDER_VARIABLE, "")  # as good as not set: not the folder we happen to be in
    assert files.data_folders() == [tmp_path / "cache"]


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    put(tmp_path / "data" / "digits.gz")
    assert files.available(a_set(), "~/data")
    monkeypatch.setenv(files.FOLDER_VARIABLE, "~/data")
    assert files.available(a_set())


def test_a_set_is_available_when_all_its_files_are(tmp_path):
    second = DataFile("labels", FILE.sha256, FILE.gz_sha256)
    both = DataSet("Digits", "tiny", (), {"train": (FILE,), "test": (second,)})
    put(tmp_path / "digits.gz")
    assert not files.available(both, tmp_path)
    put(tmp_path / "labels.gz")
    assert files.available(both, tmp_path)


def test_the_cache_is_where_pooch_has_it(monkeypatch):
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
def test_the_cache_follows_the_platforms_variable(tmp_path, monkeypatch, platform, variable, end):
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert files.cache_folder() == tmp_path / end


def test_a_missing_file_without_download_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "named"))
    with pytest.raises(DataNotFound) as error:
        read_data_file(a_set("https://mirror.example/digits/"), FILE, download=False)
    assert str(error.value).splitlines() == [
        "Digits: no usable digits.gz (nor digits) in",
        f"  {tmp_path / 'named' / 'tiny'}",
        f"  {tmp_path / 'named'}",
        f"  {tmp_path / 'cache' / 'tiny'}",
        f"  {tmp_path / 'cache'}",
        "Downloading is off (download=False).",
        "By hand: download the files from https://mirror.example/digits/, put them into a folder,",
        "and pass that folder as root=, or set REFCONV_DATA_DIR to it.",
        "Without a network: use the drawn digits of refconv.data.draw_digits.",
    ]


# --------------------------------------------------------------------------------------- verifying

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
def test_a_wrong_file_is_named_and_described_and_left_alone(tmp_path, case):
    data, problem = WRONG[case]
    path = put(tmp_path / "tiny" / "digits.gz", data)
    with pytest.raises(BadDataFile) as error:
        # A mirror that would answer must not be asked: the user's own file is the user's to replace.
        read_data_file(a_set("http://127.0.0.1:9/"), FILE, tmp_path)
    assert str(error.value).startswith(f"{path} {problem}")
    assert str(error.value).endswith(f". {ADVICE}")
    assert "\n" not in str(error.value)
    assert not re.search("delet|remov", ADVICE, re.I)
    assert path.read_bytes() == data


def test_the_expected_sum_is_in_the_message(tmp_path):
    put(tmp_path / "digits", CONTENT[:-1])
    with pytest.raises(BadDataFile, match=f"digits has another content: {len(CONTENT) - 1} .*expected {FILE.sha256}"):
        read_data_file(a_set(), FILE, tmp_path)


def test_the_gzip_header_does_not_matter_on_disk(tmp_path):
    put(tmp_path / "digits.gz", gzip.compress(CONTENT, compresslevel=1, mtime=12345))
    assert read_data_file(a_set(), FILE, tmp_path) == CONTENT


def test_a_browser_may_have_decompressed_the_file_under_its_gz_name(tmp_path):
    put(tmp_path / "digits.gz", CONTENT)
    assert read_data_file(a_set(), FILE, tmp_path) == CONTENT


def test_there_is_no_other_split():
    with pytest.raises(ValueError, match="split must be 'all' of Digits, got 'tset'"):
        a_set().files("tset")


def test_a_good_copy_is_used_although_another_one_is_bad(tmp_path):
    bad = put(tmp_path / "tiny" / "digits.gz", HTML)
    put(tmp_path / "digits", CONTENT)
    assert read_data_file(a_set(), FILE, tmp_path, download=False) == CONTENT
    assert bad.read_bytes() == HTML


def test_a_file_that_cannot_be_read_is_passed_over(tmp_path, monkeypatch):
    blocked = put(tmp_path / "tiny" / "digits.gz")
    put(tmp_path / "digits", CONTENT)
    read_bytes = Path.read_bytes

    def refuse(path):
        if path == blocked:
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert read_data_file(a_set(), FILE, tmp_path, download=False) == CONTENT
    (tmp_path / "digits").unlink()
    with pytest.raises(BadDataFile, match=r"digits\.gz cannot be read: Permission denied"):
        read_data_file(a_set(), FILE, tmp_path, download=False)


# ------------------------------------------------------------------------------------- downloading


@pytest.mark.parametrize("name", ["digits.gz", "digits", "tiny/digits"])
def test_a_foreign_file_stays_and_the_right_one_is_downloaded(tmp_path, mirrored, server, name):
    foreign = put(tmp_path / name, OTHER)
    assert read_data_file(mirrored("good"), FILE, tmp_path) == CONTENT
    assert read_data_file(mirrored("good"), FILE, tmp_path) == CONTENT
    assert server.asked == ["/good/digits.gz"]
    assert foreign.read_bytes() == OTHER
    assert (tmp_path / "tiny" / "digits.gz").read_bytes() == PACKED


def test_a_foreign_file_is_named_if_no_mirror_has_the_right_one(tmp_path, mirrored):
    foreign = put(tmp_path / "digits.gz", OTHER)
    with pytest.raises(BadDataFile, match="has another content: 12 bytes") as error:
        read_data_file(mirrored("html"), FILE, tmp_path)
    assert error.value.source == str(foreign)
    assert "html/digits.gz is an HTML page" in str(error.value.__cause__)


def test_a_file_in_the_way_of_a_download_is_not_overwritten(tmp_path, mirrored, server):
    in_the_way = put(tmp_path / "tiny" / "digits.gz", OTHER)
    with pytest.raises(BadDataFile, match="has another content: 12 bytes"):
        read_data_file(mirrored("good"), FILE, tmp_path)
    assert (in_the_way.read_bytes(), server.asked) == (OTHER, [])


@pytest.mark.parametrize("where", ["root", "variable", "cache"])
def test_a_download_goes_to_the_first_folder_and_happens_once(tmp_path, monkeypatch, mirrored, server, where):
    data_set, root = mirrored("good"), None
    if where == "root":
        root = tmp_path / "root"
    elif where == "variable":
        monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "variable"))
    assert read_data_file(data_set, FILE, root) == CONTENT
    assert read_data_file(data_set, FILE, root) == CONTENT
    assert server.asked == ["/good/digits.gz"]
    assert files_below(tmp_path) == [f"{where}/tiny/digits.gz"]
    assert (tmp_path / where / "tiny" / "digits.gz").read_bytes() == PACKED


def test_a_progress_bar_is_shown(tmp_path, mirrored, capfd):
    read_data_file(mirrored("good"), FILE, tmp_path)
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize("bad", ["absent", "html", "cut", "hang-up", "other", "repacked", "empty"])
def test_the_next_mirror_is_tried_after_a_bad_one(tmp_path, mirrored, server, bad):
    assert read_data_file(mirrored(bad, "good"), FILE, tmp_path) == CONTENT
    assert server.asked == [f"/{bad}/digits.gz", "/good/digits.gz"]
    assert files_below(tmp_path) == ["tiny/digits.gz"]


def test_mirrors_after_the_first_good_one_are_left_alone(tmp_path, mirrored, server):
    read_data_file(mirrored("good", "html"), FILE, tmp_path)
    assert server.asked == ["/good/digits.gz"]


def test_when_all_mirrors_fail_each_is_listed_with_its_reason(tmp_path, mirrored, server):
    with socket.socket() as unused:  # bound but not listening: nobody answers there
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


def test_nothing_stands_under_the_final_name_before_it_is_verified(tmp_path, mirrored, monkeypatch):
    seen = []
    unpack = files.unpack

    def watching(raw, source):
        seen.append((str(source).startswith("http"), (tmp_path / "tiny" / "digits.gz").exists()))
        return unpack(raw, source)

    monkeypatch.setattr(files, "unpack", watching)
    read_data_file(mirrored("good"), FILE, tmp_path)
    assert seen == [(True, False), (False, True)]


@pytest.mark.parametrize("bad", [HTML, PACKED[:-40], OTHER, b""], ids=["html", "cut", "other", "empty"])
@pytest.mark.parametrize("name", ["tiny/digits.gz", "tiny/digits", "digits.gz"])
def test_a_bad_file_in_the_cache_is_downloaded_again(tmp_path, mirrored, server, name, bad):
    put(tmp_path / "cache" / name, bad)
    data_set = mirrored("good")
    assert read_data_file(data_set, FILE) == CONTENT
    assert read_data_file(data_set, FILE) == CONTENT
    assert server.asked == ["/good/digits.gz"]


def test_a_good_copy_behind_a_bad_one_in_the_cache_needs_no_download(tmp_path):
    put(tmp_path / "cache" / "tiny" / "digits.gz", HTML)
    put(tmp_path / "cache" / "tiny" / "digits", CONTENT)
    assert read_data_file(a_set(), FILE) == CONTENT


def test_a_bad_file_in_the_cache_is_an_error_when_download_is_off(tmp_path):
    path = put(tmp_path / "cache" / "tiny" / "digits.gz", HTML)
    with pytest.raises(BadDataFile, match=r"digits.gz is an HTML page, not gzip data\. It was not changed"):
        read_data_file(a_set(), FILE, download=False)
    assert path.exists()


def test_a_bad_file_in_the_cache_that_no_mirror_replaces_is_named(tmp_path, mirrored):
    path = put(tmp_path / "cache" / "tiny" / "digits.gz", PACKED[:50])
    with pytest.raises(DataNotFound) as error:
        read_data_file(mirrored("html"), FILE)
    assert f"{path} ends early" in str(error.value)
    assert "html/digits.gz is an HTML page" in str(error.value)


def test_a_folder_that_cannot_be_written_is_not_blamed_on_the_mirrors(tmp_path, mirrored, server):
    blocked = put(tmp_path / "a-file")
    with pytest.raises(DataNotFound, match=r"It cannot be downloaded into .*a-file.tiny: ") as error:
        read_data_file(mirrored("good"), FILE, blocked)
    assert "mirror" not in str(error.value)
    assert server.asked == []


@pytest.mark.parametrize("package", ["pooch", "tqdm"])
def test_without_the_extra_the_pip_command_is_named(tmp_path, monkeypatch, package):
    pytest.importorskip("pooch")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataNotFound) as error:
        read_data_file(a_set("http://127.0.0.1:9/"), FILE, tmp_path / "root")
    assert f'needs {package}: pip install "refconv[train]"' in str(error.value)
    assert "REFCONV_DATA_DIR" in str(error.value)
    assert isinstance(error.value.__cause__, ImportError)


def test_a_file_on_disk_needs_no_extra(tmp_path, monkeypatch):
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


def test_need_does_not_hide_what_is_wrong_with_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import its_own_missing_dependency", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="its_own_missing_dependency"):
        _optional.need("half_installed", "train", "drawing a figure")
