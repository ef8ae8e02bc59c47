"""Experiment: a network pretrained on photographs learns painted shapes from 500 pictures.

A picture shows a circle, a square, a triangle, a cross or a ring in a random colour, at a random place, on a background of
random colours. The packaged ResNet-20 was trained on photographs of animals and vehicles (CIFAR-10) and has seen no such
picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import refconv
from experiments.experiment import Experiment
from experiments.scenes import SHAPES
from refconv import data, models, nn, optim
from refconv.training import evaluate, fit

__all__ = ["EXPERIMENT", "painted_shapes", "save_pictures"]

PICTURES, TEST_PICTURES, EPOCHS, BATCH, LR = 500, 1000, 12, 25, 0.02
SIZE = 32  # pixels
RADII = 5, 11  # smallest and largest radius of a shape, in pixels
TEST_SEED = 1_000_000  # not the seed of any run
NETWORK, WEIGHTS = "resnet20", "cifar10"

# Number of patches along each side: standard deviation of their colours, where 1 is white.
BACKGROUND = {2: 0.14, 4: 0.1, 8: 0.06}
LEAST_DISTANCE = 0.5  # of a shape's colour from the mean colour of its background, in the cube of red, green and blue


def painted_shapes(count, seed):
    """Draw shapes in random colours on backgrounds of random colours.

    Parameters
    ----------
    count : int
    seed : int

    Returns
    -------
    images : array (count, 32, 32, 3), uint8
    labels : array (count,)
        Positions in the names of ``experiments.scenes.SHAPES``.

    Examples
    --------
    >>> images, labels = painted_shapes(3, seed=0)
    >>> images.shape, images.dtype, labels.shape
    ((3, 32, 32, 3), dtype('uint8'), (3,))
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(SHAPES), size=count)
    pictures = _backgrounds(count, rng)
    outlines = list(SHAPES.values())
    y, x = np.arange(0.5, SIZE)[:, None], np.arange(0.5, SIZE)
    for picture, label, colour in zip(pictures, labels, _colours(pictures.mean((1, 2)), rng), strict=True):
        radius = rng.uniform(*RADII)
        centre_y, centre_x = rng.uniform(radius, SIZE - radius, 2)
        outline = outlines[label]((y - centre_y) / radius, (x - centre_x) / radius)
        picture += np.clip(radius * (1 - outline) + 0.5, 0, 1)[..., None] * (colour - picture)
    return np.rint(255 * pictures.clip(0, 1)).astype(np.uint8), labels


def _backgrounds(count, rng):
    """Return sums of random patches of several sizes, with values of about 0 to 1."""
    total = np.full((count, SIZE, SIZE, 3), 0.5)
    for patches, deviation in BACKGROUND.items():
        noise = deviation * rng.standard_normal((count, patches, patches, 3))
        total += refconv.upsample2d(noise, SIZE // patches, mode="bilinear")
    return total


def _colours(means, rng):
    """Return a random colour for each mean colour, at least LEAST_DISTANCE away."""
    colours = rng.random(means.shape)
    while (is_near := np.linalg.norm(colours - means, axis=1) < LEAST_DISTANCE).any():
        colours[is_near] = rng.random((is_near.sum(), 3))
    return colours


def save_pictures(folder, images, labels):
    """Save pictures as PNG files in one folder for each class: folder/ring/0017.png."""
    from PIL import Image

    names = list(SHAPES)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = Path(folder, names[label], f"{number:04}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def retrained(freeze_to=None):
    """Return a variant that starts from the pretrained weights and freezes the first layers."""

    def variant(settings):
        pretrained = models.create(NETWORK, weights=WEIGHTS)
        model = nn.replace_layer(pretrained, "scores", nn.Dense(len(SHAPES)), rng=[settings.seed, 0])
        if freeze_to:
            nn.freeze_to(model, freeze_to)
        return accuracy(model, data.Preprocessing.from_settings(pretrained.notes["preprocessing"]), settings)

    return variant


def from_scratch(settings):
    model = models.create(NETWORK, classes=len(SHAPES))
    model.build((SIZE, SIZE, 3), rng=[settings.seed, 0])
    return accuracy(model, None, settings)


def accuracy(model, prepare, settings):
    """Train the network on painted shapes and return its test accuracy."""
    images, labels = painted_shapes(settings.number("images", PICTURES, quick=50), settings.seed)
    test = painted_shapes(100 if settings.quick else TEST_PICTURES, TEST_SEED)
    prepare = prepare or data.Preprocessing.of_images(images, SIZE)
    batches = data.Batches(images, labels, BATCH, rng=[settings.seed, 1], prepare=prepare)
    optimizer = optim.SGD(model, LR, momentum=0.9, weight_decay=5e-4)
    fit(model, batches, optimizer, epochs=settings.number("epochs", EPOCHS, quick=1), schedule=optim.cosine)
    right = evaluate(model, data.Batches(*test, 250, shuffle=False, prepare=prepare)).accuracy
    return {"test accuracy on painted shapes, %": 100 * right}


EXPERIMENT = Experiment(
    "new-task",
    f"A network pretrained on photographs learns another task from {PICTURES} pictures.",
    "B10",
    {
        f"from scratch, {PICTURES} pictures": from_scratch,
        "pretrained, only a new last layer trained": retrained("mean"),
        "pretrained, frozen up to stage1": retrained("stage1"),
        "pretrained, all layers fine-tuned": retrained(),
    },
    options=("images", "epochs"),
)
