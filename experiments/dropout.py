"""Experiment: dropout helps when there are few images.

Without dropout, wide dense layers memorise the images.
"""

from experiments.experiment import Experiment, mnist, ordered_batches
from refconv import data, nn, optim
from refconv.training import evaluate, fit

__all__ = ["EXPERIMENT", "wide_lenet"]

IMAGES = 1000


def wide_lenet(rate):
    """Return LeNet-5 with dense layers of four times the width, each followed by dropout."""
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
    """Return a variant that measures the test error after 60 epochs of 1,000 images."""

    def variant(settings):
        model, seed = wide_lenet(rate), settings.seed
        model.build((32, 32, 1), rng=[seed, 0])
        training = tuple(part[:IMAGES] for part in data.load_mnist("train"))
        test = mnist("test", settings.quick, 500)
        optimizer = optim.SGD(model, 0.02, momentum=0.9)
        batches = data.Batches(*training, 50, rng=[seed, 1], prepare=data.lenet_input)
        epochs = 2 if settings.quick else 60
        fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine)
        return {"test error, %": 100 * (1 - evaluate(model, ordered_batches(test)).accuracy)}

    return variant


EXPERIMENT = Experiment(
    "dropout",
    f"Dropout helps when there are few images: here {IMAGES:,} of MNIST.",
    "A18",
    {"none": error_with(0.0), "half of the dense units": error_with(0.5)},
)
