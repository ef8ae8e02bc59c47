"""Tests of the group, layer and instance normalisation layers."""

import numpy as np
import pytest

import refconv
from layer_evidence import assert_layer, random_input
from refconv import nn, optim, training
from refconv.ops.group_norm import group_norm


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.GroupNorm(2), (4, 3, 6)),
        (lambda: nn.GroupNorm(3, eps=0.5, data_format="channels_first"), (6, 4, 5)),
        (lambda: nn.LayerNorm(), (7,)),
        (lambda: nn.LayerNorm(eps=0.1), (4, 3)),
        (lambda: nn.LayerNorm(eps=0.1, each_position=True), (4, 3, 6)),
        (lambda: nn.LayerNorm(each_position=True, data_format="channels_first"), (6, 5)),
        (lambda: nn.LayerNorm(each_position=True), (7,)),
        (lambda: nn.InstanceNorm(data_format="channels_first"), (3, 4, 5)),
    ],
)
def test_the_layers_satisfy_the_requirements_of_layers(layer, shape, train):
    assert_layer(layer(), shape, train)


@pytest.mark.parametrize(
    ("layer", "groups"), [(nn.GroupNorm(3, eps=0.2), 3), (nn.LayerNorm(eps=0.2), 1), (nn.InstanceNorm(eps=0.2), 6)]
)
def test_each_layer_passes_its_number_of_groups_to_the_operator(layer, groups):
    x = random_input((4, 5, 6))
    layer.build((4, 5, 6), dtype=np.float64)
    layer.parameters["gamma"].value = gamma = np.arange(1.0, 7)
    layer.parameters["beta"].value = beta = np.arange(6.0) / 3
    np.testing.assert_array_equal(layer(x), group_norm(x, gamma, beta, groups, eps=0.2)[0])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_each_position_is_normalised_like_a_row(data_format):
    layer, x = nn.LayerNorm(eps=0.2, each_position=True, data_format=data_format), random_input((4, 5, 6))
    moved = np.moveaxis(x, -1, 1) if data_format == "channels_first" else x
    layer.build(moved.shape[1:], dtype=np.float64)
    layer.parameters["gamma"].value = gamma = np.arange(1.0, 7)
    layer.parameters["beta"].value = beta = np.arange(6.0) / 3
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.2) * gamma + beta
    y, backward = layer.forward(moved)
    np.testing.assert_allclose(np.moveaxis(y, 1, -1) if data_format == "channels_first" else y, expected, rtol=1e-12)
    assert y.flags.c_contiguous
    assert backward(np.ones_like(y)).flags.c_contiguous
    assert layer.input_span(moved.shape[1:], ((1, 2), (0, 3))) == ((1, 2), (0, 3))


def test_training_and_inference_are_the_same_and_examples_are_independent():
    layer, x = nn.GroupNorm(2), random_input((4, 5, 6))
    layer.build((4, 5, 6), dtype=np.float64)
    np.testing.assert_array_equal(layer.forward(x, train=True)[0], layer(x))
    np.testing.assert_array_equal(layer(x[1:2]), layer(x)[1:2])


def test_a_network_trains_is_saved_and_loaded(tmp_path):
    model = nn.Sequential(nn.Conv2D(4, 3), nn.GroupNorm(2), nn.ReLU(), nn.GlobalAvgPool2D(), nn.LayerNorm(), nn.Dense(3))
    model.build((6, 7, 2), rng=0)
    x, labels = random_input((6, 7, 2)).astype(np.float32), np.arange(len(random_input((6, 7, 2)))) % 3
    optimizer = optim.SGD(model, lr=0.1)
    losses = [training.train_step(model, optimizer, x, labels)[0] for _ in range(20)]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(refconv.load(tmp_path / "model.safetensors")(x), model(x))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.GroupNorm(0), ValueError, "groups must be at least 1, got 0"),
        (lambda: nn.GroupNorm(2.5), TypeError, "groups must be an integer"),
        (lambda: nn.GroupNorm(4).build((5, 5, 6)), ValueError, "groups must divide the 6 channels, got 4"),
        (lambda: nn.LayerNorm(eps=-1), ValueError, "eps must be at least 0, got -1"),
        (lambda: nn.InstanceNorm(data_format="NHWC"), ValueError, "data_format"),
        (lambda: nn.LayerNorm().build(()), ValueError, r"the input of LayerNorm\(\) must have channels, got shape \(\)"),
    ],
)
def test_invalid_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_repr_shows_what_differs_from_the_defaults():
    assert [
        repr(layer)
        for layer in (
            nn.GroupNorm(4),
            nn.LayerNorm(eps=0.5, each_position=True),
            nn.InstanceNorm(data_format="channels_first"),
        )
    ] == [
        "GroupNorm(4)",
        "LayerNorm(eps=0.5, each_position)",
        "InstanceNorm(channels_first)",
    ]


def test_names_of_pytorch_and_keras_are_recognised():
    for name, ours in (("InstanceNorm2d", "InstanceNorm"), ("LayerNormalization", "LayerNorm")):
        with pytest.raises(AttributeError, match=ours):
            getattr(nn, name)
