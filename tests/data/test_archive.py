"""Tests of archives: reading without unpacking, verification, download, and wrong archives."""

import dataclasses
import gzip
import hashlib
import io
import socket
import sys
import tarfile
import zipfile

import pytest

from image_archives import tar_of, zip_of
from refconv.data import archive as archives
from refconv.data import files, retrieve
from refconv.data.archive import is_verified, read_members
from refconv.data.files import ADVICE, Archive, BadDataFile, DataFile, DataNotFound, DataSet
from refconv.data.retrieve import fetch, read_data_file, read_data_files

pytestmark = pytest.mark.usefixtures("no_user_folders")

# Random-like bytes, so that a truncated archive ends inside its data.
CONTENTS = {
    name: b"".join(hashlib.sha256(bytes([k, i])).digest() for i in range(n))
    for k, (name, n) in enumerate({"first": 30, "second": 40, "third": 50}.items())
}
HTML = b"<!DOCTYPE html><html><body>Please sign in to the network.</body></html>"


def accept(raw, content, source):
    """Recognise any content of the right length."""
    if len(content) not in map(len, CONTENTS.values()):
        raise BadDataFile(source, f"has {len(content)} bytes")


FILES = tuple(DataFile(name, None, "", accept) for name in CONTENTS)


PACKED = {
    "all.zip": zip_of({f"gzip/{name}.gz": gzip.compress(content, mtime=0) for name, content in CONTENTS.items()}),
    "all.tar.gz": tar_of({f"folder/{name}": content for name, content in CONTENTS.items()}),
}


def entry(name, url="http://127.0.0.1:9/"):
    return Archive(name, f"{url}{name}", hashlib.sha256(PACKED[name]).hexdigest(), len(PACKED[name]))


def a_set(name, url="http://127.0.0.1:9/"):
    return DataSet("Three", "three", (), {"train": FILES[:2], "test": FILES[2:]}, ("THREE/raw",), entry(name, url))


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# ---------------------------------------------------------------------------------------- reading members


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("folder", ["three", "THREE/raw", "."])
def test_the_files_in_an_archive_are_read_and_verified_without_unpacking(tmp_path, name, folder):
    put(tmp_path / folder / name, PACKED[name])
    assert files.available(a_set(name), tmp_path)
    assert read_data_files(a_set(name), FILES, tmp_path, download=False) == [*CONTENTS.values()]
    assert len(files_below(tmp_path)) == 1


@pytest.mark.parametrize("name", PACKED)
def test_an_archive_is_read_once_in_each_call_and_its_sum_is_computed_once(tmp_path, monkeypatch, name):
    put(tmp_path / name, PACKED[name])
    calls = []
    monkeypatch.setattr(retrieve, "read_members", lambda *arguments: calls.append("read") or read_members(*arguments))
    sums = archives._sum.cache_info().misses
    for wanted in (FILES[:2], FILES[2:]):
        read_data_files(a_set(name), wanted, tmp_path, download=False)
    assert calls == ["read", "read"]
    assert archives._sum.cache_info().misses == sums + 1


def test_the_sum_is_computed_again_if_the_archive_changes(tmp_path):
    path = put(tmp_path / "all.zip", PACKED["all.zip"])
    assert is_verified(entry("all.zip"), path)
    path.write_bytes(PACKED["all.zip"][:-1] + b"x")
    assert not is_verified(entry("all.zip"), path)


def test_a_verified_archive_is_preferred_to_unpacked_files_that_cannot_be_verified(tmp_path):
    for name, content in CONTENTS.items():
        put(tmp_path / "three" / name, content[::-1])
    put(tmp_path / "all.zip", PACKED["all.zip"])
    assert read_data_files(a_set("all.zip"), FILES, tmp_path, download=False) == [*CONTENTS.values()]


def test_unpacked_files_are_read_with_a_warning(tmp_path):
    for name, content in CONTENTS.items():
        put(tmp_path / "THREE" / "raw" / name, content)
    with pytest.warns(
        UserWarning, match=r"(first|second|third) is not verified: no SHA-256 sum of the unpacked Three is known"
    ) as caught:
        assert read_data_files(a_set("all.zip"), FILES, tmp_path, download=False) == [*CONTENTS.values()]
    assert len(caught) == 3


@pytest.mark.parametrize("name", PACKED)
def test_a_repacked_archive_is_read_with_one_warning(tmp_path, name):
    packed = {"all.zip": zip_of(CONTENTS, zipfile.ZIP_STORED), "all.tar.gz": tar_of(CONTENTS)}[name]
    put(tmp_path / name, packed)
    with pytest.warns(UserWarning, match=rf"{name} is not verified: its SHA-256 sum differs from the sum of http") as caught:
        assert read_data_files(a_set(name), FILES, tmp_path, download=False) == [*CONTENTS.values()]
    assert len(caught) == 1


