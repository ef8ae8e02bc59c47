"""Tests of convolution and cross-correlation loops: by hand, SciPy, and algebra."""

import numpy as np
import pytest

from evidence import assert_same_sums, assert_within, fft_rounding
from refconv.reference.convolve import (
    convolve1d,
    convolve2d,
    cross_correlate1d,
    cross_correlate2d,
    fft_convolve1d,
    fft_convolve2d,
    fourier1d,
    fourier2d,
)

MODES = ("valid", "same", "full")
X, W = np.arange(1.0, 7.0), np.array([1.0, 2.0, 3.0])


def test_one_to_six_with_one_two_three_computed_by_hand():
    # valid: 1·1 + 2·2 + 3·3 = 14, …; and with the kernel flipped 1·3 + 2·2 + 3·1 = 10, …
    assert cross_correlate1d(X, W, "valid").tolist() == [14, 20, 26, 32]
    assert convolve1d(X, W, "valid").tolist() == [10, 16, 22, 28]
    # full: the first overlap is one product, the second two
    assert cross_correlate1d(X, W, "full").tolist() == [3, 8, 14, 20, 26, 32, 17, 6]
    assert convolve1d(X, W, "full").tolist() == [1, 4, 10, 16, 22, 28, 27, 18]
    assert convolve1d(X, W, "same").tolist() == [4, 10, 16, 22, 28, 27]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", [((6, 7), (3, 2)), ((5, 8), (4, 5)), ((4, 4), (1, 3))])
def test_the_loops_agree_with_scipy_in_every_mode(mode, sizes):
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(size) for size in sizes)
    assert_same_sums(convolve2d(x, w, mode), lambda x, w: signal.convolve2d(x, w, mode), x, w, terms=w.size)
    actual = cross_correlate2d(x, w, mode)
    assert_same_sums(actual, lambda x, w: signal.correlate(x, w, mode, "direct"), x, w, terms=w.size)
    x, w = x[0], w[0]
    assert_same_sums(convolve1d(x, w, mode), lambda x, w: np.convolve(x, w, mode), x, w, terms=w.size)
    assert_same_sums(cross_correlate1d(x, w, mode), lambda x, w: np.correlate(x, w, mode), x, w, terms=w.size)


def test_the_fourier_loops_agree_with_numpy():
    x = np.random.default_rng(0).standard_normal((3, 5))
    assert_within(fourier1d(x[0], 7, -1), np.fft.fft(x[0], 7), fft_rounding(x[0], size=7))
    assert_within(fourier1d(x[0], 5, +1) / 5, np.fft.ifft(x[0]), fft_rounding(x[0]))
    assert_within(fourier2d(x, 4, 7, -1), np.fft.fft2(x, (4, 7)), fft_rounding(x, size=4 * 7))
    assert fourier1d(x[0].astype(np.float32), 7, -1).dtype == np.complex64


def test_the_convolution_theorem():
    # The product of two spectra of length n is the spectrum of a circular convolution; if n is too small, its ends overlap.
    x, w = np.array([1.0, 2, 3, 4]), np.array([10.0, 1, 0, 5])
    circular = [sum(x[(t - i) % 4] * w[i] for i in range(4)) for t in range(4)]
    assert circular == [10 + 4 + 10, 20 + 1 + 15, 30 + 2 + 20, 40 + 3 + 5]
    assert_within(fourier1d(x, 4, -1) * fourier1d(w, 4, -1), fourier1d(np.array(circular), 4, -1), fft_rounding(x, w, size=4))
    linear = convolve1d(x, w, "full")
    assert_within(fourier1d(x, 7, -1) * fourier1d(w, 7, -1), fourier1d(linear, 7, -1), fft_rounding(x, w))
    assert circular == (linear[:4] + np.append(linear[4:], 0)).tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", [((4, 5), (3, 2)), ((2, 4), (1, 4)), ((3, 1), (2, 1))])
def test_fft_convolution_agrees_with_the_direct_sums(mode, sizes):
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(size) for size in sizes)
    for by_fft, form, arrays in ((fft_convolve2d, convolve2d, (x, w)), (fft_convolve1d, convolve1d, (x[:, 0], w[:, 0]))):
        assert_within(by_fft(*arrays, mode), form(*arrays, mode), fft_rounding(*arrays))
    if mode == "same":
        x, w = w, x  # a kernel larger than the image
        assert_within(fft_convolve2d(x, w, mode), convolve2d(x, w, mode), fft_rounding(x, w))


def test_the_convolution_theorem_on_symbols():
    sympy = pytest.importorskip("sympy")
    x, w = np.array(sympy.symbols("x0:3"), object), np.array(sympy.symbols("w0:2"), object)
    for actual, expected in zip(fft_convolve1d(x, w, "full"), convolve1d(x, w, "full"), strict=True):
        assert sympy.simplify(sympy.expand(actual - expected)) == 0
    actual, expected = (f(x[None, :2], w[:, None], "full") for f in (fft_convolve2d, convolve2d))
    assert all(sympy.simplify(sympy.expand(d)) == 0 for d in (actual - expected).flat)
