"""Experiment: batch normalisation allows larger learning rates, and sigmoids.

The first four variants train LeNet-5 on MNIST for one epoch, at a learning rate and at five times this rate. The others, named
as in the paper, measure how many steps each network takes to reach the best accuracy of the baseline. Only the learning rate,
the nonlinearity and the normalisation differ between them; the paper also changes the decays of learning rate and weights, and
dropout.
"""

from functools import cache
from typing import NamedTuple

from experiments.accuracy_log import AccuracyLog, best_accuracy, first_step
from experiments.experiment import Experiment, mnist, ordered_batches
from refconv import data, nn, optim
from refconv.training import Diverged, fit

__all__ = ["BASELINE", "EXPERIMENT", "LR", "NETWORKS", "Network", "accuracies", "lenet"]

LR = 0.05

BASE_LR = 0.01  # learning rate of the baseline in the comparison of steps
BATCH, IMAGES, TEST_IMAGES, EPOCHS = 32, 6400, 1000, 2
LOGGED_STEPS = [1, *range(10, 100, 10), *range(100, 401, 20)]  # steps after which the test accuracy is computed
GUESSING = 10.0  # accuracy in percent of a network that diverged


class Network(NamedTuple):
    """Network of the comparison; its learning rate is ``times`` the baseline's."""

    normalised: bool
    times: int
    activation: type = nn.ReLU

    @property
    def lr(self):
        """Learning rate."""
        return self.times * BASE_LR


BASELINE = "Baseline"
NETWORKS = {  # named as in the paper's Figures 2 and 3, with further networks without batch normalisation to compare with
    BASELINE: Network(False, 1),
    "x5": Network(False, 5),
    "x30": Network(False, 30),
    "Sigmoid": Network(False, 1, nn.Sigmoid),
    "x5-Sigmoid": Network(False, 5, nn.Sigmoid),
    "BN-Baseline": Network(True, 1),
    "BN-x5": Network(True, 5),
    "BN-x30": Network(True, 30),
    "BN-x5-Sigmoid": Network(True, 5, nn.Sigmoid),
}


def lenet(normalised, activation=nn.ReLU):
    """Return LeNet-5, optionally with batch normalisation after each layer but the last.

    Layers before a batch normalisation have no bias, because the normalisation would cancel it (lecture row A17).
    """

    def block(layer):
        return [layer(bias=not normalised), *([nn.BatchNorm()] if normalised else []), activation()]

    return nn.Sequential(
        *block(lambda bias: nn.Conv2D(6, 5, bias=bias)),
        nn.MaxPool2D(2),
        *block(lambda bias: nn.Conv2D(16, 5, bias=bias)),
        nn.MaxPool2D(2),
        nn.Flatten(),
        *block(lambda bias: nn.Dense(120, bias=bias)),
        *block(lambda bias: nn.Dense(84, bias=bias)),
        nn.Dense(10),
    )


def error_after_an_epoch(normalised, lr):
    """Return a variant that measures the test error after one epoch."""

    def variant(settings):
        model, seed = lenet(normalised), settings.seed
        model.build((32, 32, 1), rng=[seed, 0])
        training, test = mnist("train", settings.quick, 2000), mnist("test", settings.quick, 500)
        batches = data.Batches(*training, 64, rng=[seed, 1], prepare=data.lenet_input)
        optimizer = optim.SGD(model, lr, momentum=0.9)
        try:
            history = fit(model, batches, optimizer, epochs=1, test=ordered_batches(test))
        except Diverged:
            return {"test error, %": float("nan")}
        return {"test error, %": 100 * (1 - history.test.accuracy)}

    return variant


def accuracies(network, seed, quick=False):
    """Train a network on drawn digits and return its log.

    The log is a list of pairs (step, test accuracy in percent). All steps after divergence have the accuracy of guessing.
    """
    model = lenet(network.normalised, network.activation)
    model.build((32, 32, 1), rng=[seed, 0])
    training, test = data.draw_digits(640 if quick else IMAGES, 0), data.draw_digits(100 if quick else TEST_IMAGES, 1)
    batches = data.Batches(*training, BATCH, rng=[seed, 1], prepare=data.lenet_input)
    steps = [step for step in LOGGED_STEPS if step <= EPOCHS * len(batches)]
    log = AccuracyLog(ordered_batches(test), steps)
    try:
        fit(model, batches, optim.SGD(model, network.lr, momentum=0.9), epochs=EPOCHS, callbacks=[log])
    except Diverged:
        log.entries += [(step, GUESSING) for step in steps[len(log.entries) :]]
    return log.entries


@cache
def threshold(seed, quick=False):
    """Return the best accuracy of the baseline in percent; it is trained once for each seed."""
    return best_accuracy(accuracies(NETWORKS[BASELINE], seed, quick))


def steps_to_baseline(network):
    """Return a variant that measures the steps to the baseline's best accuracy.

    The baseline has the same seed.
    """

    def variant(settings):
        entries = accuracies(network, settings.seed, settings.quick)
        return {
            "steps to the best accuracy of the baseline": first_step(entries, threshold(settings.seed, settings.quick)),
            "best test accuracy, %": best_accuracy(entries),
        }

    return variant


EXPERIMENT = Experiment(
    "batch-norm",
    "Batch normalisation allows larger learning rates, and sigmoids.",
    "A13, D5, F12",
    {
        f"{'with' if normalised else 'without'}, learning rate {lr:g}": error_after_an_epoch(normalised, lr)
        for lr in (LR, 5 * LR)
        for normalised in (False, True)
    }
    | {name: steps_to_baseline(network) for name, network in NETWORKS.items()},
)
