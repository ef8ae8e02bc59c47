"""Dropout: with few images, dense layers learn them by heart, unless half of the units are missing at a time."""

from refconv import data, nn, optim
from refconv.recipes.recipe import Recipe, fewer
from refconv.training import evaluate, fit

__all__ = ["RECIPE"]

IMAGES = 1000


def wide_lenet(rate):
    """LeNet-5 with dense layers four times as wide."""
    return nn.Sequential(
        nn.Conv2D(6, 5),
        nn.ReLU(),
        nn.MaxPool2D(2),
        nn.Conv2D(16, 5),
        nn.ReLU(),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Dense(480),
        nn.ReLU(),
        nn.Dropout(rate),
        nn.Dense(336),
        nn.ReLU(),
        nn.Dropout(rate),
        nn.Dense(10),
    )


def error_with(rate):
    """A variant: the test error after 60 epochs of a thousand images."""

    def variant(seed, quick):
        model = wide_lenet(rate)
        model.build((32, 32, 1), rng=[seed, 0])
        training = tuple(part[:IMAGES] for part in data.load_mnist("train"))
        test = fewer(quick, data.load_mnist("test"), 500)
        optimizer = optim.SGD(model.named_parameters(), 0.02, momentum=0.9)
        batches, epochs = data.Batches(*training, 50, rng=[seed, 1]), 2 if quick else 60
        fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine)
        return {"test error, %": 100 * (1 - evaluate(model, data.Batches(*test, 500)).accuracy)}

    return variant


RECIPE = Recipe(
    "dropout",
    f"Dropout helps where images are few: here {IMAGES:,} of MNIST's.",
    "A18",
    {"none": error_with(0.0), "half of the dense layers' units": error_with(0.5)},
)
