"""Weights of earlier versions and other libraries, which lack the number of updates of batch normalisation's averages."""

import json

import numpy as np
import pytest

import refconv
from refconv import models, nn
from refconv.nn.parameter import MANY
from refconv.weights.safetensors import write_safetensors

DESCRIPTION = {"name": "resnet20-small", "arguments": {}, "input_shape": [24, 20, 3], "notes": {}}  # as format 1 stored it


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_file_without_the_number_of_updates_is_loaded_as_after_many(tmp_path, dtype):
    model, old, new = models.create("resnet20-small"), tmp_path / "old", tmp_path / "new"
    model.build((24, 20, 3), rng=1, dtype=dtype)
    for name, parameter in model.named_parameters().items():
        if name.endswith(".updates"):
            parameter.value = 7
    model.save(new)
    arrays = {name: p.value for name, p in model.named_parameters().items()}
    counters = {name for name in arrays if name.endswith(".updates")}
    others = {name: a for name, a in arrays.items() if name not in counters}
    write_safetensors(old, others, {"refconv": json.dumps(DESCRIPTION)})
    other = models.create("resnet20-small")
    other.build((24, 20, 3), rng=2, dtype=dtype)
    other.load_weights(old)
    for again, expected in ((refconv.load(new), 7), (refconv.load(old), MANY), (other, MANY)):
        loaded = again.named_parameters()
        assert {name: loaded[name].value.item() for name in counters} == dict.fromkeys(counters, expected)
        assert all((loaded[name].value == a).all() for name, a in others.items())
    assert len(counters) == 7  # one for each convolution of ResNet-8


def test_averages_of_many_updates_go_on_by_the_lectures_formula():
    layer = nn.BatchNorm(momentum=0.75)
    layer.build((1,), rng=0, dtype=np.float64)
    layer.parameters["updates"].value, layer.parameters["mean"].value = MANY, [8.0]
    y, backward = layer.forward(np.array([[3.0], [5.0]]))
    backward(y)
    assert layer.parameters["mean"].value[0] == 0.75 * 8 + 0.25 * 4
