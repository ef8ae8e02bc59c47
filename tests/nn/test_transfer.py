"""Tests of transfer learning: inner outputs, networks that are cut, and replaced layers."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn, optim
from refconv.nn.reshape import Transpose
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
def test_activations_of_any_layer_serve_as_features(lenet):
    """B10: the output of an inner layer serves another task."""
    features = lenet.activations(X, "conv2")
    assert features.shape == (3, 10, 10, 16)
    head = nn.Sequential(dict(list(lenet.layers.items())[4:]))
    np.testing.assert_array_equal(head(features), lenet(X))
    np.testing.assert_array_equal(lenet.cut("conv2")(X), features)
    assert lenet.cut("dense1").named_parameters()["conv1.w"] is lenet.named_parameters()["conv1.w"]


def test_activations_inside_branches_are_available():
    branch = nn.Sequential(first=nn.Conv2D(2, 3, padding="same"), second=nn.Tanh())
    model = nn.Sequential(stem=nn.Conv2D(2, 3), block=nn.Sum(nn.Identity(), branch), last=nn.ReLU())
    model.build((5, 6, 1), rng=0, dtype=np.float64)
    x = X[:, :5, :6].astype(np.float64)
    stem = model.layers["stem"](x)
    np.testing.assert_array_equal(model.activations(x, "block.1.first"), branch.layers["first"](stem))
    np.testing.assert_array_equal(model.activations(x, "block"), stem + branch(stem))


@needs_kernels
def test_a_new_head_is_trained_with_the_old_features(lenet):
    """B10: the head is replaced, and the other layers continue from their trained weights."""
    before = lenet(X)
    other = nn.replace_layer(lenet, "scores", nn.Dense(7), SHAPE, rng=3)
    np.testing.assert_array_equal(other.activations(X, "relu4"), lenet.activations(X, "relu4"))
    np.testing.assert_array_equal(lenet(X), before)
    loss, scores = train_step(other, optim.SGD(other, 0.1), X, LABELS)
    assert scores.shape == (3, 7)
    assert np.isfinite(loss)
    assert not (lenet(X) == before).all()  # both networks share the arrays of the features, which have been trained


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.activations(X, "conv3"), "name must be one of conv1, relu1, .*, got 'conv3'"),
        (lambda m: m.activations(X, "conv1.0"), "name must be one of none: there are no inner layers, got '0'"),
        (lambda m: m.cut("dense9"), "at must be one of conv1, .* got 'dense9'"),
        (lambda m: nn.replace_layer(m, "dense9", nn.ReLU(), SHAPE), "name must be one of conv1, .* got 'dense9'"),
        (lambda m: nn.replace_layer(m, "pool2", nn.Dense(2), SHAPE), "must have one axis"),
    ],
)
@needs_kernels
def test_unknown_names_of_layers_are_refused(lenet, use, message):
    with pytest.raises(ValueError, match=message):
        use(lenet)


def test_a_new_layer_that_contains_layers_of_the_network_is_refused_and_changes_nothing():
    shared = nn.Dense(3)
    model = nn.Sequential(a=shared, b=nn.Dense(3))
    model.build((3,), rng=0)
    before = shared.parameters["w"].value.copy()
    with pytest.raises(ValueError, match="layer must not contain layers of the network"):
        nn.replace_layer(model, "b", nn.Sequential(shared, nn.ReLU()), (3,))
    assert np.array_equal(shared.parameters["w"].value, before)


def test_the_shape_of_build_is_the_default_for_networks_assembled_from_built_layers(lenet, capsys):
    other = nn.replace_layer(lenet, "scores", nn.Dense(7), rng=3)
    head = nn.Dense(3)
    head.build((84,), rng=1)
    for network in (other, lenet.cut("relu4"), lenet[:5], nn.Sequential(features=lenet.cut("relu4"), scores=head)):
        network.summary()
        assert capsys.readouterr().out.splitlines()[2].split() == ["input", "32", "×", "32", "×", "1"]
    with pytest.raises(RuntimeError, match=r"^Sequential\(a=Dense\(3\)\) is not built: call build\(input_shape\) first$"):
        nn.replace_layer(nn.Sequential(a=nn.Dense(3)), "a", nn.Dense(4))


def test_an_assembled_network_recognises_channels_first_data(lenet):
    with pytest.raises(ValueError, match=r"channels last\? use x.transpose\(0, 2, 3, 1\)$"):
        lenet[:3](X.transpose(0, 3, 1, 2))


def frozen(model):
    """Return the names of the parameters that are frozen."""
    return {name for name, parameter in model.named_parameters().items() if parameter.frozen}


def test_freeze_to_freezes_a_layer_and_all_layers_before_it(lenet):
    """B10: the first layers keep their trained weights."""
    assert nn.freeze_to(lenet, "pool2") is None
    assert frozen(lenet) == {"conv1.w", "conv1.b", "conv2.w", "conv2.b"}
    nn.freeze_to(lenet, "dense1")
    assert frozen(lenet) == {f"{layer}.{name}" for layer in ("conv1", "conv2", "dense1") for name in "wb"}


def test_a_layer_inside_a_branch_is_frozen_with_the_layers_that_compute_its_input():
    branch = nn.Sequential(first=nn.Conv2D(2, 3, padding="same"), norm=nn.BatchNorm(), last=nn.Conv2D(2, 1))
    block = nn.Sum(nn.Conv2D(2, 1), branch)
    model = nn.Sequential(stem=nn.Conv2D(4, 3), block=block, head=nn.Conv2D(3, 1))
    model.build((5, 6, 1), rng=0)
    nn.freeze_to(model, "block.1.norm")
    assert {name.rpartition(".")[0] for name in frozen(model)} == {"stem", "block.1.first", "block.1.norm"}
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    scores, backward = model.forward(X[:, :5, :6], train=True)
    backward(np.ones_like(scores), want_dx=False)
    for name in ("mean", "var", "updates"):  # frozen batch normalisation behaves as in inference
        np.testing.assert_array_equal(branch["norm"].parameters[name].value, before[f"block.1.norm.{name}"])
    assert not branch["first"].parameters["w"].grad.any()
    assert block[0].parameters["w"].grad.any()


def test_freeze_to_refuses_a_name_that_the_network_does_not_have_and_freezes_nothing(lenet):
    model = nn.Sequential(a=nn.Sequential(b=nn.Dense(3), c=nn.ReLU()), columns=nn.Fractal(nn.Dense(3), 2))
    model.build((3,), rng=0)
    for name, message in {
        "a.d": "name must be one of a.b, a.c, got 'a.d'",
        "a.b.w": "name must be one of a.b, got 'a.b.w'",
        "columns.0": "name must be one of columns, got 'columns.0'",
        "": "name must be one of a, columns, got ''",
    }.items():
        with pytest.raises(ValueError, match=f"^{message}$"):
            nn.freeze_to(model, name)
    assert not frozen(model)
    model = nn.Sequential(turned=Transpose((1, 0)), flat=nn.Flatten(), dense=nn.Dense(3))
    model.build((2, 5), rng=0)
    with pytest.raises(ValueError, match=r"^name must .* after one, the first parameter is dense.w, got 'flat'$"):
        nn.freeze_to(model, "flat")
    with pytest.raises(RuntimeError, match="has no parameters yet"):
        nn.freeze_to(nn.Sequential(a=nn.Dense(3)), "a")
