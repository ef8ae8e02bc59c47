"""Tensors on disk: every type of safetensors is read as its literal numbers."""

import numpy as np
import pytest

from refconv import weights
from safetensors_files import with_tensor

pytest.importorskip("safetensors")


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
def test_each_type_is_read_with_its_literal_numbers(tmp_path, dtype, data, expected, numpy_dtype):
    (tmp_path / "t").write_bytes(with_tensor(dtype, len(expected), bytes.fromhex(data)))
    tensors, _ = weights.read_tensors(tmp_path / "t", "refconv")
    assert tensors["conv1.b"].dtype == numpy_dtype
    assert tensors["conv1.b"].tolist() == expected
    assert tensors["conv1.b"].flags.writeable


def test_types_agree_with_those_that_safetensors_writes(tmp_path):
    names = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8"]
    given = {name: np.arange(6).reshape(2, 3).astype(name) for name in names} | {
        "none": np.zeros((0, 3)),
        "one": np.array(7.5),
    }
    weights.write_tensors(tmp_path / "t", given, "refconv", {})
    found, _ = weights.read_tensors(tmp_path / "t", "refconv")
    assert found.keys() == given.keys()
    for name, array in given.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)
