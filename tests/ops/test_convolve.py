"""Tests of plain convolution: errors, dtypes, unchanged inputs, and the FFT."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import assert_inputs_unchanged, assert_same_sums, assert_within, engines, fft_rounding
from refconv._config import config
from refconv.ops.conv import conv2d
from refconv.ops.convolve import (
    convolve1d,
    convolve2d,
    cross_correlate1d,
    cross_correlate2d,
    fft_convolve1d,
    fft_convolve2d,
)
from strategies import small_floats


def test_lists_of_integers_give_float64_and_float32_is_kept():
    assert convolve1d([1, 2, 3], [1, 1], "valid").dtype == np.float64
    assert convolve1d(np.ones(3, np.float32), np.ones(2, np.float32), "valid").dtype == np.float32


@pytest.mark.parametrize("slide", [convolve2d, cross_correlate2d, fft_convolve2d])
def test_inputs_are_unchanged(slide):
    assert_inputs_unchanged(lambda x, w: slide(x, w, "same"), small_floats((5, 6), 1), small_floats((3, 2), 2))


def test_conv2d_equals_cross_correlation():
    x, w = small_floats((5, 6), 1), small_floats((3, 2), 2)

    def layer(x, w):
        return conv2d(x[None, :, :, None], w[:, :, None, None])[0, :, :, 0]

    assert_same_sums(cross_correlate2d(x, w, "valid"), layer, x, w, terms=w.size)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: convolve1d([1, 2], [1, 2, 3], "valid"), ValueError, "at least as large as the kernel"),
        (
            lambda: convolve1d([1, 2], [1], "vaild"),
            ValueError,
            "mode must be 'valid', 'same' or 'full', got 'vaild'",
        ),
        (lambda: convolve1d([1, 2], [1], []), ValueError, r"mode must be 'valid', 'same' or 'full', got \[\]"),
        (
            lambda: convolve1d([[1, 2]], [1], "full"),
            ValueError,
            r"x must have 1 axes \(position\), got shape \(1, 2\)",
        ),
        (lambda: convolve2d([[1, 2]], [1], "full"), ValueError, r"w must have 2 axes \(height, width\)"),
        (lambda: cross_correlate1d([], [1.0], "full"), ValueError, r"x must not be empty, got shape \(0,\)"),
        (lambda: cross_correlate1d([1.0], [1j], "full"), TypeError, "w must be an array of float32, float64 or integers"),
        (lambda: fft_convolve1d([1, 2], [1, 2, 3], "valid"), ValueError, "at least as large as the kernel"),
        (lambda: fft_convolve1d([1, 2], [1], "circular"), ValueError, "mode must be 'valid', 'same' or 'full'"),
        (lambda: fft_convolve2d([1, 2], [[1]], "full"), ValueError, r"x must have 2 axes \(height, width\)"),
        (lambda: fft_convolve2d([[1.0]], [[1j]], "full"), TypeError, "w must be an array of float32, float64 or integers"),
        (
            lambda: cross_correlate1d(np.ones(3, np.float32), np.ones(2), "full"),
            TypeError,
            "x and w must have the same float type, got float32 for x, float64 for w",
        ),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["valid", "same", "full"])
def test_fft_convolution_agrees_with_direct_sums_and_scipy(mode, dtype):
    signal = pytest.importorskip("scipy.signal")
    x, w = small_floats((6, 7), 1, dtype), small_floats((4, 3), 2, dtype)
    y = fft_convolve2d(x, w, mode)
    assert (y.dtype, y.flags.c_contiguous) == (dtype, True)
    assert_within(y, convolve2d(x, w, mode), fft_rounding(x, w))
    assert_within(y, signal.fftconvolve(x, w, mode), fft_rounding(x, w))
    x, w = x[0], w[0]
    y = fft_convolve1d(x, w, mode)
    assert (y.dtype, y.flags.c_contiguous) == (dtype, True)
    assert_within(y, convolve1d(x, w, mode), fft_rounding(x, w))
    assert_within(y, signal.fftconvolve(x, w, mode), fft_rounding(x, w))


def test_the_fft_rejects_fractions():
    x = np.array([Fraction(1, 2), Fraction(1, 3)])
    with config(engine="reference"), pytest.raises(TypeError, match="cannot represent roots of unity"):
        fft_convolve1d(x, x, "full")
