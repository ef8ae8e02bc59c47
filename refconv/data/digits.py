"""Generated handwritten digits in MNIST's format, drawn with NumPy alone.

`_STYLES` lists several styles of each digit. A style is a list of stations: points that the pen passes. A natural
cubic spline through the stations is linear in them. So each style is *one matrix*, which maps stations to evenly
spaced pen positions, and a batch of digits with randomly displaced stations is one batched matrix product. Quadratic
and linear maps then bend, slant and rotate the plane of each digit.

The ink of a pixel depends on its distance to the pen's path. Place a narrow Gaussian at each pen position: the
logarithm of their sum is, up to a factor, a soft minimum of the squared distances. A Gaussian in the plane is a
Gaussian in x times a Gaussian in y, so the sum over the positions, for all pixels at once, is also a matrix product.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from refconv._arguments import integer
from refconv.typing import Array

__all__ = ["draw_digits"]

# A row is a style: the digit; the frequency of the style relative to the digit's other styles; and the stations
# "x,y" of the pen, on a grid of 20 × 20 units with y downwards. The pen turns a sharp corner at "!" and is lifted
# at "/". Only the shape matters, because each digit is scaled into MNIST's box at the end.
_STYLES = (
    (0, 4, "11,0 6,1 3,6 2,12 5,18 10,20 15,17 17,11 16,5 12,1 9,0"),  # an oval
    (0, 2, "14,2 10,0 5,2 3,8 3,14 7,19 12,19 16,14 17,8 14,2 10,2 8,4"),  # an oval whose end curls inside
    (0, 2, "6,2 3,8 4,15 9,20 15,17 17,10 14,3 9,0 4,3"),  # begun at the left
    (0, 2, "16,2 9,3 3,8 2,14 7,16 15,12 19,6 16,2 12,3"),  # broad
    (0, 2, "12,5 9,2 5,4 2,10 4,17 10,20 16,16 18,9 15,2 10,0 6,2"),  # begun inside
    (0, 1, "9,1 4,5 2,12 5,18 11,20 16,15 16,7 12,1"),  # left open at the top
    (1, 12, "10,0 10,20"),  # a bare stem
    (1, 4, "10,0 9,10 10,20"),  # a bent one
    (1, 2, "7,4 11,0! 10,10 10,20"),  # flag
    (1, 2, "6,4 10,0! 10,20 / 5,20 15,20"),  # flag and foot
    (2, 3, "3,5 6,1 11,0 15,3 14,8 9,14 3,19! 10,19 17,19"),  # a sharp heel
    (2, 3, "3,4 7,0 12,1 14,5 11,12 6,18 3,19 2,17 5,15 9,17 13,19 18,17"),  # a looped heel
    (2, 2, "2,2 8,0 14,1 15,5 9,12 3,18! 8,17 12,19 18,18"),  # a flat head, a waving foot
    (2, 2, "5,4 8,0 13,1 14,6 11,13 6,19 2,18 2,14 6,13 10,16 13,20 17,20"),  # a wide loop
    (2, 2, "3,5 6,1 11,0 15,4 15,11 11,17 6,20 3,17 4,13 8,12 13,16 17,20"),  # a wide loop that leans back
    (2, 1, "3,1 12,1 15,3 11,9 4,15! 10,16 19,16"),  # like a Z
    (2, 1, "7,3 10,0 13,3 12,9 8,15 4,19! 10,18 18,18"),  # a narrow head
    (3, 3, "3,3 8,0 13,1 15,4 12,8 7,9! 13,10 16,14 13,19 7,20 2,17"),  # two bows, sharp waist
    (3, 2, "4,3 9,0 14,3 12,7 8,9 8,10 13,11 15,15 11,19 6,20 2,18"),  # two bows, round waist
    (3, 2, "5,2 9,0 13,2 12,6 8,9! 12,11 13,15 10,19 5,20"),  # narrow
    (3, 2, "3,3 8,1 15,0! 8,7! 12,9 13,13 10,18 4,20"),  # a head like a 7
    (3, 2, "5,4 8,0 13,1 13,5 7,8! 14,9 17,14 13,19 7,20 2,16"),  # a large lower bow
    (3, 1, "3,1 15,1! 8,8! 14,9 17,14 13,19 7,20 2,18"),  # a flat top
    (3, 1, "3,3 8,0 14,2 13,6 7,10 5,9 7,8 14,11 15,16 10,20 2,18"),  # a looped waist
    (4, 3, "5,1 3,10! 10,10 17,9 / 14,0 13,10 12,20"),  # open
    (4, 3, "4,1 3,6 4,10 9,11 15,8 / 16,1 14,10 12,20"),  # open and round
    (4, 1, "12,20 12,0! 2,13! 18,13"),  # closed
    (4, 1, "10,0 2,12! 17,11 / 14,6 11,20"),  # a bolt and a short stem
    (4, 1, "4,2 3,8 7,11 13,8 16,1! 14,10 13,20"),  # one stroke
    (5, 3, "15,0 6,0! 4,9! 9,7 14,9 15,14 12,18 7,20 2,18"),  # the bar first
    (5, 3, "18,0 12,1 7,1! 5,8! 10,9 12,13 9,18 2,19"),  # a long bar
    (5, 2, "6,1 5,8! 11,8 15,13 11,19 3,19 / 7,1 17,0"),  # the bar last
    (5, 1, "16,1 9,1 6,4 8,8 13,11 13,16 9,20 3,18"),  # like an S
    (5, 2, "14,0 6,1! 4,8! 10,7 15,11 13,18 7,20 3,17 3,14"),  # the bow curls up
    (5, 2, "17,1 8,2! 7,8! 12,9 12,14 7,17 3,15"),  # a small bow under a long bar
    (5, 1, "16,2 12,0 7,2 6,6 10,9 14,12 13,18 8,20 4,17"),  # rounder, like an S
    (6, 3, "12,0 7,5 4,11 4,17 8,20 13,18 14,13 10,11 5,15"),  # a bow and a bowl
    (6, 2, "9,0 5,9 4,15 7,20 13,19 16,15 13,12 8,13 5,17"),  # a straight back
    (6, 1, "15,1 10,0 5,5 3,12 6,19 12,19 14,14 10,11 5,14"),  # a curled top
    (6, 3, "6,1 3,8 3,15 8,20 14,18 17,12 14,7 10,9 8,14 9,19"),  # a bowl nearly as tall as the bow
    (6, 1, "12,0 8,8 6,15 7,20 11,19 12,15 9,14 6,17"),  # slim
    (7, 4, "3,1 9,1 16,1! 12,10 8,20"),  # plain
    (7, 2, "3,2 10,1 16,0! 11,9 9,20"),  # a curved stem
    (7, 2, "5,2 12,1! 11,8 10,14 9,20"),  # narrow
    (7, 2, "3,1 16,1! 12,10 8,20 / 6,11 16,10"),  # crossed
    (7, 2, "3,5 4,1! 10,2 16,1! 13,9 11,20"),  # a serif
    (7, 1, "4,6 4,1! 10,1 15,1! 14,9 13,20"),  # a serif, upright
    (7, 2, "4,5 7,1 12,0 15,3 13,11 11,20"),  # a round shoulder
    (7, 2, "3,5 4,1! 10,2 15,0! 12,8 9,20 / 5,11 17,10"),  # a serif, crossed
    (7, 1, "4,3 7,0 11,1 14,1! 11,10 10,20 / 4,12 18,11"),  # round, crossed low
    (8, 4, "15,3 10,0 6,3 8,8 13,12 14,17 9,20 5,17 7,12 13,7 15,2"),  # one stroke
    (8, 2, "9,9 5,6 7,1 12,1 14,5 10,9 5,13 5,18 10,20 14,17 13,12 9,9"),  # begun at the waist
    (8, 1, "10,0 6,3 7,8 10,9 13,7 14,3 10,0 / 10,9 5,12 5,18 10,20 15,18 15,12 10,9"),  # two rings
    (8, 2, "17,1 10,1 5,4 8,9 13,13 12,19 7,20 4,16 8,11 15,5 17,1"),  # a slack top
    (8, 2, "15,1 9,0 4,4 7,8 11,12 12,17 9,20 6,17 9,12 14,8 18,2"),  # open, with a small foot
    (8, 2, "14,4 11,0 6,2 6,6 10,10 12,15 10,20 8,18 9,13 13,7 15,2"),  # a small foot
    (8, 2, "12,11 6,8 4,3 9,0 15,2 15,7 10,12 7,17 10,20 13,17 11,12 7,9"),  # a large head
    (9, 3, "15,3 10,0 5,4 6,9 11,9 15,3! 14,11 13,20"),  # a straight stem
    (9, 2, "14,2 9,1 5,5 7,10 12,8 15,2! 15,10 13,18 8,20"),  # a curved tail
    (9, 2, "14,4 10,1 5,5 6,9 11,8 14,4 14,9 11,15 9,20"),  # a round shoulder
    (9, 2, "14,1 8,2 4,7 6,10 11,8 15,3! 13,11 11,20"),  # an open, angular bowl
    (9, 1, "13,4 9,0 6,3 8,7 13,4! 12,11 11,20"),  # a small bowl
    (9, 1, "16,6 10,0 3,5 3,10 10,11 17,3! 18,12 18,20"),  # a large bowl
    (9, 1, "9,8 6,5 8,1 13,2 12,7 7,8! 13,7! 12,14 12,20"),  # a slim one
    (9, 1, "15,2 10,0 5,3 6,8 12,8 15,4! 16,10 14,17 8,20 3,17"),  # a round tail
    (9, 1, "15,2 10,0 4,4 5,10 12,9 16,4! 16,13 12,19 5,19 3,15"),  # a hooked tail
)

_SIDE = 28  # height and width of an image, in pixels
_BOX = 20  # height and width of the box into which MNIST scales a digit, in pixels
_GRID = 20  # height and width of the grid of the styles, in units

# Variation of hands and pens. A single number is the standard deviation of a normal distribution, whose mean is zero
# unless a mean or median is given with it. The other pairs are the ranges of uniform distributions.
_UNTIDINESS = 0.0, 1.2  # factor on shake and drift of a digit, from neat to scrawled
_SHAKE = 0.6  # independent displacement of each station, in units of the grid
_DRIFT = 0.025  # smooth displacement of the pen along its path, as a fraction of the path's length
_BEND = 0.013  # coefficients of the quadratic map of the plane, per unit of the grid
_WIDTH = 0.2  # logarithm of width over height
_TURN = 0.2  # rotation, in radians
_SLANT_MEAN, _SLANT = 0.15, 0.22  # slant to the right, x per y; the mean is about 9 degrees
_RADIUS_MEDIAN, _RADIUS = 1.25, 0.33  # radius of a pen: median in pixels, and variation of its logarithm
_EDGE_WIDTH = 0.6, 1.2  # width across which an edge fades, in pixels
_PRESSURE = 0.2  # variation of the logarithm of the radius along the path
_MIN_RADIUS, _MAX_RADIUS = 0.4, 2.6  # pixels

_CHUNK = 200  # digits drawn together, always this number, so that no digit depends on n
_POSITIONS = 96  # pen positions in a digit: one every 0.6 pixels for a path of 60 pixels
_BLUR = 0.7  # width of the Gaussians, in pixels: wide enough to join the positions, narrow enough for a minimum
_MIN_EXPONENT = -40  # below any visible ink, above float32's slow subnormal numbers

# Slow waves along a path, for everything that varies smoothly along it.
_RATES = np.arange(1, 7)[:, None]
_WAVES = (np.cos(_RATES * np.linspace(0, np.pi, _POSITIONS)) / np.sqrt(_RATES)).astype(np.float32)


def draw_digits(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Draw digits that look handwritten, with their labels, in MNIST's format.

    Each digit has one of several styles, is shaken, bent and slanted at random, and is drawn with a pen of random
    width. As in MNIST, digits are white on black, fill a box of 20 × 20 pixels, and are moved by whole pixels so that
    their centre of mass is at the centre of the image.

    A digit depends only on the seed and its index: the first k of n digits equal ``draw_digits(k, seed)``. On another
    processor or with another version of NumPy, a few pixels may be rounded to a neighbouring grey level.

    Parameters
    ----------
    n : int
        Number of digits, 0 or more.
    seed : int
        Seed of the random generator, 0 or more.

    Returns
    -------
    images : array (n, 28, 28), uint8
        0 is background, 255 is ink.
    labels : array (n,), uint8
        The digits 0 to 9 in random order, 20 of each in every 200 consecutive digits.

    Raises
    ------
    TypeError
        If ``n`` or ``seed`` is not an integer.
    ValueError
        If ``n`` or ``seed`` is negative.

    Examples
    --------
    >>> images, labels = draw_digits(400, seed=3)
    >>> images.shape, images.dtype, np.bincount(labels).tolist()
    ((400, 28, 28), dtype('uint8'), [40, 40, 40, 40, 40, 40, 40, 40, 40, 40])

    Source: lecture row M2 (SOURCES.md); for the format, LeCun et al., "Gradient-based learning applied to document
    recognition", 1998, section III-A.
    """
    n, seed = integer("n", n, least=0), integer("seed", seed, least=0, most=math.inf)
    images = np.empty((n, _SIDE, _SIDE), np.uint8)
    labels = np.empty(n, np.uint8)
    for chunk, start in enumerate(range(0, n, _CHUNK)):
        part = slice(start, start + _CHUNK)
        drawn = _draw_chunk(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(chunk,))))
        images[part], labels[part] = (array[: n - start] for array in drawn)
    return images, labels


