"""Numeric evidence: comparison with central differences in float64 on the current engine."""

from __future__ import annotations

import numpy as np

from refconv.verify.case import fill, spread
from refconv.verify.operator import Operator, Refuted

__all__ = ["assert_is_derivative", "directional", "numeric", "numeric_derivative"]

STEP = np.finfo(np.float64).eps ** (1 / 3)  # truncation and rounding errors are equal here, of the order of STEP²
MARGIN = 100


def numeric(operator: Operator, case) -> float | None:
    """Compare the derivatives in one case with differences; return the largest error.

    The error is relative to dy·y. ``dy`` is random, since a plain sum of the outputs would hide gradients at wrong positions.
    Returns None for an operator without derivatives. Raises :class:`Refuted` if a derivative differs.
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
    """Compare derivatives with differences along one random direction; return the largest error.

    ⟨dy, f(a + hv) − f(a − hv)⟩ / 2h is ⟨∂e/∂a, v⟩. One direction for each array is cheap enough for many cases and sizes.
    Returns None for an operator without derivatives. Raises :class:`Refuted` if a derivative differs.
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
            expected, actual = np.sum(dy * (above - below)) / (2 * STEP), np.sum(claimed * direction)
            errors.append(abs(actual - expected) / scale)
            if not errors[-1] <= MARGIN * STEP**2:
                raise Refuted(f"{derivative.name}: ⟨∂e/∂{name}, v⟩ is {actual}, and differences give {expected}")
    return max(errors, default=None)


def numeric_derivative(f, x, dy):
    """Return ∂⟨dy, f(x)⟩/∂x by central differences, one element at a time, in float64.

    The step is ∛ε·max(1, |x|), for which truncation and rounding errors are equal; f must be smooth within a step.

    >>> numeric_derivative(lambda x: x**2, [1.0, 3], np.array([1.0, 10])).round(6)
    array([ 2., 60.])
    """
    x, dx = np.array(x, np.float64), np.zeros(np.shape(x))
    for index in np.ndindex(x.shape):
        original = x[index]
        step = STEP * max(1.0, abs(original))
        above, below = original + step, original - step
        x[index] = above
        f_above = f(x.copy())
        x[index] = below
        f_below = f(x.copy())
        x[index] = original
        dx[index] = np.sum(dy * (f_above - f_below)) / (above - below)
    return dx


def assert_is_derivative(dx, f, x, dy) -> float:
    """Assert that dx is ∂⟨dy, f(x)⟩/∂x within a tolerance; return the largest error.

    The tolerance is a hundred times the accuracy of central differences.
    """
    expected = numeric_derivative(f, x, dy)
    scale = 1 + np.sum(np.abs(dy * f(np.array(x, np.float64))))
    assert np.shape(dx) == expected.shape, f"the derivative must have the shape of x, {expected.shape}, got {np.shape(dx)}"
    np.testing.assert_allclose(dx, expected, rtol=1e-7, atol=MARGIN * STEP**2 * scale)
    return float(np.max(np.abs(dx - expected), initial=0.0) / scale)
