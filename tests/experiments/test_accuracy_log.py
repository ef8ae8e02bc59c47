"""Tests of logged accuracies, and of the experiments that count the steps to an accuracy."""

import csv
import math
from pathlib import Path
from unittest import mock

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


def two_classes(quick):
    """Return 70 images, black for label 0 and white for label 1, in place of CIFAR-10."""
    labels = np.arange(70) % 2
    return [(np.broadcast_to(255 * labels[:, None, None, None], (70, 32, 32, 3)).astype(np.uint8), labels), None]


@needs_kernels
def test_a_run_has_one_entry_for_each_epoch_until_the_error_is_reached(monkeypatch):
    """D3: black and white images of two classes are learned before the last of 20 epochs."""
    monkeypatch.setattr(relu_tanh, "subset", two_classes)
    epochs, accuracies = zip(*relu_tanh.training_log(nn.Tanh, 0.0002, 0, epochs=20), strict=True)
    assert epochs == tuple(range(1, len(epochs) + 1))
    assert 1 < len(epochs) < 20
    assert accuracies[-1] >= 75 > max(accuracies[:-1])


@needs_kernels
def test_a_run_has_the_inputs_and_the_initial_weights_of_its_setting(monkeypatch):
    preparation, built = mock.Mock(wraps=relu_tanh.preparation), mock.Mock(wraps=relu_tanh.built)
    monkeypatch.setattr(relu_tanh, "subset", two_classes)
    monkeypatch.setattr(relu_tanh, "preparation", preparation)
    monkeypatch.setattr(relu_tanh, "built", built)
    relu_tanh.training_log(nn.ReLU, 0.001, 6, epochs=1, setting=relu_tanh.ALEXNET)
    assert preparation.call_args.args[0] is relu_tanh.ALEXNET
    assert built.call_args.args == (nn.ReLU, relu_tanh.ALEXNET, 6)


def test_the_fastest_rate_has_the_fewest_epochs(monkeypatch):
    """D3: each later rate may run only for fewer epochs than the best so far."""
    epochs_needed = {0.01: 9, 0.005: 12, 0.02: 6, 0.03: 6, 0.04: 5}
    setting = relu_tanh.Setting("", {"ReLU": (0.5,), "tanh": tuple(epochs_needed)}, epochs=30)
    calls = []

    def training_log(activation, lr, seed, epochs, quick, setting):
        calls.append((activation, seed, epochs, setting))
        return [(n, 80.0 if n == epochs_needed[lr] else 40.0) for n in range(1, min(epochs, epochs_needed[lr]) + 1)]

    monkeypatch.setattr(relu_tanh, "training_log", training_log)
    lr, epochs, log = relu_tanh.fastest("tanh", 7, setting=setting)
    assert (lr, epochs, log[-1]) == (0.04, 5, (5, 80.0))
    assert calls == [(nn.Tanh, 7, limit, setting) for limit in (30, 8, 8, 5, 5)]


def test_no_rate_is_the_fastest_if_none_reaches_the_error(monkeypatch):
    monkeypatch.setattr(relu_tanh, "training_log", lambda *arguments: [(1, 40.0), (2, 74.9)])
    assert relu_tanh.fastest("ReLU", 0) == (math.inf, math.inf, [])


def test_each_variant_has_the_setting_and_the_nonlinearity_of_its_name(monkeypatch):
    monkeypatch.setattr(relu_tanh, "fastest", lambda *arguments: (arguments, 3, []))
    arguments = {
        name: variant(Settings(seed=5))["fastest learning rate"] for name, variant in relu_tanh.EXPERIMENT.variants.items()
    }
    assert arguments == {
        "ReLU": ("ReLU", 5, False, relu_tanh.SCALED),
        "tanh": ("tanh", 5, False, relu_tanh.SCALED),
        "AlexNet's inputs and weights, ReLU": ("ReLU", 5, False, relu_tanh.ALEXNET),
        "AlexNet's inputs and weights, tanh": ("tanh", 5, False, relu_tanh.ALEXNET),
    }


@pytest.mark.parametrize(
    ("setting", "deviations", "biases"),
    [
        (relu_tanh.SCALED, [(2 / inputs) ** 0.5 for inputs in (27, 72, 144, 512)], [0, 0, 0, 0]),
        (relu_tanh.ALEXNET, [0.01] * 4, [0, 1, 0, 0]),
    ],
    ids=["scaled", "AlexNet"],
)
def test_initial_weights_and_biases_are_those_of_the_setting(setting, deviations, biases):
    """D3: of AlexNet's first three convolutions, only the second has initial biases of 1."""
    parameters = list(relu_tanh.built(nn.Tanh, setting, 1).named_parameters().values())
    weights, offsets = parameters[::2], parameters[1::2]
    np.testing.assert_allclose([w.value.std() for w in weights], deviations, rtol=0.15)
    assert [np.unique(b.value).tolist() for b in offsets] == [[bias] for bias in biases]


def test_inputs_of_alexnet_are_pixels_minus_the_mean_of_their_channel():
    images = np.random.default_rng(4).integers(0, 256, (6, 5, 4, 3)).astype(np.uint8)
    mean, std = images.mean((0, 1, 2)), images.std((0, 1, 2))
    centred = relu_tanh.preparation(relu_tanh.ALEXNET, images)(images[:2])
    np.testing.assert_allclose(centred, images[:2] - mean, rtol=1e-6, atol=1e-5)
    standardised = relu_tanh.preparation(relu_tanh.SCALED, images)(images[:2])
    np.testing.assert_allclose(standardised, (images[:2] - mean) / std, rtol=1e-6, atol=1e-6)


def test_the_table_has_the_epochs_and_rates_of_figure_22():
    """D3: with AlexNet's inputs and weights, each run with ReLU is faster than all with tanh."""
    root = Path(relu_tanh.__file__).parents[1]
    with open(root / "figures" / "f22_relu_tanh.csv", newline="", encoding="utf-8") as file:
        last = {(row["setting"], row["nonlinearity"], row["seed"]): row for row in csv.DictReader(file.readlines()[1:])}
    readme = (root / "experiments" / "README.md").read_text(encoding="utf-8")
    for setting, prefix in ((relu_tanh.SCALED, ""), (relu_tanh.ALEXNET, f"{relu_tanh.ALEXNET.name}, ")):
        for name in relu_tanh.NONLINEARITIES:
            rows = [last[setting.name, name, seed] for seed in "012"]
            start = f"| relu-tanh | {prefix}{name} |"
            assert f"{start} epochs to a training error of 25 % | {', '.join(row['epoch'] for row in rows)} |" in readme
            assert f"{start} fastest learning rate | {', '.join(row['learning rate'] for row in rows)} |" in readme
    epochs = {name: [int(last[relu_tanh.ALEXNET.name, name, seed]["epoch"]) for seed in "012"] for name in ("ReLU", "tanh")}
    assert max(epochs["ReLU"]) < min(epochs["tanh"])


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
