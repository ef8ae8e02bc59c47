"""Tests of batch normalisation with ReLU in one pass, and of sums of channels in place."""

import numpy as np
import pytest

from evidence import assert_same_bits, assert_same_bits_at_any_thread_count, needs_kernels
from refconv import ops
from refconv.ops.fused import add_channels, batch_norm_relu, batch_norm_relu_grads
from refconv.ops.norm import batch_norm, batch_norm_grads

pytestmark = needs_kernels


# Channels whose coefficients are repeated for several rows or not; blocks of 64, 32 and 16 channels and the rest; the largest
# output of float64 is streamed.
@pytest.mark.parametrize(("M", "C"), [(1, 3), (5_000, 7), (4_097, 16), (1_301, 53), (701, 117), (22_000, 96)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalisation_with_relu_has_the_bits_of_both_functions(M, C, dtype):
    rng = np.random.default_rng(0)
    x, dy, add = (rng.standard_normal((M, C)).astype(dtype) for _ in range(3))
    gamma, beta = (rng.standard_normal(C).astype(dtype) for _ in range(2))
    y, mean, var = batch_norm(x, gamma, beta, eps=0.1)
    fused, affine, fused_var = batch_norm_relu(x, gamma, beta, 0.1)
    assert_same_bits((fused, affine[0], fused_var), (ops.activation.relu(y), mean, var))
    assert_same_bits(batch_norm_relu(x, gamma, beta, 0.1, add)[0], ops.activation.relu(y + add))
    expected = batch_norm_grads(ops.activation.relu_dx(dy, x=y), x=x, gamma=gamma, mean=mean, var=var, eps=0.1)
    assert_same_bits(batch_norm_relu_grads(dy, x=x, affine=affine, var=var, eps=0.1), expected)


def test_normalisation_with_relu_has_the_same_bits_at_any_thread_count():
    rng = np.random.default_rng(0)
    x, dy, add = (rng.standard_normal((9_000, 50)).astype(np.float32) for _ in range(3))
    gamma, beta = (rng.standard_normal(50).astype(np.float32) for _ in range(2))
    _, affine, var = batch_norm_relu(x, gamma, beta, 0.1)
    assert_same_bits_at_any_thread_count(lambda: batch_norm_relu(x, gamma, beta, 0.1, add))
    assert_same_bits_at_any_thread_count(lambda: batch_norm_relu_grads(dy, x=x, affine=affine, var=var, eps=0.1))


def test_nan_and_infinity_pass_the_relu_after_the_normalisation():
    x = np.array([[1.0, 2], [np.nan, 3], [5, 7]])
    y, _, _ = batch_norm_relu(x, np.ones(2), np.zeros(2), 0.1, np.array([[0.0, np.inf], [0, -np.inf], [0, np.nan]]))
    assert np.isnan(y[:, 0]).all()
    np.testing.assert_array_equal(y[:, 1], [np.inf, 0, np.nan])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"add": np.ones((3, 2))}, r"add must have shape \(4, 2\), the shape of x, got shape \(3, 2\)"),
        ({"x": np.ones((0, 2))}, "x must contain at least one example"),
        ({"gamma": np.ones(3)}, r"gamma must have shape \(2,\)"),
    ],
)
def test_fused_normalisation_rejects_arrays_of_wrong_shapes(arguments, message):
    with pytest.raises(ValueError, match=message):
        batch_norm_relu(**{"x": np.ones((4, 2)), "gamma": np.ones(2), "beta": np.ones(2), "eps": 0.1, **arguments})


@pytest.mark.parametrize(("M", "C", "K"), [(7, 3, 5), (4_000, 30, 30), (9_001, 20, 37), (0, 3, 4)])
def test_the_first_channels_of_an_array_are_added_in_place(M, C, K):
    rng = np.random.default_rng(0)
    out, a = rng.standard_normal((M, C)), rng.standard_normal((M, K))
    expected, before = out + a[:, :C], a.copy()
    assert add_channels(out, a) is out
    assert_same_bits((out, a), (expected, before))
    assert_same_bits_at_any_thread_count(lambda: add_channels(expected.copy(), a))
    columns = np.asfortranarray(rng.standard_normal((M, C)))
    assert_same_bits(np.ascontiguousarray(add_channels(columns.copy("K"), a)), columns + a[:, :C])
