"""Tests of batch normalisation kernels against the loops, on long sums and large means."""

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
    in_order,
    needs_kernels,
)
from refconv.ops.norm import batch_norm, batch_norm_grads, batch_norm_inference, batch_norm_inference_grads
from strategies import dtypes, seeds, small_floats, unlike

pytestmark = needs_kernels


@st.composite
def norm_problems(draw, most=9):
    """Draw x and dy (M, C), gamma, beta, mean and var (C,), with M and C distinct."""
    C = draw(st.integers(1, most))
    M = draw(unlike({C}, 1, most))
    seed, dtype = draw(seeds), draw(dtypes)
    x, dy = small_floats((M, C), seed, dtype), small_floats((M, C), seed + 1, dtype)
    gamma, beta, mean, var = (small_floats((C,), seed + i, dtype) for i in range(2, 6))
    return x, dy, gamma, beta, mean, np.abs(var)


@given(norm_problems(), st.sampled_from([1e-3, 0.5]))
def test_all_functions_agree_with_the_loops(problem, eps):
    x, dy, gamma, beta, mean, var = problem
    # Each result is a sum of M products, divided by √ε at most three times.
    near = {"tolerance": 50 * len(x) * np.finfo(x.dtype).eps / eps, "rtol": 50 * np.finfo(x.dtype).eps}
    assert_parity(lambda x, gamma, beta: batch_norm(x, gamma, beta, eps=eps), x, gamma, beta, **near)
    assert_parity(lambda *a: batch_norm_inference(*a, eps=eps), x, gamma, beta, mean, var, **near)
    assert_parity(in_order(batch_norm_inference_grads, eps=eps), dy, x, gamma, mean, var, **near)
    _, mean, var = batch_norm(x, gamma, beta, eps=eps)
    assert_parity(in_order(batch_norm_grads, eps=eps), dy, x, gamma, mean, var, **near)


# Channels below and above the number summed at once, a multiple of it or not; several chunks, the last one short.
@pytest.mark.parametrize(("M", "C"), [(1, 1), (70_001, 1), (12_345, 6), (1_301, 64), (523, 100), (300, 256), (19, 5_000)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_chunks_agree_with_numpy(M, C, dtype):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((M, C)).astype(dtype) + dtype(3), rng.standard_normal((M, C)).astype(dtype)
    gamma, beta, eps = rng.standard_normal(C).astype(dtype), rng.standard_normal(C).astype(dtype), 0.1
    X, DY = x.astype(np.float64), dy.astype(np.float64)
    xhat = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + eps)
    # NumPy adds the rows one by one in double precision, so its own error is up to M·ε.
    near = {"rtol": 20 * np.finfo(dtype).eps, "atol": 30 * np.finfo(dtype).eps + 4 * M * np.finfo(np.float64).eps}
    y, mean, var = batch_norm(x, gamma, beta, eps=eps)
    np.testing.assert_allclose(mean, X.mean(axis=0), **near)
    np.testing.assert_allclose(var, X.var(axis=0), **near)
    np.testing.assert_allclose(y, gamma * xhat + beta, **near)

    dx, dgamma, dbeta = batch_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=var, eps=eps)
    near["atol"] *= np.sqrt(M)
    np.testing.assert_allclose(dgamma, (DY * xhat).sum(axis=0), **near)
    np.testing.assert_allclose(dbeta, DY.sum(axis=0), **near)
    inner = DY - DY.mean(axis=0) - xhat * (DY * xhat).mean(axis=0)
    np.testing.assert_allclose(dx, gamma / np.sqrt(X.var(axis=0) + eps) * inner, **near)


def test_a_small_variance_is_accurate_beside_a_large_mean():
    # In float32, E[x²] − μ² would lose all digits: μ² is 10⁸ and the variance is 0.1.
    rng = np.random.default_rng(0)
    x = (1e4 + 0.3 * rng.standard_normal((40_000, 3))).astype(np.float32)
    exact = x.astype(np.float64)
    gamma, beta = np.ones(3, np.float32), np.zeros(3, np.float32)
    y, mean, var = batch_norm(x, gamma, beta, eps=1e-6)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(var, exact.var(axis=0), rtol=1e-6)
    np.testing.assert_allclose(y.mean(axis=0, dtype=np.float64), 0, atol=1e-6)
    expected = (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-6)
    np.testing.assert_allclose(y, expected, atol=2e-6)


