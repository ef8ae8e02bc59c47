"""Experiment: epochs to a training error of 25 % with ReLU and with tanh.

It follows Figure 1 of the AlexNet paper: both networks have the same four layers and initial weights, and no regularisation,
and the learning rate is chosen for each of them. The fastest of ``LEARNING_RATES`` counts, for each seed.
"""

import math
from contextlib import suppress

from experiments.accuracy_log import AccuracyLog, first_step
from experiments.experiment import Experiment
from experiments.residual import IMAGES, subset
from refconv import data, nn, optim
from refconv.training import Diverged, fit

__all__ = ["ERROR", "EXPERIMENT", "LEARNING_RATES", "NONLINEARITIES", "fastest", "network"]

ERROR = 25.0  # training error in percent
LEARNING_RATES = (0.01, 0.02, 0.005, 0.04)  # the likely fastest first: later runs are stopped at the best result so far
BATCH, EPOCHS = 32, 30  # a run ends after 30 epochs at the latest
NONLINEARITIES = {"ReLU": nn.ReLU, "tanh": nn.Tanh}


def network(activation):
    """Return three convolutions, each with the nonlinearity and max pooling, and a dense layer.

    >>> [network(activation).count_parameters((32, 32, 3)) for activation in NONLINEARITIES.values()]
    [11162, 11162]

    Source: lecture row D3 (SOURCES.md); Krizhevsky et al., "ImageNet classification with deep convolutional neural networks",
    2012, section 3.1.
    """
    blocks = [(nn.Conv2D(filters, 3, padding="same"), activation(), nn.MaxPool2D(2)) for filters in (8, 16, 32)]
    return nn.Sequential(*(layer for block in blocks for layer in block), nn.Flatten(), nn.Dense(10))


def training_log(activation, lr, seed, epochs, quick=False):
    """Train until the training error is at most ``ERROR``; return the accuracy of each epoch.

    The result is a list of pairs (epoch, accuracy in percent), computed on all training images after the epoch.
    """
    (images, labels), _ = subset(quick)
    statistics = data.channel_statistics(images)

    def prepare(batch):
        return data.normalize(batch, *statistics)

    model = network(activation)
    model.build(images.shape[1:], rng=[seed, 0])
    batches = data.Batches(images, labels, BATCH, prepare=prepare, rng=[seed, 1])
    steps = [epoch * len(batches) for epoch in range(1, epochs + 1)]
    log = AccuracyLog(data.Batches(images, labels, 250, shuffle=False, prepare=prepare), steps, stop_at=100 - ERROR)
    with suppress(Diverged):  # then the log ends with the last epoch before divergence
        fit(model, batches, optim.SGD(model, lr, momentum=0.9), epochs=epochs, callbacks=[log])
    return [(step // len(batches), accuracy) for step, accuracy in log.entries]


def fastest(activation, seed, quick=False):
    """Return the learning rate that needs the fewest epochs, their number, and its log.

    Rate and number are infinity if no rate reaches the training error.
    """
    limit, best = 2 if quick else EPOCHS, (math.inf, math.inf, [])
    for lr in LEARNING_RATES:
        log = training_log(activation, lr, seed, limit, quick)
        epochs = first_step(log, 100 - ERROR)
        if epochs < best[1]:
            best, limit = (lr, epochs, log), epochs - 1  # a rate that is not faster is of no interest
        if limit == 0:
            break
    return best


def epochs_to_error(activation):
    """Return a variant that measures the epochs at the fastest learning rate."""

    def variant(settings):
        lr, epochs, _ = fastest(activation, settings.seed, settings.quick)
        return {f"epochs to a training error of {ERROR:g} %": epochs, "fastest learning rate": lr}

    return variant


EXPERIMENT = Experiment(
    "relu-tanh",
    f"Epochs to a training error of {ERROR:g} % with ReLU and with tanh: four layers, {IMAGES:,} images of CIFAR-10.",
    "D3",
    {name: epochs_to_error(activation) for name, activation in NONLINEARITIES.items()},
)
