"""Adjoint evidence: the backward function is the transpose of the forward function.

J is the matrix of all ∂y/∂a. The forward loop on dual numbers gives J v for a direction v; the derivative gives Jᵀ dy. So
⟨dy, J v⟩ = ⟨Jᵀ dy, v⟩ for any v and dy. The loops run on fractions, and the two sides must agree exactly. If the operator
takes roots or exponentials, the loops run on float64 and the sides must agree except for rounding. If the operator is linear
in x, J v is f(v), and the equation is the well-known ⟨dy, f(v)⟩ = ⟨f_dx(dy), v⟩.

For operators with a Toeplitz matrix T, J is also written out: f(x) = T x and f_dx(dy) = Tᵀ dy.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from refconv._config import config
from refconv.verify.case import fill, fractions, spread
from refconv.verify.evidence.dual import dual_array, rates
from refconv.verify.operator import Operator, Refuted

__all__ = ["adjoint", "assert_adjoint", "inner"]

ROUNDING = 1e-12  # relative rounding error of float64 sums of a few hundred products


def adjoint(operator: Operator, case) -> float | None:
    """Compare both sides for each array of an operator in one case; return the largest error.

    Returns None for an operator without derivatives. Raises :class:`Refuted` if the sides differ.
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
                x_dual = dual_array(a.arrays[name], v.arrays[name])
                inner_forward = inner(dy, rates(operator(a.with_arrays(**{name: x_dual}))))
                inner_backward = inner(claimed, v.arrays[name])
                errors.append(_difference(inner_forward, inner_backward, exact, derivative.name, name))
    return max(errors, default=None)


def _difference(inner_forward, inner_backward, exact, function, name):
    if exact and not all(isinstance(number, Fraction | int) for number in (inner_forward, inner_backward)):
        raise Refuted(
            f"{function}: ⟨dy, J v⟩ = {inner_forward!r}, ⟨Jᵀ dy, v⟩ = {inner_backward!r} must be fractions: "
            "a value was rounded"
        )
    error = abs(inner_forward - inner_backward) / max(abs(inner_forward), abs(inner_backward), 1)
    if error > (0 if exact else ROUNDING):
        raise Refuted(f"{function}: ⟨dy, J v⟩ = {inner_forward}, but ⟨Jᵀ dy, v⟩ = {inner_backward} for the array {name}")
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
    """Return distinct floats in an object array, which can also contain dual numbers."""
    return spread(name, shape, rng, positive).astype(object)


def inner(a, b):
    """Return ⟨a, b⟩, the sum of the products of two arrays of the same shape.

    >>> inner(np.array([1, 2]), np.array([10, 100]))
    210
    """
    if np.shape(a) != np.shape(b):
        raise Refuted(f"a and b must have the same shape, got {np.shape(a)} and {np.shape(b)}")
    return sum(p * q for p, q in zip(np.ravel(a).tolist(), np.ravel(b).tolist(), strict=True))


def assert_adjoint(forward, transposed, x, dy):
    """Assert ⟨dy, forward(x)⟩ = ⟨transposed(dy), x⟩ exactly, for linear functions of fractions."""
    inner_forward, inner_backward = inner(dy, forward(x)), inner(transposed(dy), x)
    for label, side in (("⟨dy, f(x)⟩", inner_forward), ("⟨fᵀ(dy), x⟩", inner_backward)):
        assert isinstance(side, Fraction), f"{label} must be a fraction, got {side!r}: a value was rounded"
    assert inner_forward == inner_backward, f"⟨dy, f(x)⟩ = {inner_forward}, but ⟨fᵀ(dy), x⟩ = {inner_backward}"
