"""Tests of error messages about files of other programs and wrong endings."""

import sys
import types

import numpy as np
import pytest

import refconv
from refconv import models, nn, weights
from refconv.cli import main
from refconv.weights.safetensors import write_safetensors

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


def network(width=3):
    return nn.Sequential(conv=nn.Conv2D(width, (2, 5)), flatten=nn.Flatten(), scores=nn.Dense(4))


def built():
    model = network()
    model.build((7, 8, 2), rng=1)
    return model


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("lenet.onnx", b"\x08\x09", "lenet.onnx is an ONNX file; read it with refconv.onnx.load"),
        ("k.weights.h5", HDF5, "k.weights.h5 contains only weights of Keras; .*load_keras_weights"),
        ("k.h5", HDF5, r"k.h5 is an HDF5 file; .*model.save\('model.keras'\)"),
        ("net.pth", ZIP, "net.pth is a file of torch.save; read it with weights.from_torch"),
        ("old.pt", b"\x80\x02\x8a\x0a", "old.pt is a file of torch.save"),
    ],
)
def test_load_names_the_function_that_reads_a_file(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content + b"\0" * 50)
    with pytest.raises(refconv.ArgumentValueError, match=message):
        refconv.load(tmp_path / name)


def test_archives_of_keras_and_numpy_are_not_called_files_of_torch_save(tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    monkeypatch.setitem(sys.modules, "torch", None)
    weights.to_keras(built(), tmp_path / "net.keras")
    np.savez(tmp_path / "net.npz", w=np.zeros(3))
    for read in (refconv.load, lambda path: weights.from_torch(built(), path)):
        with pytest.raises(refconv.ArgumentValueError, match=r"net.keras is a Keras file; read it with weights.from_keras"):
            read(tmp_path / "net.keras")
        with pytest.raises(refconv.ArgumentValueError, match=r"net.npz is a file of np.savez"):
            read(tmp_path / "net.npz")


def test_other_endings_are_refused_before_anything_is_written(tmp_path):
    model = built()
    for write, name, expected in (
        (lambda path: weights.to_torch(model, path), "net.pth.tar", ".safetensors, .pt or .pth"),
        (lambda path: weights.to_torch(model, path), "back.keras", ".safetensors, .pt or .pth"),
        (lambda path: weights.to_keras(model, path), "l.h5", ".keras"),
        (lambda path: weights.save_keras_weights(model, path), "l.h5", ".weights.h5"),
        (model.save, "l.onnx", ".safetensors"),
        (model.save, "l.pth", ".safetensors"),
        (model.save_weights, "l.h5", ".safetensors"),
    ):
        with pytest.raises(refconv.ArgumentValueError, match=f"^path must end in {expected}, got {name}"):
            write(tmp_path / name)
    assert [*tmp_path.iterdir()] == []


def test_weights_without_an_architecture_name_the_next_step(tmp_path):
    model, path = built(), tmp_path / "w.safetensors"
    model.save_weights(path)
    with pytest.raises(refconv.ArgumentValueError, match=r"w.safetensors contains weights without .*: .* load_weights$"):
        models.create("lenet", weights=path)
    with pytest.raises(refconv.ArgumentValueError, match=r"got refconv weights; build the network and call load_weights"):
        refconv.load(path)
    write_safetensors(path, {"conv1.weight": np.zeros((6, 1, 5, 5), np.float32)}, {})
    with pytest.raises(refconv.ArgumentValueError, match=r"w.safetensors .*: build lenet and call weights.from_torch$"):
        models.create("lenet", weights=path)
    with pytest.raises(refconv.ArgumentValueError, match=r"build the network and call weights.from_torch"):
        refconv.load(path)
    with pytest.raises(FileNotFoundError, match=r"^there is no file resnet50\.pth$"):
        models.create("resnet50", weights="resnet50.pth")


def test_predict_with_the_name_of_an_architecture_lists_its_packaged_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "lenet", "x.png"]) == 1
    assert capsys.readouterr().err == "refconv: there is no file lenet; packaged weights: lenet:mnist, lenet:digits\n"


def test_from_torch_says_what_to_pass(tmp_path):
    module = types.SimpleNamespace(state_dict=dict)
    with pytest.raises(refconv.ArgumentTypeError, match=r"a state dict, got SimpleNamespace; pass model.state_dict\(\)$"):
        weights.from_torch(built(), module)
    state = weights.to_torch(built())
    renamed = {key.replace("scores", "classifier.6"): array for key, array in state.items()}
    with pytest.raises(refconv.ArgumentValueError, match=r"missing .*unexpected .*; pass names={layer: module of PyTorch}"):
        weights.from_torch(built(), renamed)
    result = weights.from_torch(built(), renamed, strict=False)
    assert result.missing_keys == ["scores.w", "scores.b"]
    assert result.unexpected_keys == ["classifier.6.weight", "classifier.6.bias"]


def test_files_of_weights_and_older_files_of_keras_are_told_apart(tmp_path):
    pytest.importorskip("h5py")
    weights.save_keras_weights(built(), tmp_path / "k.weights.h5")
    with pytest.raises(refconv.ArgumentValueError, match="it contains only weights: use load_keras_weights"):
        weights.from_keras(tmp_path / "k.weights.h5")
    (tmp_path / "k.h5").write_bytes((tmp_path / "k.weights.h5").read_bytes())
    with pytest.raises(refconv.ArgumentValueError, match=r"older HDF5 format: in Keras, .* model.save\('model.keras'\)"):
        weights.from_keras(tmp_path / "k.h5")


def test_load_keras_weights_builds_a_network_only_if_the_weights_fit(tmp_path):
    pytest.importorskip("h5py")
    saved, path = built(), tmp_path / "k.weights.h5"
    weights.save_keras_weights(saved, path)
    model = network()
    weights.load_keras_weights(model, path, input_shape=(7, 8, 2))
    for name, parameter in saved.named_parameters().items():
        np.testing.assert_array_equal(model.named_parameters()[name].value, parameter.value)
    wider = network(width=6)
    with pytest.raises(refconv.ArgumentValueError, match="must contain the weights of the network"):
        weights.load_keras_weights(wider, path, input_shape=(7, 8, 2))
    assert not wider.is_built
    with pytest.raises(RuntimeError, match="is not built"):
        weights.load_keras_weights(network(), path)
    larger = nn.Sequential(conv=nn.Conv2D(3, (2, 5)), again=nn.Conv2D(3, 1), flatten=nn.Flatten(), scores=nn.Dense(4))
    larger.build((7, 8, 2), rng=0)
    weights.save_keras_weights(larger, path)
    with pytest.raises(refconv.ArgumentValueError, match="the network has no layer for the weights in layers/conv2d_1"):
        weights.load_keras_weights(built(), path)
