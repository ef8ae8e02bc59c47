"""Tests of local response normalisation kernels against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    all_engines,
    assert_parity,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    fenced,
    needs_kernels,
)
from refconv.ops.response_norm import local_response_norm, local_response_norm_dx
from strategies import dtypes, seeds, small_floats, unlike

pytestmark = needs_kernels

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@st.composite
def problems(draw):
    """Draw x and dy (M, C) with M and C distinct, and size, alpha, beta and k."""
    C = draw(st.integers(1, 20))
    shape, dtype, seed = (draw(unlike({C}, 1, 9)), C), draw(dtypes), draw(seeds)
    numbers = draw(st.tuples(st.integers(1, 25), st.sampled_from([1e-4, 0.3, 0]), st.sampled_from([0.75, 0.5, 1.3, 1, 0])))
    return small_floats(shape, seed, dtype), small_floats(shape, seed + 1, dtype), (*numbers, draw(st.sampled_from([0.5, 2])))


@given(problems(), st.booleans())
def test_forward_and_derivative_agree_with_the_loops(problem, divide_by_size):
    x, dy, numbers = problem
    more, eps = {"divide_by_size": divide_by_size}, np.finfo(x.dtype).eps
    # A denominator is a sum of positive numbers with one rounding per term; the power adds a few more roundings.
    terms = min(numbers[0], x.shape[1]) + 10
    assert_parity(lambda x: local_response_norm(x, *numbers, **more), x, rtol=terms * eps)
    # The terms of the derivative are at most 2αβ·|x|·size·|dy|·|y| / d, where α·x² <= d and |x|, |dy| <= 2.
    tolerance = 4 * terms**2 * eps
    assert_parity(
        lambda dy, x: local_response_norm_dx(dy, *numbers, x=x, **more), dy, x, tolerance=tolerance, rtol=terms * eps
    )


@DTYPES
def test_square_roots_for_beta_three_quarters_equal_the_power_within_rounding(dtype):
    # With α = 1, tiny k and one channel, y = x / x^1.5: d takes values from the whole range of the dtype.
    x = np.geomspace(1e-3, 1e15, 4001, dtype=dtype)[:, None]
    numbers = (1, 1, 0.75, 1e-9)
    exact = x.astype(np.longdouble) / (dtype(1e-9) + x.astype(np.longdouble) ** 2) ** 0.75
    for actual in all_engines(lambda: local_response_norm(x, *numbers)):  # the loops compute the power
        np.testing.assert_allclose(actual, exact, rtol=4 * np.finfo(dtype).eps)


@DTYPES
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_extreme_values_agree_with_the_loops(beta, dtype):
    large, huge = np.finfo(dtype).max ** dtype(0.4), np.finfo(dtype).max ** dtype(0.6)  # large² is finite, huge² is not
    x = np.array([[large, 1, -large, 0, 2], [huge, 1, -huge, 0, 2], [np.inf, 1, 0, 0, 2], [0, 0, 0, np.nan, 1]], dtype)
    dy = small_floats(x.shape, 1, dtype)

    def call():
        with np.errstate(all="ignore"):  # the loops warn of overflow, as NumPy does
            return local_response_norm(x, 3, 0.5, beta), local_response_norm_dx(dy, 3, 0.5, beta, x=x)

    for loops, *others in zip(*all_engines(call), strict=True):
        for other in others:
            np.testing.assert_allclose(other, loops, rtol=20 * np.finfo(dtype).eps, atol=0)


@DTYPES
@pytest.mark.parametrize("shape", [(1, 4099), (70_001, 1), (97, 3, 96), (4, 13, 17, 37)])
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_same_bits_at_any_thread_count(shape, beta, dtype):
    x, dy = small_floats(shape, 1, dtype), small_floats(shape, 2, dtype)
    numbers = (4, 0.3, beta, 1.5)
    assert_same_bits_at_any_thread_count(lambda: (local_response_norm(x, *numbers), local_response_norm_dx(dy, *numbers, x=x)))


@DTYPES
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("size", [1, 2, 5, 40])
@pytest.mark.parametrize("C", [1, 7, 33])
def test_nothing_outside_the_arrays_is_read(C, size, side, dtype):
    x, dy = small_floats((103, C), 1, dtype), small_floats((103, C), 2, dtype)

    def call(x, dy):
        return local_response_norm(x, size), local_response_norm_dx(dy, size, x=x)

    assert_same_bits(call(fenced(x, side), fenced(dy, side)), call(x, dy))


@DTYPES
def test_many_rows_agree_with_numpy(dtype):
    # The rows need several tasks, the last one short; slices of a padded array give the neighbourhoods.
    x, dy = small_floats((1_031, 96), 1, dtype), small_floats((1_031, 96), 2, dtype)
    X, DY, alpha = x.astype(np.float64), dy.astype(np.float64), 0.3

    def sums(a, before, after):
        a = np.pad(a, ((0, 0), (before, after)))
        return sum(a[:, i : i + 96] for i in range(before + 1 + after))

    d = 2 + alpha * sums(X**2, 2, 1)
    near = {"rtol": 30 * np.finfo(dtype).eps, "atol": 30 * np.finfo(dtype).eps}
    np.testing.assert_allclose(local_response_norm(x, 4, alpha), X / d**0.75, **near)
    expected = DY / d**0.75 - 2 * alpha * 0.75 * X * sums(DY * X / d**1.75, 1, 2)
    np.testing.assert_allclose(local_response_norm_dx(dy, 4, alpha, x=x), expected, **near)
