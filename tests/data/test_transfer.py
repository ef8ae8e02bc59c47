"""Tests that slow and endless mirrors are given up for the next one."""

import hashlib
import threading

import pytest

from refconv.data import download, transfer
from refconv.data.files import DataFile, DataNotFound, DataSet
from refconv.data.retrieve import read_data_file
from refconv.data.transfer import Limits

pytestmark = pytest.mark.usefixtures("no_user_folders")

CONTENT = bytes(range(256)) * 20
SUM = hashlib.sha256(CONTENT).hexdigest()
FILE = DataFile("digits", SUM, SUM, size=len(CONTENT), gz_size=len(CONTENT))
OK = b"HTTP/1.1 200 OK\r\n"
IMPATIENT = Limits(seconds=30, rate=1000, window=0.3, silence=20)  # each test ends after one window, or fails
HURRIED = Limits(seconds=0.3, rate=0, window=20, silence=20)


@pytest.fixture
def mirrored(web_server):
    """Return a function that makes a data set of one file with the named mirrors."""
    for package in ("pooch", "tqdm"):
        pytest.importorskip(package, reason=f"downloading needs {package}")
    stopped = web_server.stopped

    def drip(stream):  # a byte from time to time, after complete headers
        stream.write(OK + b"Content-Length: 5120\r\n\r\n")
        while not stopped.wait(0.05):
            stream.write(b"x")

    def drip_headers(stream):
        stream.write(OK)
        while not stopped.wait(0.05):
            stream.write(b"x")

    def endless(stream):
        stream.write(OK + b"\r\n")
        while not stopped.is_set():
            stream.write(bytes(1000))

    def page(stream):
        stream.write(OK + b"\r\n<html>" + bytes(10**6))

    web_server.content = {"good": CONTENT, "drip": drip, "headers": drip_headers, "endless": endless, "page": page}
    web_server.content["silent"] = lambda stream: stopped.wait()

    def make(*mirrors):
        return DataSet("Digits", "tiny", tuple(f"{web_server.url}/{mirror}/" for mirror in mirrors), {"all": (FILE,)})

    return make


SLOW = "the server sent fewer than 1000 bytes per second for 0.3 seconds"
LATE = r"the server sent \d+ bytes in 0.3 seconds, and more are missing"
CASES = [
    ("drip", IMPATIENT, f": {SLOW}"),
    ("headers", IMPATIENT, f": {SLOW}"),
    ("silent", IMPATIENT, f": {SLOW}"),
    ("drip", HURRIED, f": {LATE}"),
    ("headers", HURRIED, f": {LATE}"),
    ("silent", Limits(silence=0.2), r": .*Read timed out\. \(read timeout=0.2\)"),
    ("endless", Limits(), " must have at most 5120 bytes, got more"),
    ("page", Limits(), " is an HTML page, not data"),
]


@pytest.mark.parametrize(("mirror", "limits", "reason"), CASES)
def test_a_slow_or_endless_mirror_is_given_up(tmp_path, monkeypatch, mirrored, web_server, mirror, limits, reason):
    monkeypatch.setattr(download, "LIMITS", limits)
    with pytest.raises(DataNotFound, match=rf"{web_server.url}/{mirror}/digits\.gz{reason}") as error:
        read_data_file(mirrored(mirror), FILE, tmp_path)
    assert "\n" not in error.value.summary
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("mirror", "limits"), [("drip", IMPATIENT), ("endless", Limits())])
def test_the_next_mirror_is_used_after_one_that_was_given_up(tmp_path, monkeypatch, mirrored, web_server, mirror, limits):
    monkeypatch.setattr(download, "LIMITS", limits)
    assert read_data_file(mirrored(mirror, "good"), FILE, tmp_path) == CONTENT
    assert web_server.requests == [f"/{mirror}/digits.gz", "/good/digits.gz"]


def test_a_transfer_that_was_given_up_leaves_no_thread(tmp_path, monkeypatch, mirrored):
    monkeypatch.setattr(download, "LIMITS", Limits())
    before = threading.active_count()
    with pytest.raises(DataNotFound):
        read_data_file(mirrored("endless"), FILE, tmp_path)
    ended = threading.Event()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        ended.wait(0.1)
    assert threading.active_count() <= before


def test_a_mirror_that_keeps_the_least_rate_over_several_windows_is_used(tmp_path, monkeypatch, mirrored, web_server):
    def steady(stream):
        stream.write(OK + b"Content-Length: 5120\r\n\r\n")
        for k in range(20):
            stream.write(CONTENT[256 * k : 256 * (k + 1)])
            web_server.stopped.wait(0.02)

    mirrored()
    web_server.content["steady"] = steady
    monkeypatch.setattr(download, "LIMITS", Limits(rate=0, window=0.05))  # of 0, since a busy machine may pause the server
    monkeypatch.setattr(transfer, "BLOCK", 256)
    data_set = DataSet("Digits", "tiny", (f"{web_server.url}/steady/",), {"all": (FILE,)})
    assert read_data_file(data_set, FILE, tmp_path) == CONTENT
