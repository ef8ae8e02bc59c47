"""Models on disk: what comes back is what was saved, and nothing else is taken for a model."""

import json
import struct

import numpy as np
import pytest

from refconv import models, weights

safetensors = pytest.importorskip("safetensors.numpy")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("style", ["modern", "paper"])
def test_a_model_comes_back_bit_for_bit(tmp_path, style, dtype):
    model = models.lenet(style, classes=7)
    model.build((32, 32, 1), rng=4, dtype=dtype)
    path = tmp_path / "deeper" / "model.safetensors"
    weights.save_model(path, model, name="lenet", arguments={"style": style, "classes": 7}, notes={"data": "none"})
    again, description = weights.load_model(path)
    assert description == {"name": "lenet", "arguments": {"style": style, "classes": 7}, "notes": {"data": "none"}}
    x = np.random.default_rng(0).standard_normal((2, 32, 32, 1)).astype(dtype)
    assert again(x).tobytes() == model(x).tobytes()


def test_other_programs_can_read_the_tensors(tmp_path):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    weights.save_model(tmp_path / "m.safetensors", model, name="lenet")
    tensors = safetensors.load_file(tmp_path / "m.safetensors")
    assert tensors["conv2.w"].shape == (5, 5, 6, 16)
    assert (tensors["conv2.w"] == model.named_parameters()["conv2.w"].value).all()


def test_what_is_not_a_model_is_named_and_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError, match=r"there is no model .*m\.safetensors"):
        weights.load_model(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"m\.safetensors is not a safetensors file, or is damaged"):
        weights.load_model(path)
    safetensors.save_file({"w": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="holds tensors, but no description of a refconv model"):
        weights.load_model(path)
    description = json.dumps({"name": "lenet", "arguments": {}, "notes": {}})
    safetensors.save_file({"conv1.w": np.zeros((5, 5, 1, 6))}, path, {"refconv": description})
    with pytest.raises(ValueError, match="does not hold the weights of lenet: 150 numbers, not 61706"):
        weights.load_model(path)


@pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F8_E5M2", 1)])
def test_tensors_of_a_type_that_numpy_lacks_are_refused_by_the_name_of_the_file(tmp_path, dtype, size):
    tensor = {"dtype": dtype, "shape": [3], "data_offsets": [0, 3 * size]}
    header = json.dumps({"w": tensor, "__metadata__": {"refconv": "{}"}}).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(3 * size))
    # Where ml_dtypes is installed NumPy may have the type, and the empty description is refused instead.
    refusal = r"m\.safetensors (holds tensors of a type that NumPy lacks: .*float|does not describe a model)"
    with pytest.raises(ValueError, match=refusal):
        weights.load_model(tmp_path / "m.safetensors")


def test_a_truncated_file_is_refused(tmp_path):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    weights.save_model(tmp_path / "m.safetensors", model, name="lenet")
    content = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.safetensors is not a safetensors file, or is damaged"):
        weights.load_model(tmp_path / "cut.safetensors")


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "file"
    weights.write_atomically(path, b"first")
    assert path.read_bytes() == b"first"

    def fails(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(weights.os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        weights.write_atomically(path, b"second, longer")
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_network_that_is_not_built_cannot_be_saved(tmp_path):
    with pytest.raises(RuntimeError, match="has no parameters yet"):
        weights.save_model(tmp_path / "m.safetensors", models.lenet(), name="lenet")
    assert not list(tmp_path.iterdir())
