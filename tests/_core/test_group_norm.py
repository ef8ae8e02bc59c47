"""Tests of the group normalisation kernels against the loops and NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_parity, assert_same_bits, assert_same_bits_at_any_thread_count, fenced, in_order, needs_kernels
from refconv.ops.group_norm import group_norm, group_norm_grads, instance_norm, layer_norm
from refconv.ops.norm import batch_norm
from strategies import dtypes, seeds, small_floats, unlike

pytestmark = needs_kernels


@st.composite
def group_problems(draw):
    """Draw x and dy (N, M, C), gamma and beta (C,) and a divisor of C, with N, M and C distinct."""
    C = draw(st.sampled_from([1, 2, 4, 6, 9]))
    M = draw(unlike({C}, 1, 7))
    N = draw(unlike({C, M}, 1, 7))
    seed, dtype = draw(seeds), draw(dtypes)
    x, dy = small_floats((N, M, C), seed, dtype), small_floats((N, M, C), seed + 1, dtype)
    gamma, beta = small_floats((C,), seed + 2, dtype), small_floats((C,), seed + 3, dtype)
    return x, dy, gamma, beta, draw(st.sampled_from([G for G in range(1, C + 1) if C % G == 0]))


@given(group_problems(), st.sampled_from([1e-3, 0.5]))
def test_all_functions_agree_with_the_loops(problem, eps):
    x, dy, gamma, beta, groups = problem
    # Each result is a sum of at most M·C products, or N·M products, divided by √ε at most three times.
    near = {"tolerance": 50 * x.size * np.finfo(x.dtype).eps / eps, "rtol": 50 * np.finfo(x.dtype).eps}
    assert_parity(lambda x, gamma, beta: group_norm(x, gamma, beta, groups, eps=eps), x, gamma, beta, **near)
    assert_parity(lambda x, gamma, beta: layer_norm(x, gamma, beta, eps=eps), x, gamma, beta, **near)
    assert_parity(lambda x, gamma, beta: instance_norm(x, gamma, beta, eps=eps), x, gamma, beta, **near)
    _, mean, var = group_norm(x, gamma, beta, groups, eps=eps)
    assert_parity(in_order(group_norm_grads, eps=eps), dy, x, gamma, mean, var, **near)


# Several chunks with a short last one, one row, more channels than are summed at once, sums of several blocks.
SIZES = [(1, 70_001, 2, 1), (3, 4_000, 12, 4), (2, 1_301, 64, 32), (5, 523, 100, 1), (700, 1, 6, 3), (2, 19, 5_000, 2)]


@pytest.mark.parametrize(("N", "M", "C", "groups"), SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_chunks_agree_with_numpy(N, M, C, groups, dtype):
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((N, M, C)).astype(dtype) + dtype(s) for s in (3, 0))
    gamma, beta, eps = rng.standard_normal(C).astype(dtype), rng.standard_normal(C).astype(dtype), 0.1
    X, DY = (a.astype(np.float64).reshape(N, M, groups, -1) for a in (x, dy * gamma))
    mu, var = X.mean((1, 3), keepdims=True), X.var((1, 3), keepdims=True)
    xhat = (X - mu) / np.sqrt(var + eps)
    # NumPy adds rows one by one in double precision, so its own error is up to M·ε.
    near = {"rtol": 20 * np.finfo(dtype).eps, "atol": 30 * np.finfo(dtype).eps + 4 * N * M * np.finfo(np.float64).eps}
    y, mean, variance = group_norm(x, gamma, beta, groups, eps=eps)
    np.testing.assert_allclose(mean, mu[:, 0, :, 0], **near)
    np.testing.assert_allclose(variance, var[:, 0, :, 0], **near)
    np.testing.assert_allclose(y, gamma * xhat.reshape(x.shape) + beta, **near)

    dx, dgamma, dbeta = group_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=variance, eps=eps)
    inner = DY - DY.mean((1, 3), keepdims=True) - xhat * (DY * xhat).mean((1, 3), keepdims=True)
    np.testing.assert_allclose(dx, (inner / np.sqrt(var + eps)).reshape(x.shape), **near)
    near["atol"] *= np.sqrt(N * M)
    np.testing.assert_allclose(dgamma, (dy.astype(np.float64) * xhat.reshape(x.shape)).sum((0, 1)), **near)
    np.testing.assert_allclose(dbeta, dy.astype(np.float64).sum((0, 1)), **near)


def test_one_example_with_a_group_for_each_channel_is_batch_norm():
    x, gamma, beta = (
        small_floats((1, 900, 7), 1, np.float32),
        small_floats((7,), 2, np.float32),
        small_floats((7,), 3, np.float32),
    )
    y, mean, var = instance_norm(x, gamma, beta)
    expected, batch_mean, batch_var = batch_norm(x, gamma, beta)
    np.testing.assert_array_equal(mean[0], batch_mean)
    np.testing.assert_array_equal(var[0], batch_var)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)


def test_a_small_variance_is_accurate_beside_a_large_mean():
    rng = np.random.default_rng(0)
    x = (1e4 + 0.3 * rng.standard_normal((2, 9_000, 4))).astype(np.float32)
    exact = x.astype(np.float64).reshape(2, -1, 2, 2)
    _, mean, var = group_norm(x, np.ones(4, np.float32), np.zeros(4, np.float32), 2)
    np.testing.assert_allclose(mean, exact.mean((1, 3)), rtol=1e-7)
    np.testing.assert_allclose(var, exact.var((1, 3)), rtol=1e-6)


def test_channels_with_different_means_have_the_variance_of_their_group():
    # Most of the variance is between the channels of a group, not within them.
    x = np.float32([[[1e3, -1e3, 5.0, 5.0]]]) + small_floats((3, 40, 4), 1, np.float32)
    _, _, var = group_norm(x, np.ones(4, np.float32), np.zeros(4, np.float32), 2)
    np.testing.assert_allclose(var, x.astype(np.float64).reshape(3, 40, 2, 2).var((1, 3)), rtol=1e-5)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_non_finite_group_does_not_change_other_groups_and_examples(poison):
    x, gamma, beta = small_floats((3, 50, 6), 1, np.float32), np.ones(6, np.float32), np.zeros(6, np.float32)
    clean, _, _ = group_norm(x, gamma, beta, 3)
    x[1, 20, 3] = poison
    with np.errstate(invalid="ignore"):
        y, _, _ = group_norm(x, gamma, beta, 3)
    assert np.isnan(y[1, :, 2:4]).all()
    np.testing.assert_array_equal(y[[0, 2]], clean[[0, 2]])
    # A non-finite sum makes the kernel read the chunk again in double precision, which may change last bits.
    np.testing.assert_allclose(y[1][:, [0, 1, 4, 5]], clean[1][:, [0, 1, 4, 5]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("N", "M", "C", "groups"), [(1, 9_000, 12, 3), (17, 40, 66, 6), (2, 30_000, 40, 40)])
def test_any_number_of_threads_gives_the_same_bits(N, M, C, groups, dtype):
    x, dy = small_floats((N, M, C), 1, dtype), small_floats((N, M, C), 2, dtype)
    gamma, beta = small_floats((C,), 3, dtype), small_floats((C,), 4, dtype)
    assert_same_bits_at_any_thread_count(lambda: group_norm(x, gamma, beta, groups))
    _, mean, var = group_norm(x, gamma, beta, groups)
    assert_same_bits_at_any_thread_count(lambda: group_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=var))


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("C", [1, 3, 70])
def test_nothing_outside_the_arrays_is_read(C, side, dtype):
    x, dy = small_floats((2, 37, C), 1, dtype), small_floats((2, 37, C), 2, dtype)
    gamma, beta = small_floats((C,), 3, dtype), small_floats((C,), 4, dtype)
    expected = group_norm(x, gamma, beta, 1)
    assert_same_bits(group_norm(*(fenced(a, side) for a in (x, gamma, beta)), 1), expected)
    _, mean, var = expected
    arrays = {"x": x, "gamma": gamma, "mean": mean, "var": var}
    inside = {name: fenced(array, side) for name, array in arrays.items()}
    assert_same_bits(group_norm_grads(fenced(dy, side), **inside), group_norm_grads(dy, **arrays))
