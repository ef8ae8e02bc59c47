"""Tests of frozen layers: constant values, inference mode, and a shorter backward pass."""

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from refconv import models, nn, optim
from refconv.nn.layer import call_backward
from refconv.training import train_step

SHAPE = (32, 32, 1)
X = np.random.default_rng(0).standard_normal((3, *SHAPE)).astype(np.float32)
LABELS = np.array([0, 2, 1])


@pytest.fixture
def lenet():
    model = models.lenet()
    model.build(SHAPE, rng=0)
    return model


def values(model):
    return {name: p.value.tobytes() for name, p in model.named_parameters().items()}


@needs_kernels
def test_a_frozen_network_does_not_change_while_its_new_head_is_trained(lenet):
    norm = nn.BatchNorm()
    norm.build((28, 28, 6), rng=0)
    features = nn.Sequential({"conv1": lenet["conv1"], "norm": norm, "drop": nn.Dropout(0.5, seed=1)})
    features["drop"].build((28, 28, 6))
    head = nn.Sequential(nn.Flatten(), nn.Dense(3))
    head.build((28, 28, 6), rng=2)
    model = nn.Sequential({"features": features.freeze(), "head": head})
    before = values(model)
    optimizer = optim.SGD(model, 0.1, momentum=0.9, weight_decay=0.1)
    assert list(optimizer.parameters) == ["head.1.w", "head.1.b"]
    scores, backward = model.forward(X)
    np.testing.assert_array_equal(scores, model(X))
    assert backward(np.ones_like(scores)).shape == X.shape
    train_step(model, optimizer, X, LABELS)
    after = values(model)
    assert {name for name in before if after[name] != before[name]} == {"head.1.w", "head.1.b"}


def branches():
    return nn.Sequential(nn.Fractal(nn.Dense(4), 3, drop=0.5))


FROZEN = {
    "batch norm": lambda: nn.BatchNorm(),
    "dropout": lambda: nn.Dropout(0.5),
    "stochastic depth": lambda: nn.StochasticDepth(nn.Dense(4), 0.5),
    "fractal": branches,
    "drop-path": lambda: nn.DropPath(branches(), share=0.5),
    "norm after a convolution": lambda: nn.Sequential(nn.Dense(4), nn.BatchNorm(), nn.ReLU()),
}


@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FROZEN)
def test_a_frozen_layer_has_the_same_output_in_training_and_inference(name, dtype, fusion):
    layer, x = FROZEN[name](), np.random.default_rng(1).standard_normal((7, 4)).astype(dtype)
    layer.build((4,), rng=0, dtype=dtype)
    with refconv.config(fusion=fusion):
        assert not np.allclose(layer.forward(x)[0], layer(x))
        assert layer.freeze() is layer
        before = values(layer)
        for _ in range(5):
            y, backward = layer.forward(x)
            np.testing.assert_allclose(y, layer(x), rtol=1e-5 if dtype == np.float32 else 1e-13)
            backward(np.ones_like(y))
        assert values(layer) == before
        assert layer.unfreeze() is layer
        assert not np.allclose(layer.forward(x)[0], layer(x))


def test_freeze_applies_to_every_inner_layer():
    model = nn.DropPath(nn.Sequential(nn.Fractal(nn.Dense(4), 2), nn.BatchNorm()))
    model.build((4,), rng=0)
    model.freeze()
    assert {layer.frozen for layer in nn.layer.all_layers(model)} == {True}
    assert not model.is_trainable
    model.network[1].unfreeze()
    assert [n for n, p in model.named_parameters().items() if p.trainable] == ["network.1.gamma", "network.1.beta"]
    assert (model.is_trainable, model.network[0].is_trainable) == (True, False)


def test_heads_of_a_frozen_network_are_not_used():
    model = nn.Heads(nn.Sequential(a=nn.Dense(4), b=nn.Dense(3)), a=nn.Dense(3))
    model.build((5,), rng=0)
    x = X[:, :5, 0, 0]
    np.testing.assert_array_equal(model.freeze().forward(x)[0], model(x))


def test_freezing_an_unbuilt_layer_is_refused_and_changes_nothing():
    model = nn.Sequential(first := nn.Dense(2), nn.Dense(3))
    first.build((4,))
    with pytest.raises(RuntimeError, match=r"Dense\(3\) has no parameters yet"):
        model.freeze()
    assert (first.frozen, first.is_trainable) == (False, True)


class Counted(nn.Layer):
    """Identity layer that records the argument want_dx of each backward call."""

    def __init__(self):
        self.calls = []

    def output_shape(self, shape):
        return shape

    def forward(self, x, train=True):
        def backward(dy, want_dx=True):
            self.calls.append(want_dx)
            return dy

        return x, backward


@pytest.mark.parametrize("fusion", [True, False])
def test_the_backward_pass_stops_at_the_first_trainable_layer(fusion):
    spies = [Counted() for _ in range(4)]
    block = nn.Sequential(spies[1], nn.Dense(5), nn.ReLU(), spies[2])
    model = nn.Sequential(spies[0], nn.Dense(4), nn.BatchNorm(), block, nn.Dense(3), spies[3])
    model.build((6,), rng=0, dtype=np.float64)
    for frozen in (model[1], model[2]):
        frozen.freeze()
    x = np.random.default_rng(2).standard_normal((5, 6))
    with refconv.config(fusion=fusion):
        y, backward = model.forward(x)
        call_backward(backward, np.ones_like(y), want_dx=False)
        assert [spy.calls for spy in spies] == [[], [], [True], [True]]
        expected = block[1].parameters["w"].grad.copy()
        assert expected.any()
        model.zero_grad()
        assert backward(np.ones_like(y)).shape == x.shape
        np.testing.assert_array_equal(block[1].parameters["w"].grad, expected)
        model.zero_grad()
        block.freeze()
        call_backward(backward, np.ones_like(y), want_dx=False)
        assert [len(spy.calls) for spy in spies] == [1, 1, 2, 3]
        model.freeze()
        assert call_backward(backward, np.ones_like(y), want_dx=False) is None
        assert [len(spy.calls) for spy in spies] == [1, 1, 2, 3]


