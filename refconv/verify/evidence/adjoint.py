"""Adjoint evidence: the backward function is the transpose of the forward function.

J is the matrix of all ∂y/∂a. Dual numbers, put through the forward loop, give J v for a direction v; the derivative gives
Jᵀ dy. So ⟨dy, J v⟩ = ⟨Jᵀ dy, v⟩ for any v and dy. The loops run on fractions, and the two sides agree exactly;
where the operator takes roots or exponentials, they run on float64 and agree to rounding. Where the operator is linear
in x, J v is f(v) itself, and the equation is the well-known ⟨dy, f(v)⟩ = ⟨f_dx(dy), v⟩.

For the operators that have one, J is also written out, as the Toeplitz matrix T: f(x) = T x and f_dx(dy) = Tᵀ dy.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from refconv._config import config
from refconv.verify.case import fill, fractions, spread
from refconv.verify.evidence.dual import dual_array, rates
from refconv.verify.operator import Operator, Refuted

__all__ = ["adjoint", "assert_adjoint", "inner"]

ROUNDING = 1e-12  # relative, of float64 sums of a few hundred products


def adjoint(operator: Operator, case) -> float | None:
    """Compare both sides for each array of an operator in one case; returns the largest relative error.

    None for an operator without derivatives. Raises :class:`Refuted`.
    """
    if not operator.derivatives:
        return None
    exact = operator.nature != "smooth"
    make = fractions if exact else _objects
    with config(engine="reference"):
        a, v = fill(case, make), fill(case, make, seed=1)
        dy = make("dy", np.shape(operator(a)), np.random.default_rng(2), False)
        errors = _matrix(operator, a, dy)
        for derivative in operator.derivatives:
            for name, claimed in derivative(a.with_arrays(dy=dy)).items():
                moving = dual_array(a.arrays[name], v.arrays[name])
                there = inner(dy, rates(operator(a.with_arrays(**{name: moving}))))
                back = inner(claimed, v.arrays[name])
                errors.append(_difference(there, back, exact, derivative.name, name))
    return max(errors, default=None)


def _difference(there, back, exact, function, name):
    if exact and not all(isinstance(number, Fraction | int) for number in (there, back)):
        raise Refuted(f"{function}: ⟨dy, J v⟩ = {there!r} and ⟨Jᵀ dy, v⟩ = {back!r} are not exact: something rounded")
    error = abs(there - back) / max(abs(there), abs(back), 1)
    if error > (0 if exact else ROUNDING):
        raise Refuted(f"{function}: ⟨dy, J v⟩ = {there}, but ⟨Jᵀ dy, v⟩ = {back} for the array {name}")
    return float(error)


def _matrix(operator, a, dy):
    """Check f(x) = T x and f_dx(dy) = Tᵀ dy exactly for each example, without the bias."""
    T = operator.matrix(a) if operator.matrix else None
    if T is None:
        return []
    y = operator(a.with_arrays(b=0 * a.b))
    (dx,) = [d(a.with_arrays(dy=dy))["x"] for d in operator.derivatives if "x" in d.wrt]
    for b in range(len(y)):
        if list(T @ a.x[b].ravel()) != list(y[b].ravel()):
            raise Refuted(f"{operator.name} of example {b} is not T x")
        if list(T.T @ dy[b].ravel()) != list(dx[b].ravel()):
            raise Refuted(f"{operator.name}_dx of example {b} is not Tᵀ dy")
    return [0.0]


def _objects(name, shape, rng, positive):
    """Distinct floats in an object array, which can also hold dual numbers."""
    return spread(name, shape, rng, positive).astype(object)


def inner(a, b):
    """Return ⟨a, b⟩, the sum of the products of two arrays of the same shape.

    >>> inner(np.array([1, 2]), np.array([10, 100]))
    210
    """
    if np.shape(a) != np.shape(b):
        raise Refuted(f"shapes {np.shape(a)} and {np.shape(b)} differ")
    return sum(p * q for p, q in zip(np.ravel(a).tolist(), np.ravel(b).tolist(), strict=True))


def assert_adjoint(forward, transposed, x, dy):
    """Assert ⟨dy, forward(x)⟩ = ⟨transposed(dy), x⟩ exactly, for a linear forward and fractions."""
    there, back = inner(dy, forward(x)), inner(transposed(dy), x)
    for words, side in (("⟨dy, f(x)⟩", there), ("⟨fᵀ(dy), x⟩", back)):
        assert isinstance(side, Fraction), f"{words} is {side!r}: something rounded"
    assert there == back, f"⟨dy, f(x)⟩ = {there}, but ⟨fᵀ(dy), x⟩ = {back}"
