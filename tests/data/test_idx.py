"""Tests of the idx format: reading, writing, and errors about invalid files."""

import gzip
import os

import numpy as np
import pytest

from refconv.data.files import BadDataFile
from refconv.data.idx import decode_idx, read_idx, write_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def an_array(dtype, shape=(2, 3, 5)):
    return (np.arange(np.prod(shape)) * 7 - 11).astype(dtype).reshape(shape)


@pytest.mark.parametrize("name", ["a.gz", "a"])
@pytest.mark.parametrize("shape", [(7,), (2, 3, 5), (0, 28, 28), (1,) * 32])
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_that_is_written_can_be_read_back(tmp_path, dtype, shape, name):
    array = an_array(dtype, shape)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.shape == shape
    np.testing.assert_array_equal(back, array)


def test_decode_idx_reads_bytes_in_the_format():
    """Check the header of MNIST's training images, and a big-endian float: 1.5 is 0x3fc00000."""
    images = bytes.fromhex("00000803 00000001 00000002 00000003") + bytes([1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(decode_idx(images, "images"), [[[1, 2, 3], [4, 5, 6]]])
    floats = bytes.fromhex("00000d01 00000001 3fc00000")
    np.testing.assert_array_equal(decode_idx(floats, "floats"), [1.5])


def test_write_idx_writes_bytes_in_the_format(tmp_path):
    write_idx(tmp_path / "a", np.array([[1.5], [-2.0]], np.float32))
    assert (tmp_path / "a").read_bytes().hex() == "00000d0200000002000000013fc00000c0000000"


@pytest.mark.parametrize(
    "array",
    [an_array("int16").astype(">i2"), an_array("int16").astype("<i2"), an_array("int16").transpose(2, 0, 1)],
    ids=["big-endian", "little-endian", "not contiguous"],
)
def test_the_layout_in_memory_does_not_matter(tmp_path, array):
    write_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


def test_the_array_that_was_read_is_writable(tmp_path):
    write_idx(tmp_path / "a", an_array("uint8"))
    back = read_idx(tmp_path / "a")
    back[0, 0, 0] = 9
    assert back[0, 0, 0] == 9


def test_a_gz_file_is_compressed_and_contains_no_date(tmp_path, monkeypatch):
    write_idx(tmp_path / "a.gz", an_array("uint8"))
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_idx(tmp_path / "b.gz", an_array("uint8"))
    write_idx(tmp_path / "c", an_array("uint8"))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == (tmp_path / "c").read_bytes()


def test_compression_is_recognised_by_the_content_and_not_by_the_name(tmp_path):
    write_idx(tmp_path / "plain", an_array("uint8"))
    (tmp_path / "plain").rename(tmp_path / "named.gz")
    np.testing.assert_array_equal(read_idx(tmp_path / "named.gz"), an_array("uint8"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_shorter_or_longer_file_is_refused(tmp_path, dtype):
    write_idx(tmp_path / "a", an_array(dtype, (3, 2)))
    content = (tmp_path / "a").read_bytes()
    for length in range(len(content)):
        with pytest.raises(BadDataFile, match=rf"^a ends early: got {length} bytes"):
            decode_idx(content[:length], "a")
    message = rf"^a is too long: got {len(content) + 1} bytes, expected {len(content)} .*\(3 x 2 of"
    with pytest.raises(BadDataFile, match=message):
        decode_idx(content + b"\0", "a")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("ffd8 0801 00000001 05", "is not idx data: it starts with ff d8, expected 00 00"),
        ("0000 0a01 00000001 05", "has the unknown type code 0x0a, expected one of 0x08 uint8, 0x09 int8, 0x0b int16"),
        ("0000 0800 05", "has 0 dimensions, expected 1 to 32"),
        ("0000 0821" + "00000001" * 33 + "05", "has 33 dimensions, expected 1 to 32"),
        # 2^64 elements: this number must not wrap around to 0, the number of elements in the file.
        (
            "0000 0803 80000000 80000000 00000004",
            "ends early: got 16 bytes, expected 18446744073709551632 from the header",
        ),
    ],
)
def test_the_error_about_a_wrong_header_describes_it(tmp_path, content, problem):
    path = tmp_path / "wrong-idx1-ubyte"
    path.write_bytes(bytes.fromhex(content))
    with pytest.raises(BadDataFile) as error:
        read_idx(path)
    assert str(error.value).startswith(f"{path} {problem}")


@pytest.mark.parametrize("array", [np.array([True]), np.array([1]), np.array([1], "f2"), np.array(["7"])])
def test_a_dtype_without_a_type_code_is_refused(tmp_path, array):
    array = array.astype("int64") if array.dtype.kind == "i" else array
    with pytest.raises(TypeError, match=f"array must be of .*uint8, int8, int16, int32, float32.*, got {array.dtype.name}"):
        write_idx(tmp_path / "a", array)
    assert not (tmp_path / "a").exists()


def test_a_number_without_dimensions_is_refused(tmp_path):
    with pytest.raises(ValueError, match="array must have 1 to 32 dimensions, got 0"):
        write_idx(tmp_path / "a", np.uint8(7))


def test_a_file_is_written_completely_or_not_at_all(tmp_path, monkeypatch):
    write_idx(tmp_path / "labels", np.array([7, 2, 1], np.uint8))

    def full(handle):
        os.ftruncate(handle, 9)
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk full"):
            write_idx(tmp_path / "labels", np.array([4, 5, 6, 7], np.uint8))
    assert read_idx(tmp_path / "labels").tolist() == [7, 2, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["labels"]
