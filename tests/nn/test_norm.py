"""Batch normalisation as a layer: gradients in both modes, and the running averages."""

import numpy as np
import pytest

from layer_evidence import assert_layer, built, random_input
from refconv import nn


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.BatchNorm(), (5,)),
        (lambda: nn.BatchNorm(eps=0.1), (4, 3, 2)),
        (lambda: nn.BatchNorm(data_format="channels_first"), (2, 4, 3)),
    ],
)
def test_batch_norm_keeps_every_promise(layer, shape, train):
    assert_layer(layer(), shape, train)


def test_running_averages_follow_the_batch_by_the_lectures_rule():
    layer = nn.BatchNorm(momentum=0.75)
    layer.build((3,), rng=0, dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((6, 3)) * [1, 2, 3] + [4, 5, 6]
    layer.forward(x)
    layer.forward(x + 1)
    np.testing.assert_allclose(layer.parameters["mean"].value, 0.75 * 0.25 * x.mean(0) + 0.25 * (x.mean(0) + 1), rtol=1e-12)
    np.testing.assert_allclose(layer.parameters["var"].value, 0.75**2 + (0.75 * 0.25 + 0.25) * x.var(0), rtol=1e-12)


def test_inference_uses_the_running_averages_and_training_those_of_the_batch():
    layer = built(nn.BatchNorm(eps=0.5), (2,))
    x = random_input((2,))
    p = {name: parameter.value for name, parameter in layer.named_parameters().items()}
    expected = p["gamma"] * (x - p["mean"]) / np.sqrt(p["var"] + 0.5) + p["beta"]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-12)
    trained, _ = layer.forward(x)
    np.testing.assert_allclose(trained.mean(0), p["beta"], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1.5}, "momentum must be from 0 to 1, got 1.5"),
        ({"momentum": "x"}, "momentum must be a number, got 'x'"),
        ({"momentum": None}, "momentum must be a number, got None"),
        ({"eps": -1e-3}, "eps must be at least 0, got -0.001"),
        ({"eps": float("nan")}, "eps must be finite, got nan"),
        ({"eps": "x"}, "eps must be a number, got 'x'"),
        ({"data_format": "NHWC"}, "data_format"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        nn.BatchNorm(**arguments)
