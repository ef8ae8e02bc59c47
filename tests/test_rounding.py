"""Tests that the bounds of tests/evidence.py accept rounding errors and refuse larger ones."""

import numpy as np
import pytest

from evidence import assert_same_sums, assert_within, fft_rounding

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@DTYPES
def test_another_order_of_additions_is_accepted_if_a_sum_cancels(dtype):
    x, w = np.array([[3.0, -7, 4, 1e-3]], dtype), np.array([[1 / 3], [1 / 3], [1], [2]], dtype)
    assert_same_sums(x[:, ::-1] @ w[::-1], lambda x, w: x @ w, x, w, terms=4)
    cancelled = x[:, 0:1] * w[0] + x[:, 1:2] * w[1] + x[:, 2:3] * w[2] + x[:, 3:4] * w[3]
    assert_same_sums(cancelled, lambda x, w: x @ w, x, w, terms=4)


@DTYPES
def test_an_error_beyond_the_bound_is_refused_with_its_index(dtype):
    x, w = np.array([[3.0, -7, 4, 1], [2, 5, 1, 6]], dtype), np.ones((4, 3), dtype)
    y = x @ w
    y[1, 2] += 200 * np.finfo(dtype).eps * 14  # the bound is 2·(4 + 2)·ε·14
    with pytest.raises(AssertionError, match=r"1 of 6 elements differ, the first at \(1, 2\): the test found "):
        assert_same_sums(y, lambda x, w: x @ w, x, w, terms=4)


def test_another_dtype_or_shape_is_refused():
    x = np.ones((2, 3))
    with pytest.raises(AssertionError, match="the test found float32, but expected float64"):
        assert_same_sums(x.astype(np.float32), lambda x: x, x, terms=1)
    with pytest.raises(AssertionError, match=r"the test found shape \(3, 2\), but expected \(2, 3\)"):
        assert_same_sums(x.T, lambda x: x, x, terms=1)


@DTYPES
def test_the_magnitude_of_a_complex_error_counts(dtype):
    x = np.array([1.0, -2, 0.5], dtype)
    expected, allowed = np.fft.fft(x).astype(np.result_type(dtype, np.complex64)), fft_rounding(x)
    assert_within(expected + 0.5j * dtype(allowed), expected, allowed)
    with pytest.raises(AssertionError, match="3 of 3 elements differ"):
        assert_within(expected + 2j * dtype(allowed), expected, allowed)
