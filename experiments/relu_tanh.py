"""Experiment: epochs to a training error of 25 % with ReLU and with tanh.

It follows Figure 1 of the AlexNet paper: both networks have the same four layers and initial weights, and no regularisation,
and the learning rate is chosen for each of them. There are two settings: standardised inputs with initial weights scaled to
the fan-in, and AlexNet's inputs and initial weights. The fastest of a setting's learning rates counts, for each seed.
"""

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from experiments.accuracy_log import AccuracyLog, first_step
from experiments.experiment import Experiment
from experiments.residual import subset
from refconv import data, nn, optim
from refconv.nn.initializers import Initializer, he_normal
from refconv.training import Diverged, fit

__all__ = ["ALEXNET", "ERROR", "EXPERIMENT", "NONLINEARITIES", "SCALED", "SETTINGS", "Setting", "fastest", "network"]

ERROR = 25.0  # training error in percent
BATCH = 32
NONLINEARITIES = {"ReLU": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True)
class Setting:
    """Inputs, initial weights and learning rates of a ReLU network and a tanh network.

    Parameters
    ----------
    name : str
        Name in the variants of the experiment.
    rates : dict of tuple
        Learning rates to try with each nonlinearity, the likely fastest first: later runs are stopped at the best result so
        far.
    epochs : int
        A run ends after this number of epochs at the latest.
    standardised : bool
        If True, inputs are divided by the standard deviation of their channel; if False, they are pixels minus the mean.
    initializer : callable
        ``initializer(rng, shape)`` returns initial weights.
    biases : tuple of float
        Initial biases of the three convolutions. The biases of the dense layer are 0.
    """

    name: str
    rates: dict[str, tuple]
    epochs: int
    standardised: bool = True
    initializer: Initializer = he_normal
    biases: tuple = (0, 0, 0)


def small_normal(rng, shape):
    """Draw AlexNet's initial weights from N(0, 0.01²).

    Source: lecture row D3 (SOURCES.md); Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
    2012, section 5.
    """
    return rng.normal(0, 0.01, shape)


SCALED = Setting("scaled", dict.fromkeys(NONLINEARITIES, (0.01, 0.02, 0.005, 0.04)), epochs=30)
ALEXNET = Setting(
    "AlexNet's inputs and weights",
    {"ReLU": (0.002, 0.001, 0.004), "tanh": (0.01, 0.02, 0.005)},
    epochs=40,
    standardised=False,
    initializer=small_normal,
    biases=(0, 1, 0),  # as in the first three of AlexNet's convolutions
)
SETTINGS = (SCALED, ALEXNET)


def network(activation, setting=SCALED):
    """Return three convolutions, each with the nonlinearity and max pooling, and a dense layer.

    >>> [network(activation).count_parameters((32, 32, 3)) for activation in NONLINEARITIES.values()]
    [11162, 11162]

    Source: lecture row D3 (SOURCES.md); Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
    2012, section 3.1.
    """
    layers = []
    for filters in (8, 16, 32):
        convolution = nn.Conv2D(filters, 3, padding="same", initializer=setting.initializer)
        layers += [convolution, activation(), nn.MaxPool2D(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dense(10, initializer=setting.initializer))


def built(activation, setting, seed):
    """Return the network for images of 32×32 pixels, with its initial weights and biases."""
    model = network(activation, setting)
    model.build((32, 32, 3), rng=[seed, 0])
    convolutions = [layer for _, layer in model.named_layers() if isinstance(layer, nn.Conv2D)]
    for layer, bias in zip(convolutions, setting.biases, strict=True):
        layer.parameters["b"].value[:] = bias
    return model


def preparation(setting, images):
    """Return the function that prepares a batch, with the statistics of the training images."""
    mean, std = data.channel_statistics(images)
    if not setting.standardised:
        std = np.ones_like(std)
    return lambda batch: data.normalize(batch, mean, std)


def training_log(activation, lr, seed, epochs, quick=False, setting=SCALED):
    """Train until the training error is at most ``ERROR``; return the accuracy of each epoch.

    The result is a list of pairs (epoch, accuracy in percent), computed on all training images after the epoch.
    """
    (images, labels), _ = subset(quick)
    prepare = preparation(setting, images)
    model = built(activation, setting, seed)
    batches = data.Batches(images, labels, BATCH, prepare=prepare, rng=[seed, 1])
    steps = [epoch * len(batches) for epoch in range(1, epochs + 1)]
    log = AccuracyLog(data.Batches(images, labels, 250, shuffle=False, prepare=prepare), steps, stop_at=100 - ERROR)
    with suppress(Diverged):  # then the log ends with the last epoch before divergence
        fit(model, batches, optim.SGD(model, lr, momentum=0.9), epochs=epochs, callbacks=[log])
    return [(step // len(batches), accuracy) for step, accuracy in log.entries]


def fastest(nonlinearity, seed, quick=False, setting=SCALED):
    """Return the learning rate that needs the fewest epochs, their number, and its log.

    ``nonlinearity`` is a key of ``NONLINEARITIES``. Rate and number are infinity if no rate reaches the training error.
    """
    limit, best = 2 if quick else setting.epochs, (math.inf, math.inf, [])
    for lr in setting.rates[nonlinearity]:
        log = training_log(NONLINEARITIES[nonlinearity], lr, seed, limit, quick, setting)
        epochs = first_step(log, 100 - ERROR)
        if epochs < best[1]:
            best, limit = (lr, epochs, log), epochs - 1  # a rate that is not faster is of no interest
        if limit == 0:
            break
    return best


def epochs_to_error(nonlinearity, setting):
    """Return a variant that measures the epochs at the fastest learning rate."""

    def variant(settings):
        lr, epochs, _ = fastest(nonlinearity, settings.seed, settings.quick, setting)
        return {f"epochs to a training error of {ERROR:g} %": epochs, "fastest learning rate": lr}

    return variant


EXPERIMENT = Experiment(
    "relu-tanh",
    f"With AlexNet's inputs and initial weights, ReLU needs fewer epochs than tanh to a training error of {ERROR:g} %.",
    "D3",
    {name: epochs_to_error(name, SCALED) for name in NONLINEARITIES}
    | {f"{ALEXNET.name}, {name}": epochs_to_error(name, ALEXNET) for name in NONLINEARITIES},
)
