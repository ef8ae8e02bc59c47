"""A trained network for another task: what is cut, frozen and replaced is the same network, and stays as it was."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn, optim
from refconv.training import train_step

SHAPE = (32, 32, 1)
X = np.random.default_rng(0).standard_normal((3, *SHAPE)).astype(np.float32)
LABELS = np.array([0, 2, 1])


@pytest.fixture
def lenet():
    model = models.lenet()
    model.build(SHAPE, rng=0)
    return model


@needs_kernels
def test_features_of_any_layer(lenet):
    """B10: the output of an inner layer serves another task."""
    features = lenet.activations(X, "conv2")
    assert features.shape == (3, 10, 10, 16)
    head = nn.Sequential(dict(list(lenet.layers.items())[4:]))
    np.testing.assert_array_equal(head(features), lenet(X))
    np.testing.assert_array_equal(lenet.cut("conv2")(X), features)
    assert lenet.cut("dense1").named_parameters()["conv1.w"] is lenet.named_parameters()["conv1.w"]


def test_features_deep_inside_of_branches():
    branch = nn.Sequential(first=nn.Conv2D(2, 3, padding="same"), second=nn.Tanh())
    model = nn.Sequential(stem=nn.Conv2D(2, 3), block=nn.Sum(nn.Identity(), branch), last=nn.ReLU())
    model.build((5, 6, 1), rng=0, dtype=np.float64)
    x = X[:, :5, :6].astype(np.float64)
    stem = model.layers["stem"](x)
    np.testing.assert_array_equal(model.activations(x, "block.1.first"), branch.layers["first"](stem))
    np.testing.assert_array_equal(model.activations(x, "block"), stem + branch(stem))


@needs_kernels
def test_a_frozen_network_stays_as_it_is_while_its_new_head_learns(lenet):
    norm = nn.BatchNorm()
    norm.build((28, 28, 6), rng=0)
    layers = {"conv1": lenet.layers["conv1"], "norm": norm, "drop": nn.Dropout(0.5, seed=1)}
    layers["drop"].build((28, 28, 6))
    features = nn.Frozen(nn.Sequential(layers))
    head = nn.Sequential(nn.Flatten(), nn.Dense(3))
    head.build((28, 28, 6), rng=2)
    model = nn.Sequential({"features": features, "head": head})
    before = {name: p.value.tobytes() for name, p in model.named_parameters().items()}
    optimizer = optim.SGD(model, 0.1, momentum=0.9, weight_decay=0.1)
    assert list(optimizer.parameters) == ["head.1.w", "head.1.b"]
    scores, backward = model.forward(X)
    np.testing.assert_array_equal(scores, model(X))
    assert backward(np.ones_like(scores)).shape == X.shape
    train_step(model, optimizer, X, LABELS)
    after = {name: p.value.tobytes() for name, p in model.named_parameters().items()}
    assert {name for name in before if after[name] != before[name]} == {"head.1.w", "head.1.b"}
    with pytest.raises(RuntimeError, match="holds trained parameters, which building would lose"):
        model.build(SHAPE)


@needs_kernels
def test_another_head_for_fine_tuning(lenet):
    """B10: the head is replaced, the rest goes on from where it was."""
    before = lenet(X)
    other = nn.replace_layer(lenet, "scores", nn.Dense(7), SHAPE, rng=3)
    np.testing.assert_array_equal(other.activations(X, "relu4"), lenet.activations(X, "relu4"))
    np.testing.assert_array_equal(lenet(X), before)
    loss, scores = train_step(other, optim.SGD(other, 0.1), X, LABELS)
    assert scores.shape == (3, 7)
    assert np.isfinite(loss)
    assert not (lenet(X) == before).all()  # the features are the same arrays, and have learnt


def test_frozen_parameters_are_left_alone_until_they_thaw():
    model = nn.Sequential(a=nn.Dense(3), b=nn.Dense(2))
    model.build((4,), rng=0)
    optimizer = optim.SGD(model, 0.1, weight_decay=0.5)
    model.layers["a"].freeze()
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    optimizer.step()
    assert (model.layers["a"].parameters["w"].value == before["a.w"]).all()
    assert not (model.layers["b"].parameters["w"].value == before["b.w"]).all()
    model.unfreeze()
    optimizer.step()
    assert not (model.layers["a"].parameters["w"].value == before["a.w"]).all()


def test_gradients_of_frozen_parameters_do_not_pile_up():
    model = nn.Sequential(a=nn.Dense(3), b=nn.Dense(3))
    model.build((4,), rng=0, dtype=np.float64)
    model.layers["a"].freeze()
    optimizer, gradients = optim.SGD(model, 0.0), []
    for _ in range(2):
        train_step(model, optimizer, X[:, :4, 0, 0].astype(np.float64), LABELS)
        gradients.append(model.layers["a"].parameters["w"].grad.copy())
    assert gradients[0].any()
    assert (gradients[0] == gradients[1]).all()


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.activations(X, "conv3"), "name must be one of conv1, relu1, .*, got 'conv3'"),
        (lambda m: m.activations(X, "conv1.0"), "name must be one of none: there are no inner layers, got '0'"),
        (lambda m: m.cut("dense9"), "at must be one of conv1, .* got 'dense9'"),
        (lambda m: nn.replace_layer(m, "dense9", nn.ReLU(), SHAPE), "name must be one of conv1, .* got 'dense9'"),
        (lambda m: nn.replace_layer(m, "pool2", nn.Dense(2), SHAPE), "takes one axis of numbers"),
    ],
)
@needs_kernels
def test_names_that_are_not_there_are_refused(lenet, use, message):
    with pytest.raises(ValueError, match=message):
        use(lenet)


def test_frozen_takes_a_built_layer():
    with pytest.raises(TypeError, match="Frozen takes a layer, got 3"):
        nn.Frozen(3)
    with pytest.raises(RuntimeError, match="has no parameters yet"):
        nn.Frozen(nn.Dense(2))


def test_a_network_with_frozen_layers_that_refuses_to_be_built_keeps_its_weights():
    new, trained = nn.Dense(3), nn.Dense(4)
    new.build((2,), rng=0)
    trained.build((3,), rng=1)
    before = new.parameters["w"].value.copy()
    with pytest.raises(RuntimeError, match="holds trained parameters"):
        nn.Sequential(new=new, trained=nn.Frozen(trained)).build((2,), rng=5)
    assert np.array_equal(new.parameters["w"].value, before)


def test_a_new_layer_that_contains_layers_of_the_network_is_refused_and_changes_nothing():
    shared = nn.Dense(3)
    model = nn.Sequential(a=shared, b=nn.Dense(3))
    model.build((3,), rng=0)
    before = shared.parameters["w"].value.copy()
    with pytest.raises(ValueError, match="layer must not contain layers of the network"):
        nn.replace_layer(model, "b", nn.Sequential(shared, nn.ReLU()), (3,))
    assert np.array_equal(shared.parameters["w"].value, before)
