"""Tests of tensors on disk: each dtype of safetensors is read with the correct values."""

import importlib.metadata
import json

import numpy as np
import pytest
from packaging.version import Version

from refconv import weights
from safetensors_files import with_tensor

safetensors = pytest.importorskip("safetensors.numpy")


@pytest.mark.parametrize(
    ("dtype", "data", "expected", "numpy_dtype"),
    [
        ("BF16", "803f c0c0 007f 0100 80ff", [1.0, -6.0, 2.0**127, 2.0**-133, -np.inf], np.float32),
        ("F16", "003c 00c6 ff7b 0100 00fc", [1.0, -6.0, 65504.0, 2.0**-24, -np.inf], np.float32),
        ("F32", "0000c03f 000000c0", [1.5, -2.0], np.float32),
        ("F64", "000000000000f83f", [1.5], np.float64),
        ("I16", "ff7f feff", [32767, -2], np.int16),
        ("U64", "ffffffffffffffff", [2**64 - 1], np.uint64),
        ("BOOL", "0001", [False, True], np.bool_),
        ("C64", "0000c03f000000c0", [1.5 - 2j], np.complex64),
    ],
)
def test_each_dtype_is_read_with_the_correct_values(tmp_path, dtype, data, expected, numpy_dtype):
    (tmp_path / "t").write_bytes(with_tensor(dtype, len(expected), bytes.fromhex(data)))
    tensors, _ = weights.read_tensors(tmp_path / "t", "refconv")
    assert tensors["conv1.b"].dtype == numpy_dtype
    assert tensors["conv1.b"].tolist() == expected
    assert tensors["conv1.b"].flags.writeable


def test_dtypes_agree_with_the_safetensors_library(tmp_path):
    names = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
    if Version(importlib.metadata.version("safetensors")) >= Version("0.7"):  # earlier ones have no complex numbers
        names.append("c8")
    given = {name: np.arange(6).reshape(2, 3).astype(name) for name in names} | {
        "none": np.zeros((0, 3)),
        "one": np.array(7.5),
    }
    weights.write_tensors(tmp_path / "t", given, "refconv", {})
    for tensors in (weights.read_tensors(tmp_path / "t", "refconv")[0], safetensors.load_file(tmp_path / "t")):
        assert_same(tensors, given)
    (tmp_path / "t").write_bytes(safetensors.save(given, {"refconv": "{}"}))
    assert_same(weights.read_tensors(tmp_path / "t", "refconv")[0], given)


def assert_same(actual, given):
    assert actual.keys() == given.keys()
    for name, array in given.items():
        assert (actual[name].dtype, actual[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(actual[name], array)


def test_every_array_begins_at_a_multiple_of_its_element_size(tmp_path):
    given = {
        "a": np.zeros(3, np.int8),
        "b": np.zeros(5, np.float64),
        "c": np.zeros((3, 1), np.float32),
        "d": np.zeros(1, "i2"),
    }
    for length in range(8):  # the length of a name changes the end of the header
        weights.write_tensors(tmp_path / "t", {**given, "x" * (length + 1): np.zeros(7, bool)}, "refconv", {})
        content = (tmp_path / "t").read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        for name, array in given.items():
            assert (start + header[name]["data_offsets"][0]) % array.itemsize == 0


def test_arrays_of_another_byte_order_or_layout_are_written_with_their_values(tmp_path):
    given = {"big": np.arange(6, dtype=">f4").reshape(2, 3), "transposed": np.arange(6.0).reshape(2, 3).T}
    weights.write_tensors(tmp_path / "t", given, "refconv", {})
    tensors, _ = weights.read_tensors(tmp_path / "t", "refconv")
    for name, array in given.items():
        np.testing.assert_array_equal(tensors[name], array)


def test_a_dtype_that_the_format_lacks_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"tensors must be of bool, .*, got complex128 for z"):
        weights.write_tensors(tmp_path / "t", {"z": np.zeros(2, complex)}, "refconv", {})
    assert not list(tmp_path.iterdir())
