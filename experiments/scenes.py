"""Generated scenes of one or two objects, and sentences about them.

The sentence mentions the upper or the left object first, so that each scene has exactly one correct sentence.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product
from typing import NamedTuple

import numpy as np

__all__ = ["COLOURS", "KINDS", "NEW_KINDS", "SHAPES", "SIZE", "SIZES", "Thing", "caption", "draw", "draw_scenes"]

SIZE = 32  # height and width of a scene, in pixels
SIZES = {"small": 4, "large": 7}  # radius in pixels
COLOURS = {
    "red": (0.9, 0.2, 0.2),
    "green": (0.2, 0.7, 0.3),
    "blue": (0.2, 0.4, 0.9),
    "yellow": (0.9, 0.8, 0.2),
    "white": (0.95, 0.95, 0.95),
}
# Functions of the position relative to the centre (y down, x to the right, in radii): 1 on the outline, less than 1 inside.
SHAPES = {
    "circle": np.hypot,
    "square": lambda y, x: 1.15 * np.maximum(abs(y), abs(x)),
    "triangle": lambda y, x: np.maximum(y / 0.8, 1.8 * abs(x) - y),
    "cross": lambda y, x: np.minimum(np.maximum(abs(y), 3 * abs(x)), np.maximum(abs(x), 3 * abs(y))),
    "ring": lambda y, x: abs(np.hypot(y, x) - 0.7) / 0.3,
}
NEW_KINDS = list(zip(COLOURS, SHAPES, strict=True))  # each colour with one shape, for tests only: no red circle in training
KINDS = [kind for kind in product(COLOURS, SHAPES) if kind not in NEW_KINDS]
SINGLE = 0.25  # fraction of scenes with one object
MARGIN = 3  # pixels by which the distance along one axis is larger than along the other, so that the relation is clear
NOISE = 0.04


class Thing(NamedTuple):
    """Object of a scene: three words, and its centre in pixels (y down, x to the right)."""

    size: str
    colour: str
    shape: str
    y: float
    x: float


def caption(scene) -> str:
    """Return the sentence about a scene of one or two objects.

    >>> caption([Thing("large", "blue", "square", 20, 14), Thing("small", "red", "circle", 6, 12)])
    'a small red circle above a large blue square'
    """
    phrases = {thing: f"a {thing.size} {thing.colour} {thing.shape}" for thing in scene}
    if len(scene) == 1:
        return phrases[scene[0]]
    one, other = scene
    relation, axis = ("above", "y") if abs(one.y - other.y) > abs(one.x - other.x) else ("left of", "x")
    first, second = sorted(scene, key=lambda thing: getattr(thing, axis))
    return f"{phrases[first]} {relation} {phrases[second]}"


def draw(scene, rng):
    """Draw a scene on a dark background of random brightness: an array (32, 32, 3), float32."""
    image = np.full((SIZE, SIZE, 3), rng.uniform(0, 0.25), np.float32)
    y, x = np.arange(0.5, SIZE)[:, None], np.arange(0.5, SIZE)
    for thing in scene:
        radius = SIZES[thing.size]
        outline = SHAPES[thing.shape]((y - thing.y) / radius, (x - thing.x) / radius)
        inside = np.clip(radius * (1 - outline) + 0.5, 0, 1)[..., None].astype(np.float32)  # a fraction on the outline
        image += inside * (np.float32(COLOURS[thing.colour]) - image)
    return image + np.float32(NOISE) * rng.standard_normal(image.shape, np.float32)


def draw_scenes(count, rng, *, kinds=KINDS, single=SINGLE, without: Collection[str] = ()):
    """Draw random scenes.

    Parameters
    ----------
    count : int
        Number of scenes.
    rng : numpy.random.Generator
        Generator of the random numbers.
    kinds : list of (str, str)
        Colours and shapes of the objects.
    single : float
        Fraction of scenes with one object; the others have two.
    without : collection of str
        Sentences that must not occur.

    Returns
    -------
    images : array (count, 32, 32, 3), float32
        Values are about 0 to 1.
    scenes : list of list of Thing
    """
    scenes = []
    while len(scenes) < count:
        scene = _random_scene(rng, kinds, 1 if rng.random() < single else 2)
        if caption(scene) not in without:
            scenes.append(scene)
    return np.stack([draw(scene, rng) for scene in scenes]), scenes


def _random_scene(rng, kinds, count):
    """Return random objects that do not overlap and whose relation is clear."""
    while True:
        scene = [_random_thing(rng, kinds) for _ in range(count)]
        if count == 1 or _is_clear(*scene):
            return scene


def _random_thing(rng, kinds):
    size = list(SIZES)[rng.integers(len(SIZES))]
    y, x = rng.uniform(SIZES[size] + 0.5, SIZE - SIZES[size] - 0.5, 2).tolist()
    return Thing(size, *kinds[rng.integers(len(kinds))], y, x)


def _is_clear(one, other):
    near, far = sorted((abs(one.y - other.y), abs(one.x - other.x)))
    return far > SIZES[one.size] + SIZES[other.size] and far - near > MARGIN
