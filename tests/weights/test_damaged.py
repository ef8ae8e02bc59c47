"""Tests of errors about files that are not models, are damaged or have invalid descriptions."""

import json

import numpy as np
import pytest

import refconv
from refconv import models, nn, weights
from safetensors_files import HEADER, as_safetensors, with_tensor

FLOATS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


def described(description, **tensors):
    return as_safetensors({"__metadata__": {"refconv": json.dumps(description)}, **tensors}, bytes(8 * len(tensors)))


def network(model, settings=None, **others):
    """Return a file of format 2 with this entry for the model and without weights."""
    architecture = {"model": model, "settings": settings or {}}
    return described({"format": 2, "architecture": architecture, "input_shape": [2], "frozen": [], **others})


def dense(*arguments, **named):
    return {"layer": "refconv.nn.Dense", "arguments": [*arguments], "named": named}


def nested(depth):
    """Return a file of format 2 with deeply nested networks, which json.dumps would not write."""
    before, after = '{"layer": "refconv.nn.Sequential", "arguments": [', "]}"
    text = network("here").replace(b'\\"here\\"', (before * depth + "3" + after * depth).replace('"', '\\"').encode())
    return len(text[8:]).to_bytes(8, "little") + text[8:]


DAMAGED = {
    "empty": b"",
    "shorter than a length": b"1234567",
    "a page": b"<html>not found</html>",
    "a header longer than the file": (2**40).to_bytes(8, "little") + b"{}",
    "not JSON": as_safetensors(b"{{{{"),
    "not UTF-8": as_safetensors(b"\xff\xfe\xfd"),
    "a list": as_safetensors(b"[]"),
    "null": as_safetensors(b"null"),
    "metadata that are a list": as_safetensors({"__metadata__": ["refconv"]}),
    "metadata that are numbers": as_safetensors({"__metadata__": {"refconv": 3}}),
    "no data": as_safetensors({**HEADER, "w": FLOATS}),
    "half of the data": as_safetensors({**HEADER, "w": FLOATS}, bytes(4)),
    "data that are too long": as_safetensors({**HEADER, "w": FLOATS}, bytes(12)),
    "a gap between tensors": as_safetensors({**HEADER, "w": FLOATS, "b": {**FLOATS, "data_offsets": [16, 24]}}, bytes(24)),
    "tensors that overlap": as_safetensors({**HEADER, "w": FLOATS, "b": {**FLOATS, "data_offsets": [4, 12]}}, bytes(12)),
    "an end before the beginning": as_safetensors({**HEADER, "w": {**FLOATS, "data_offsets": [8, 0]}}, bytes(8)),
    "offsets that are not numbers": as_safetensors({**HEADER, "w": {**FLOATS, "data_offsets": [0, "8"]}}, bytes(8)),
    "three offsets": as_safetensors({**HEADER, "w": {**FLOATS, "data_offsets": [0, 4, 8]}}, bytes(8)),
    "no offsets": as_safetensors({**HEADER, "w": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "a million axes": as_safetensors({**HEADER, "w": {**FLOATS, "shape": [9] * 10**6}}, bytes(8)),
    "a name that occurs twice": as_safetensors(json.dumps({"w": EMPTY, "v": FLOATS}).replace('"v"', '"w"').encode(), bytes(8)),
    "an entry that is a number": as_safetensors({**HEADER, "w": 8}, bytes(8)),
    "a shape of another size": as_safetensors({**HEADER, "w": {**FLOATS, "shape": [3]}}, bytes(8)),
    "a negative shape": as_safetensors({**HEADER, "w": {**FLOATS, "shape": [-1, -2]}}, bytes(8)),
    "a shape that overflows": as_safetensors({**HEADER, "w": {**FLOATS, "shape": [2**62, 2**62]}}, bytes(8)),
    "more axes than NumPy has": as_safetensors({**HEADER, "w": {**FLOATS, "shape": [2] + 99 * [1]}}, bytes(8)),
    "a length of 100 bits": as_safetensors({**HEADER, "w": {**EMPTY, "shape": [0, 2**100]}}),
    "lengths whose product has 100 bits": as_safetensors({**HEADER, "w": {**EMPTY, "shape": [2**50, 0, 2**50]}}),
    "a type that is a number": as_safetensors({**HEADER, "w": {**FLOATS, "dtype": 32}}, bytes(8)),
}
INVALID = {
    "an unknown type": as_safetensors({**HEADER, "w": {**FLOATS, "dtype": "F77"}}, bytes(8)),
    "no tensors": as_safetensors(HEADER),
    "integers": with_tensor("I32", 2, bytes(8)),
    "no description": as_safetensors({"w": FLOATS}, bytes(8)),
    "a description that is cut": as_safetensors({"__metadata__": {"refconv": "{"}}),
    "a description that is a list": described(["lenet"]),
    "a description without arguments": described({"name": "lenet"}),
    "an unknown network": described({"name": "lenet9", "arguments": {}}),
    "unknown arguments": described({"name": "lenet", "arguments": {"colour": 1}}),
    "infinite width": described({"name": "lenet", "arguments": {"width": 1e400}}),
    "a format that is a word": described({"format": "2", "name": "lenet", "arguments": {}}),
    "format 0": described({"format": 0, "name": "lenet", "arguments": {}}),
    "format true": described({"format": True, "name": "lenet", "arguments": {}}),
    "no architecture": described({"format": 2}),
    "no input shape": described({"format": 2, "architecture": {"model": dense(3), "settings": {}}, "frozen": []}),
    "an architecture that is a number": network(3),
    "an architecture that is a list": network([dense(3)]),
    "an entry of an unknown kind": network(dense({"code": "print()"})),
    "an entry without a kind": network(dense({})),
    "a class of the standard library": network({"layer": "pathlib.Path", "arguments": ["."]}),
    "a function instead of a class": network({"layer": "refconv.nn.he_normal"}),
    "an abstract class": network({"layer": "refconv.nn.Layer"}),
    "a function of the standard library": network(dense(3, initializer={"function": "shutil.rmtree"})),
    "a private function": network(dense(3, initializer={"function": "refconv._files.write_atomically"})),
    "a class instead of a function": network(dense(3, initializer={"function": "refconv.nn.Dense"})),
    "an invalid argument": network(dense("three")),
    "an argument too many": network(dense(3, 4, 5)),
    "a reference to a missing layer": network({"layer": "refconv.nn.Sequential", "arguments": [{"shared": 0}]}),
    "a reference to a missing array": network(dense({"array": "arrays/0", "dtype": "int64"})),
    "very deeply nested layers": nested(20_000),
    "settings of a missing layer": network(dense(3), {"conv1": {"stride": 2}}),
    "no weights": network(dense(3)),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_the_error_about_a_damaged_file_names_it(tmp_path, case):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(DAMAGED[case])
    with pytest.raises(refconv.ArgumentError, match=r"damaged\.safetensors is not a safetensors file, or is damaged: "):
        refconv.load(path)


@pytest.mark.parametrize("case", INVALID)
def test_the_error_about_an_invalid_description_names_the_file(tmp_path, case):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(INVALID[case])
    with pytest.raises(refconv.ArgumentError, match=r"damaged\.safetensors "):
        refconv.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (described({"format": 2, "architecture": {"model": {"array": "w", "dtype": "U99"}}}, w=FLOATS), "numbers, got 'U99'"),
        (network(dense({"scalar": "3", "dtype": "U1"})), "numbers, got 'U1'"),
        (network(dense(3), notes=["mnist"]), "must have a JSON object as its notes, got list"),
    ],
)
def test_values_that_no_network_needs_are_refused(tmp_path, content, message):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(refconv.ArgumentError, match=rf"m\.safetensors .*{message}"):
        refconv.load(tmp_path / "m.safetensors")


def test_the_error_about_a_long_header_is_short(tmp_path):
    path = tmp_path / "long.safetensors"
    for header in ({"w": [[]] * 10**5}, {"w": {**FLOATS, "shape": [1] * 10**5}}, {"w": {**FLOATS, "shape": "x" * 10**5}}):
        path.write_bytes(as_safetensors(header, bytes(8)))
        with pytest.raises(refconv.ArgumentError, match=r"long\.safetensors is not a safetensors file") as error:
            refconv.load(path)
        assert len(str(error.value)) < 500


def test_every_truncated_file_is_refused(tmp_path):
    model = nn.Sequential(nn.Dense(3))
    model.build((2,), rng=4)
    model.save(tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    for end in range(0, len(content), 5):
        (tmp_path / "cut.safetensors").write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"cut\.safetensors is not a safetensors file, or is damaged"):
            refconv.load(tmp_path / "cut.safetensors")


def test_a_changed_bit_is_noticed(tmp_path):
    model = nn.Sequential(nn.Dense(3), nn.ReLU(), nn.Dense(2))
    model.build((5,), rng=0)
    model.save(tmp_path / "whole", notes={"classes": ["a", "b"]})
    whole, path = (tmp_path / "whole").read_bytes(), tmp_path / "flipped"
    x = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            loaded, message = refconv.load(path), ""
        except ValueError as error:
            loaded, message = None, str(error)
        if loaded is None:
            assert str(path) in message
        else:  # the bit belongs to the name of the checksum
            assert whole[position - 20 : position + 20].count(b"refconv-sha256") == 1
            assert loaded.notes == {"classes": ["a", "b"]}
            np.testing.assert_array_equal(loaded(x), model(x))


def test_other_programs_can_write_files_without_a_checksum(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = nn.Dense(3)
    model.build((5,), rng=0)
    model.save(tmp_path / "ours")
    tensors, metadata = weights.safetensors.read_safetensors(tmp_path / "ours")
    assert weights.safetensors.CHECKSUM not in metadata
    tensors["w"][0, 0] = 7
    safetensors.save_file(tensors, tmp_path / "theirs", metadata)
    assert refconv.load(tmp_path / "theirs").named_parameters()["w"].value[0, 0] == 7
    safetensors.save_file(tensors, tmp_path / "changed", {**metadata, weights.safetensors.CHECKSUM: "0" * 64})
    with pytest.raises(
        ValueError, match="changed is not a safetensors file, or is damaged: its content does not fit its checksum"
    ):
        refconv.load(tmp_path / "changed")


def test_the_error_about_a_file_that_is_not_a_model_names_it(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError, match=r"there is no file .*m\.safetensors"):
        refconv.load(path)
    path.write_bytes(as_safetensors({"w": FLOATS}, bytes(8)))
    with pytest.raises(ValueError, match=r"m\.safetensors must be a refconv model, got tensors without a description"):
        refconv.load(path)
    model = nn.Dense(3)
    model.build((2,))
    model.save_weights(path)
    with pytest.raises(ValueError, match=r"m\.safetensors must be a refconv model, got refconv weights"):
        refconv.load(path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(FileNotFoundError, match=r"there is no model in the folder .*runs; expected model\.safetensors, best"):
        refconv.load(tmp_path / "runs")


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("F8_E8M0", 8), *((f"F8_{kind}", 8) for kind in ("E4M3", "E5M2", "E4M3FNUZ"))],
)
def test_the_error_about_dtypes_that_numpy_lacks_names_file_tensor_and_dtype(tmp_path, dtype, bits):
    path = tmp_path / "quantised.safetensors"
    path.write_bytes(with_tensor(dtype, 8, bytes(bits)))
    message = (
        rf"quantised\.safetensors must contain types that NumPy supports, got {dtype} in tensor conv1\.b; convert it to F32"
    )
    with pytest.raises(ValueError, match=message):
        refconv.load(path)


def test_bfloat16_and_float16_weights_are_loaded_as_float32(tmp_path):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    model.save(tmp_path / "m")
    _, description = weights.read_tensors(tmp_path / "m", "refconv")
    header, data = {"__metadata__": {"refconv": json.dumps(description)}}, b""
    for k, (name, p) in enumerate(model.named_parameters().items()):
        p.value[...] = p.value.astype(np.float16)
        p.value[...] = (p.value.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        bfloat16 = (p.value.view(np.uint32) >> 16).astype("<u2")
        raw = (bfloat16, p.value.astype("<f2"), p.value.astype("<f4"))[k % 3].tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": ("BF16", "F16", "F32")[k % 3], "shape": p.value.shape, "data_offsets": offsets}
        data += raw
    (tmp_path / "m").write_bytes(as_safetensors(header, data))
    again = refconv.load(tmp_path / "m")
    other = models.lenet()
    other.build((32, 32, 1), rng=5)
    other.load_weights(tmp_path / "m")
    for name, p in model.named_parameters().items():
        np.testing.assert_array_equal(again.named_parameters()[name].value, p.value)
        np.testing.assert_array_equal(other.named_parameters()[name].value, p.value)


@pytest.mark.parametrize("shape", ["32", 32, [32, 32], [0, 32, 1], [32, 32, None], [10**9, 10**9, 1], [[1]]])
@pytest.mark.parametrize("format", [1, 2])
def test_the_error_about_an_invalid_recorded_input_shape_names_the_file(tmp_path, shape, format):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    model.save(tmp_path / "m")
    tensors, description = weights.read_tensors(tmp_path / "m", "refconv")
    description = {1: {"format": 1, "name": "lenet", "arguments": {}}, 2: description}[format]
    weights.write_tensors(tmp_path / "m", tensors, "refconv", {**description, "input_shape": shape})
    with pytest.raises(ValueError, match=r"/m does not contain a network that can be loaded: "):
        refconv.load(tmp_path / "m")