@pytest.mark.parametrize(("rows", "value"), [(16, 0), (1, 0), (5, 1e6)])
@pytest.mark.parametrize("C", [1, 3, 64, 70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unusual_first_rows_do_not_reduce_accuracy(rows, value, C, dtype):
    # As at the border of an image: if deviations were taken from these rows, they would be large and add rounding errors.
    x = np.full((32_768 // C, C), 1.2345678, dtype)
    x[:rows] = value
    exact = x.astype(np.longdouble)
    _, mean, var = batch_norm(x, np.ones(C, dtype), np.zeros(C, dtype))
    squares = ((exact - exact.mean(axis=0)) ** 2).mean(axis=0)
    eps = np.finfo(dtype).eps if dtype is np.float32 else 1e-11
    assert (abs(mean - exact.mean(axis=0)) <= 4 * eps * (abs(exact.mean(axis=0)) + np.sqrt(squares))).all()
    assert (abs(var - squares) <= 32 * eps * squares).all()


@pytest.mark.parametrize("large", [1.4e19, 1e38, 2e38])
@pytest.mark.parametrize("C", [1, 64, 70])
def test_values_whose_sums_overflow_float32_have_finite_means(large, C):
    # 1.4e19² fits in float32, eight times it overflows: the variance must be exact and each mean finite.
    x = np.repeat(np.array([large, large, -large, large, -large, -large, large, large] * 3, np.float32)[:, None], C, axis=1)
    gamma, beta = np.ones(C, np.float32), np.zeros(C, np.float32)
    with np.errstate(over="ignore"):
        y, mean, var = batch_norm(x, gamma, beta)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-6)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(var, exact.var(axis=0).astype(np.float32), rtol=1e-6)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("at", [0, 15, 16, 400])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_non_finite_channel_does_not_change_other_channels(poison, at):
    x = small_floats((520, 70), 1, np.float32)
    clean = batch_norm(x, np.ones(70, np.float32), np.zeros(70, np.float32))
    x[at, 3] = poison
    with np.errstate(invalid="ignore"):
        y, mean, var = batch_norm(x, np.ones(70, np.float32), np.zeros(70, np.float32))
    assert np.isnan(mean[3]) or mean[3] == poison
    assert np.isnan(var[3])
    assert np.isnan(y[:, 3]).all()
    others = np.arange(70) != 3
    np.testing.assert_allclose(mean[others], clean[1][others], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(var[others], clean[2][others], rtol=1e-6)


@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 1e30), (np.float64, 1e200)])
def test_a_variance_that_overflows_is_infinite_and_its_gradients_are_zero(dtype, large):
    # The second channel is ordinary and must not change.
    x = np.array([[large, 1], [-large, 2], [0, 6], [large, 1]], dtype)
    dy, gamma, beta = small_floats((4, 2), 1, dtype), np.array([2, 3], dtype), np.array([5, 7], dtype)

    def call():
        with np.errstate(over="ignore"):  # the loops warn of overflow, as NumPy does
            y, mean, var = batch_norm(x, gamma, beta)
            return y, mean, var, *batch_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=var)

    for y, mean, var, dx, dgamma, dbeta in all_engines(call):
        assert (y[:, 0] == 5).all()
        assert (dx[:, 0] == 0).all()
        assert (var[0], dgamma[0]) == (np.inf, 0)
        np.testing.assert_allclose(mean, [large / 4, 2.5], rtol=1e-6)
        np.testing.assert_allclose(dbeta, dy.sum(axis=0), rtol=1e-5)
        ordinary = x[:, 1].astype(np.float64)
        np.testing.assert_allclose(y[:, 1], 7 + 3 * (ordinary - 2.5) / np.sqrt(ordinary.var() + 1e-3), rtol=1e-5)
        assert np.isfinite(dx).all()


@pytest.mark.parametrize("C", [3, 64, 70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_thread_count(C, dtype):
    x, dy = small_floats((5_003, C), 1, dtype), small_floats((5_003, C), 2, dtype)
    gamma, beta = small_floats((C,), 3, dtype), small_floats((C,), 4, dtype)
    _, mean, var = batch_norm(x, gamma, beta)
    assert_same_bits_at_any_thread_count(
        lambda: (
            *batch_norm(x, gamma, beta),
            *batch_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=var),
            batch_norm_inference(x, gamma, beta, mean, var),
            *batch_norm_inference_grads(dy, x=x, gamma=gamma, mean=mean, var=var),
        )
    )


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("C", [5, 67])
def test_nothing_outside_the_arrays_is_read(side, C):
    x, dy = (small_floats((1_031, C), seed, np.float32) for seed in (1, 2))
    gamma, beta, mean = (small_floats((C,), seed, np.float32) for seed in (3, 4, 5))
    arrays = (dy, x, gamma, beta, mean, np.ones(C, np.float32))

    def call(dy, x, gamma, beta, mean, var):
        return (
            *batch_norm(x, gamma, beta),
            *batch_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=var),
            batch_norm_inference(x, gamma, beta, mean, var),
            *batch_norm_inference_grads(dy, x=x, gamma=gamma, mean=mean, var=var),
        )

    assert_same_bits(call(*[fenced(a, side) for a in arrays]), call(*arrays))


@pytest.mark.slow
@pytest.mark.parametrize("C", [3, 1030])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_larger_than_the_caches_equal_their_parts(C, dtype):
    # Large outputs bypass the caches if C allows it; parts of the rows are too small for that.
    M = (1 << 24) // np.dtype(dtype).itemsize // C + 7
    x, dy = small_floats((M, C), 1, dtype), small_floats((M, C), 2, dtype)
    gamma, beta, mean, var = (small_floats((C,), i, dtype) for i in range(3, 7))
    y = batch_norm_inference(x, gamma, beta, mean, abs(var))
    for part in (slice(0, M // 3), slice(M // 3, 2 * M // 3), slice(2 * M // 3, M)):
        assert_same_bits(y[part], batch_norm_inference(x[part], gamma, beta, mean, abs(var)))
    y, mean, var = batch_norm(x, gamma, beta)
    normal = (x.astype(np.float64) - x.mean(0, np.float64)) / np.sqrt(x.var(0, np.float64) + 1e-3)
    np.testing.assert_allclose(y, normal * gamma + beta, atol=1e-4)
    dx, dgamma, dbeta = batch_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=var)
    np.testing.assert_allclose(dgamma, (dy * normal).sum(0), rtol=1e-3, atol=0.1)
    expected = gamma / np.sqrt(x.var(0, np.float64) + 1e-3) * (dy - dbeta / M - normal * dgamma / M)
    np.testing.assert_allclose(dx, expected, atol=1e-4)