@pytest.mark.parametrize("name", PACKED)
def test_names_that_lead_outside_a_folder_are_harmless(tmp_path, name):
    pack = {"all.zip": zip_of, "all.tar.gz": tar_of}[name]
    packed = pack({f"../../{file}": content for file, content in CONTENTS.items()} | {"/tmp/other": b"other"})
    path = put(tmp_path / "inner" / "folder" / name, packed)
    assert read_members(entry(name), path, FILES) == dict(zip(FILES, CONTENTS.values(), strict=True))
    assert files_below(tmp_path) == [f"inner/folder/{name}"]


def test_links_in_a_tar_archive_are_not_followed(tmp_path):
    secret = put(tmp_path / "secret", b"secret")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        link = tarfile.TarInfo("folder/first")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        opened.addfile(link)
    path = put(tmp_path / "all.tar.gz", gzip.compress(buffer.getvalue()))
    assert read_members(entry("all.tar.gz"), path, FILES) == {}


# ----------------------------------------------------------------------------------------- wrong archives

WITHOUT_THIRD = {name: content for name, content in CONTENTS.items() if name != "third"}
DAMAGED_ZIP = PACKED["all.zip"][:1500] + bytes([PACKED["all.zip"][1500] ^ 1]) + PACKED["all.zip"][1501:]
ENCRYPTED = PACKED["all.zip"].replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
WRONG = {
    "a page instead of a zip": ("all.zip", HTML, "is an HTML page, not a zip archive"),
    "a page instead of a tar": ("all.tar.gz", HTML, "is an HTML page, not a tar.gz archive"),
    "a zip instead of a tar": ("all.tar.gz", PACKED["all.zip"], "is a zip archive, not a tar.gz archive"),
    "a tar instead of a zip": ("all.zip", PACKED["all.tar.gz"], "starts with 1f 8b 08 00 and is not a zip archive"),
    "an empty zip": ("all.zip", b"", "is empty"),
    "a zip that ends early": ("all.zip", PACKED["all.zip"][:2500], "ends early: got 2500 bytes, expected {size}"),
    "a tar that ends early": ("all.tar.gz", PACKED["all.tar.gz"][:2500], "ends early: got 2500 bytes, expected {size}"),
    "gzip data that are no tar": ("all.tar.gz", gzip.compress(bytes(range(256)) * 40), "ends early: got"),
    "long gzip data that are no tar": (
        "all.tar.gz",
        gzip.compress(b"".join(CONTENTS.values()) * 9, 0),
        "is a damaged tar.gz archive: ",
    ),
    "other bytes": ("all.tar.gz", bytes(9999), "starts with 00 00 00 00 and is not a tar.gz archive"),
    "a flipped bit": ("all.zip", DAMAGED_ZIP, "is a damaged zip archive: "),
    "an encrypted zip": ("all.zip", ENCRYPTED, "is a damaged zip archive: "),
    "a zip without a file": ("all.zip", zip_of(WITHOUT_THIRD), "must contain third, which is missing"),
    "a tar without a file": ("all.tar.gz", tar_of(WITHOUT_THIRD), "must contain third, which is missing"),
    "a file with other content": ("all.zip", zip_of({**WITHOUT_THIRD, "third": b"short"}), "has 5 bytes"),
    "a page in a zip": ("all.zip", zip_of({**WITHOUT_THIRD, "third": HTML}), "is an HTML page, not data"),
}


@pytest.mark.filterwarnings("ignore:.*not verified")
@pytest.mark.parametrize("case", WRONG)
def test_the_error_about_a_wrong_archive_describes_it_and_it_is_not_changed(tmp_path, case):
    name, data, problem = WRONG[case]
    path = put(tmp_path / "three" / name, data)
    with pytest.raises(BadDataFile) as error:
        read_data_files(a_set(name), FILES, tmp_path)
    assert str(error.value).startswith(str(path))
    assert f" {problem.format(size=len(PACKED[name]))}" in str(error.value)
    assert str(error.value).endswith(f". {ADVICE}")
    assert "\n" not in str(error.value)
    assert path.read_bytes() == data


def test_a_truncated_tar_still_provides_the_files_before_the_cut(tmp_path):
    known = tuple(dataclasses.replace(file, sha256=hashlib.sha256(CONTENTS[file.name]).hexdigest()) for file in FILES)
    last = b"".join(hashlib.sha256(bytes([k, i])).digest() for k in range(4) for i in range(256))
    put(tmp_path / "all.tar.gz", tar_of({**CONTENTS, "third": last})[:-9000])
    assert read_data_files(a_set("all.tar.gz"), known[:2], tmp_path, download=False) == [*CONTENTS.values()][:2]


def test_the_error_about_a_missing_archive_lists_the_folders_and_the_address(tmp_path):
    with pytest.raises(DataNotFound) as error:
        read_data_file(a_set("all.zip"), FILES[0], tmp_path, download=False)
    assert str(error.value).splitlines() == [
        "Three: no usable all.zip (nor first) in",
        f"  {tmp_path / 'three'}",
        f"  {tmp_path / 'THREE/raw'}",
        f"  {tmp_path}",
        "Downloads are disabled (download=False).",
        "By hand: download http://127.0.0.1:9/all.zip, put it into a folder without unpacking it,",
        "and pass that folder as root=, or set REFCONV_DATA_DIR to it.",
        "Without a network: use the drawn digits of refconv.data.draw_digits.",
    ]


