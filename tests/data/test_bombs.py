"""Tests that small files that unpack to large ones are refused before they take memory."""

import gzip
import io
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from image_archives import idx, tar_of, zip_of
from memory import MEGABYTE, peak_of
from refconv.data import archive as archives
from refconv.data import files
from refconv.data.archive import read_members
from refconv.data.files import Archive, BadDataFile, DataFile, unpack
from refconv.data.idx import read_idx
from refconv.data.masks import read_mask
from refconv.data.mnist import KMNIST, MNIST, load_mnist
from refconv.data.pictures import open_picture

ZEROS = bytes(30 * MEGABYTE)
BOMB = gzip.compress(ZEROS, 1, mtime=0)
FILE = DataFile("first", None, "", size=1000)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Lower the size up to which other files are read."""
    monkeypatch.setattr(files, "SMALL_FILE", MEGABYTE)


def refused(function, match):
    """Check that a function refuses a file by name and in little memory."""

    def call():
        with pytest.raises(BadDataFile, match=match):
            function()

    assert peak_of(call) < 12 * MEGABYTE


def test_a_gz_file_whose_header_announces_few_elements_is_not_decompressed_to_its_end(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(np.zeros((2, 3), np.uint8)) + ZEROS, 1))
    refused(
        lambda: read_idx(tmp_path / "a.gz"), r"a\.gz is too long: got more than 18 bytes, expected 18 from the header \(2 x 3"
    )


def test_a_gz_file_of_zeros_is_refused_at_its_header(tmp_path):
    (tmp_path / "a.gz").write_bytes(BOMB)
    refused(lambda: read_idx(tmp_path / "a.gz"), r"a\.gz has the unknown type code 0x00")


def test_a_header_that_announces_more_than_the_file_takes_no_memory(tmp_path):
    for name, pack in {"a": bytes, "a.gz": gzip.compress}.items():
        (tmp_path / name).write_bytes(pack(bytes.fromhex("0000 0803 00ffffff 00ffffff 00000004")))
        refused(lambda path=tmp_path / name: read_idx(path), "ends early: got 16 bytes, expected 1125")


def test_a_file_of_a_data_set_is_decompressed_up_to_a_limit(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    for file in MNIST.files("test"):
        (tmp_path / "mnist" / f"{file.name}.gz").write_bytes(BOMB)
    refused(
        lambda: load_mnist("test", tmp_path, download=False),
        r"t10k-images-idx3-ubyte\.gz must contain at most 7840016 bytes after decompression, got more",
    )
    refused(lambda: FILE.read_copy(tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"), "at most 1048576 bytes after")


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    (tmp_path / "first").write_bytes(ZEROS)
    refused(lambda: FILE.read_copy(tmp_path / "first"), r"first must have at most 1115160 bytes, got more")


def test_several_gzip_members_are_joined_and_counted_together():
    twice = gzip.compress(b"se") + gzip.compress(b"ven")
    assert unpack(twice, "a.gz", 5) == b"seven"
    with pytest.raises(BadDataFile, match=r"a\.gz must contain at most 4 bytes after decompression, got more"):
        unpack(twice, "a.gz", 4)


def test_the_limits_of_the_data_sets_fit_their_published_files():
    files_of_mnist = MNIST.files("test")
    assert [file.size for file in files_of_mnist] == [7_840_016, 10_008]
    for data_set, size in ((MNIST, 11_594_722), (KMNIST, 21_240_888)):
        assert sum(file.gz_size for split in data_set.splits.values() for file in split) == size


# ------------------------------------------------------------------------------------------------ archives


def written(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    return Archive(name, "", "", 0), tmp_path / name, [FILE]


@pytest.mark.parametrize(("name", "pack"), [("all.zip", zip_of), ("all.tar.gz", tar_of)])
def test_a_member_that_is_larger_than_its_file_is_not_read(tmp_path, name, pack):
    arguments = written(tmp_path, name, pack({"folder/first": ZEROS}))
    refused(lambda: read_members(*arguments), r"must contain first of at most 1115160 bytes, got 31457280 bytes")


def test_a_member_that_is_larger_than_its_entry_is_decompressed_up_to_it(tmp_path):
    packed = zip_of({"first": ZEROS}).replace(len(ZEROS).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    arguments = written(tmp_path, "all.zip", packed)
    refused(lambda: read_members(*arguments), r"all\.zip is a damaged zip archive: Bad CRC-32 for file 'first'")


def test_members_of_other_compression_methods_are_refused(tmp_path):
    packed = zip_of({"first": bytes(10)}, zipfile.ZIP_BZIP2)
    arguments = written(tmp_path, "all.zip", packed)
    refused(lambda: read_members(*arguments), r"all\.zip must contain first stored or deflated, got method 12")


def test_a_long_header_in_a_tar_archive_is_not_read(tmp_path):
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, len(ZEROS)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        opened.addfile(member, io.BytesIO(ZEROS))
    arguments = written(tmp_path, "all.tar.gz", gzip.compress(buffer.getvalue(), 1))
    refused(lambda: read_members(*arguments), r"must have at most 1048576 bytes of headers between its members, got more")


def test_members_before_the_wanted_ones_are_skipped_up_to_a_limit(tmp_path, monkeypatch):
    arguments = written(tmp_path, "all.tar.gz", tar_of({"other": ZEROS, "first": b"content"}))
    assert read_members(*arguments) == {FILE: b"content"}
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 20 * MEGABYTE)
    refused(lambda: read_members(*arguments), r"all\.tar\.gz must unpack to at most 20971520 bytes, got more")


@pytest.mark.parametrize(("name", "pack"), [("all.zip", zip_of), ("all.tar.gz", tar_of)])
def test_an_archive_of_many_files_is_refused(tmp_path, monkeypatch, name, pack):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 20)
    arguments = written(tmp_path, name, pack({**{f"{k}": b"" for k in range(20)}, "first": b"content"}))
    refused(lambda: read_members(*arguments), "must contain at most 20 files, got 21 or more")


# ------------------------------------------------------------------------------------------------ pictures


def png_of(width, height):
    """Return a grey PNG file of one colour, compressed by a factor of 1000."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    compressor = zlib.compressobj(9)
    rows = b"".join(compressor.compress(bytes(width + 1)) for _ in range(height)) + compressor.flush()
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("width", "height", "got"),
    [(300, 340, "got 300 × 340"), (2000, 100, "got 2000 × 100"), (9000, 40, "got more than 202,000")],
)
def test_a_picture_of_more_pixels_than_the_limit_is_not_decoded(tmp_path, monkeypatch, width, height, got):
    image = pytest.importorskip("PIL.Image")
    image.new("L", (3, 2)).save(tmp_path / "image.png")
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 101_000)
    file_class = pytest.importorskip("PIL.ImageFile").ImageFile
    load = file_class.load
    monkeypatch.setattr(file_class, "load", lambda self: load(self) if self.size == (3, 2) else pytest.fail("decoded"))
    (tmp_path / "a.png").write_bytes(png_of(width, height))
    message = rf"a\.png must have at most 101,000 pixels, {got}; reduce its size$"
    other = tmp_path / "image.png"
    for read in (open_picture, lambda path: read_mask(path, other, (2, 3)), lambda path: read_mask(other, path, (2, 3))):
        refused(lambda read=read: read(tmp_path / "a.png"), message)


