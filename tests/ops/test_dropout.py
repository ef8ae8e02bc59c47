"""Tests of public dropout: seeds, errors, dtypes and expected values."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import assert_inputs_unchanged, assert_same_bits, engines, in_order
from refconv._config import config
from refconv.ops.dropout import dropout, dropout_dx
from strategies import small_floats

X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dropout(X.astype(complex), 0.5, 1), TypeError, "x must be an array of float32, float64 or integers"),
        (lambda: dropout(None, 0.5, 1), TypeError, "x must be an array"),
        (lambda: dropout(X, 1, 1), ValueError, "rate must be at least 0 and below 1, got 1"),
        (lambda: dropout(X, 1.5, 1), ValueError, "rate must be at least 0 and below 1, got 1.5"),
        (lambda: dropout(X, -0.1, 1), ValueError, "rate must be at least 0 and below 1, got -0.1"),
        (lambda: dropout(X, float("nan"), 1), ValueError, "rate must be finite"),
        (lambda: dropout(X, "0.5", 1), TypeError, "rate must be a number, got '0.5'"),
        (lambda: dropout(X, True, 1), TypeError, "rate must be a number, got True"),
        (lambda: dropout(X, 0.5, None), TypeError, "rng must be a numpy.random.Generator or an integer, got None"),
        (lambda: dropout(X, 0.5, 1.5), TypeError, "rng must be a numpy.random.Generator or an integer, got 1.5"),
        (lambda: dropout(X, 0.5, True), TypeError, "rng must be a numpy.random.Generator"),
        (lambda: dropout(X, 0.5, -1), ValueError, "rng must be at least 0, got -1"),
        (lambda: dropout_dx(X, mask=X[:1]), ValueError, r"dy must have shape \(1, 3\), the shape of mask, got shape \(2, 3\)"),
        (lambda: dropout_dx(X, mask=X.astype(np.float32)), TypeError, "float64 for dy, float32 for mask"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_dtype_and_shape_of_x(dtype):
    for shape in ((), (5,), (2, 3, 4, 5), (0, 3)):
        x = small_floats(shape, 1, dtype)
        y, mask = dropout(x, 0.5, 1)
        assert (y.dtype, y.shape, mask.dtype, mask.shape) == (dtype, shape, dtype, shape)
        assert dropout_dx(x, mask=mask).shape == shape


@engines
def test_arguments_are_unchanged():
    for rate in (0.0, 0.5):
        assert_inputs_unchanged(lambda x, rate=rate: dropout(x, rate, 1), small_floats((3, 4), 1))
    assert_inputs_unchanged(in_order(dropout_dx), small_floats((3, 4), 1), np.ones((3, 4)))


def test_a_seed_gives_the_same_mask_in_all_engines_and_dtypes():
    x = small_floats((7, 5), 1, np.float32)
    expected = dropout(x, 0.4, 3)
    assert_same_bits(dropout(x, 0.4, np.random.default_rng(3)), expected)
    assert ((dropout(x.astype(np.float64), 0.4, 3)[1] == 0) == (expected[1] == 0)).all()
    with config(engine="reference"):
        assert_same_bits(dropout(x, 0.4, 3), expected)


def test_a_generator_gives_a_new_mask_each_time():
    rng = np.random.default_rng(3)
    first, second = (dropout(np.ones(50), 0.5, rng)[1] for _ in range(2))
    assert (first != second).any()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
def test_the_rate_is_the_dropped_share_and_the_mean_is_kept(rate):
    n = 40_000
    y, mask = dropout(np.full(n, 3.0), rate, 1)
    deviation = np.sqrt(rate * (1 - rate) / n)
    assert abs(np.mean(mask == 0) - rate) < 4 * deviation
    assert set(mask) == {0, 1 / (1 - rate)}
    assert abs(y.mean() - 3) < 3 * 4 * deviation / (1 - rate)


def test_the_loops_are_exact_for_fractions():
    x = np.array([Fraction(1, 3)] * 8)
    with config(engine="reference"):
        y, mask = dropout(x, Fraction(1, 3), 1)
        assert set(y) == {0, Fraction(1, 2)}
        assert list(dropout_dx(x, mask=mask)) == list(y)


def test_ragged_input_is_rejected_by_name():
    with pytest.raises(ValueError, match="x must have rows of equal length"):
        dropout([[1], [1, 2]], 0.5, 1)
    with pytest.raises(ValueError, match="mask must have rows of equal length"):
        dropout_dx([[1.0, 2]], mask=[[1], [1, 2]])


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_dropped_non_finite_elements_become_zero(number, dtype):
    x = np.full((7, 5), number, dtype)
    y, mask = dropout(x, 0.4, 3)
    dropped = mask == 0
    assert 0 < np.count_nonzero(dropped) < x.size
    for result in (y, dropout_dx(x, mask=mask)):
        assert (result[dropped] == 0).all()
        np.testing.assert_array_equal(result[~dropped], number)
