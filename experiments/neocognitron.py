"""Experiment: the neocognitron learns to recognise digits without labels.

After training, each plane is named after the digit to which it responds.
"""

from __future__ import annotations

import numpy as np

from experiments.classifiers import digits
from experiments.experiment import Experiment
from refconv import models
from refconv.models.neocognitron import labels_of_planes, organise

__all__ = ["EXPERIMENT", "retina"]

PLANES = (8, 32, 600)


def retina(images):
    """Convert digits of 28 × 28 bytes to the neocognitron's input: 16 × 16 numbers from 0 to 1.

    >>> retina(np.full((2, 28, 28), 255, np.uint8))[0, 3, :3, 0].tolist()
    [0.0, 1.0, 1.0]
    """
    x = np.zeros((len(images), 32, 32), np.float32)
    x[:, 2:30, 2:30] = images / np.float32(255)
    return x.reshape(-1, 16, 2, 16, 2).mean((2, 4))[..., None]


def self_organised(settings):
    """Train a neocognitron without labels, and measure its accuracy on test digits.

    A digit is classified by the plane with the strongest response.
    """
    (images, labels), (test_images, test_labels) = digits(settings, settings.number("images", 1000, quick=64))
    x = retina(images)
    model = models.neocognitron(PLANES)
    model.build(x.shape[1:], rng=settings.seed)
    organise(model, x)
    names = labels_of_planes(model, x, labels)
    predictions = names[model(retina(test_images)).argmax(-1)]
    name = f"test accuracy after one pass per layer over {len(x):,} digits, %"
    return {name: 100 * float((predictions == test_labels).mean())}


EXPERIMENT = Experiment(
    "neocognitron",
    "The neocognitron learns to recognise digits without labels.",
    "M1",
    {"self-organised": self_organised},
    seeds=1,
    options=("data", "images"),
)
