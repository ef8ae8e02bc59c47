"""Digits drawn by this module itself, in MNIST's own format: no download, no file, nothing but NumPy.

`_STYLES` says how a hand writes each digit: in a few styles, each a list of the stations that the pen passes.
A natural cubic spline joins the stations, and a spline is linear in them: so each style is *one matrix*, from
stations to evenly spaced pen positions, and a batch of digits, their stations shaken at random, is one
batched matrix product. Quadratic and linear maps then bend, slant and turn the plane of each digit.

Ink needs the distance from each pixel to the pen's path. Let a narrow Gaussian lie about each pen position:
the logarithm of their sum is, but for a factor, a soft minimum of the squared distances. And a Gaussian in
the plane is one in x times one in y, so their sum over the positions, for all pixels at once, is again a
matrix product.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from refconv._arguments import integer
from refconv.typing import Array

__all__ = ["draw_digits"]

# A row is a way to write a digit: the digit; how often it is written so, relative to its other ways; and the
# stations "x,y" that the pen passes, on a grid of 20 × 20 units with y downwards. The pen turns a sharp
# corner at "!" and is lifted at "/". Only the shape counts: each digit is fitted into MNIST's box at the end.
_STYLES = (
    (0, 4, "11,0 6,1 3,6 2,12 5,18 10,20 15,17 17,11 16,5 12,1 9,0"),  # an oval
    (0, 2, "14,2 10,0 5,2 3,8 3,14 7,19 12,19 16,14 17,8 14,2 10,2 8,4"),  # … whose end curls inside
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
    (3, 2, "3,3 8,1 15,0! 8,7! 12,9 13,13 10,18 4,20"),  # a head like that of a 7
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

_SIDE = 28  # pixels along an image
_BOX = 20  # pixels along the box that MNIST fits a digit into
_GRID = 20  # units along the grid of the styles

# How hands and pens differ. A single number is the standard deviation of a normal distribution around zero,
# or around the mean or median that is named with it; the other pairs are the ranges of uniform distributions.
_HASTE = 0.0, 1.2  # a digit's factor on shake and drift: some are neat, some are scrawled
_SHAKE = 0.6  # of each station by itself, in units of the grid
_DRIFT = 0.025  # of the pen along its path, as a part of the path's length
_BEND = 0.013  # quadratic map of the plane, per unit of the grid
_WIDTH = 0.2  # logarithm of width over height
_TURN = 0.2  # radians
_SLANT_MEAN, _SLANT = 0.15, 0.22  # to the right, x per y: about 9 degrees in the mean
_RADIUS_MEDIAN, _RADIUS = 1.25, 0.33  # of a pen, in pixels, and the logarithm of its ratio to the median
_SOFT = 0.6, 1.2  # pixels across which an edge fades
_PRESSURE = 0.2  # logarithm of the ratio of the radius, as it changes along the path, to the pen's own
_THINNEST, _THICKEST = 0.4, 2.6  # pixels, bounds of the radius

_CHUNK = 200  # digits drawn together; all of them always, so that n has no part in any bit of a digit
_POSITIONS = 96  # of the pen in a digit: a path of 60 pixels has one every 0.6 pixels
_BLUR = 0.7  # pixels, the Gaussians' width: wide enough to join the positions, narrow enough to be a minimum
_FAINTEST = -40  # exponent: below any ink, above float32's slow subnormal numbers

# Slow waves along a path, for all that varies along it.
_RATES = np.arange(1, 7)[:, None]
_WAVES = (np.cos(_RATES * np.linspace(0, np.pi, _POSITIONS)) / np.sqrt(_RATES)).astype(np.float32)


def draw_digits(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Draw digits that look handwritten, with their labels, in MNIST's format.

    Each is written in one of several styles, shaken, bent and slanted at random, with a pen of random width.
    Like those of MNIST, it is white on black, as large as fits into a box of 20 × 20 pixels, and moved by
    whole pixels so that its centre of mass lies at the image's centre.

    A digit depends on the seed and its place alone: the first k of n are those of ``draw_digits(k, seed)``.
    Another processor or another version of NumPy may round a few pixels to a neighbouring grey.

    Parameters
    ----------
    n : int
        How many, 0 or more.
    seed : int
        Another seed, 0 or more, draws other digits.

    Returns
    -------
    images : array (n, 28, 28), uint8
        0 is background, 255 is ink.
    labels : array (n,), uint8
        The digits 0 … 9 in random order: 20 of each in the first 200, in the next 200, and so on.

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
        here = slice(start, start + _CHUNK)
        drawn = _draw_chunk(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(chunk,))))
        images[here], labels[here] = (whole[: n - start] for whole in drawn)
    return images, labels


def _draw_chunk(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw _CHUNK digits, as many of each: images and labels."""
    labels = rng.permutation(_CHUNK) % 10
    pen = _write(rng, _choose_styles(rng, labels))
    pen = _slant(rng, _bend(rng, pen))
    usual = _bounded(_RADIUS_MEDIAN * np.exp(_RADIUS * _normal(rng, 1)))
    radius = _bounded(usual * np.exp(_PRESSURE * (_normal(rng, len(_WAVES)) @ _WAVES)))
    soft = _uniform(rng, _SOFT)
    return _centre(_ink(_fit(pen, margin=usual + soft / 2), radius, usual, soft)), labels


