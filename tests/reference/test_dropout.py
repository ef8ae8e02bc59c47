"""Tests of the dropout loops: dropped elements, scale of the others, and derivative."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import assert_adjoint, assert_is_derivative, fractions
from refconv.reference.dropout import dropout, dropout_dx


def test_four_units_computed_by_hand():
    x, u = np.array([[1.0, -2], [3, 5]]), np.array([[0.19, 0.21], [0.0, 0.2]])
    y, mask = dropout(x, u, 0.2)
    assert mask.tolist() == [[0, 1.25], [0, 1.25]]  # u = rate is kept: the probability of u < rate is exactly rate
    assert y.tolist() == [[0, -2.5], [0, 6.25]]
    assert dropout_dx(np.array([[10.0, 20], [30, 40]]), mask=mask).tolist() == [[0, 25], [0, 50]]


def test_rate_zero_changes_nothing():
    x, u = np.array([1.0, 2, 3], np.float32), np.array([0.0, 0.5, 0.99])
    y, mask = dropout(x, u, 0.0)
    assert y.tolist() == x.tolist()
    assert mask.tolist() == [1, 1, 1]
    assert y.dtype == mask.dtype == np.float32


def test_dropout_dx_is_the_exact_adjoint():
    x, dy = fractions((3, 4), 0), fractions((3, 4), 1)
    u, rate = np.random.default_rng(2).random((3, 4)), Fraction(1, 3)
    mask = dropout(x, u, rate)[1]
    assert set(mask.flat) == {0, Fraction(3, 2)}
    assert_adjoint(lambda x: dropout(x, u, rate)[0], lambda dy: dropout_dx(dy, mask=mask), x, dy)


def test_derivative_agrees_with_central_differences():
    rng = np.random.default_rng(3)
    x, u, dy = rng.standard_normal((4, 5)), rng.random((4, 5)), rng.standard_normal((4, 5))
    mask = dropout(x, u, 0.4)[1]
    assert_is_derivative(dropout_dx(dy, mask=mask), lambda x: dropout(x, u, 0.4)[0], x, dy)


def test_symbolic_derivative_agrees_with_sympy():
    sympy = pytest.importorskip("sympy")
    x, dy = (np.array(sympy.symbols(f"{name}0:4"), object) for name in "xd")
    u = np.array([0.1, 0.5, 0.3, 0.9])
    y, mask = dropout(x, u, sympy.Rational(2, 5))
    assert list(y) == [0, sympy.Rational(5, 3) * x[1], 0, sympy.Rational(5, 3) * x[3]]
    e = np.sum(dy * y)
    assert all(sympy.expand(sympy.diff(e, s) - d) == 0 for s, d in zip(x, dropout_dx(dy, mask=mask), strict=True))