def _draw_chunk(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw _CHUNK digits, the same number of each; return images and labels."""
    labels = rng.permutation(_CHUNK) % 10
    pen = _write(rng, _choose_styles(rng, labels))
    pen = _slant(rng, _bend(rng, pen))
    pen_radius = _bounded(_RADIUS_MEDIAN * np.exp(_RADIUS * _normal(rng, 1)))
    radius = _bounded(pen_radius * np.exp(_PRESSURE * (_normal(rng, len(_WAVES)) @ _WAVES)))
    edge_width = _uniform(rng, _EDGE_WIDTH)
    return _centre(_ink(_fit(pen, margin=pen_radius + edge_width / 2), radius, pen_radius, edge_width)), labels


def _bounded(radius: Array) -> Array:
    return np.clip(radius, _MIN_RADIUS, _MAX_RADIUS)


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    """Draw standard normal numbers, an array of this shape for each digit."""
    return rng.standard_normal((_CHUNK, *shape), np.float32)


def _uniform(rng: np.random.Generator, interval: tuple[float, float]) -> Array:
    """Draw one number from the interval for each digit, (_CHUNK, 1)."""
    low, high = interval
    return low + (high - low) * rng.random((_CHUNK, 1), np.float32)


def _choose_styles(rng: np.random.Generator, labels: Array) -> Array:
    """Choose a style for each label; return its index in the table."""
    cumulative = _alphabet().cumulative
    return np.searchsorted(cumulative, labels + rng.random(_CHUNK), side="right").clip(max=len(cumulative) - 1)


def _write(rng: np.random.Generator, style: Array) -> Array:
    """Return the positions of the pen on the grid, (_CHUNK, 2, _POSITIONS)."""
    alphabet = _alphabet()
    untidiness = _uniform(rng, _UNTIDINESS)[..., None]
    stations = alphabet.stations[style]
    stations = stations + untidiness * _SHAKE * _normal(rng, *stations.shape[1:])
    drift = _DRIFT * alphabet.length[style, None, None] * (_normal(rng, 2, len(_WAVES)) @ _WAVES)
    return stations @ alphabet.path[style] + untidiness * drift


def _bend(rng: np.random.Generator, pen: Array) -> Array:
    """Bend each digit's plane by a quadratic map.

    Parts of the digit change in size, and lines become arcs.
    """
    x, y = pen[:, 0], pen[:, 1]
    return pen + _BEND * (_normal(rng, 2, 3) @ np.stack([x * x, x * y, y * y], axis=1))


def _slant(rng: np.random.Generator, pen: Array) -> Array:
    """Stretch each digit horizontally, rotate it, and slant it to the right."""
    x, y = pen[:, 0] * np.exp(_WIDTH * _normal(rng, 1)), pen[:, 1]
    turn = _TURN * _normal(rng, 1)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    return np.stack([x - (_SLANT_MEAN + _SLANT * _normal(rng, 1)) * y, y], axis=1)


def _fit(pen: Array, margin: Array) -> Array:
    """Scale positions on the grid to pixels of the box.

    The longer side of the ink fills the box, and the shorter side is centred.
    """
    low, high = pen.min(axis=2, keepdims=True), pen.max(axis=2, keepdims=True)
    scale = (_BOX - 2 * margin[..., None]) / (high - low).max(axis=1, keepdims=True)
    return (pen - (low + high) / 2) * scale + (_BOX - 1) / 2  # pixel 0 extends from −0.5 to 0.5


def _ink(pen: Array, radius: Array, pen_radius: Array, edge_width: Array) -> Array:
    """Return the pixels of the boxes, (_CHUNK, _BOX, _BOX), uint8.

    Pixels are white near the path, black far from it, and grey at the edge of the ink. The edge is ``edge_width``
    pixels wide, (_CHUNK, 1), and ``radius`` pixels from the path. The radius varies along the path,
    (_CHUNK, _POSITIONS), around the digit's ``pen_radius``, (_CHUNK, 1).
    """
    step = np.hypot(*np.diff(pen).swapaxes(0, 1)).mean(axis=1, keepdims=True)
    weight = np.log(step / (math.sqrt(2 * math.pi) * _BLUR))  # makes the sum 1 on the path
    weight = weight + (radius**2 - pen_radius**2) / (2 * _BLUR**2)  # a thick part of the path counts as nearer
    gaussians = pen[:, :, None] - np.arange(_BOX, dtype=np.float32)[:, None]  # (_CHUNK, 2, _BOX, _POSITIONS)
    gaussians *= gaussians
    gaussians *= -0.5 / _BLUR**2
    gaussians[:, 0] += weight[:, None]
    np.exp(np.maximum(gaussians, _MIN_EXPONENT, out=gaussians), out=gaussians)
    across, down = gaussians[:, 0], gaussians[:, 1]
    exponent = np.log(down @ across.swapaxes(1, 2))  # (_CHUNK, rows, columns)
    distance = np.sqrt(np.maximum(-2 * _BLUR**2 * exponent, 0))
    white = (pen_radius[..., None] - distance) / edge_width[..., None] + 0.5
    return np.rint(255 * white.clip(0, 1)).astype(np.uint8)


def _centre(boxes: Array) -> Array:
    """Place the boxes in images, with the centre of mass at most half a pixel from the middle.

    The distance is larger only if the box would leave the image.
    """
    mass = boxes.sum(axis=(1, 2))

    def offset(profile: Array) -> Array:
        centre = profile @ np.arange(_BOX) / mass
        return np.rint(_SIDE / 2 - centre).astype(int).clip(0, _SIDE - _BOX)[:, None, None]

    top, left = offset(boxes.sum(axis=2)), offset(boxes.sum(axis=1))
    images = np.zeros((len(boxes), _SIDE, _SIDE), np.uint8)
    digit, row, column = np.ogrid[: len(boxes), :_BOX, :_BOX]
    images[digit, top + row, left + column] = boxes
    return images


class _Alphabet(NamedTuple):
    """Table of styles as arrays, with a row for each style."""

    cumulative: Array  # (styles,): digit + cumulative frequency of its styles up to this one, at most digit + 1
    stations: Array  # (styles, 2, stations), padded with zeros
    path: Array  # (styles, stations, _POSITIONS): stations @ path gives the pen positions
    length: Array  # (styles,): length of the path, in units of the grid


@cache
def _alphabet() -> _Alphabet:
    digits, shares, strokes = zip(*_STYLES, strict=True)
    parsed = [_parse(text) for text in strokes]
    size = len(parsed), max(len(stations) for stations, _ in parsed)
    alphabet = _Alphabet(
        cumulative=np.cumsum(shares / np.bincount(digits, shares)[np.array(digits)]),
        stations=np.zeros((size[0], 2, size[1]), np.float32),
        path=np.zeros((*size, _POSITIONS), np.float32),
        length=np.zeros(size[0], np.float32),
    )
    for style, (stations, runs) in enumerate(parsed):
        alphabet.stations[style, :, : len(stations)] = stations.T - _GRID / 2
        alphabet.path[style, : len(stations)], alphabet.length[style] = _path_matrix(stations, runs)
    return alphabet


def _parse(strokes: str) -> tuple[Array, list[slice]]:
    """Return the stations of a style, (stations, 2), and its smooth runs as slices of them."""
    stations: list[list[float]] = []
    runs = []
    for stroke in strokes.split("/"):
        start = len(stations)
        for station in stroke.split():
            stations.append([float(number) for number in station.rstrip("!").split(",")])
            if station.endswith("!"):
                runs.append(slice(start, len(stations)))
                start = len(stations) - 1  # the corner ends one run and starts the next
        runs.append(slice(start, len(stations)))
    return np.array(stations), runs


def _path_matrix(stations: Array, runs: list[slice]) -> tuple[Array, float]:
    """Return the matrix from stations to evenly spaced pen positions, and the path's length.

    The shape of the matrix is (stations, _POSITIONS).
    """
    fine = np.zeros((len(runs), 200, len(stations)))
    for weights, run in zip(fine, runs, strict=True):
        weights[:, run] = _spline_matrix(stations[run], np.linspace(0, 1, 200))
    points = fine @ stations
    steps = np.linalg.norm(np.diff(points, axis=1, prepend=points[:, :1]), axis=2)  # 0 from run to run
    distances = np.cumsum(steps)
    targets = (np.arange(_POSITIONS) + 0.5) / _POSITIONS * distances[-1]
    return np.concatenate(fine)[np.searchsorted(distances, targets)].T, distances[-1]


def _spline_matrix(stations: Array, at: Array) -> Array:
    """Return the natural cubic spline through k stations as a matrix (len(at), k).

    Its rows belong to the parameters ``at``, from 0 to 1.
    """
    spans = np.hypot(*np.diff(stations, axis=0).T)
    knots = np.append(0, np.cumsum(spans))
    value = np.eye(len(stations))  # all results are linear in the stations: one column for each station
    slope = np.diff(value, axis=0) / spans[:, None]
    # Second derivatives at the knots: the slope is continuous at inner knots, and the ends are straight.
    system, kinks = np.eye(len(stations)), np.zeros_like(value)
    for i in range(1, len(spans)):
        system[i, i - 1 : i + 2] = spans[i - 1], 2 * (spans[i - 1] + spans[i]), spans[i]
        kinks[i] = 6 * (slope[i] - slope[i - 1])
    second = np.linalg.solve(system, kinks)

    at = at * knots[-1]
    j = (np.searchsorted(knots, at, side="right") - 1).clip(0, len(spans) - 1)
    span, left, right = spans[j, None], (at - knots[j])[:, None], (knots[j + 1] - at)[:, None]  # distances to the knots
    linear = right * value[j] + left * value[j + 1]
    cubic = right * (right**2 - span**2) * second[j] + left * (left**2 - span**2) * second[j + 1]
    return (linear + cubic / 6) / span