def _bounded(radius: Array) -> Array:
    return np.clip(radius, _THINNEST, _THICKEST)


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    """Standard normal numbers, an array of this shape for each digit."""
    return rng.standard_normal((_CHUNK, *shape), np.float32)


def _uniform(rng: np.random.Generator, interval: tuple[float, float]) -> Array:
    """One number from the interval for each digit, (_CHUNK, 1)."""
    low, high = interval
    return low + (high - low) * rng.random((_CHUNK, 1), np.float32)


def _choose_styles(rng: np.random.Generator, labels: Array) -> Array:
    """A style, as a row of the table, for each label."""
    upto = _alphabet().upto
    return np.searchsorted(upto, labels + rng.random(_CHUNK), side="right").clip(max=len(upto) - 1)


def _write(rng: np.random.Generator, style: Array) -> Array:
    """Where the pen passes on the grid, (_CHUNK, 2, _POSITIONS)."""
    alphabet = _alphabet()
    haste = _uniform(rng, _HASTE)[..., None]
    stations = alphabet.stations[style]
    stations = stations + haste * _SHAKE * _normal(rng, *stations.shape[1:])
    drift = _DRIFT * alphabet.length[style, None, None] * (_normal(rng, 2, len(_WAVES)) @ _WAVES)
    return stations @ alphabet.path[style] + haste * drift


def _bend(rng: np.random.Generator, pen: Array) -> Array:
    """Bend each digit's plane by a quadratic map: its parts change in size and its lines become arcs."""
    x, y = pen[:, 0], pen[:, 1]
    return pen + _BEND * (_normal(rng, 2, 3) @ np.stack([x * x, x * y, y * y], axis=1))


def _slant(rng: np.random.Generator, pen: Array) -> Array:
    """Make each digit wider or narrower, turn it, and lean it to the right."""
    x, y = pen[:, 0] * np.exp(_WIDTH * _normal(rng, 1)), pen[:, 1]
    turn = _TURN * _normal(rng, 1)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    return np.stack([x - (_SLANT_MEAN + _SLANT * _normal(rng, 1)) * y, y], axis=1)


def _fit(pen: Array, margin: Array) -> Array:
    """From the grid to pixels of the box: the ink's longer side fills it, the shorter lies in its middle."""
    low, high = pen.min(axis=2, keepdims=True), pen.max(axis=2, keepdims=True)
    scale = (_BOX - 2 * margin[..., None]) / (high - low).max(axis=1, keepdims=True)
    return (pen - (low + high) / 2) * scale + (_BOX - 1) / 2  # pixel 0 reaches from −0.5 to 0.5


def _ink(pen: Array, radius: Array, usual: Array, soft: Array) -> Array:
    """The boxes, (_CHUNK, _BOX, _BOX), uint8: white near the path, black far from it, grey at the ink's edge.

    The edge is ``soft`` pixels wide, (_CHUNK, 1), and ``radius`` pixels from the path. The radius changes
    along the path, (_CHUNK, _POSITIONS), around the digit's ``usual`` one, (_CHUNK, 1).
    """
    step = np.hypot(*np.diff(pen).swapaxes(0, 1)).mean(axis=1, keepdims=True)
    weight = np.log(step / (math.sqrt(2 * math.pi) * _BLUR))  # on the path, the sum is then 1
    weight = weight + (radius**2 - usual**2) / (2 * _BLUR**2)  # a thick part of the path counts as nearer
    bells = pen[:, :, None] - np.arange(_BOX, dtype=np.float32)[:, None]  # (_CHUNK, 2, _BOX, _POSITIONS)
    bells *= bells
    bells *= -0.5 / _BLUR**2
    bells[:, 0] += weight[:, None]
    np.exp(np.maximum(bells, _FAINTEST, out=bells), out=bells)
    across, down = bells[:, 0], bells[:, 1]
    exponent = np.log(down @ across.swapaxes(1, 2))  # (_CHUNK, rows, columns)
    distance = np.sqrt(np.maximum(-2 * _BLUR**2 * exponent, 0))
    white = (usual[..., None] - distance) / soft[..., None] + 0.5
    return np.rint(255 * white.clip(0, 1)).astype(np.uint8)


