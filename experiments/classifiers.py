"""Experiment: the small variant of each architecture learns to read digits."""

from __future__ import annotations

from experiments.experiment import Experiment
from refconv import data, models, optim
from refconv.training import evaluate, fit

__all__ = ["EXPERIMENT", "SHAPE", "accuracy", "digits", "quantity", "train"]

# At least one network of each family, with its initial learning rate. Batch normalisation allows larger rates.
LEARNING_RATES = {
    "lenet": 0.02,
    "alexnet": 0.01,
    "zfnet": 0.01,
    "vgg-a": 0.01,
    "nin": 0.02,
    "googlenet": 0.01,
    "bn-inception": 0.05,
    "inception-v3": 0.05,
    "resnet18": 0.05,
    "resnet50": 0.05,
    "resnet20": 0.05,
    "plain20": 0.05,
    "resnext50": 0.05,
    "wrn-16-8": 0.05,
    "stochastic-depth110": 0.05,
    "fractalnet20": 0.02,
    "densenet121": 0.05,
    "densenet-bc100": 0.05,
    "mobilenet": 0.05,
}

SHAPE = (32, 32, 1)
BATCH = 32
IMAGES, TEST_IMAGES, EPOCHS = 8000, 1000, 3


def digits(settings, images=None):
    """Return training and test images with labels: drawn digits, or the first images of MNIST."""
    images = images or settings.number("images", IMAGES, quick=64)
    test_images = 100 if settings.quick else TEST_IMAGES
    if settings.data == "mnist":
        training, test = data.load_mnist("train"), data.load_mnist("test")
        return tuple(part[:images] for part in training), tuple(part[:test_images] for part in test)
    return data.draw_digits(images, settings.seed), data.draw_digits(test_images, settings.seed + 1)


def train(model, training, lr, settings):
    """Build a network and train it on digits."""
    seed = settings.seed
    model.build(SHAPE, rng=seed)
    optimizer = optim.SGD(model, lr, momentum=0.9, weight_decay=5e-4)
    epochs = settings.number("epochs", EPOCHS, quick=1)
    batches = data.Batches(*training, BATCH, rng=seed, prepare=data.lenet_input)
    fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine)


def accuracy(model, test):
    """Return the test accuracy in percent."""
    return 100 * evaluate(model, data.Batches(*test, 250, shuffle=False, prepare=data.lenet_input)).accuracy


def quantity(training, settings):
    """Return the name of the test accuracy, which includes the epochs and the training data.

    >>> from experiments.experiment import Settings
    >>> quantity(([0] * 8000, [0] * 8000), Settings(epochs=1))
    'test accuracy after 1 epoch of 8,000 drawn digits, %'
    """
    epochs = settings.number("epochs", EPOCHS, quick=1)
    images = "MNIST images" if settings.data == "mnist" else "drawn digits"
    return f"test accuracy after {epochs} epoch{'s' * (epochs > 1)} of {len(training[0]):,} {images}, %"


def small(name):
    """Return the small variant of an architecture, without auxiliary heads.

    The heads do not help such a small network.
    """
    return models.create(f"{name}-small", **({"heads": False} if name == "googlenet" else {}))


def classifier(name, lr):
    """Return a variant that trains a small architecture and measures its test accuracy."""

    def variant(settings):
        training, test = digits(settings)
        model = small(name)
        train(model, training, lr, settings)
        return {quantity(training, settings): accuracy(model, test)}

    return variant


EXPERIMENT = Experiment(
    "classifiers",
    "The small variant of each architecture learns to read digits.",
    "M1–M15",
    {name: classifier(name, lr) for name, lr in LEARNING_RATES.items()},
    seeds=1,
    options=("data", "images", "epochs"),
)
