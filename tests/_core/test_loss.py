"""The kernels of softmax and cross-entropy equal their loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_parity, assert_same_bits_at_any_thread_count, needs_kernels
from refconv.ops.loss import log_softmax, log_softmax_dx, softmax, softmax_cross_entropy, softmax_dx
from strategies import dtypes, seeds, small_floats, unlike

pytestmark = needs_kernels


@st.composite
def score_batches(draw, most=7):
    """Logits (N, K) of any magnitude, dy of that shape and labels (N,); N and K distinct."""
    K = draw(st.integers(1, most))
    N = draw(unlike({K}, 1, most))
    seed, dtype = draw(seeds), draw(dtypes)
    x = small_floats((N, K), seed, dtype) * dtype(draw(st.sampled_from([0.1, 1, 50, 5000])))
    return x, small_floats((N, K), seed + 1, dtype), np.random.default_rng(seed).integers(0, K, N)


@given(score_batches(), st.sampled_from([0.0, 0.1, 1.0]))
def test_every_function(batch, alpha):
    x, dy, labels = batch
    eps = np.finfo(x.dtype).eps
    near = {"tolerance": 40 * eps, "rtol": 40 * eps}
    assert_parity(softmax, x, **near)
    assert_parity(log_softmax, x, **near)
    y, log_y = softmax(x), log_softmax(x)
    assert_parity(softmax_dx, dy, y, **near)
    assert_parity(log_softmax_dx, dy, log_y, **near)
    assert_parity(lambda x: softmax_cross_entropy(x, labels, label_smoothing=alpha), x, **near)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_thread_count(dtype):
    x, dy = small_floats((517, 11), 1, dtype), small_floats((517, 11), 2, dtype)
    labels = np.arange(517) % 11
    y, log_y = softmax(x), log_softmax(x)
    assert_same_bits_at_any_thread_count(
        lambda: (
            *(softmax(x), softmax_dx(dy, y), log_softmax(x), log_softmax_dx(dy, log_y)),
            *softmax_cross_entropy(x, labels, label_smoothing=0.1),
        )
    )


def test_the_loss_of_many_float32_rows_is_added_in_double_precision():
    x, labels = small_floats((100_000, 3), 1, np.float32), np.arange(100_000) % 3
    loss, _ = softmax_cross_entropy(x, labels)
    exact, _ = softmax_cross_entropy(x.astype(np.float64), labels)
    assert loss == np.float32(exact)