def _centre(boxes: Array) -> Array:
    """Set the boxes into images, the centre of mass in the middle to half a pixel, if there is room."""
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
    """The table of styles as arrays, with a row for each style."""

    upto: Array  # (styles,): where each style's part of the interval from its digit to the next one ends
    stations: Array  # (styles, 2, stations), padded with zeros
    path: Array  # (styles, stations, _POSITIONS): stations @ path is where the pen passes
    length: Array  # (styles,): of the path, in units of the grid


@cache
def _alphabet() -> _Alphabet:
    digits, shares, strokes = zip(*_STYLES, strict=True)
    parsed = [_parse(text) for text in strokes]
    size = len(parsed), max(len(stations) for stations, _ in parsed)
    alphabet = _Alphabet(
        upto=np.cumsum(shares / np.bincount(digits, shares)[np.array(digits)]),
        stations=np.zeros((size[0], 2, size[1]), np.float32),
        path=np.zeros((*size, _POSITIONS), np.float32),
        length=np.zeros(size[0], np.float32),
    )
    for style, (stations, runs) in enumerate(parsed):
        alphabet.stations[style, :, : len(stations)] = stations.T - _GRID / 2
        alphabet.path[style, : len(stations)], alphabet.length[style] = _path_matrix(stations, runs)
    return alphabet


def _parse(strokes: str) -> tuple[Array, list[slice]]:
    """A style's stations, (stations, 2), and the runs of them, as slices, that the pen passes smoothly."""
    stations: list[list[float]] = []
    runs = []
    for stroke in strokes.split("/"):
        start = len(stations)
        for station in stroke.split():
            stations.append([float(number) for number in station.rstrip("!").split(",")])
            if station.endswith("!"):
                runs.append(slice(start, len(stations)))
                start = len(stations) - 1  # the corner ends one run and begins the next
        runs.append(slice(start, len(stations)))
    return np.array(stations), runs


def _path_matrix(stations: Array, runs: list[slice]) -> tuple[Array, float]:
    """The matrix from stations to even pen positions, (stations, _POSITIONS), and the length of the path."""
    fine = np.zeros((len(runs), 200, len(stations)))
    for weights, run in zip(fine, runs, strict=True):
        weights[:, run] = _spline_matrix(stations[run], np.linspace(0, 1, 200))
    points = fine @ stations
    steps = np.linalg.norm(np.diff(points, axis=1, prepend=points[:, :1]), axis=2)  # none from run to run
    travelled = np.cumsum(steps)
    wanted = (np.arange(_POSITIONS) + 0.5) / _POSITIONS * travelled[-1]
    return np.concatenate(fine)[np.searchsorted(travelled, wanted)].T, travelled[-1]


def _spline_matrix(stations: Array, at: Array) -> Array:
    """The natural cubic spline through k stations, at parameters from 0 to 1, as a matrix (len(at), k)."""
    spans = np.hypot(*np.diff(stations, axis=0).T)
    knots = np.append(0, np.cumsum(spans))
    value = np.eye(len(stations))  # everything below is linear in the stations, so has a column for each
    slope = np.diff(value, axis=0) / spans[:, None]
    # The second derivatives at the knots: the slope is continuous inside, and the ends are straight.
    system, kinks = np.eye(len(stations)), np.zeros_like(value)
    for i in range(1, len(spans)):
        system[i, i - 1 : i + 2] = spans[i - 1], 2 * (spans[i - 1] + spans[i]), spans[i]
        kinks[i] = 6 * (slope[i] - slope[i - 1])
    second = np.linalg.solve(system, kinks)

    at = at * knots[-1]
    j = (np.searchsorted(knots, at, side="right") - 1).clip(0, len(spans) - 1)
    span, past, ahead = spans[j, None], (at - knots[j])[:, None], (knots[j + 1] - at)[:, None]
    chord = ahead * value[j] + past * value[j + 1]
    bulge = ahead * (ahead**2 - span**2) * second[j] + past * (past**2 - span**2) * second[j + 1]
    return (chord + bulge / 6) / span
