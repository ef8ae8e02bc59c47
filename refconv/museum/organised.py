"""The neocognitron learns by itself; then each plane is named after what it answers to."""

from __future__ import annotations

import time

import numpy as np

from refconv import models
from refconv.models.neocognitron import labels_of_planes, organise
from refconv.museum.classifiers import TEST_IMAGES, digits
from refconv.museum.row import Row

__all__ = ["organise_itself", "retina"]

PLANES = (8, 32, 600)


def retina(images):
    """Digits of 28 × 28 bytes as the neocognitron sees them: 16 × 16 numbers from 0 to 1.

    >>> retina(np.full((2, 28, 28), 255, np.uint8))[0, 3, :3, 0].tolist()
    [0.0, 1.0, 1.0]
    """
    x = np.zeros((len(images), 32, 32), np.float32)
    x[:, 2:30, 2:30] = images / np.float32(255)
    return x.reshape(-1, 16, 2, 16, 2).mean((2, 4))[..., None]


def organise_itself(source="digits", images=1000, seed=0) -> Row:
    """Show digits to a neocognitron, without a word; and then ask which of its planes answers most to others."""
    (shown, labels), (others, theirs) = digits(source, images, seed)
    x = retina(shown)
    model = models.neocognitron(PLANES)
    model.build(x.shape[1:], rng=seed)
    began = time.perf_counter()
    organise(model, x)
    seconds = time.perf_counter() - began
    names = labels_of_planes(model, x, labels)
    right = (names[model(retina(others)).argmax(-1)] == theirs).mean()
    said = f"{100 * right:.1f} % of {TEST_IMAGES:,} test images, by the plane that answers most"
    return Row("neocognitron", f"{images:,} digits, without labels", "1 pass a layer", seconds, said)
