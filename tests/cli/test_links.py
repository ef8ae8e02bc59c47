"""Tests of commands that write to a symbolic link without a target, or to a link to a model."""

import os
from pathlib import Path

import pytest

import refconv
from refconv.cli import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need permissions on Windows")
for module in ("matplotlib", "onnx", "PIL", "tqdm"):
    pytest.importorskip(module)

COMMANDS = {
    "export": ["export", "lenet", "{}.onnx", "--small", "--overwrite"],
    "draw": ["draw", "lenet", "--small", "--out", "{}.png", "--overwrite"],
    "profile": ["profile", "lenet", "--small", "--rounds", "1", "--out", "{}.png", "--overwrite"],
    "import": ["import", "resnet18", "missing.safetensors", "--out", "{}.safetensors", "--overwrite"],
    "restore": ["restore", "missing.png", "--out", "{}.png", "--overwrite"],
    "evaluate": ["evaluate", "lenet:mnist", "--data", "digits", "--confusion", "{}.png"],
    "predict": ["predict", "lenet:mnist", "missing.png", "--show", "{}.png"],
    "train": ["train", "lenet", "--small", "--images", "64", "--test-images", "20", "--out", "{}"],
    "train inside": ["train", "lenet", "--small", "--images", "64", "--test-images", "20", "--out", "run"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("target", "reason"),
    [("gone", "symbolic link to gone, which does not exist"), ("itself", "too many levels of symbolic links")],
)
def test_a_link_without_a_target_is_refused_before_anything_is_computed(
    tmp_path, monkeypatch, capsys, command, target, reason
):
    monkeypatch.chdir(tmp_path)
    arguments = [part.format("link") for part in COMMANDS[command]]
    path = Path(next((part for part in arguments if part.startswith("link")), "run/training.png"))
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(path.name if target == "itself" else target)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert main(arguments) == 1
    assert capsys.readouterr().err == f"refconv: {path}: {reason}\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["draw", "{}", "--out"], ["profile", "{}", "--out"], ["evaluate", "{}", "--confusion"]])
def test_a_picture_never_replaces_the_network_behind_a_link(tmp_path, capsys, arguments):
    model = tmp_path / "model.safetensors"
    refconv.models.create("lenet", weights="digits").save(model)
    content, link = model.read_bytes(), tmp_path / "picture.png"
    link.symlink_to(model)
    overwrite = ["--overwrite"] * (arguments[0] != "evaluate")
    assert main([*(part.format(model) for part in arguments), str(link), *overwrite]) == 1
    assert "must be a file that is not an input" in capsys.readouterr().err
    assert model.read_bytes() == content
