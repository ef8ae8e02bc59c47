"""Batch normalisation lets a network learn at five times the learning rate, at which it learns nothing without."""

from refconv import data, nn, optim
from refconv.recipes.recipe import Recipe, fewer
from refconv.training import Diverged, fit

__all__ = ["RECIPE"]

LR = 0.05


def lenet(normalised):
    """LeNet-5, with batch normalisation behind each layer but the last if asked; the bias before one cancels (A17)."""

    def block(layer):
        return [layer(bias=not normalised), *([nn.BatchNorm(momentum=0.9)] if normalised else []), nn.ReLU()]

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
    """A variant: the test error after one epoch."""

    def variant(seed, quick):
        model = lenet(normalised)
        model.build((32, 32, 1), rng=[seed, 0])
        training, test = (fewer(quick, data.load_mnist(split), count) for split, count in (("train", 2000), ("test", 500)))
        batches = data.Batches(*training, 64, rng=[seed, 1])
        optimizer = optim.SGD(model.named_parameters(), lr, momentum=0.9)
        try:
            history = fit(model, batches, optimizer, epochs=1, test=data.Batches(*test, 500))
        except Diverged:
            return {"test error, %": float("nan")}
        return {"test error, %": 100 * (1 - history.test.accuracy)}

    return variant


RECIPE = Recipe(
    "batch-norm",
    "Batch normalisation allows for larger learning rates.",
    "A13, F12",
    {
        f"{'with' if normalised else 'without'}, learning rate {lr:g}": error_after_an_epoch(normalised, lr)
        for lr in (LR, 5 * LR)
        for normalised in (False, True)
    },
)