def test_a_program_can_change_the_limit_of_pixels(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "a.png").write_bytes(png_of(300, 200))
    for limit in (None, 60_000):
        monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", limit)
        assert open_picture(tmp_path / "a.png").size == (300, 200)


MEASURE = """
import re, sys
from pathlib import Path
from refconv.data.pictures import open_picture
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text("ascii"))[1])
open_picture(sys.argv[1])
before = peak()
print(open_picture(sys.argv[2]).size, peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory of a process is measured on Linux only")
def test_reading_a_picture_takes_ten_bytes_for_each_pixel(tmp_path):
    """Check the peak memory of a process.

    Pillow's pixels take 4 bytes in colour, before and after the conversion, and the opacity 1 byte.
    """
    pytest.importorskip("PIL")
    (tmp_path / "small.png").write_bytes(png_of(9, 9))
    (tmp_path / "a.png").write_bytes(png_of(4000, 4000))
    program = [sys.executable, "-c", MEASURE, str(tmp_path / "small.png"), str(tmp_path / "a.png")]
    output = subprocess.run(program, capture_output=True, check=True, encoding="utf-8").stdout
    assert output.startswith("(4000, 4000) ")
    assert int(output.split()[-1]) < 10 * 4000**2 + 64 * MEGABYTE
