"""Experiment: 20 layers on CIFAR-10, with and without shortcuts, and with stochastic depth."""

import warnings

from experiments.experiment import Experiment
from refconv import data, nn, optim
from refconv.training import evaluate, fit

__all__ = ["EXPERIMENT", "network"]

IMAGES, TEST_IMAGES, EPOCHS = 2500, 1000, 10


def network(units=3, shortcuts=True, last_survival=1.0):
    """Return the CIFAR-10 network of 6·units + 2 layers.

    It has three stages of 16, 32 and 64 channels, and two layers per unit. ``last_survival`` is p_L in the linear rule of
    stochastic depth, p_l = 1 − l/L · (1 − p_L).

    >>> [network(shortcuts=s).count_parameters((32, 32, 3), trainable_only=True) for s in (True, False)]
    [272474, 269722]

    Source: lecture rows A23 and B8 (SOURCES.md); He et al., "Deep residual learning for image recognition", 2015,
    section 4.2.
    """
    body, total = [], 3 * units
    for index in range(total):
        stride = 2 if index in (units, 2 * units) else 1
        survival = 1 - (index + 1) / total * (1 - last_survival)
        body.append(unit(16 * 2 ** (index // units), stride, shortcuts, survival))
    return nn.Sequential(*normalised(16, 3), nn.ReLU(), *body, nn.GlobalAvgPool2D(), nn.Dense(10))


def unit(filters, stride, shortcuts, survival):
    """Return two layers, optionally with a shortcut, which is a projection if the shape changes."""
    main = nn.Sequential(*normalised(filters, 3, stride), nn.ReLU(), *normalised(filters, 3))
    if not shortcuts:
        return nn.Sequential(main, nn.ReLU())
    if survival < 1:
        main = nn.StochasticDepth(main, survival)
    shortcut = nn.Identity() if stride == 1 else nn.Sequential(*normalised(filters, 1, stride))
    return nn.Sequential(nn.Sum(main, shortcut), nn.ReLU())


def normalised(filters, size, stride=1):
    return [nn.Conv2D(filters, size, stride=stride, padding="same", bias=False), nn.BatchNorm()]


def errors(**options):
    """Return a variant that measures training and test error of the network with these options."""

    def variant(settings):
        (images, labels), (test_images, test_labels) = subset(settings.quick)
        statistics = data.channel_statistics(images)

        def prepare(batch):
            return data.normalize(batch, *statistics)

        model, seed = network(**options), settings.seed
        model.build((32, 32, 3), rng=[seed, 0])
        augment = data.augment.chain(data.augment.crop(32, pad=4), data.augment.flip())
        batches = data.Batches(images, labels, 64, prepare=prepare, augment=augment, rng=[seed, 1])
        optimizer = optim.SGD(model, 0.1, momentum=0.9, weight_decay=1e-4, decayed="weights")
        fit(model, batches, optimizer, epochs=1 if settings.quick else EPOCHS, schedule=optim.cosine)
        sets = {"training": (images, labels), "test": (test_images, test_labels)}
        return {
            f"{name} error, %": 100 * (1 - evaluate(model, data.Batches(*pair, 250, shuffle=False, prepare=prepare)).accuracy)
            for name, pair in sets.items()
        }

    return variant


def subset(quick):
    """Return the first training and test images of CIFAR-10, which need only one training file."""
    counts = (256, 100) if quick else (IMAGES, TEST_IMAGES)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "CIFAR-10: ")  # warnings about missing files, which are not needed
        return [tuple(part[:n] for part in data.load_cifar10(s)) for s, n in zip(("train", "test"), counts, strict=True)]


EXPERIMENT = Experiment(
    "residual",
    f"Shortcuts make deep networks easier to train: 20 layers, {IMAGES:,} images of CIFAR-10, {EPOCHS} epochs.",
    "A23, B8, F13",
    {
        "plain-20": errors(shortcuts=False),
        "residual-20": errors(),
        "residual-20, stochastic depth": errors(last_survival=0.5),
    },
)
