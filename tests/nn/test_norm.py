"""Tests of the batch normalisation layer: gradients in both modes, and running averages."""

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
def test_batch_norm_satisfies_the_requirements_of_layers(layer, shape, train):
    assert_layer(layer(), shape, train)


def step(layer, x):
    """Run a forward and a backward pass, which update the averages; return ∂e/∂x."""
    y, backward = layer.forward(x, train=True)
    return backward(np.ones_like(y))


def averages(layer):
    return {name: layer.parameters[name].value.copy() for name in ("mean", "var", "updates")}


def batch(dtype=np.float64):
    return (np.random.default_rng(0).standard_normal((6, 3)) * [1, 2, 3] + [4, 5, 6]).astype(dtype)


def test_lecture_averages_follow_the_rule_of_the_lectures():
    layer, x = nn.BatchNorm(momentum=0.75, averages="lecture"), batch()
    layer.build((3,), rng=0, dtype=np.float64)
    step(layer, x)
    step(layer, x + 1)
    np.testing.assert_allclose(layer.parameters["mean"].value, 0.75 * 0.25 * x.mean(0) + 0.25 * (x.mean(0) + 1), rtol=1e-12)
    np.testing.assert_allclose(layer.parameters["var"].value, 0.75**2 + (0.75 * 0.25 + 0.25) * x.var(0), rtol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_corrected_averages_do_not_depend_on_the_initial_values(momentum, dtype):
    """Check that averages of equal batches equal the statistics of one batch."""
    layers = nn.BatchNorm(momentum=momentum), nn.BatchNorm(momentum=momentum)
    x, tolerance = batch(dtype), 1e-6 if dtype == np.float32 else 1e-14
    for layer in layers:
        layer.build((3,), rng=0, dtype=dtype)
    layers[1].parameters["mean"].value, layers[1].parameters["var"].value = [100, -7, 3], [8, 9, 50]
    for k in range(1, 4):
        for layer in layers:
            step(layer, x)
            np.testing.assert_allclose(layer.parameters["mean"].value, x.mean(0), rtol=tolerance)
            np.testing.assert_allclose(layer.parameters["var"].value, x.var(0), rtol=10 * tolerance)
            assert layer.parameters["updates"].value == k
            assert layer.parameters["mean"].value.dtype == dtype


def test_corrected_averages_are_lecture_averages_from_zero_with_the_correction_of_adam():
    corrected, lecture, x = nn.BatchNorm(momentum=0.9), nn.BatchNorm(momentum=0.9, averages="lecture"), batch()
    for layer in (corrected, lecture):
        layer.build((3,), rng=0, dtype=np.float64)
    lecture.parameters["var"].value = np.zeros(3)
    for t in range(1, 8):
        for layer in (corrected, lecture):
            step(layer, (1 + 0.1 * t) * x + t)
        for name in ("mean", "var"):
            np.testing.assert_allclose(
                corrected.parameters[name].value, lecture.parameters[name].value / (1 - 0.9**t), rtol=1e-12
            )


@pytest.mark.parametrize("formula", ["corrected", "lecture"])
def test_averages_are_updated_once_by_the_backward_function_and_not_by_the_forward_pass(formula):
    layer, x = nn.BatchNorm(averages=formula), batch()
    layer.build((3,), rng=0, dtype=np.float64)
    before = averages(layer)
    y, backward = layer.forward(x, train=True)
    np.testing.assert_equal(averages(layer), before)
    backward(np.ones_like(y))
    once = averages(layer)
    assert all((once[name] != before[name]).all() for name in once)
    backward(np.ones_like(y), want_dx=False)
    np.testing.assert_equal(averages(layer), once)
    layer.forward(x, train=False)[1](np.ones_like(y))
    np.testing.assert_equal(averages(layer), once)


def test_the_default_weight_of_the_second_batch_is_a_little_more_than_half():
    layer = nn.BatchNorm()
    layer.build((1,), rng=0, dtype=np.float64)
    for mean, expected in ((3.0, 3.0), (5.0, 3.0 + 2.0 / 1.9)):  # 1 / (1 + τ) with τ = 0.9
        step(layer, np.array([[mean - 2], [mean + 2]]))
        assert layer.parameters["mean"].value[0] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, "BatchNorm()"),
        ({"momentum": 0.9, "averages": "corrected"}, "BatchNorm()"),
        ({"averages": "lecture"}, "BatchNorm(averages='lecture')"),
        ({"momentum": 0.99, "eps": 0.1}, "BatchNorm(momentum=0.99, eps=0.1)"),
        ({"eps": 0.1, "data_format": "channels_first"}, "BatchNorm(eps=0.1, channels_first)"),
    ],
)
def test_repr_shows_the_arguments_that_differ_from_their_defaults(arguments, shown):
    assert repr(nn.BatchNorm(**arguments)) == shown


@pytest.mark.parametrize("shape", [(1, 5), (1, 1, 1, 5)])
def test_a_batch_of_one_element_per_channel_warns_and_changes_no_average(shape):
    layer = nn.BatchNorm()
    layer.build(shape[1:], rng=0, dtype=np.float64)
    before = averages(layer)
    with pytest.warns(UserWarning, match=r"BatchNorm\(\) normalises over a single element per channel.*drop_last") as caught:
        dx = step(layer, np.arange(5.0).reshape(shape))
    assert caught[0].filename == __file__
    np.testing.assert_equal(averages(layer), before)
    assert not dx.any()
    step(layer, np.arange(10.0).reshape(2, *shape[1:]))
    assert layer.parameters["updates"].value == 1


def test_inference_uses_the_running_averages_and_training_the_batch_statistics():
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
        ({"eps": -1e-3}, "eps must be at least 0, got -0.001"),
        ({"eps": float("nan")}, "eps must be finite, got nan"),
        ({"eps": "x"}, "eps must be a number, got 'x'"),
        ({"averages": "running"}, "averages must be 'corrected' or 'lecture', got 'running'"),
        ({"data_format": "NHWC"}, "data_format"),
    ],
)
def test_invalid_arguments_are_refused_by_name(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        nn.BatchNorm(**arguments)