@pytest.mark.parametrize("container", [nn.Sum, nn.Mean, nn.Concat])
def test_branches_without_a_trainable_layer_are_skipped(container):
    spies = Counted(), Counted()
    model = container(nn.Sequential(spies[0], nn.Dense(4)), nn.Sequential(spies[1], nn.Dense(4)))
    model.build((4,), rng=0, dtype=np.float64)
    model[0].freeze()
    y, backward = model.forward(np.ones((2, 4)))
    assert call_backward(backward, np.ones_like(y), want_dx=False) is None
    assert model[1][1].parameters["w"].grad.any()
    assert not model[0][1].parameters["w"].grad.any()
    assert backward(np.ones_like(y)).shape == (2, 4)
    assert [spy.calls for spy in spies] == [[True], [True]]


def test_the_backward_pass_of_a_network_with_heads_stops_at_the_first_trainable_layer():
    gradients = []
    for frozen in (False, True):
        spies = Counted(), Counted()
        trunk = nn.Sequential(spy=spies[0], a=nn.Dense(4), also=spies[1], b=nn.Dense(5), c=nn.Dense(3))
        model = nn.Heads(trunk, a=nn.Dense(3), b=nn.Dense(2))
        model.build((6,), rng=0, dtype=np.float64)
        if frozen:
            trunk["a"].freeze()
        scores, backward = model.forward(np.random.default_rng(3).standard_normal((2, 6)))
        call_backward(backward, tuple(np.ones_like(part) for part in scores), want_dx=False)
        gradients.append({name: p.grad for name, p in model.named_parameters().items() if p.trainable})
        assert [len(spy.calls) for spy in spies] == ([0, 0] if frozen else [0, 1])
        assert backward(tuple(np.ones_like(part) for part in scores)).shape == (2, 6)
    without = {name: grad for name, grad in gradients[0].items() if not name.startswith("trunk.a.")}
    assert without.keys() == gradients[1].keys()
    for name, grad in without.items():
        np.testing.assert_array_equal(grad, gradients[1][name])


def test_the_optimizer_skips_frozen_parameters_until_they_are_unfrozen():
    model = nn.Sequential(a=nn.Dense(3), b=nn.Dense(2))
    model.build((4,), rng=0)
    optimizer = optim.SGD(model, 0.1, weight_decay=0.5)
    model["a"].freeze()
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    optimizer.step()
    assert (model["a"].parameters["w"].value == before["a.w"]).all()
    assert not (model["b"].parameters["w"].value == before["b.w"]).all()
    model.unfreeze()
    optimizer.step()
    assert not (model["a"].parameters["w"].value == before["a.w"]).all()


def test_gradients_of_frozen_parameters_do_not_accumulate():
    model = nn.Sequential(a=nn.Dense(3), b=nn.Dense(3))
    model.build((4,), rng=0, dtype=np.float64)
    model["b"].freeze()
    optimizer, gradients = optim.SGD(model, 0.0), []
    for _ in range(2):
        train_step(model, optimizer, X[:, :4, 0, 0].astype(np.float64), LABELS)
        gradients.append(model["b"].parameters["w"].grad.copy())
    assert gradients[0].any()
    assert (gradients[0] == gradients[1]).all()


def test_building_a_network_with_frozen_layers_is_refused_and_changes_nothing():
    new, trained = nn.Dense(3), nn.Dense(4)
    new.build((2,), rng=0)
    trained.build((3,), rng=1)
    trained.freeze()
    model = nn.Sequential(new=new, trained=trained)
    before = values(model)
    with pytest.raises(RuntimeError, match=r"Dense\(4\) is frozen, and building would replace its values"):
        model.build((2,), rng=5)
    assert values(model) == before
    assert model.unfreeze().build((2,), rng=5) == (4,)
    assert values(model) != before


def test_an_optimizer_made_before_layers_were_unfrozen_is_refused(lenet):
    lenet["conv1"].freeze()
    optimizer = optim.SGD(lenet, lr=0.1)
    lenet["conv1"].unfreeze()
    before = values(lenet)
    with pytest.raises(ValueError, match=r"^optimizer must .* without 2 of them, such as conv1.w: make a new optimizer$"):
        train_step(lenet, optimizer, X, LABELS)
    assert values(lenet) == before
    train_step(lenet, optim.SGD(lenet, lr=0.1), X, LABELS)
    assert values(lenet)["conv1.w"] != before["conv1.w"]


def test_a_training_step_of_a_frozen_model_is_refused(lenet):
    optimizer = optim.SGD(lenet, lr=0.1)
    lenet.freeze()
    with pytest.raises(
        ValueError, match=r"^model must have at least one trainable parameter, got a model whose .* are frozen$"
    ):
        train_step(lenet, optimizer, X, LABELS)


def test_assigning_an_array_to_a_parameter_name_is_refused(lenet):
    parameters = lenet["conv1"].parameters
    with pytest.raises(refconv.ArgumentError, match=r"^parameters\['w'\] must be a Parameter, got ndarray: assign to"):
        parameters["w"] = np.ones((5, 5, 1, 6), np.float32)
    parameters["w"].value = np.ones((5, 5, 1, 6), np.float32)
