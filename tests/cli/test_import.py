"""Tests of ``refconv import``: the model file, its notes, and errors."""

import numpy as np
import pytest

import refconv
from refconv import models, weights
from refconv.cli import main
from refconv.weights.safetensors import write_safetensors


@pytest.fixture
def folder(tmp_path, monkeypatch, narrow_resnet18):
    """Return a folder with weights of a narrow network that stands for torchvision's ResNet-18."""
    state = narrow_resnet18(0.1)
    write_safetensors(tmp_path / "weights.safetensors", state, {})
    (tmp_path / "labels.txt").write_text("cat\nbird of prey\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_weights_become_a_model_that_predict_accepts(folder, capsys):
    image = pytest.importorskip("PIL.Image")
    arguments = ["import", "resnet18", "weights.safetensors", "--labels", "labels.txt", "--resize", "240"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "wrote resnet18.safetensors: resnet18, 4,693 trainable parameters, 2 classes\n"
    notes = refconv.load("resnet18.safetensors").notes
    assert notes["classes"] == ["cat", "bird of prey"]
    assert notes["preprocessing"]["shorter_side"] == 240
    image.new("RGB", (260, 250), (10, 200, 90)).save("photo.png")
    assert main(["predict", "resnet18.safetensors", "photo.png", "--format", "csv"]) == 0
    assert "bird of prey" in capsys.readouterr().out


def test_networks_of_onnx_and_keras_get_preprocessing(folder, capsys):
    pytest.importorskip("onnx")
    pytest.importorskip("h5py")
    model = models.create("lenet", classes=2, width=0.5)
    model.build((34, 36, 3), rng=0)
    refconv.onnx.save(model, "net.onnx", data_format="channels_first")
    weights.to_keras(model, "net.keras")
    norm = ["--mean", "0.1", "0.2", "0.3", "--std", "0.4", "0.5", "0.6"]
    for file, shorter_side in (("net.onnx", []), ("net.keras", ["--resize", "40"])):
        assert main(["import", "any", file, "--labels", "labels.txt", *norm, *shorter_side, "--overwrite"]) == 0
        imported = refconv.load("any.safetensors")
        assert imported.notes["classes"] == ["cat", "bird of prey"]
        settings = imported.notes["preprocessing"]
        assert (settings["size"], settings["mean"], settings["std"]) == ([34, 36], [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
        assert settings.get("shorter_side") == (40 if shorter_side else None)
        x = np.random.default_rng(1).normal(size=(2, 34, 36, 3)).astype(np.float32)
        np.testing.assert_allclose(imported(x), model(x), rtol=0, atol=1e-5)
    capsys.readouterr()
    for arguments, message in (
        (["resnet18", "net.keras"], "--mean and --std must be given for a .keras file"),
        (
            ["resnet18", "net.onnx"],
            "--mean and --std must be given for net.onnx, whose inputs have shape (34, 36, 3)",
        ),
        (["any", "net.onnx", "--mean", "1", "--std", "1"], "must have 3 numbers each"),
        (["resnet18", "weights.safetensors", *norm], "--mean and --std must only be given for an .onnx or .keras file"),
    ):
        assert main(["import", *arguments, "--out", "new.safetensors"]) == 1
        assert message in capsys.readouterr().err
    assert not (folder / "new.safetensors").exists()


def test_an_existing_file_is_replaced_only_with_overwrite(folder, capsys):
    (folder / "m.safetensors").write_bytes(b"mine")
    arguments = ["import", "resnet18", "weights.safetensors", "--out", "m.safetensors"]
    assert main(arguments) == 1
    assert "m.safetensors already exists; choose another file with --out" in capsys.readouterr().err
    assert (folder / "m.safetensors").read_bytes() == b"mine"
    assert main([*arguments, "--overwrite"]) == 0
    assert "classes" not in refconv.load("m.safetensors").notes


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("lenet", "weights.safetensors", "name must be a network of torchvision for weights of PyTorch: alexnet"),
        ("resnet34", "weights.safetensors", "weights.safetensors must contain the parameters of the network"),
        ("lenet", "net.keras", "there is no file net.keras"),
        ("resnet18", "labels.txt", "labels.txt is not a safetensors file, or is damaged"),
        ("resnet18", "none.pth", "there is no file none.pth"),
    ],
)
def test_errors_leave_no_file(folder, capsys, name, file, message):
    assert main(["import", name, file, "--out", "new.safetensors"]) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "new.safetensors").exists()


def test_the_weights_are_never_replaced(folder, capsys):
    content = (folder / "weights.safetensors").read_bytes()
    (folder / "link.safetensors").hardlink_to(folder / "weights.safetensors")
    assert main(["import", "resnet18", "weights.safetensors", "--out", "link.safetensors", "--overwrite"]) == 1
    assert "--out must be a file that is not an input, got link.safetensors" in capsys.readouterr().err
    assert (folder / "weights.safetensors").read_bytes() == content


def test_resize_needs_preprocessing(folder, capsys):
    models.create("resnet18", weights="weights.safetensors").save("bare.safetensors", notes={})
    assert main(["import", "resnet18", "bare.safetensors", "--resize", "240"]) == 1
    assert "--resize must only be given for weights with preprocessing, got none in bare" in capsys.readouterr().err
