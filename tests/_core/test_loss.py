"""Tests of the kernels of softmax and of the losses against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_parity, assert_same_bits_at_any_thread_count, in_order, needs_kernels
from refconv.ops.loss import (
    binary_cross_entropy,
    log_softmax,
    log_softmax_dx,
    mean_squared_error,
    softmax,
    softmax_cross_entropy,
    softmax_dx,
)
from strategies import dtypes, seeds, small_floats, unlike

pytestmark = needs_kernels


@st.composite
def score_batches(draw, most=7):
    """Draw logits (N, K) of any magnitude, dy (N, K) and labels (N,), with N and K distinct."""
    K = draw(st.integers(1, most))
    N = draw(unlike({K}, 1, most))
    seed, dtype = draw(seeds), draw(dtypes)
    x = small_floats((N, K), seed, dtype) * dtype(draw(st.sampled_from([0.1, 1, 50, 5000])))
    return x, small_floats((N, K), seed + 1, dtype), np.random.default_rng(seed).integers(0, K, N)


@given(score_batches(), st.sampled_from([0.0, 0.1, 1.0]))
def test_softmax_functions_agree_with_the_loops(batch, alpha):
    x, dy, labels = batch
    eps = np.finfo(x.dtype).eps
    near = {"tolerance": 40 * eps, "rtol": 40 * eps}
    assert_parity(softmax, x, **near)
    assert_parity(log_softmax, x, **near)
    y, log_y = softmax(x), log_softmax(x)
    assert_parity(in_order(softmax_dx), dy, y, **near)
    assert_parity(in_order(log_softmax_dx), dy, log_y, **near)
    assert_parity(lambda x: softmax_cross_entropy(x, labels, label_smoothing=alpha), x, **near)
    weights = 1 + np.arange(x.shape[1]) % 3
    assert_parity(lambda x: softmax_cross_entropy(x, labels, label_smoothing=alpha, class_weights=weights), x, **near)


@given(st.integers(1, 200), seeds, dtypes, st.sampled_from([0.1, 1, 50, 5000]), st.sampled_from([0.25, 1.0, 3.0]))
def test_elementwise_losses_agree_with_the_loops(size, seed, dtype, magnitude, weight):
    x, targets = small_floats(size, seed, dtype) * dtype(magnitude), np.random.default_rng(seed).integers(0, 5, size) / 4
    eps = np.finfo(dtype).eps
    near = {"tolerance": 40 * eps, "rtol": 40 * eps}
    assert_parity(lambda x: mean_squared_error(x, targets), x, **near)
    assert_parity(lambda x: binary_cross_entropy(x, targets, pos_weight=weight), x, **near)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_thread_count(dtype):
    # Enough work for several threads.
    x, dy = small_floats((5_017, 11), 1, dtype), small_floats((5_017, 11), 2, dtype)
    labels = np.arange(5_017) % 11
    y, log_y = softmax(x), log_softmax(x)
    assert_same_bits_at_any_thread_count(
        lambda: (
            *(softmax(x), softmax_dx(dy, y=y), log_softmax(x), log_softmax_dx(dy, y=log_y)),
            *softmax_cross_entropy(x, labels, label_smoothing=0.1),
            *softmax_cross_entropy(x, labels, class_weights=1 + np.arange(11)),
            *mean_squared_error(x, dy),
            *binary_cross_entropy(x, dy > 0, pos_weight=3.0),
        )
    )


def test_the_loss_of_many_float32_rows_is_added_in_double_precision():
    x, labels = small_floats((100_000, 3), 1, np.float32), np.arange(100_000) % 3
    loss, _ = softmax_cross_entropy(x, labels)
    exact, _ = softmax_cross_entropy(x.astype(np.float64), labels)
    assert loss == np.float32(exact)


def test_exponentials_of_float32_logits_are_the_exact_ones_rounded():
    x = np.concatenate([np.linspace(-110, 0, 20_001), np.geomspace(-1e-6, -0.7, 1_000), [-1e4, -1e30, -np.inf]])
    x = x.astype(np.float32)
    # For the logits x and 0, softmax is a / (1 + a) with a = exp(x). It has two roundings; the first is at most one ulp.
    y = softmax(np.stack([x, np.zeros_like(x)], axis=1))[:, 0]
    powers = np.exp(x.astype(np.float64))
    exact = powers / (1 + powers)
    ulp = np.spacing(exact.astype(np.float32)).astype(np.float64)
    assert (np.abs(y - exact) <= 1.51 * ulp).all()
    assert (y[-3:] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("K", [3, 32, 33, 100])
def test_softmax_of_non_finite_logits(dtype, K):
    for value in (np.nan, np.inf, -np.inf):
        for k in (0, 1, K // 2, K - 1):
            x = small_floats((1, K), 0, dtype)
            x[0, k] = value
            expected = np.full((1, K), np.nan)
            if value < 0:
                rest = np.delete(x.astype(np.float64), k)
                expected = np.insert(np.exp(rest) / np.exp(rest).sum(), k, 0)[None]
            elif value > 0:
                # The sum contains ∞ − ∞, which is NaN.
                assert np.isnan(log_softmax(x)).all()
            np.testing.assert_allclose(softmax(x), expected, rtol=40 * np.finfo(dtype).eps)


def test_a_certain_correct_prediction_has_an_exact_derivative():
    # In float32 p rounds to 1, and 1 − p to 0.
    _, dlogits = softmax_cross_entropy(np.array([[20, 0, 0]], np.float32), [0])
    np.testing.assert_allclose(dlogits[0], np.exp(-20.0) * np.array([-2, 1, 1]), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_more_classes_than_lanes_agree_with_numpy(dtype):
    x, labels = small_floats((5, 203), 1, dtype) * 9, np.array([0, 202, 31, 32, 64])
    x64, eps = x.astype(np.float64), np.finfo(dtype).eps
    p = np.exp(x64 - x64.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(x), p, rtol=40 * eps)
    np.testing.assert_allclose(log_softmax(x), np.log(p), rtol=40 * eps)
    target = 0.3 / 203 + 0.7 * (np.arange(203) == labels[:, None])
    loss, dlogits = softmax_cross_entropy(x, labels, label_smoothing=0.3)
    np.testing.assert_allclose(loss, -(target * np.log(p)).sum() / 5, rtol=40 * eps)
    np.testing.assert_allclose(dlogits, (p - target) / 5, rtol=40 * eps, atol=eps / 5)


def test_class_weights_of_1_change_no_bit():
    for dtype in (np.float32, np.float64):
        x, labels = small_floats((5_017, 11), 1, dtype), np.arange(5_017) % 11
        for alpha in (0.0, 0.1):
            loss, dlogits = softmax_cross_entropy(x, labels, label_smoothing=alpha)
            weighted, dweighted = softmax_cross_entropy(x, labels, label_smoothing=alpha, class_weights=np.ones(11))
            assert (weighted, dweighted.tobytes()) == (loss, dlogits.tobytes())


@pytest.mark.parametrize("size", [1, 31, 32, 33, 4_095, 4_096, 4_097, 100_003])
def test_every_element_of_every_task_is_summed_once(size):
    # Integers: no sum rounds, in any order.
    errors = np.arange(size) % 7 - 3.0
    for dtype in (np.float32, np.float64):
        loss, dx = mean_squared_error(errors.astype(dtype), np.zeros(size))
        assert loss == dtype((errors**2).sum() / size)
        np.testing.assert_allclose(dx, 2 * errors / size, rtol=2 * np.finfo(dtype).eps)
        x = np.where(errors == 3, -1000, 1000).astype(dtype)  # a loss of 1000 for each wrong target
        loss, dx = binary_cross_entropy(x, np.ones(size))
        assert loss == dtype(1000 * (errors == 3).sum() / size)
        np.testing.assert_allclose(dx, np.where(errors == 3, -1 / size, 0), rtol=2 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("place", [0, 17, 31, 5_000])
def test_a_nan_logit_reaches_the_loss_and_only_its_own_derivative(place):
    for dtype in (np.float32, np.float64):
        x = small_floats(5_001, 1, dtype)
        x[place] = np.nan
        for call in (mean_squared_error, binary_cross_entropy):
            loss, dx = call(x, np.arange(5_001) % 2)
            assert np.isnan(loss)
            assert np.flatnonzero(np.isnan(dx)).tolist() == [place]


def test_logarithms_of_float32_logits_are_exact_within_one_rounding():
    x = np.concatenate([np.linspace(-87, 0, 20_001), np.geomspace(-1e-6, -0.7, 1_000)]).astype(np.float32)
    exact = np.log1p(np.exp(x.astype(np.float64)))  # the loss of an element with target 0
    for k in range(0, len(x), 997):
        loss, _ = binary_cross_entropy(x[k : k + 1], [0])
        np.testing.assert_allclose(loss, exact[k], rtol=1.2e-7)
    loss, _ = binary_cross_entropy(x, np.zeros(len(x)))
    np.testing.assert_allclose(loss, exact.mean(), rtol=1.2e-7)
