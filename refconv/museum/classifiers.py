"""The small variant of each architecture learns to read digits."""

from __future__ import annotations

import time

from refconv import data, models, nn, optim
from refconv.museum.row import Row, passes
from refconv.training import evaluate, fit

__all__ = ["CLASSIFIERS", "classify", "digits", "shortened", "shown", "trained"]

# One of each family, with its first learning rate: networks with batch normalisation stand more.
CLASSIFIERS = {
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
TEST_IMAGES = 1000


def digits(name, images, seed):
    """Training and test images with their labels: drawn ones, or the first of MNIST."""
    if name == "mnist":
        training, test = data.load_mnist("train"), data.load_mnist("test")
        return tuple(part[:images] for part in training), tuple(part[:TEST_IMAGES] for part in test)
    return data.draw_digits(images, seed), data.draw_digits(TEST_IMAGES, seed + 1)


def shown(source, images):
    """What a network was shown, in words.

    >>> shown("digits", 8000), shown("mnist", 8000)
    ('8,000 drawn digits', '8,000 MNIST images')
    """
    return f"{images:,} {'MNIST images' if source == 'mnist' else 'drawn digits'}"


def trained(model, training, *, epochs, lr, seed, test=None):
    """Train a network, not yet built, on digits; returns the history."""
    shortened(model).build(SHAPE, rng=seed)
    optimizer = optim.SGD(model.named_parameters(), lr, momentum=0.9, weight_decay=5e-4)
    batches = data.Batches(*training, BATCH, rng=seed)
    return fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine, test=test)


def shortened(layer):
    """Let the averages of all batch normalisations inside follow fast enough for a short run; returns the layer."""
    if isinstance(layer, nn.BatchNorm):
        layer.momentum = 0.9
    for _, inner in layer.named_layers():
        shortened(inner)
    return layer


def classify(name, *, source="digits", images=8000, epochs=3, seed=0) -> Row:
    """Train the small variant of an architecture, and count what it reads.

    Auxiliary heads stay out: on the way through so small a network there is nothing to help.
    """
    training, test = digits(source, images, seed)
    options = {"heads": False} if name == "googlenet" else {}
    model = models.build(f"{name}-small", **options)
    began = time.perf_counter()
    trained(model, training, epochs=epochs, lr=CLASSIFIERS[name], seed=seed)
    seconds = time.perf_counter() - began
    right = evaluate(model, data.Batches(*test, 250)).accuracy
    said = f"{100 * right:.1f} % of {TEST_IMAGES:,} test images"
    return Row(f"{name}-small", shown(source, images), passes(epochs), seconds, said)
