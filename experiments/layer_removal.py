"""Experiment: remove one block at a time from trained networks with and without shortcuts."""

from __future__ import annotations

from experiments.classifiers import SHAPE, accuracy, digits, quantity, train
from experiments.experiment import Experiment
from refconv import models
from refconv.analysis.paths import deletable, without

__all__ = ["EXPERIMENT"]

DEPTH, WIDTH, LR = 20, 0.5, 0.05


def remove_each_block(plain):
    """Return a variant that trains a network and removes each block.

    It measures the test accuracy of the complete network, and of the network without each removable block.
    """

    def variant(settings):
        training, test = digits(settings)
        model = models.cifar_resnet(DEPTH, width=WIDTH, plain=plain)
        train(model, training, LR, settings)
        removed = {f"… without {name}, %": accuracy(without(model, name), test) for name in deletable(model, SHAPE)}
        return {quantity(training, settings): accuracy(model, test), **removed}

    return variant


EXPERIMENT = Experiment(
    "layer-removal",
    "A residual network still works without one of its blocks; a plain network does not.",
    "B9",
    {"resnet20, half as wide": remove_each_block(plain=False), "plain20, half as wide": remove_each_block(plain=True)},
    seeds=1,
    options=("data", "images", "epochs"),
)
