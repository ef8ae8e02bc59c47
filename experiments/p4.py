"""Experiment: a p4 network recognises digits rotated by 90°, 180° and 270°.

Plain networks of the same size are trained with and without rotated digits.
"""

from __future__ import annotations

import numpy as np

from experiments.classifiers import accuracy, digits
from experiments.experiment import Experiment
from refconv import data, nn, optim
from refconv.training import fit

__all__ = ["EXPERIMENT", "equivariant", "plain", "quarter_turns"]

SHAPE = (32, 32, 1)
CLASSES = 9  # 0 to 8: a rotated 6 is a 9, so a network that is invariant to rotations confuses them
IMAGES, EPOCHS, BATCH = 6000, 4, 32


def equivariant():
    """Return a network whose scores are invariant to rotations by 90°.

    It has 13,461 trainable parameters.
    """
    return nn.Sequential(
        *(nn.P4ConvLift2D(6, 5), nn.P4BatchNorm(), nn.ReLU(), nn.P4MaxPool2D(2)),
        *(nn.P4Conv2D(12, 3), nn.P4BatchNorm(), nn.ReLU(), nn.P4MaxPool2D(2)),
        *(nn.P4Conv2D(24, 3), nn.P4BatchNorm(), nn.ReLU(), nn.P4GroupPool()),
        nn.GlobalAvgPool2D(),
        nn.Dense(CLASSES),
    )


def plain():
    """Return a plain network with twice the channels instead of four rotations.

    It has 13,953 trainable parameters.
    """
    return nn.Sequential(
        *(nn.Conv2D(12, 5), nn.BatchNorm(), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Conv2D(24, 3), nn.BatchNorm(), nn.ReLU(), nn.MaxPool2D(2)),
        *(nn.Conv2D(48, 3), nn.BatchNorm(), nn.ReLU()),
        nn.GlobalAvgPool2D(),
        nn.Dense(CLASSES),
    )


def quarter_turns(images, rng):
    """Rotate each image by a random multiple of 90°: an augmentation.

    >>> images = np.array([[[1, 2], [3, 5]]], np.uint8)
    >>> sorted({tuple(quarter_turns(images, np.random.default_rng(seed)).ravel().tolist()) for seed in range(20)})
    [(1, 2, 3, 5), (2, 5, 1, 3), (3, 1, 5, 2), (5, 3, 2, 1)]
    """
    turns = rng.integers(4, size=len(images))
    return np.stack([np.rot90(image, times) for image, times in zip(images, turns, strict=True)])


def without_nines(images, labels):
    """Return the images whose labels are below 9, and their labels."""
    return images[labels < CLASSES], labels[labels < CLASSES]


def trained_on(share, make, augment=None):
    """Return a variant that tests a network on upright and on rotated digits.

    It is trained on 1 / ``share`` of the digits. With fewer digits there are more epochs, so that all variants have about the
    same number of steps.
    """

    def variant(settings):
        model, seed = make(), settings.seed
        model.build(SHAPE, rng=[seed, 0])
        images = max(settings.number("images", IMAGES, quick=320) // share, 1)
        training, (upright, labels) = (without_nines(*part) for part in digits(settings, images))
        batches = data.Batches(*training, BATCH, rng=[seed, 1], prepare=data.lenet_input, augment=augment)
        epochs = settings.number("epochs", EPOCHS, quick=1) * share
        fit(model, batches, optim.SGD(model, 0.05, momentum=0.9, weight_decay=5e-4), epochs=epochs, schedule=optim.cosine)
        rotated = np.concatenate([np.rot90(upright, times, axes=(1, 2)) for times in (1, 2, 3)])
        return {
            "accuracy on upright digits 0 to 8, %": accuracy(model, (upright, labels)),
            "accuracy on them rotated by 90°, 180° and 270°, %": accuracy(model, (rotated, np.tile(labels, 3))),
        }

    return variant


EXPERIMENT = Experiment(
    "p4",
    "A p4 network recognises rotated digits without having seen any.",
    "D9",
    {
        "plain": trained_on(1, plain),
        "plain, rotated at random in training": trained_on(1, plain, quarter_turns),
        "p4": trained_on(1, equivariant),
        "plain, a tenth of the digits": trained_on(10, plain),
        "plain, a tenth, rotated at random in training": trained_on(10, plain, quarter_turns),
        "p4, a tenth of the digits": trained_on(10, equivariant),
    },
    options=("data", "images", "epochs"),
)
