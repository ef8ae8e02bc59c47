"""Tests that files of all formats of refconv can be read, and that newer ones are refused."""

import json
from pathlib import Path

import numpy as np
import pytest

import refconv
from refconv import models, nn, optim, training, weights
from refconv.nn.parameter import MANY
from refconv.weights.tensors import FORMAT
from safetensors_files import as_safetensors

FILES = Path(__file__).parent / "files"  # README.md in this folder describes their origin


def counted(model):
    """Return the parameter values that the files contain.

    They are multiples of 1/8, which every dtype represents exactly.
    """
    return {name: (np.arange(p.value.size).reshape(p.value.shape) % 7 + 1) / 8 for name, p in model.named_parameters().items()}


def assert_counted(model, dtype):
    for name, expected in counted(model).items():
        value = model.named_parameters()[name].value
        assert (value.dtype, value.tolist()) == (dtype, expected.tolist())


def runner():
    """Return the network of the checkpoints."""
    return nn.Sequential(
        conv=nn.Conv2D(3, (5, 4), stride=5),
        norm=nn.BatchNorm(),
        relu=nn.ReLU(),
        drop=nn.Dropout(0.25),
        flatten=nn.Flatten(),
        scores=nn.Dense(10),
    )


def test_a_model_of_format_1_is_loaded():
    model = refconv.load(FILES / "model-format1.safetensors")
    assert (model.input_shape, model.notes) == ((28, 32, 1), {"data": "none", "test_error": 0.25})
    assert repr(model) == repr(models.lenet(classes=3, width=0.2))
    assert_counted(model, np.float32)


def test_a_model_of_format_1_without_an_input_shape_has_the_shape_of_the_paper_or_a_given_one():
    model = refconv.load(FILES / "model-format1-without-shape.safetensors")
    assert (model.input_shape, model.notes) == ((32, 32, 1), {})
    assert_counted(model, np.float64)
    with pytest.raises(ValueError, match=r"without-shape.* inputs of shape \(28, 32, 1\), got 1 of another shape .*dense1"):
        refconv.load(FILES / "model-format1-without-shape.safetensors", input_shape=(28, 32, 1))


def test_a_model_of_format_2_is_loaded():
    model = refconv.load(FILES / "model-format2.safetensors")
    assert (model.input_shape, model.notes) == ((7, 8, 2), {"data": "none"})
    assert_counted(model, np.float64)
    assert [name for name, p in model.named_parameters().items() if p.frozen] == ["conv.w", "conv.b"]
    layers = model.layers
    assert layers["norm"].momentum == 0.75
    assert layers["select"].channels == [3, 1, 2]
    assert layers["both"].layers["0"] is layers["both"].layers["again"] is layers["same"]
    x = np.random.default_rng(0).standard_normal((5, 7, 8, 2))
    features = layers["same"](layers["select"](layers["norm"](layers["conv"](x))))
    np.testing.assert_allclose(model(x), layers["scores"](layers["flatten"](2 * layers["same"](features))), rtol=1e-12)


def test_weights_of_every_format_are_read():
    for name in ("model-format1", "model-format2", "weights-format2"):
        model = refconv.load(FILES / f"{name.replace('weights', 'model')}.safetensors")
        model.build(model.input_shape, rng=3, dtype=next(iter(model.named_parameters().values())).value.dtype)
        model.load_weights(FILES / f"{name}.safetensors")
        assert_counted(model, np.float32 if name == "model-format1" else np.float64)


@pytest.mark.parametrize(("number", "sum_of_w"), [(1, -0.7671091351658106), (2, -0.7671091351658106)])
def test_the_network_of_a_checkpoint_of_every_format_is_read(number, sum_of_w):
    tensors, description = weights.read_tensors(FILES / f"checkpoint-format{number}.safetensors", "refconv-checkpoint")
    assert (description["format"], description["notes"]) == (number, {"data": "digits"})
    model = runner()
    model.build((32, 32, 1), rng=0)
    model.load_weights(FILES / f"checkpoint-format{number}.safetensors")
    assert (model.layers["norm"].parameters["updates"].value == MANY) == (
        number == 1
    )  # format 1 does not contain the counters
    for name, parameter in model.named_parameters().items():
        np.testing.assert_array_equal(parameter.value, tensors.get(f"model/{name}", MANY))
    assert parameter.value.any()
    assert model.layers["conv"].parameters["w"].value.sum(dtype=np.float64) == pytest.approx(sum_of_w)


@pytest.mark.parametrize("kind", ["refconv", "refconv-checkpoint", "refconv-weights"])
def test_a_newer_format_is_refused_by_name(tmp_path, kind):
    path = tmp_path / "new.safetensors"
    path.write_bytes(as_safetensors({"__metadata__": {kind: json.dumps({"format": FORMAT + 1, "unknown": "entry"})}}))
    message = r"new\.safetensors was written by a newer version of refconv: format 3, this version reads up to 2$"
    model = nn.Dense(3)
    model.build((2,))
    with pytest.raises(refconv.ArgumentError, match=message):
        weights.read_tensors(path, kind)
    with pytest.raises(refconv.ArgumentError, match=message):
        model.load_weights(path)
    if kind == "refconv":
        with pytest.raises(refconv.ArgumentError, match=message):
            refconv.load(path)


def test_each_kind_of_file_contains_the_number_of_the_current_format(tmp_path):
    model = nn.Dense(3)
    model.build((2,))
    model.save(tmp_path / "m")
    model.save_weights(tmp_path / "w")
    weights.write_tensors(tmp_path / "c", {}, "refconv-checkpoint", {})
    for name, kind in {"m": "refconv", "w": "refconv-weights", "c": "refconv-checkpoint"}.items():
        assert weights.read_tensors(tmp_path / name, kind)[1]["format"] == FORMAT


def test_resuming_a_run_of_format_1_raises_an_error_with_the_alternative(tmp_path):
    (tmp_path / "last.safetensors").write_bytes((FILES / "checkpoint-format1.safetensors").read_bytes())
    model = runner()
    model.build((32, 32, 1), rng=0)
    batches = refconv.data.Batches(*refconv.data.draw_digits(40, seed=3), 16, rng=5, prepare=refconv.data.lenet_input)
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    with pytest.raises(refconv.ArgumentError, match=r"last\.safetensors .*format 1.*load_weights"):
        training.fit(
            model,
            batches,
            optim.SGD(model, 0.02, momentum=0.9),
            epochs=3,
            callbacks=[training.Checkpoint(tmp_path, resume=True)],
        )
    for name, p in model.named_parameters().items():
        np.testing.assert_array_equal(p.value, before[name])
