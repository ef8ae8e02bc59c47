"""Synthetic photographs of handwritten digits on paper, with labels.

Digits have the styles of :func:`refconv.data.draw_digits`, drawn with a pen of any width on a picture of any size. The list
`KINDS` names the conditions: shadows, thin pens, noise, ruled paper and others.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from refconv.data import digits
from refconv.typing import Array

__all__ = ["KINDS", "Kind", "photographs", "pictures_of", "sheets", "strokes"]

SIDE = 320  # height of a photograph, in pixels
INKS = {"black": (70, 70, 75), "blue": (50, 70, 150), "red": (180, 50, 60), "green": (40, 120, 80)}  # on paper of 225


@dataclass(frozen=True)
class Kind:
    """Condition of a photograph.

    Parameters
    ----------
    pen : pair of float
        Range of the pen's width, as a fraction of the height of the digit. MNIST's median is about 0.13.
    ink : str
        Key of `INKS`, or "any" for one chosen at random.
    light : callable
        Function of the picture's height, its width and a generator; returns the brightness of the paper, (H, W), up to 255.
    lines : int
        0 for plain paper, 1 for ruled paper, 2 for squared paper.
    tilt : float
        Largest rotation, in degrees.
    noise : float
        Standard deviation of the camera's noise, in grey levels of 255.
    quality : int
        Quality of the JPEG compression.
    dark : bool
        True for light ink on a dark background.
    table : bool
        True if a strip of the dark table is visible at one or two edges.
    """

    pen: tuple[float, float] = (0.09, 0.16)
    ink: str = "black"
    light: Callable[[int, int, np.random.Generator], Array] = lambda h, w, rng: np.full((h, w), 225.0)
    lines: int = 0
    tilt: float = 0
    noise: float = 1
    quality: int = 90
    dark: bool = False
    table: bool = False


def corner_shadow(height: int, width: int, rng: np.random.Generator) -> Array:
    """Return paper whose brightness falls from 220 in one corner to 120 in the opposite one."""
    y, x = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)
    y, x = (y if rng.random() < 0.5 else 1 - y), (x if rng.random() < 0.5 else 1 - x)
    return 220 - 50 * (y + x)


def edge_shadow(height: int, width: int, rng: np.random.Generator) -> Array:
    """Return paper of brightness 220 with a straight shadow of 120 whose edge is 3 pixels wide."""
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3) * height
    y, x = np.arange(height)[:, None] - height / 2, np.arange(width) - width / 2
    return 170 + 50 * np.clip((np.cos(angle) * x + np.sin(angle) * y - distance) / 1.5, -1, 1)


KINDS = {
    "plain": Kind(),
    "corner shadow": Kind(light=corner_shadow),
    "edge shadow": Kind(light=edge_shadow),
    "thin pen": Kind(pen=(0.025, 0.06)),
    "thinner pen": Kind(pen=(0.012, 0.025)),
    "thin pen, shadow": Kind(pen=(0.025, 0.06), light=corner_shadow),
    "marker": Kind(pen=(0.17, 0.24)),
    "coloured pen": Kind(ink="any", pen=(0.05, 0.12)),
    "ruled paper": Kind(lines=1),
    "squared paper": Kind(lines=2),
    "noise and JPEG": Kind(noise=10, quality=30),
    "tilt of 10°": Kind(tilt=10),
    "chalk, shadow": Kind(dark=True, light=corner_shadow),
    "edge of the table": Kind(table=True),
    "all": Kind(pen=(0.03, 0.1), ink="any", light=corner_shadow, lines=2, tilt=10, noise=6, quality=50),
}


def photographs(kind: Kind, count: int, seed: int) -> tuple[list[Image.Image], Array]:
    """Draw photographs of one digit each; return them with the labels, (count,)."""
    rng = np.random.default_rng(seed)
    paths, labels = strokes(count, seed)
    return [_photograph(kind, [path], rng) for path in paths], labels


@functools.lru_cache(maxsize=2)
def strokes(count: int, seed: int) -> tuple[list[list[Array]], Array]:
    """Return the pen's paths of digits and their labels.

    A digit is a list of strokes, (positions, 2), of x and y, in units of the digit's height, whose centre is the origin.
    """
    rng = np.random.default_rng([seed, 1])
    paths: list[list[Array]] = []
    labels: list[int] = []
    while len(paths) < count:
        label = rng.permutation(digits._CHUNK) % 10
        pen = digits._slant(rng, digits._bend(rng, digits._write(rng, digits._choose_styles(rng, label))))
        paths += [_lifted(positions.T) for positions in pen]
        labels += label.tolist()
    return paths[:count], np.array(labels[:count])


def _lifted(positions: Array) -> list[Array]:
    """Split the positions of a pen where it was lifted, and scale them to a height of 1."""
    low, high = positions.min(0), positions.max(0)
    positions = (positions - (low + high) / 2) / max(high[1] - low[1], 0.5 * (high[0] - low[0]))
    steps = np.hypot(*np.diff(positions, axis=0).T)
    return np.split(positions, np.flatnonzero(steps > 3 * np.median(steps)) + 1)


def sheets(kind: Kind, rows: int, columns: int, count: int, seed: int) -> tuple[list[Image.Image], Array]:
    """Draw sheets with rows of digits; return them with the labels, (count, rows, columns)."""
    rng = np.random.default_rng(seed)
    paths, labels = strokes(count * rows * columns, seed)
    per_sheet = rows * columns
    groups = [paths[k : k + per_sheet] for k in range(0, len(paths), per_sheet)]
    return [_photograph(kind, group, rng, (rows, columns)) for group in groups], labels.reshape(count, rows, columns)


def pictures_of(images: Array, height: int) -> list[Image.Image]:
    """Return digits of MNIST as smooth dark writing on white paper of this height."""
    return [Image.fromarray(255 - image).resize((height, height), Image.Resampling.BICUBIC) for image in images]


def _photograph(kind: Kind, group: list[list[Array]], rng: np.random.Generator, grid: tuple[int, int] = (1, 1)) -> Image.Image:
    """Draw the digits of a group in the cells of a grid, and apply the conditions."""
    rows, columns = grid
    if grid == (1, 1):
        height, width = SIDE, int(SIDE * rng.uniform(0.9, 1.4))
        size, margin, shift = rng.uniform(0.35, 0.55) * SIDE, 0, 0.08 * SIDE
    else:
        size, margin, shift = 90, 60, 8
        height, width = 140 * rows + 2 * margin, 130 * columns + 2 * margin
    mask = Image.new("L", (2 * width, 2 * height))  # at twice the size, for smooth edges
    pen = rng.uniform(*kind.pen) * size
    cell_size = np.array([(width - 2 * margin) / columns, (height - 2 * margin) / rows])
    for cell, path in enumerate(group):
        middle = margin + (np.array([cell % columns, cell // columns]) + 0.5) * cell_size
        middle = middle + rng.uniform(-shift, shift, 2)
        _draw(mask, [2 * (size * stroke + middle) for stroke in _scaled(path)], 2 * pen)
    if kind.tilt:
        mask = mask.rotate(rng.uniform(-kind.tilt, kind.tilt), Image.Resampling.BICUBIC)
    ink = np.asarray(mask.resize((width, height), Image.Resampling.BOX), np.float32)[..., None] / 255
    return _exposed(kind, ink, rng)


def _scaled(path: list[Array]) -> list[Array]:
    """Return the strokes, made smaller if the digit is wider than 1."""
    width = np.ptp(np.concatenate(path)[:, 0])
    return [stroke / max(1, width) for stroke in path]


def _draw(mask: Image.Image, path: list[Array], pen: float) -> None:
    pencil = ImageDraw.Draw(mask)
    for stroke in path:
        points = [tuple(map(float, point)) for point in stroke]
        pencil.line(points, fill=255, width=max(1, round(pen)))
        for x, y in points:
            pencil.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=255)


def _exposed(kind: Kind, ink: Array, rng: np.random.Generator) -> Image.Image:
    """Return the photograph of ink, (H, W, 1) from 0 to 1, on paper."""
    height, width, _ = ink.shape
    colour = np.array(list(INKS.values())[rng.integers(len(INKS))] if kind.ink == "any" else INKS[kind.ink])
    paper = np.ones((height, width, 3)) * (1.0, 0.99, 0.95)
    if kind.lines:
        spacing, start = height // 9, rng.integers(20)
        paper[start::spacing] = paper[start + 1 :: spacing] = (0.75, 0.82, 0.92)
    if kind.lines == 2:
        paper[:, start::spacing] = paper[:, start + 1 :: spacing] = (0.75, 0.82, 0.92)
    if kind.dark:
        colour, paper = np.array((200, 200, 195)), paper * 0.25
    light = kind.light(height, width, rng)[..., None]
    picture = light * ((1 - ink) * paper + ink * colour / 225)
    if kind.table:
        strip = int(height * rng.uniform(0.03, 0.08))
        picture[:strip] = picture[:, -strip:] = (70, 50, 40)
    picture = picture + kind.noise * rng.standard_normal(picture.shape)
    content = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(content, "JPEG", quality=kind.quality)
    return Image.open(content)
