"""Numeric evidence: derivatives against central differences, in float64 on the current engine."""

from __future__ import annotations

import numpy as np

from refconv.verify.case import fill, spread
from refconv.verify.operator import Operator, Refuted

__all__ = ["assert_is_derivative", "directional", "numeric", "numeric_derivative"]

STEP = np.finfo(np.float64).eps ** (1 / 3)  # truncation and rounding errors are equal here, both of the order of its square
MARGIN = 100


def numeric(operator: Operator, case) -> float | None:
    """Compare the derivatives of an operator in one case with differences; returns the largest error, relative to dy·y.

    ``dy`` is random, since a plain sum of the outputs would hide gradients at wrong places. None for an operator without
    derivatives. Raises :class:`Refuted`.
    """
    a = fill(case, spread)
    dy = np.random.default_rng(1).standard_normal(np.shape(operator(a)))
    errors = []
    for derivative in operator.derivatives:
        for name, claimed in derivative(a.with_arrays(dy=dy)).items():

            def f(value, name=name):
                return operator(a.with_arrays(**{name: value}))

            try:
                errors.append(assert_is_derivative(claimed, f, a.arrays[name], dy))
            except AssertionError as error:
                raise Refuted(f"{derivative.name} is not ∂⟨dy, y⟩/∂{name}: {str(error).strip()}") from None
    return max(errors, default=None)


def directional(operator: Operator, case) -> float | None:
    """Compare along one random direction for each array, which is cheap enough for many cases and sizes.

    ⟨dy, f(a + hv) − f(a − hv)⟩ / 2h is ⟨∂e/∂a, v⟩. None for an operator without derivatives. Raises :class:`Refuted`.
    """
    a, v = fill(case, spread), fill(case, spread, seed=1)
    y = operator(a)
    dy = np.random.default_rng(2).standard_normal(np.shape(y))
    scale = 1 + np.sum(np.abs(dy * y))
    errors = []
    for derivative in operator.derivatives:
        for name, claimed in derivative(a.with_arrays(dy=dy)).items():
            array, direction = a.arrays[name], v.arrays[name]
            above, below = (operator(a.with_arrays(**{name: array + h * direction})) for h in (STEP, -STEP))
            expected, found = np.sum(dy * (above - below)) / (2 * STEP), np.sum(claimed * direction)
            errors.append(abs(found - expected) / scale)
            if not errors[-1] <= MARGIN * STEP**2:
                raise Refuted(f"{derivative.name}: ⟨∂e/∂{name}, v⟩ is {found}, and differences give {expected}")
    return max(errors, default=None)


def numeric_derivative(f, x, dy):
    """Return ∂⟨dy, f(x)⟩/∂x by central differences, one element at a time, in float64.

    The step is ∛ε·max(1, |x|), where truncation and rounding errors are equal; f must be smooth within it.

    >>> numeric_derivative(lambda x: x**2, [1.0, 3], np.array([1.0, 10])).round(6)
    array([ 2., 60.])
    """
    x, dx = np.array(x, np.float64), np.zeros(np.shape(x))
    for index in np.ndindex(x.shape):
        here = x[index]
        step = STEP * max(1.0, abs(here))
        above, below = here + step, here - step
        x[index] = above
        more = f(x.copy())
        x[index] = below
        less = f(x.copy())
        x[index] = here
        dx[index] = np.sum(dy * (more - less)) / (above - below)
    return dx


def assert_is_derivative(dx, f, x, dy) -> float:
    """Assert that dx is ∂⟨dy, f(x)⟩/∂x, within a hundred times the accuracy of central differences.

    Returns the largest error.
    """
    expected = numeric_derivative(f, x, dy)
    scale = 1 + np.sum(np.abs(dy * f(np.array(x, np.float64))))
    assert np.shape(dx) == expected.shape, f"the derivative has shape {np.shape(dx)}, and x has {expected.shape}"
    np.testing.assert_allclose(dx, expected, rtol=1e-7, atol=MARGIN * STEP**2 * scale)
    return float(np.max(np.abs(dx - expected), initial=0.0) / scale)
