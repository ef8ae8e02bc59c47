"""Tests of local response normalisation loops: by hand, neighbours, and derivatives."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import assert_is_derivative
from refconv.reference.response_norm import denominators, local_response_norm, local_response_norm_dx
from strategies import small_floats

X = small_floats((2, 7), 1)
SIZES = pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])


def test_three_channels_computed_by_hand():
    # The squares are 9, 1, 4; their sums over neighbourhoods of three are 10, 14, 5; half of each is added to 1.
    x = np.array([[3.0, -1, 2]])
    assert denominators(x, 3, 0.5, 1).tolist() == [[6, 8, 3.5]]
    np.testing.assert_allclose(local_response_norm(x, 3, 0.5, 2, 1), [[3 / 36, -1 / 64, 2 / 12.25]], rtol=1e-15)


@SIZES
def test_a_neighbourhood_has_size_channels_and_is_cut_at_the_ends(size):
    # One channel is non-zero at a time: which neighbourhoods contain it?
    C = 7
    for j in range(C):
        x = np.zeros((1, C))
        x[0, j] = 3
        neighbours = [c for c in range(C) if denominators(x, size, 1, 5)[0, c] == 14]
        assert neighbours == [c for c in range(C) if c - size // 2 <= j < c - size // 2 + size]


def test_only_channels_of_the_same_pixel_count():
    # Five pixels and five channels: a sum along the wrong axis would have the same shape.
    x = small_floats((5, 5), 2)
    alone = [local_response_norm(x[m : m + 1], 3, 0.3, 0.75, 2) for m in range(5)]
    assert (local_response_norm(x, 3, 0.3, 0.75, 2) == np.concatenate(alone)).all()
    dy = small_floats((5, 5), 3)
    alone = [local_response_norm_dx(dy[m : m + 1], 3, 0.3, 0.75, 2, x=x[m : m + 1]) for m in range(5)]
    assert (local_response_norm_dx(dy, 3, 0.3, 0.75, 2, x=x) == np.concatenate(alone)).all()


def test_alpha_0_scales_by_a_constant_and_beta_0_changes_nothing():
    np.testing.assert_allclose(local_response_norm(X, 5, 0, 0.5, 4), X / 2, rtol=1e-15)
    assert (local_response_norm(X, 5, 0.3, 0, 2) == X).all()


@pytest.mark.parametrize("beta", [0.75, 0.5, 1.3, 2])
@SIZES
def test_the_derivative_agrees_with_central_differences(size, beta):
    dy = np.random.default_rng(2).standard_normal(X.shape)
    dx = local_response_norm_dx(dy, size, 0.3, beta, 1.5, x=X)
    assert_is_derivative(dx, lambda x: local_response_norm(x, size, 0.3, beta, 1.5), X, dy)


@pytest.mark.parametrize(("size", "C"), [(2, 3), (3, 4), (4, 3), (5, 2)])
@pytest.mark.parametrize("beta", [(3, 4), (1, 2), (1, 1)])
def test_the_symbolic_derivative_agrees_with_sympy(size, C, beta):
    sympy = pytest.importorskip("sympy")
    x, dy = (np.array(sympy.symbols(f"{name}:{C}", real=True), object).reshape(1, C) for name in "xd")
    alpha, k = sympy.symbols("alpha k", positive=True)
    beta = sympy.Rational(*beta)
    e = (dy * local_response_norm(x, size, alpha, beta, k)).sum()
    dx = local_response_norm_dx(dy, size, alpha, beta, k, x=x)
    for c in range(C):
        assert sympy.simplify(sympy.diff(e, x[0, c]) - dx[0, c]) == 0


def test_integer_powers_of_fractions_are_exact_and_others_raise():
    x = np.array([[Fraction(1, 2), Fraction(2, 3)]], object)
    y = local_response_norm(x, 2, Fraction(1, 5), 2, Fraction(1, 3))
    d = [Fraction(1, 3) + Fraction(1, 5) * s for s in (Fraction(1, 4), Fraction(1, 4) + Fraction(4, 9))]
    assert y.tolist() == [[Fraction(1, 2) / d[0] ** 2, Fraction(2, 3) / d[1] ** 2]]
    with pytest.raises(TypeError, match=r"exponent of a fraction must be an integer, got 0\.75"):
        local_response_norm(x, 2, Fraction(1, 5), 0.75, Fraction(1, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    x = X.astype(dtype)
    assert local_response_norm(x, 5, 1e-4, 0.75, 2).dtype == dtype
    assert local_response_norm_dx(x, 5, 1e-4, 0.75, 2, x=x).dtype == dtype
