"""Convolution and cross-correlation as loops: worked by hand, against SciPy, and by their algebra."""

import numpy as np
import pytest

from refconv.reference.convolve import convolve1d, convolve2d, cross_correlate1d, cross_correlate2d

MODES = ("valid", "same", "full")
X, W = np.arange(1.0, 7.0), np.array([1.0, 2.0, 3.0])


def test_one_to_six_with_one_two_three_by_hand():
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
    np.testing.assert_allclose(convolve2d(x, w, mode), signal.convolve2d(x, w, mode), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(cross_correlate2d(x, w, mode), signal.correlate(x, w, mode, "direct"), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(convolve1d(x[0], w[0], mode), np.convolve(x[0], w[0], mode), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(cross_correlate1d(x[0], w[0], mode), np.correlate(x[0], w[0], mode), rtol=1e-12, atol=1e-12)
