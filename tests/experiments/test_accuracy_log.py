"""Tests of logged accuracies, and of the experiments that count the steps to an accuracy."""

import math

import numpy as np
import pytest

from evidence import needs_kernels

pytest.importorskip("experiments", reason="an installed package has no experiments")

from experiments import Settings, batch_norm, relu_tanh
from experiments.accuracy_log import AccuracyLog, best_accuracy, first_step
from refconv import data, nn, optim
from refconv.training import fit

LOG = [(1, 12.0), (20, 61.5), (50, 72.5), (90, 70.0), (140, 75.25), (200, 74.0)]


@pytest.mark.parametrize(
    ("accuracy", "step"), [(12.0, 1), (12.1, 20), (62.0, 50), (72.5, 50), (72.6, 140), (75.25, 140), (75.3, math.inf)]
)
def test_the_first_step_is_the_first_logged_one_with_the_accuracy(accuracy, step):
    assert first_step(LOG, accuracy) == step


def test_the_best_accuracy_need_not_be_the_last():
    assert best_accuracy(LOG) == 75.25


def fitted(log, epochs=3):
    """Train a dense layer on five examples, in three steps an epoch, and return the log."""
    model = nn.Dense(2)
    model.build((3,), rng=0)
    x = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    fit(model, data.Batches(x, np.array([0, 1, 1, 0, 1]), 2, rng=2), optim.SGD(model, 0.1), epochs=epochs, callbacks=[log])
    return log


def evaluation_batch():
    """Return one batch of seven examples."""
    x = np.random.default_rng(3).standard_normal((7, 3)).astype(np.float32)
    return [(x, np.array([0, 1, 0, 1, 1, 0, 0]))]


def test_the_log_counts_steps_over_all_epochs():
    log = fitted(AccuracyLog(evaluation_batch(), (2, 3, 4, 8, 99)))
    assert [step for step, _ in log.entries] == [2, 3, 4, 8]
    sevenths = [round(accuracy * 7 / 100) for _, accuracy in log.entries]
    assert [accuracy for _, accuracy in log.entries] == [round(100 * n / 7, 2) for n in sevenths]


def test_the_run_stops_at_the_accuracy():
    assert [step for step, _ in fitted(AccuracyLog(evaluation_batch(), (2, 4, 7), stop_at=0)).entries] == [2]
    assert [step for step, _ in fitted(AccuracyLog(evaluation_batch(), (2, 4, 7), stop_at=101)).entries] == [2, 4, 7]


@needs_kernels
def test_a_run_has_one_entry_for_each_epoch_until_the_error_is_reached(monkeypatch):
    """D3: black and white images of two classes are learned before the last of 20 epochs."""
    labels = np.arange(70) % 2
    images = np.broadcast_to(255 * labels[:, None, None, None], (70, 32, 32, 3)).astype(np.uint8)
    monkeypatch.setattr(relu_tanh, "subset", lambda quick: [(images, labels), None])
    epochs, accuracies = zip(*relu_tanh.training_log(nn.Tanh, 0.0002, 0, epochs=20), strict=True)
    assert epochs == tuple(range(1, len(epochs) + 1))
    assert 1 < len(epochs) < 20
    assert accuracies[-1] >= 75 > max(accuracies[:-1])


def test_the_fastest_rate_has_the_fewest_epochs(monkeypatch):
    """D3: each later rate may run only for fewer epochs than the best so far."""
    epochs_needed = {0.01: 9, 0.005: 12, 0.02: 6, 0.03: 6, 0.04: 5}
    limits = []

    def training_log(activation, lr, seed, epochs, quick=False):
        limits.append(epochs)
        return [(n, 80.0 if n == epochs_needed[lr] else 40.0) for n in range(1, min(epochs, epochs_needed[lr]) + 1)]

    monkeypatch.setattr(relu_tanh, "LEARNING_RATES", tuple(epochs_needed))
    monkeypatch.setattr(relu_tanh, "training_log", training_log)
    lr, epochs, log = relu_tanh.fastest(nn.ReLU, 0)
    assert (lr, epochs, log[-1]) == (0.04, 5, (5, 80.0))
    assert limits == [30, 8, 8, 5, 5]


def test_no_rate_is_the_fastest_if_none_reaches_the_error(monkeypatch):
    monkeypatch.setattr(relu_tanh, "training_log", lambda *arguments: [(1, 40.0), (2, 74.9)])
    assert relu_tanh.fastest(nn.ReLU, 0) == (math.inf, math.inf, [])


def test_the_steps_of_a_variant_are_counted_to_the_best_accuracy_of_the_baseline(monkeypatch):
    """D5: the threshold is the baseline's best accuracy with the same seed, not its last."""
    logs = {(False, 3): [(10, 50.0), (20, 71.5), (30, 69.0)], (True, 3): [(10, 70.0), (20, 71.0), (30, 73.5)]}
    monkeypatch.setattr(batch_norm, "accuracies", lambda network, seed, quick=False: logs[network.normalised, seed])
    batch_norm.threshold.cache_clear()
    results = batch_norm.EXPERIMENT.variants["BN-x5"](Settings(seed=3))
    batch_norm.threshold.cache_clear()
    assert results == {"steps to the best accuracy of the baseline": 30, "best test accuracy, %": 73.5}


def test_the_networks_have_the_rates_of_their_names():
    rates = {name: round(network.lr / batch_norm.NETWORKS["Baseline"].lr) for name, network in batch_norm.NETWORKS.items()}
    for name, times in rates.items():
        assert times == (30 if "x30" in name else 5 if "x5" in name else 1), name
    for name, network in batch_norm.NETWORKS.items():
        layers = [type(layer) for _, layer in batch_norm.lenet(network.normalised, network.activation).named_layers()]
        assert layers.count(nn.BatchNorm) == (4 if name.startswith("BN") else 0), name
        assert layers.count(nn.Sigmoid) == (4 if name.endswith("Sigmoid") else 0), name
        assert layers.count(nn.ReLU) == (0 if name.endswith("Sigmoid") else 4), name


@needs_kernels
# The quick variant takes few steps, so the averages do lag behind the weights.
@pytest.mark.filterwarnings("ignore:model outputs differ between inference and training")
def test_a_diverged_network_guesses(monkeypatch):
    network = batch_norm.Network(False, 1e6)
    entries = batch_norm.accuracies(network, 0, quick=True)
    assert [step for step, _ in entries] == [1, 10, 20, 30, 40]
    assert entries[-1] == (40, batch_norm.GUESSING)