# --------------------------------------------------------------------------------------------- downloading


@pytest.fixture
def mirrored(web_server):
    """Return a function that makes a data set whose archive is served from a folder."""
    for package in ("pooch", "tqdm"):
        pytest.importorskip(package, reason=f"downloading needs {package}")
    web_server.content = {"good": PACKED["all.zip"], "html": HTML, "cut": PACKED["all.zip"][:2500]}
    web_server.content |= {"other": PACKED["all.zip"] + bytes(4), "hang-up": PACKED["all.zip"][:100]}
    return lambda folder: a_set("all.zip", f"{web_server.url}/{folder}/")


@pytest.mark.parametrize("where", ["root", "cache"])
def test_an_archive_is_downloaded_once_for_all_splits(tmp_path, mirrored, web_server, where):
    root = tmp_path / "root" if where == "root" else None
    for split in ("train", "test"):
        expected = [CONTENTS[file.name] for file in mirrored("good").files(split)]
        assert read_data_files(mirrored("good"), mirrored("good").files(split), root) == expected
    assert web_server.requests == ["/good/all.zip"]
    assert files_below(tmp_path) == [f"{where}/three/all.zip"]


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("absent", ": 404 Client Error"),
        ("html", " is an HTML page, not a zip archive"),
        ("cut", " ends early: got 2500 bytes, expected "),
        ("other", r" must have at most \d+ bytes, got more"),
        ("hang-up", ":.*100 bytes"),
    ],
)
def test_a_wrong_download_is_described_and_not_kept(tmp_path, mirrored, web_server, folder, reason):
    with pytest.raises(DataNotFound, match=rf"{web_server.url}/{folder}/all\.zip{reason}") as error:
        read_data_files(mirrored(folder), FILES, tmp_path)
    assert "\n" not in error.value.summary
    assert error.value.summary.startswith(f"{web_server.url}/{folder}/all.zip")
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("bad", [HTML, PACKED["all.zip"][:2500], zip_of(WITHOUT_THIRD)], ids=["html", "cut", "incomplete"])
def test_a_bad_archive_in_the_cache_is_downloaded_again(tmp_path, mirrored, web_server, bad):
    path = put(tmp_path / "cache" / "three" / "all.zip", bad)
    assert read_data_files(mirrored("good"), FILES[::-1]) == [*CONTENTS.values()][::-1]
    assert web_server.requests == ["/good/all.zip"]
    assert path.read_bytes() == PACKED["all.zip"]


def test_fetch_downloads_what_is_missing_and_only_that(tmp_path, mirrored, web_server):
    first, again = (fetch(mirrored("good"), tmp_path)[0] for _ in range(2))
    assert (first.path, first.downloaded, first.verified) == (tmp_path / "three" / "all.zip", True, True)
    assert (again.path, again.downloaded, again.verified) == (tmp_path / "three" / "all.zip", False, True)
    assert web_server.requests == ["/good/all.zip"]


def test_fetch_accepts_unpacked_files_and_replaces_an_incomplete_set_by_the_archive(tmp_path, mirrored, web_server):
    for name, content in CONTENTS.items():
        put(tmp_path / "three" / name, content)
    assert [(copy.path.name, copy.verified) for copy in fetch(mirrored("good"), tmp_path)] == [
        (name, False) for name in CONTENTS
    ]
    (tmp_path / "three" / "third").unlink()
    assert fetch(mirrored("good"), tmp_path)[0].downloaded
    assert web_server.requests == ["/good/all.zip"]


def test_fetch_names_a_bad_archive_of_the_user_and_keeps_it(tmp_path, mirrored, web_server):
    path = put(tmp_path / "three" / "all.zip", PACKED["all.zip"][:2500])
    with pytest.raises(BadDataFile, match="ends early: got 2500 bytes") as error:
        fetch(mirrored("good"), tmp_path)
    assert error.value.source == str(path)
    assert (path.stat().st_size, web_server.requests) == (2500, [])


def test_the_summary_of_a_failed_connection_is_one_line_without_python_objects(tmp_path, mirrored):
    with socket.socket() as unused:  # bound but not listening, so connections are refused
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DataNotFound) as error:
            fetch(a_set("all.zip", url), tmp_path)
    assert error.value.summary.startswith(f"{url}all.zip: Failed to establish a new connection: ")
    assert error.value.summary.endswith("refused")


def test_an_archive_on_disk_needs_no_optional_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    put(tmp_path / "all.zip", PACKED["all.zip"])
    assert read_data_file(a_set("all.zip"), FILES[1], tmp_path) == CONTENTS["second"]
    (tmp_path / "all.zip").unlink()
    with pytest.raises(DataNotFound, match=r'downloading Three needs pooch: pip install "refconv\[train\]"'):
        read_data_file(a_set("all.zip"), FILES[1], tmp_path)
