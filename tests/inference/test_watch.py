"""Tests of the detection of changes, and of when checksums are compared."""

import gc
import weakref

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import nn, optim
from refconv.inference import compile_model
from refconv.inference.watch import Watch
from refconv.nn.parameter import are_referenced
from refconv.training import train_step

pytestmark = needs_kernels


@pytest.fixture
def network():
    model = nn.Sequential(conv=nn.Conv2D(4, 3), norm=nn.BatchNorm(), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((6, 7, 2), rng=1)
    return model


@pytest.fixture
def comparisons(monkeypatch):
    """List with an element for each comparison of checksums."""
    calls, read = [], Watch._read_checksums
    monkeypatch.setattr(Watch, "_read_checksums", lambda self: calls.append(1) or read(self))
    return calls


def weights(model):
    return model["conv"].parameters["w"]


X = np.ones((2, 6, 7, 2), np.float32)


def test_checksums_are_compared_only_after_an_access(network, comparisons):
    plan = compile_model(network)
    plan(X)
    del comparisons[:]
    for _ in range(3):
        plan(X)
    assert not comparisons
    network(X)  # reads the parameters, and might have changed them
    plan(X)
    plan(X)
    assert len(comparisons) == 1


HOLDERS = {
    "array": lambda model: weights(model).value,
    "view": lambda model: weights(model).value[1:, :, 1],
    "memoryview": lambda model: memoryview(weights(model).value),
    "flat array": lambda model: weights(model).flat.values,
    "flat slice": lambda model: weights(model).flat.values[3:],
    "weak reference": lambda model: weakref.ref(weights(model).value),
    "optimizer": lambda model: optim.SGD(model, 0.1),
    "closure": lambda model: (lambda w: lambda: w)(weights(model).value),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_checksums_are_compared_while_something_refers_to_an_array(network, comparisons, holder):
    held = HOLDERS[holder](network)
    if holder == "optimizer":
        train_step(network, held, X, np.array([0, 2]))
    gc.collect()
    plan = compile_model(network)
    plan(X)
    del comparisons[:]
    for _ in range(2):
        plan(X)
    referenced = are_referenced(network.named_parameters().values())
    assert len(comparisons) == 2 * referenced
    assert referenced or holder == "optimizer"
    del held
    plan(X)
    del comparisons[:]
    plan(X)
    assert not comparisons


@pytest.mark.parametrize("holder", ["array", "flat array"])
def test_a_change_through_a_held_array_is_noticed(network, holder):
    held = HOLDERS[holder](network)
    plan = compile_model(network)
    plan(X)
    plan(X)
    held[0] += 1
    del held
    assert np.allclose(plan(X), network(X), atol=1e-5)


def test_a_change_by_an_optimizer_that_ran_before_is_noticed(network):
    optimizer = optim.SGD(network, 0.1)
    train_step(network, optimizer, X, np.array([0, 2]))
    plan = compile_model(network)
    for _ in range(2):
        plan(X)
        plan(X)
        train_step(network, optimizer, X, np.array([0, 2]))
        assert np.allclose(plan(X), network(X), atol=1e-5)


def test_another_array_or_parameter_is_noticed(network):
    plan = compile_model(network)
    plan(X)
    plan(X)
    weights(network).replace_array(2 * weights(network).value)
    assert np.allclose(plan(X), network(X), atol=1e-5)
    plan(X)
    network["conv"].parameters["w"] = nn.Parameter(weights(network).value - 1)
    assert np.allclose(plan(X), network(X), atol=1e-5)


def test_parameters_without_arrays_of_their_own_are_referenced():
    values = np.arange(12.0)
    assert are_referenced([nn.Parameter(values[:5])])
    assert not are_referenced([nn.Parameter(values[:5].copy())])
    assert not are_referenced([])
