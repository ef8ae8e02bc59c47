"""Gradients of a layer against central differences, with a guess at the mistake where they differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refconv.typing import Array
from refconv.verify.evidence.numeric import MARGIN, STEP

__all__ = ["Comparison", "Wrong", "compare", "tolerance"]

MOST_ELEMENTS = 100  # each takes two forward passes; of larger arrays, a random part and one direction are compared
RELATIVE = 1e-7  # as in the evidence for operators
KINK = 1e-3  # difference of the one-sided slopes, in units of the scale of e, above which there is a kink


class Wrong(AssertionError):  # noqa: N818 a verdict, as Refuted
    """What is wrong with a layer: the kind, a sentence, and a hint at the mistake."""

    def __init__(self, kind: str, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.kind, self.words, self.hint = kind, words, hint


class Comparison(NamedTuple):
    """A gradient that agrees with differences: elements compared, and the error of the worst with the one allowed there."""

    name: str
    elements: int
    error: float
    allowed: float


def tolerance(scale: float) -> float:
    """Return the error that central differences may have in a sum of this size.

    Truncation and rounding are of the order of STEP² times the sum; derivatives may be a hundred times larger than it.
    """
    return float(MARGIN * STEP**2 * scale)


def compare(
    name: str, claimed: Array, e: Callable[[Array], float], at: Array, scale: float, rng: np.random.Generator
) -> Comparison:
    """Compare a gradient with central differences of e; raise :class:`Wrong` if an element differs.

    At a kink, such as 0 for ReLU, every number between the two one-sided slopes is right.

    Parameters
    ----------
    name : str
        The array, for messages.
    claimed : array
        ∂e/∂a as the backward function returns or adds it.
    e : callable
        ``e(a)`` for an array a.
    at : array
        The point.
    scale : float
        Sum of the absolute values of the terms of e, to which rounding is proportional.
    rng : numpy.random.Generator
        Chooses the elements of a large array.
    """
    if np.shape(claimed) != at.shape:
        raise Wrong("shape", f"∂e/∂{name} has shape {np.shape(claimed)}, and {name} has {at.shape}")
    indices = list(np.ndindex(at.shape))
    if len(indices) > MOST_ELEMENTS:
        indices = [indices[k] for k in np.sort(rng.choice(len(indices), MOST_ELEMENTS, replace=False))]
    expected = np.array([_slope(e, at, index) for index in indices])
    found = np.array([float(claimed[index]) for index in indices])
    allowed = tolerance(scale)
    errors, limits = np.abs(found - expected), allowed + RELATIVE * np.abs(expected)
    wrong = ~(errors <= limits)  # also where the gradient is NaN
    for k in np.flatnonzero(wrong):
        limits[k] += _truncation(e, at, indices[k], expected[k])
        wrong[k] = not (errors[k] <= limits[k] or _is_between_slopes(e, at, indices[k], found[k], scale))
    if not wrong.any() and len(indices) < at.size:
        _check_direction(name, claimed, e, at, allowed, rng)
    if wrong.any():
        first = int(np.argmax(wrong))
        words = (
            f"∂e/∂{name} is not the derivative of forward.\nAt {list(indices[first])} backward gives {found[first]:.6g}, "
            f"and differences give {expected[first]:.6g}; {wrong.sum()} of {len(indices)} elements are wrong"
        )
        raise Wrong("derivative", words, _mistake(found, expected, allowed))
    worst = int(np.argmax(errors / limits))
    return Comparison(name, len(indices), float(errors[worst]), float(limits[worst]))


def _check_direction(
    name: str, claimed: Array, e: Callable[[Array], float], at: Array, allowed: float, rng: np.random.Generator
) -> None:
    """Compare ⟨∂e/∂a, v⟩ with a difference along a random direction v of length 1, in which every element moves."""
    v = rng.choice([-1.0, 1.0], at.shape) / np.sqrt(at.size)
    expected, found = (e(at + STEP * v) - e(at - STEP * v)) / (2 * STEP), float(np.sum(claimed * v))
    if not abs(found - expected) <= allowed + RELATIVE * float(np.sum(np.abs(claimed * v))):
        words = f"Along a random direction v, ⟨∂e/∂{name}, v⟩ is {found:.6g}, and differences give {expected:.6g}"
        raise Wrong("derivative", f"∂e/∂{name} is not the derivative of forward.\n{words}")


def _moved(at: Array, index: tuple[int, ...], step: float) -> Array:
    moved: Array = at.copy()
    moved[index] += step
    return moved


def _slope(e: Callable[[Array], float], at: Array, index: tuple[int, ...], part: float = 1.0) -> float:
    """Return the central difference quotient of e along one element, with a part of the usual step."""
    step = part * STEP * max(1.0, abs(at[index]))
    above, below = _moved(at, index, step), _moved(at, index, -step)
    return (e(above) - e(below)) / float(above[index] - below[index])


def _truncation(e: Callable[[Array], float], at: Array, index: tuple[int, ...], expected: float) -> float:
    """Return a bound of the truncation error where e curves so much that it exceeds the usual one.

    The error is proportional to the square of the step, so half a step removes three quarters of it.
    """
    return 2 * abs(expected - _slope(e, at, index, part=0.5))


def _is_between_slopes(e: Callable[[Array], float], at: Array, index: tuple[int, ...], found: float, scale: float) -> bool:
    """True if there is a kink within a step and the number is between the slopes on its two sides."""
    step = STEP * max(1.0, abs(at[index]))
    here = e(at)
    left, right = (here - e(_moved(at, index, -step))) / step, (e(_moved(at, index, step)) - here) / step
    slack = KINK * scale
    return bool(abs(left - right) > slack and min(left, right) - slack <= found <= max(left, right) + slack)


def _mistake(found: Array, expected: Array, allowed: float) -> str:
    """Return a guess: a constant factor, such as −1, or nothing at all."""
    if not np.any(found):
        return "it is zero everywhere: does backward add it?"
    large = np.abs(expected) > 1e3 * allowed
    if not large.any():
        return ""
    factors = found[large] / expected[large]
    factor = float(factors[0])
    if not np.allclose(factors, factor, rtol=1e-4) or not np.allclose(found, factor * expected, atol=1e3 * allowed):
        return ""
    return "the sign: every element is −1 times what it must be" if np.isclose(factor, -1) else _of_a_factor(factor)


def _of_a_factor(factor: float) -> str:
    return f"a factor: every element is {factor:.4g} times what it must be"
