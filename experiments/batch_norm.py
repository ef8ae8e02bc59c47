"""Experiment: batch normalisation allows five times the learning rate.

The same network without batch normalisation learns nothing at this rate.
"""

from experiments.experiment import Experiment, mnist, ordered_batches
from refconv import data, nn, optim
from refconv.training import Diverged, fit

__all__ = ["EXPERIMENT", "LR", "lenet"]

LR = 0.05


def lenet(normalised):
    """Return LeNet-5, optionally with batch normalisation after each layer but the last.

    Layers before a batch normalisation have no bias, because the normalisation would cancel it (lecture row A17).
    """

    def block(layer):
        return [layer(bias=not normalised), *([nn.BatchNorm()] if normalised else []), nn.ReLU()]

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


EXPERIMENT = Experiment(
    "batch-norm",
    "Batch normalisation allows larger learning rates.",
    "A13, F12",
    {
        f"{'with' if normalised else 'without'}, learning rate {lr:g}": error_after_an_epoch(normalised, lr)
        for lr in (LR, 5 * LR)
        for normalised in (False, True)
    },
)
