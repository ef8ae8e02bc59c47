"""Experiment: running averages of batch normalisation in short runs.

It compares the lecture's averages, corrected averages, and averages that are recomputed after training. The averages affect
only inference, not training, so all variants with the same seed have the same weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from experiments.experiment import Experiment, Settings, mnist
from experiments.residual import subset
from refconv import data, models, optim
from refconv.training import evaluate, fit, recompute_averages

__all__ = ["EXPERIMENT"]

BATCH, LR = 32, 0.05


class Task(NamedTuple):
    """Network with its data and its number of steps.

    ``load(settings)`` returns the training set, the test set and the function that prepares images.
    """

    description: str
    network: str
    load: Callable[[Settings], tuple]
    steps: int


def drawn_digits(settings):
    """Return 180 drawn digits for training and 500 for the test."""
    seed, (count, test_count) = settings.seed, (64, 50) if settings.quick else (180, 500)
    return data.draw_digits(count, seed), data.draw_digits(test_count, seed + 1), data.lenet_input


def mnist_part(settings):
    """Return 4,000 images of MNIST for training and 1,000 for the test."""
    images, labels = mnist("train", settings.quick, 64)
    subset_indices = np.random.default_rng([settings.seed, 2]).permutation(len(images))[:4000]
    test = tuple(part[:1000] for part in mnist("test", settings.quick, 50))
    return (images[subset_indices], labels[subset_indices]), test, data.lenet_input


def cifar_part(settings):
    """Return 2,500 images of CIFAR-10 for training and 1,000 for the test."""
    training, test = subset(settings.quick)
    mean, std = data.channel_statistics(training[0])
    return training, test, partial(data.normalize, mean=mean, std=std)


TASKS = (
    Task("180 drawn digits, 40 steps of ResNet-20", "resnet20", drawn_digits, 40),
    Task("MNIST, 125 steps of ResNet-8", "resnet20-small", mnist_part, 125),
    Task("CIFAR-10, 78 steps of ResNet-8", "resnet20-small", cifar_part, 78),
    Task("CIFAR-10, 312 steps of ResNet-8", "resnet20-small", cifar_part, 312),
)


def accuracies(recompute=False, **options):
    """Return a variant that measures the test accuracy of each task.

    The options are arguments for all batch normalisations.
    """

    def variant(settings):
        return {f"test accuracy on {task.description}, %": accuracy(task, settings, recompute, options) for task in TASKS}

    return variant


def accuracy(task, settings, recompute, options):
    """Train a network and return its test accuracy in percent."""
    training, test, prepare = task.load(settings)
    model = models.create(task.network, **options)
    model.build(prepare(training[0][:1]).shape[1:], rng=[settings.seed, 0])
    batches = data.Batches(*training, BATCH, prepare=prepare, rng=[settings.seed, 1], drop_last=True)
    epochs = 1 if settings.quick else -(-task.steps // len(batches))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "model outputs differ between inference and training")  # this is measured here
        fit(model, batches, optim.SGD(model, LR, momentum=0.9, weight_decay=5e-4), epochs=epochs, schedule=optim.cosine)
    if recompute:
        recompute_averages(model, batches)
    return 100 * evaluate(model, data.Batches(*test, 250, shuffle=False, prepare=prepare)).accuracy


EXPERIMENT = Experiment(
    "running-averages",
    "In short runs the lecture's running averages lag behind the weights; corrected ones with τ = 0.9 follow them.",
    "A14, A15",
    {
        "lecture, τ = 0.99": accuracies(bn_averages="lecture", bn_momentum=0.99),
        "lecture, τ = 0.9": accuracies(bn_averages="lecture", bn_momentum=0.9),
        "corrected, τ = 0.99": accuracies(bn_averages="corrected", bn_momentum=0.99),
        "corrected, τ = 0.9": accuracies(bn_averages="corrected", bn_momentum=0.9),
        "recomputed after training": accuracies(recompute=True),
    },
)
