"""Tests that a copy of a network is independent, computes the same bits and trains alike."""

import copy
import pickle

import numpy as np
import pytest

from evidence import assert_same_bits
from layer_evidence import assert_consecutive
from refconv import models, nn, optim
from refconv.training import train_step

copies = pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deepcopy", "pickle"]
)
SHAPE = (14, 15, 1)
X = np.random.default_rng(0).standard_normal((6, *SHAPE)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0, 2])


def network():
    """Return a network with fused layers, a shared layer, generators and branches."""
    shared = nn.Dense(6)
    model = nn.Sequential(
        conv=nn.Conv2D(5, 3),
        relu=nn.ReLU(),
        pool=nn.MaxPool2D(2),
        norm=nn.BatchNorm(),
        flatten=nn.Flatten(),
        hidden=nn.Dense(6),
        first=shared,
        branches=nn.Sum(nn.Sequential(shared, nn.Tanh()), nn.StochasticDepth(nn.Identity(), 0.5)),
        drop=nn.Dropout(0.3),
        scores=nn.Dense(3),
    )
    model.build(SHAPE, rng=1)
    return model


def train(model, optimizer, steps):
    return [train_step(model, optimizer, X, LABELS)[0] for _ in range(steps)]


def weights(model):
    return {name: p.value.copy() for name, p in model.named_parameters().items()}


def assert_same_weights(model, expected):
    assert weights(model).keys() == expected.keys()
    for name, array in weights(model).items():
        assert array.tobytes() == expected[name].tobytes(), name


@copies
def test_a_copy_trains_to_the_same_bits_and_does_not_change_the_network(copied):
    model = network()
    train(model, optim.SGD(model, 0.1, momentum=0.9), 2)  # plans exist, and the state has changed
    before, other = weights(model), copied(model)
    assert_same_weights(other, before)
    assert_same_bits(other(X), model(X))
    assert_consecutive(other)
    losses = train(other, optim.SGD(other, 0.1, momentum=0.9), 3)
    assert_same_weights(model, before)
    assert train(model, optim.SGD(model, 0.1, momentum=0.9), 3) == losses
    assert_same_weights(other, weights(model))


@copies
def test_a_shared_layer_is_shared_in_the_copy(copied):
    other = copied(network())
    assert other["first"] is other["branches"][0][0]
    assert "branches.0.0.w" not in other.named_parameters()


@copies
def test_a_copy_has_the_same_frozen_parameters_and_gradients(copied):
    model = network()
    model["conv"].freeze()
    _, backward = model.forward(X)
    backward(np.ones((6, 3), np.float32))
    other = copied(model)
    assert [name for name, p in other.named_parameters().items() if p.frozen] == ["conv.w", "conv.b"]
    for name, parameter in model.named_parameters().items():
        np.testing.assert_array_equal(other.named_parameters()[name].grad, parameter.grad)


@copies
def test_a_network_of_built_layers_is_copied(copied):
    model = models.lenet()
    model.build((32, 32, 1), rng=0)
    x = np.random.default_rng(2).standard_normal((2, 32, 32, 1)).astype(np.float32)
    frozen = copy.deepcopy(model).cut("pool2").freeze()
    for part in (nn.replace_layer(model, "scores", nn.Dense(3), (32, 32, 1), rng=1), model[:4], frozen):
        assert_same_bits(copied(part)(x), part(x))


@copies
def test_a_copy_of_a_part_does_not_contain_the_rest(copied):
    model = nn.Sequential(nn.Dense(3), nn.Dense(100_000))
    model.build((2,), rng=0)
    assert len(pickle.dumps(model[:1])) < 10_000
    other = copied(model[:1])
    assert other[0].parameters["w"].value.base is None or other[0].parameters["w"].value.base.size < 100


@copies
def test_an_unbuilt_network_is_copied(copied):
    other = copied(nn.Sequential(nn.Dense(3), nn.ReLU()))
    with pytest.raises(RuntimeError, match="call build"):
        other.named_parameters()
    assert other.build((2,), rng=0) == (3,)


@copies
def test_arrays_that_two_parameters_share_are_shared_in_the_copy(copied):
    class Tied(nn.Identity):
        def make(self, shape, rng, dtype):
            self.w = np.ones(shape, dtype)
            self.parameters = {"a": nn.Parameter(self.w), "b": nn.Parameter(self.w)}

    globals()["Tied"], Tied.__qualname__ = Tied, "Tied"  # pickle looks the class up by this name
    layer = Tied()
    layer.build((3,))
    other = copied(layer)
    assert other.parameters["a"].value is other.parameters["b"].value is other.w
    assert other.w is not layer.w


def test_a_shallow_copy_shares_parameters_and_their_memory():
    model = network()
    flat = model["conv"].parameters["w"].flat
    other = copy.copy(model)
    assert other["conv"] is model["conv"]
    assert model["conv"].parameters["w"].flat is flat
    assert_consecutive(model)
