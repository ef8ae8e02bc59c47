"""``refconv predict``: a model that cannot read digits is refused in one line that names the file."""

import json

import numpy as np
import pytest

from refconv import cli, models, weights

pytest.importorskip("safetensors")
pillow = pytest.importorskip("PIL.Image")


@pytest.fixture
def stroke(tmp_path):
    path = tmp_path / "stroke.png"
    pillow.fromarray(255 - 255 * np.eye(30, dtype=np.uint8)).save(path)
    return str(path)


def saved(path, name, shape, **arguments):
    model = models.build(name, **arguments)
    model.build(shape, rng=1)
    weights.save_model(path, model, name=name, arguments=arguments)
    return str(path)


def test_a_network_of_three_classes_reads_a_digit(tmp_path, stroke, capsys):
    assert cli.main(["predict", saved(tmp_path / "m", "lenet", (32, 32, 1), classes=3), stroke]) == 0
    assert sorted(word for word in capsys.readouterr().out.split() if len(word) == 1) == ["%", "%", "%", "0", "1", "2"]


@pytest.mark.parametrize(
    ("name", "shape", "outputs"),
    [
        ("lenet", (28, 28, 1), "(10,)"),
        ("resnet20-small", (32, 32, 3), "(10,)"),
        ("unet-same-small", (32, 32, 1), "(32, 32, 2)"),
    ],
)
def test_a_network_that_takes_or_returns_something_else_is_refused(tmp_path, stroke, capsys, name, shape, outputs):
    path = saved(tmp_path / "m", name, shape)
    assert cli.main(["predict", path, stroke]) == 1
    wanted = "take inputs of shape (32, 32, 1) and return the scores of classes"
    assert capsys.readouterr().err == f"refconv: {path} must {wanted}, got shapes {shape} and {outputs}\n"


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "I8"])
def test_a_type_of_weights_that_cannot_be_used_is_one_line(tmp_path, stroke, capsys, dtype):
    entry = {"dtype": dtype, "shape": [3], "data_offsets": [0, 3]}
    description = json.dumps({"name": "lenet", "arguments": {}})
    header = json.dumps({"__metadata__": {"refconv": description}, "conv1.b": entry}).encode()
    path = tmp_path / "quantised"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(3))
    assert cli.main(["predict", str(path), stroke]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"refconv: {path} must hold ")
    assert message.count("\n") == 1
    assert dtype in message or "int8" in message
