"""Experiment: U-Net finds the cells in generated microscope images.

The cells are bright ellipses with dark rims, which separate touching cells.
"""

from __future__ import annotations

import numpy as np

from experiments.experiment import Experiment
from refconv import data, models, optim
from refconv.training import fit, predict

__all__ = ["EXPERIMENT", "draw_cells", "mask_overlap", "segment"]

SIZE = 64
BATCH, LR = 8, 0.02


def draw_cells(count, seed, size=SIZE):
    """Draw images of cells under a microscope, and masks of the pixels inside cells.

    Parameters
    ----------
    count : int
        Number of images.
    seed : int
        Seed of the random numbers.
    size : int
        Height and width in pixels.

    Returns
    -------
    images : array (count, size, size, 1), float32
        The images, with values around 0, uneven illumination and noise.
    inside : array (count, size, size), int
        The masks: 1 inside a cell, 0 outside and on the rim.

    Source: lecture row M16 (SOURCES.md).
    """
    rng = np.random.default_rng(seed)
    images = np.empty((count, size, size, 1), np.float32)
    inside = np.empty((count, size, size), int)
    for k in range(count):
        images[k, ..., 0], inside[k] = _one_image(rng, size)
    return images, inside


def _one_image(rng, size):
    v, u = np.mgrid[:size, :size] / size
    light = rng.normal(0, 0.5, 2) @ np.stack([v.ravel(), u.ravel()])
    image, inside = light.reshape(size, size), np.zeros((size, size), int)
    for _ in range(rng.integers(4, 9)):
        (y, x), (a, b), angle = rng.uniform(0.08, 0.92, 2), rng.uniform(0.07, 0.16, 2), rng.uniform(0, np.pi)
        along = (u - x) * np.cos(angle) + (v - y) * np.sin(angle)
        across = (v - y) * np.cos(angle) - (u - x) * np.sin(angle)
        distance = np.hypot(along / a, across / b)  # 1 on the edge
        rim = (distance > 0.85) & (distance < 1.15)
        image = np.where(distance <= 0.85, image + rng.uniform(0.2, 0.7), np.where(rim, image - 0.6, image))
        inside = np.where(distance <= 0.85, 1, np.where(rim, 0, inside))
    return image + rng.normal(0, 0.35, (size, size)), inside


def mask_overlap(predicted, truth) -> float:
    r"""Return the overlap (intersection over union) of two sets of pixels, from 0 to 1.

    .. math:: \frac{|A \cap B|}{|A \cup B|}

    >>> mask_overlap(np.array([1, 1, 0, 1]), np.array([1, 0, 0, 1])) == 2 / 3
    True

    Source: lecture row M16 (SOURCES.md).
    """
    predicted, truth = predicted.astype(bool), truth.astype(bool)
    return float((predicted & truth).sum() / (predicted | truth).sum())


def segment(settings, size=SIZE):
    """Train the small U-Net with padding on generated cells, and test it on other cells."""
    images, seed = settings.number("images", 240, quick=16), settings.seed
    epochs = settings.number("epochs", 16, quick=1)
    (x, inside), (test, truth) = draw_cells(images, seed, size), draw_cells(40, seed + 1, size)
    model, rng = models.create("unet-same-small"), np.random.default_rng(seed)
    model.build(x.shape[1:], rng)
    optimizer = optim.SGD(model, lr=LR, momentum=0.9)
    fit(model, data.Batches(x, inside, BATCH, rng=rng), optimizer, epochs=epochs, schedule=optim.cosine)
    predicted, bright = predict(model, test), test[..., 0] > x.mean(dtype=np.float64)
    trained_on = f"{epochs} epoch{'s' * (epochs > 1)} of {images} images"
    return {
        f"IoU after {trained_on}": mask_overlap(predicted, truth),
        "IoU of the pixels brighter than the mean": mask_overlap(bright, truth),
    }


EXPERIMENT = Experiment(
    "segmentation",
    "U-Net finds the cells in generated microscope images.",
    "M16",
    {"unet-same-small": segment},
    seeds=1,
    options=("images", "epochs"),
)
