"""Comparison of a layer's gradients with central differences, and a guess at the mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from refconv.typing import Array
from refconv.verify.evidence.numeric import MARGIN, STEP

__all__ = ["Comparison", "Wrong", "compare", "tolerance"]

MOST_ELEMENTS = 100  # each takes two forward passes; larger arrays: a random part and one direction are compared
RELATIVE = 1e-7  # relative tolerance, as in the evidence for operators
KINK = 1e-3  # smallest difference of the one-sided slopes at a kink, as a multiple of the scale of e


class Wrong(AssertionError):  # noqa: N818 a verdict, as Refuted
    """Raised if a layer is wrong: the kind of mistake, a sentence and a hint."""

    def __init__(self, kind: str, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.kind, self.words, self.hint = kind, words, hint


class Comparison(NamedTuple):
    """Gradient that agrees with differences: its elements, largest error and tolerance there."""

    name: str
    elements: int
    error: float
    allowed: float


def tolerance(scale: float) -> float:
    """Return the error that central differences may have for a sum of this size.

    Truncation and rounding errors are of the order of STEP² times the sum; derivatives may be a hundred times larger than
    the sum.
    """
    return float(MARGIN * STEP**2 * scale)


def compare(
    name: str, claimed: Array, e: Callable[[Array], float], at: Array, scale: float, rng: np.random.Generator
) -> Comparison:
    """Compare a gradient with central differences of e; raise :class:`Wrong` if they differ.

    At a kink, such as 0 for ReLU, every number between the two one-sided slopes is accepted.

    Parameters
    ----------
    name : str
        Name of the array in messages.
    claimed : array
        ∂e/∂a as the backward function returns it or adds it.
    e : callable
        Computes e for an array a.
    at : array
        Point at which the gradient is compared.
    scale : float
        Sum of the absolute values of the terms of e, to which rounding is proportional.
    rng : numpy.random.Generator
        Generator that selects the compared elements of a large array.
    """
    if np.shape(claimed) != at.shape:
        raise Wrong("shape", f"∂e/∂{name} must have the shape of {name}, {at.shape}, got {np.shape(claimed)}")
    indices = list(np.ndindex(at.shape))
    if len(indices) > MOST_ELEMENTS:
        indices = [indices[k] for k in np.sort(rng.choice(len(indices), MOST_ELEMENTS, replace=False))]
    expected = np.array([_slope(e, at, index) for index in indices])
    actual = np.array([float(claimed[index]) for index in indices])
    allowed = tolerance(scale)
    errors = np.abs(actual - expected)
    limits = allowed + RELATIVE * np.abs(expected)
    wrong = ~(errors <= limits)  # also where the gradient is NaN
    for k in np.flatnonzero(wrong):
        limits[k] += _truncation(e, at, indices[k], expected[k])
        wrong[k] = not (errors[k] <= limits[k] or _is_between_slopes(e, at, indices[k], actual[k], scale))
    if not wrong.any() and len(indices) < at.size:
        _check_direction(name, claimed, e, at, allowed, rng)
    if wrong.any():
        first = int(np.argmax(wrong))
        message = (
            f"∂e/∂{name} is not the derivative of forward.\nAt {list(indices[first])} backward gives {actual[first]:.6g}, "
            f"and differences give {expected[first]:.6g}; {wrong.sum()} of {len(indices)} elements are wrong"
        )
        raise Wrong("derivative", message, _guess_mistake(actual, expected, allowed))
    worst = int(np.argmax(errors / limits))
    return Comparison(name, len(indices), float(errors[worst]), float(limits[worst]))


def _check_direction(
    name: str, claimed: Array, e: Callable[[Array], float], at: Array, allowed: float, rng: np.random.Generator
) -> None:
    """Compare ⟨∂e/∂a, v⟩ with a difference along a random unit vector v without zeros."""
    v = rng.choice([-1.0, 1.0], at.shape) / np.sqrt(at.size)
    expected, actual = (e(at + STEP * v) - e(at - STEP * v)) / (2 * STEP), float(np.sum(claimed * v))
    if not abs(actual - expected) <= allowed + RELATIVE * float(np.sum(np.abs(claimed * v))):
        message = f"Along a random direction v, ⟨∂e/∂{name}, v⟩ is {actual:.6g}, and differences give {expected:.6g}"
        raise Wrong("derivative", f"∂e/∂{name} is not the derivative of forward.\n{message}")


def _perturbed(at: Array, index: tuple[int, ...], step: float) -> Array:
    perturbed: Array = at.copy()
    perturbed[index] += step
    return perturbed


def _slope(e: Callable[[Array], float], at: Array, index: tuple[int, ...], step_fraction: float = 1.0) -> float:
    """Return the central difference of e for one element, with a fraction of the usual step."""
    step = step_fraction * STEP * max(1.0, abs(at[index]))
    above, below = _perturbed(at, index, step), _perturbed(at, index, -step)
    return (e(above) - e(below)) / float(above[index] - below[index])


def _truncation(e: Callable[[Array], float], at: Array, index: tuple[int, ...], expected: float) -> float:
    """Return a bound on the truncation error where the curvature of e is large.

    The error is proportional to the square of the step, so half the step removes three quarters of the error.
    """
    return 2 * abs(expected - _slope(e, at, index, step_fraction=0.5))


def _is_between_slopes(e: Callable[[Array], float], at: Array, index: tuple[int, ...], actual: float, scale: float) -> bool:
    """Return True at a kink within a step if the number is between the one-sided slopes."""
    step = STEP * max(1.0, abs(at[index]))
    e_here = e(at)
    left, right = (e_here - e(_perturbed(at, index, -step))) / step, (e(_perturbed(at, index, step)) - e_here) / step
    kink_tolerance = KINK * scale
    return bool(
        abs(left - right) > kink_tolerance and min(left, right) - kink_tolerance <= actual <= max(left, right) + kink_tolerance
    )


def _guess_mistake(actual: Array, expected: Array, allowed: float) -> str:
    """Return a guess at the mistake: a zero gradient, a factor such as −1, or an empty text."""
    if not np.any(actual):
        return "the gradient is zero everywhere: backward must add to it"
    large = np.abs(expected) > 1e3 * allowed
    if not large.any():
        return ""
    factors = actual[large] / expected[large]
    factor = float(factors[0])
    if not np.allclose(factors, factor, rtol=1e-4) or not np.allclose(actual, factor * expected, atol=1e3 * allowed):
        return ""
    return "the sign: every element is −1 times the expected value" if np.isclose(factor, -1) else _describe_factor(factor)


def _describe_factor(factor: float) -> str:
    return f"a factor: every element is {factor:.4g} times the expected value"
