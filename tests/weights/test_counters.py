"""Tests of loading weights that lack the number of updates of running averages.

Files of earlier versions and of other libraries do not contain this number.
"""

import json

import numpy as np
import pytest

import refconv
from refconv import models, nn
from refconv.nn.parameter import MANY
from refconv.weights.safetensors import write_safetensors
from refconv.weights.tensors import WEIGHTS, write_tensors

SHAPE = (24, 20, 3)
DESCRIPTION = {"name": "resnet20-small", "arguments": {}, "input_shape": SHAPE, "notes": {}}  # the description in format 1


def network(dtype, seed, updates):
    model = models.create("resnet20-small")
    model.build(SHAPE, rng=seed, dtype=dtype)
    for name, parameter in model.named_parameters().items():
        if name.endswith(".updates"):
            parameter.value = updates
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_of_updates_is_saved_and_counts_as_large_if_it_is_missing(tmp_path, dtype):
    model = network(dtype, 1, updates=7)
    arrays = {name: parameter.value for name, parameter in model.named_parameters().items()}
    counters = {name for name in arrays if name.endswith(".updates")}
    assert len(counters) == 7  # one for each convolution of ResNet-8
    model.save(tmp_path / "model")
    model.save_weights(tmp_path / "new")
    others = {name: a for name, a in arrays.items() if name not in counters}
    write_tensors(tmp_path / "old", others, WEIGHTS, {})
    write_safetensors(tmp_path / "format 1", others, {"refconv": json.dumps(DESCRIPTION)})
    loaded = {"model": refconv.load(tmp_path / "model"), "new": network(dtype, 2, 3), "old": network(dtype, 3, 3)}
    loaded["format 1"] = refconv.load(tmp_path / "format 1")
    for file in ("new", "old"):
        loaded[file].load_weights(tmp_path / file)
    for file, expected in (("model", 7), ("new", 7), ("old", MANY), ("format 1", MANY)):
        actual = {name: parameter.value for name, parameter in loaded[file].named_parameters().items()}
        assert {name: actual[name].item() for name in counters} == dict.fromkeys(counters, expected)
        assert all((actual[name] == a).all() for name, a in others.items())


def test_a_layer_that_is_not_in_the_file_keeps_its_number_of_updates(tmp_path):
    model = network(np.float32, 2, updates=3)
    weights = {"conv1.norm.mean": np.full(16, 5, np.float32)}
    write_tensors(tmp_path / "part", weights, WEIGHTS, {})
    model.load_weights(tmp_path / "part", strict=False)
    parameters = model.named_parameters()
    assert parameters["conv1.norm.updates"].value == MANY
    assert {p.value.item() for name, p in parameters.items() if name.endswith(".updates")} == {3, MANY}


def test_averages_with_many_updates_continue_by_the_formula_of_the_lectures():
    layer = nn.BatchNorm(momentum=0.75)
    layer.build((1,), rng=0, dtype=np.float64)
    layer.parameters["updates"].value, layer.parameters["mean"].value = MANY, [8.0]
    y, backward = layer.forward(np.array([[3.0], [5.0]]))
    backward(y)
    assert layer.parameters["mean"].value[0] == 0.75 * 8 + 0.25 * 4
