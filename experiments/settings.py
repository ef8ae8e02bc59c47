"""Experiment: small networks on CIFAR-10, trained with the settings of the papers.

The settings are the output of :func:`refconv.models.published.settings`, scaled to few and small images by these rules:

- The network is the small variant of the paper's network, for 32 × 32 pixels and ten classes.
- A batch has 32 images, because 10,000 images make too few steps of 256. The learning rate is proportional to the batch size:
  α · 32 / the paper's batch size (Goyal et al., "Accurate, large minibatch SGD", 2017).
- Optimiser, weight decay, loss and clipping are the paper's. The dropout of the paper is part of the network.
- The variance of the initial weights is 2 / fan-in in all networks (He et al., 2015). AlexNet and VGG have fixed
  variances for their full width.
- The schedule is the paper's function of the completed part of the run: ResNet's rate falls after a quarter and a half of the
  epochs. The schedule of AlexNet and VGG depends on the validation error, for which all runs hold out a tenth of the images.
- All lengths in pixels are multiplied by 32 / the paper's image size, in augmentation and evaluation: a crop of 224 from 256
  pixels becomes a crop of 32 from 37.
- The number of epochs is chosen so that a run takes at most ten minutes on two cores.
"""

import sys
import warnings

from experiments.experiment import Experiment
from refconv import data, models, optim, training
from refconv.models import published

__all__ = ["BATCH", "EPOCHS", "EXPERIMENT", "SECONDS", "augmentation", "optimizer", "schedule", "views"]

PIXELS = 32
BATCH = 32
HELD_OUT = 0.1  # part of the images for validation
ALL_IMAGES, TEST_IMAGES = 10_000, 1000
MINUTES = 8  # for the epochs; the other two of ten minutes are for the evaluation and for slower processors
MOST_EPOCHS = 30

# Seconds of an epoch with 9,000 training images and the validation on two cores of an AMD EPYC (Zen 4). They are two thirds of
# the processor time, because the steps use both cores and the preparation of the batches uses one.
SECONDS = {
    "alexnet": 14,
    "vgg": 11,
    "googlenet": 24,
    "bn-inception": 34,
    "inception-v3": 52,
    "resnet": 62,
    "densenet": 79,
    "mobilenet": 17,
}
EPOCHS = {name: min(MOST_EPOCHS, 60 * MINUTES // seconds) for name, seconds in SECONDS.items()}


def optimizer(model, paper):
    """Return the paper's optimiser of a built network, with the learning rate for batches of 32.

    >>> model = models.create("resnet20-small")
    >>> _ = model.build((32, 32, 3))
    >>> optimizer(model, published.settings("resnet")).lr
    0.0125
    """
    name, arguments = paper.optimizer.value
    lr = paper.learning_rate.value * BATCH / paper.batch_size.value
    return getattr(optim, name)(model, lr, weight_decay=paper.weight_decay.value, **arguments)


def schedule(paper):
    """Return the paper's schedule, a function of the completed part of the run.

    >>> schedule(published.settings("resnet"))
    step_down(at=[0.25, 0.5], factor=0.1)
    """
    name, arguments = paper.schedule.value
    return getattr(optim, name)(**arguments)


def augmentation(paper):
    """Return the paper's augmentation, with lengths for images of 32 × 32 pixels."""
    steps = []
    for name, arguments in paper.augmentation.value:
        lengths = arguments if name != "scale" else {key: scaled(n, arguments["size"]) for key, n in arguments.items()}
        steps.append(getattr(data.augment, name)(**lengths))
    return data.augment.chain(*steps)


def views(paper):
    """Return the paper's views of a test image, with lengths for images of 32 × 32 pixels."""
    name, arguments = paper.evaluation.value
    crops = getattr(training, name)(PIXELS)
    return training.scales(*(scaled(n, arguments["size"]) for n in arguments["scales"]), views=crops)


def scaled(length, size):
    """Return a length for images of 32 × 32 pixels, given the length for images of this size.

    >>> [scaled(length, 224) for length in (224, 256, 512)], scaled(342, 299)
    ([32, 37, 73], 37)
    """
    return round(length * PIXELS / size)


def trained(name):
    """Return a variant that trains the network of a paper and measures its test accuracy."""

    def variant(settings):
        paper, seed = published.settings(name), settings.seed
        (images, labels), test = subset(settings)
        epochs = settings.number("epochs", EPOCHS[name], quick=1)
        announce(name, epochs, len(images))
        training_set, held_out = data.split(images, labels, HELD_OUT, rng=[seed, 0])
        statistics = data.channel_statistics(training_set[0])

        def prepare(batch):
            return data.normalize(batch, *statistics)

        model = models.create(f"{paper.network}-small")
        model.build((PIXELS, PIXELS, 3), rng=[seed, 1])
        batches = data.Batches(*training_set, BATCH, prepare=prepare, augment=augmentation(paper), rng=[seed, 2])
        validation = data.Batches(*held_out, 250, shuffle=False, prepare=prepare)
        quantity = f"test accuracy after {plural(epochs, 'epoch')} of {len(training_set[0]):,} images, %"
        results = {quantity: float("nan"), "the paper's top-1 accuracy on ImageNet, %": paper.accuracy.value}
        try:
            train(model, batches, validation, paper, epochs)
        except training.Diverged:
            return results
        network = training.Ensemble(model, views=views(paper))
        evaluation = training.evaluate(network, data.Batches(*test, 250, shuffle=False, prepare=prepare))
        return {**results, quantity: 100 * evaluation.accuracy}

    return variant


def train(model, batches, validation, paper, epochs):
    """Train a built network with the paper's settings."""
    loss, arguments = paper.loss.value
    training.fit(
        model,
        batches,
        optimizer(model, paper),
        epochs=epochs,
        validation=validation,
        loss=getattr(training, loss)(**arguments),
        schedule=schedule(paper),
        clip_norm=paper.clipping.value,
    )


def announce(name, epochs, images):
    """Print the expected duration of a run to standard error."""
    minutes = round(SECONDS[name] * epochs * images / ALL_IMAGES / 60)
    duration = f"about {plural(minutes, 'minute')}" if minutes else "less than a minute"
    print(f"settings, {name}: {plural(epochs, 'epoch')}, {duration} on two idle cores", file=sys.stderr, flush=True)


def plural(number, noun):
    """Return a number with its noun: "1 epoch", "2 epochs"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def subset(settings):
    """Return the first training and test images of CIFAR-10, which need only one training file."""
    counts = settings.number("images", ALL_IMAGES, quick=160), 50 if settings.quick else TEST_IMAGES
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "CIFAR-10: ")  # warnings about missing files, which are not needed
        return [tuple(part[:n] for part in data.load_cifar10(s)) for s, n in zip(("train", "test"), counts, strict=True)]


EXPERIMENT = Experiment(
    "settings",
    "Small networks learn CIFAR-10 with the papers' training settings, scaled to 10,000 images.",
    "D8, A12, A20, A21",
    {name: trained(name) for name in SECONDS},
    seeds=1,
    options=("images", "epochs"),
)
