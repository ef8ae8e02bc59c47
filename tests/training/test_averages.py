"""Tests of running averages of batch normalisation: updates, recomputation and warnings."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import data, models, nn, optim
from refconv.training import Diverged, evaluate, fit, recompute_averages, train_step
from refconv.training.averages import disagreement

X = np.random.default_rng(0).standard_normal((12, 6, 5, 3)) + 2
LABELS = np.arange(12) % 4


def network(dtype=np.float64, **options):
    model = nn.Sequential(
        nn.Conv2D(7, (3, 2), bias=False),
        nn.BatchNorm(**options),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dense(4),
        nn.BatchNorm(**options),
    )
    model.build((6, 5, 3), rng=1, dtype=dtype)
    return model


def state(model):
    return {name: parameter.value.copy() for name, parameter in model.named_parameters().items()}


def broken_loss(scores, targets):
    raise ZeroDivisionError


@pytest.mark.parametrize("averages", ["corrected", "lecture"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_with_nan_changes_neither_weights_nor_averages(averages, dtype):
    model, x = network(dtype, averages=averages), X.astype(dtype)
    optimizer = optim.SGD(model, lr=0.1)
    train_step(model, optimizer, x, LABELS)
    before, bad = state(model), x.copy()
    bad[3, 1, 4, 2] = np.nan
    with np.errstate(invalid="ignore"):
        value, _ = train_step(model, optimizer, bad, LABELS)
    assert np.isnan(value)
    np.testing.assert_equal(state(model), before)
    with np.errstate(invalid="ignore"), pytest.raises(Diverged):
        fit(model, [(bad, LABELS)], optimizer, epochs=1)
    np.testing.assert_equal(state(model), before)


def test_a_loss_that_raises_changes_neither_weights_nor_averages():
    model = network()
    before = state(model)
    with pytest.raises(ZeroDivisionError):
        train_step(model, optim.SGD(model, lr=0.1), X, LABELS, loss=broken_loss)
    np.testing.assert_equal(state(model), before)


def test_refused_labels_do_not_change_the_averages():
    model = network()
    before = state(model)
    with pytest.raises(ValueError, match="labels must be"):
        train_step(model, optim.SGD(model, lr=0.1), X, LABELS + 1)
    np.testing.assert_equal(state(model), before)


def test_a_layer_that_is_used_twice_updates_its_averages_once_for_each_use():
    norm = nn.BatchNorm(momentum=1)
    model = nn.Sequential(norm, nn.ReLU(), norm)
    model.build((3,), rng=1, dtype=np.float64)
    x = X[:, 0, 0]
    y, backward = model.forward(x)
    backward(np.zeros_like(y))
    inner = np.maximum(norm.forward(x)[0], 0)
    assert norm.parameters["updates"].value == 2
    np.testing.assert_allclose(norm.parameters["mean"].value, (x.mean(0) + inner.mean(0)) / 2, rtol=1e-12)


@pytest.mark.parametrize("averages", ["corrected", "lecture"])
def test_recomputed_averages_are_the_means_over_batches_and_nothing_else_changes(averages):
    model = network(averages=averages, momentum=0.75)
    train_step(model, optim.SGD(model, lr=0.1), X, LABELS)
    before, gradients = state(model), {n: p.grad.copy() for n, p in model.named_parameters().items() if p.grad is not None}
    batches = [(X[:7], None), (X[7:] * 2, None), (X[3:8] - 1, None)]
    recompute_averages(model, batches)
    after = state(model)
    sums = [model[0].forward(x)[0].reshape(-1, 7) for x, _ in batches]
    np.testing.assert_allclose(after["1.mean"], np.mean([s.mean(0) for s in sums], 0), rtol=1e-12)
    np.testing.assert_allclose(after["1.var"], np.mean([s.var(0) for s in sums], 0), rtol=1e-12)
    assert after["1.updates"] == after["5.updates"] == 3
    assert (model[1].momentum, model[1].averages) == (0.75, averages)
    unchanged = {name for name in after if name.rpartition(".")[2] not in ("mean", "var", "updates")}
    np.testing.assert_equal({name: after[name] for name in unchanged}, {name: before[name] for name in unchanged})
    np.testing.assert_equal({n: p.grad for n, p in model.named_parameters().items() if p.grad is not None}, gradients)
    assert not np.allclose(after["5.mean"], before["5.mean"])


@pytest.mark.parametrize(
    ("batches", "error"), [([], ValueError), (iter([]), ValueError), ([(X, None), (X[..., :2], None)], ValueError)]
)
def test_averages_do_not_change_if_they_cannot_be_recomputed(batches, error):
    model = network(momentum=0.75)
    before = state(model)
    with pytest.raises(error):
        recompute_averages(model, batches)
    np.testing.assert_equal(state(model), before)
    assert (model[1].momentum, model[1].averages) == (0.75, "corrected")


def test_inference_with_averages_of_the_training_batch_has_the_training_outputs():
    model = network()
    recompute_averages(model, (X, LABELS))
    outputs, _ = model.forward(X)
    np.testing.assert_allclose(model(X), outputs, rtol=1e-9, atol=1e-9)
    assert disagreement(model(X), outputs) < 1e-12


def test_frozen_layers_keep_their_averages():
    model = network(momentum=0.75)
    train_step(model, optim.SGD(model, lr=0.1), X, LABELS)
    model[1].freeze()
    before = state(model)
    recompute_averages(model, [(X * 2, None)])
    after = state(model)
    for name in ("mean", "var", "updates"):
        np.testing.assert_equal(after[f"1.{name}"], before[f"1.{name}"])
        assert (after[f"5.{name}"] != before[f"5.{name}"]).any() or name == "updates"


def digits_run(averages, momentum):
    """Train ResNet-8 for 15 steps on 96 digits; return its training and inference accuracies."""
    model = models.create("resnet20-small")
    for _, layer, _ in model.distinct_layers((32, 32, 1)):
        if isinstance(layer, nn.BatchNorm):
            layer.averages, layer.momentum = averages, momentum
    model.build((32, 32, 1), rng=0)
    batches = data.Batches(*data.draw_digits(96, 0), 32, rng=0, prepare=data.lenet_input)
    history = fit(model, batches, optim.SGD(model, lr=0.05, momentum=0.9), epochs=5)
    return history.epochs[-1].metrics["train_accuracy"], evaluate(model, batches).accuracy


@pytest.mark.slow
@needs_kernels
def test_a_short_run_warns_with_lecture_averages_and_not_by_default():
    with pytest.warns(UserWarning, match=r"lag behind the weights: call training.recompute_averages") as caught:
        training, inference = digits_run("lecture", 0.99)
    assert caught[0].filename == __file__
    assert inference < 0.2 < 0.35 < training
    training, inference = digits_run("corrected", 0.9)  # a warning would be an error
    assert training > 0.35
    assert inference > 0.35


def test_disagreement_is_zero_for_constant_outputs():
    constant = np.full((5, 3), 7.0)
    assert disagreement(constant + 1, constant) == 0
    assert disagreement(np.array([[3.0, 5.0]]), np.array([[1.0, 2.0]])) == 0
