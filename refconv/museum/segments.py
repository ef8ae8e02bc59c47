"""U-Net finds cells: round things, brighter than what is around them, with dark rims that keep neighbours apart."""

from __future__ import annotations

import time

import numpy as np

from refconv import models, optim
from refconv.museum.row import Row, passes
from refconv.ops.loss import softmax_cross_entropy

__all__ = ["draw_cells", "intersection_over_union", "segment"]

SIZE = 64
BATCH, LR = 8, 0.02


def draw_cells(count, seed, size=SIZE):
    """Images of cells as under a microscope, and which pixels belong to one.

    Parameters
    ----------
    count : int
        Number of images.
    seed : int
        Of the random numbers.
    size : int
        Height and width in pixels.

    Returns
    -------
    images : array (count, size, size, 1), float32
        Around 0, with uneven light and noise.
    inside : array (count, size, size), int
        1 inside of a cell, 0 outside; the rim counts as outside.

    Source: M16.
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


def intersection_over_union(found, truth) -> float:
    r"""How well two sets of pixels agree.

    .. math:: \frac{|A \cap B|}{|A \cup B|}

    >>> intersection_over_union(np.array([1, 1, 0, 1]), np.array([1, 0, 0, 1])) == 2 / 3
    True

    Source: M16.
    """
    found, truth = found.astype(bool), truth.astype(bool)
    return float((found & truth).sum() / (found | truth).sum())


def segment(images=240, epochs=16, seed=0, size=SIZE) -> Row:
    """Train the small padded U-Net on generated cells, and measure it on others."""
    (x, inside), (test, truth) = draw_cells(images, seed, size), draw_cells(40, seed + 1, size)
    model, rng = models.build("unet-same-small"), np.random.default_rng(seed)
    model.build(x.shape[1:], rng)
    optimizer = optim.SGD(model.named_parameters(), lr=LR, momentum=0.9)
    began, steps = time.perf_counter(), epochs * -(-images // BATCH)
    for step in range(steps):
        optimizer.lr = LR * optim.cosine(step / steps)
        chosen = rng.integers(0, images, BATCH)
        scores, backward = model.forward(x[chosen], train=True)
        _, dscores = softmax_cross_entropy(scores.reshape(-1, 2), inside[chosen].ravel())
        model.zero_grad()
        backward(dscores.reshape(scores.shape), want_dx=False)
        optimizer.step()
    seconds = time.perf_counter() - began
    found, bright = model(test).argmax(-1), test[..., 0] > x.mean(dtype=np.float64)
    overlap, naive = intersection_over_union(found, truth), intersection_over_union(bright, truth)
    result = f"IoU {overlap:.3f}; of pixels brighter than the mean {naive:.3f}"
    return Row("unet-same-small", f"{images} images of generated cells", passes(epochs), seconds, result)
