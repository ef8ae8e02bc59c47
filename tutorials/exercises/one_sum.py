"""01 · One sum: convolution and cross-correlation, by hand, as a loop, as a matrix."""

import numpy as np
from checking import SHOWN_ABOVE, checked, checked_function

from refconv import convolve1d, cross_correlate1d, cross_correlate2d, verify


@checked("two lists of numbers, the correlation and the convolution")
def check_1(answer):
    """Check the valid cross-correlation and the valid convolution of 2, 7, 1, 8 with 3, 1, 4."""
    x, w = [2, 7, 1, 8], [3, 1, 4]
    for name, numbers, slide in zip(("correlation", "convolution"), answer, (cross_correlate1d, convolve1d), strict=True):
        count = np.size(numbers)
        assert count == 2, f"{name}: must be 2 numbers, since a kernel of 3 fits on 4 numbers in 2 places, got {count}"
        y = slide(x, w, "valid")
        assert list(numbers) == list(y), f"{name}: not {list(numbers)}; the first number of the kernel meets which of x?"


@checked("a function of x and w that returns an array")
def check_2(function):
    """Check a function that computes the full convolution with loops."""
    count = np.size(function(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 3])))
    assert count == 6, f"full: every overlap counts, so 4 and 3 numbers must give 4 + 3 − 1 = 6, got {count}"
    verdict = verify.check(function, "convolve1d", seconds=2)
    assert verdict, SHOWN_ABOVE


@checked_function("of a and b that returns an array")
def check_3(both):
    """Check the kernel that combines the cross-correlations with a and b into one."""
    rng = np.random.default_rng(3)
    for i, j in ((2, 2), (3, 2), (2, 4)):
        a, b, x = (rng.integers(-4, 5, n).astype(float) for n in (i, j, 12))
        c = np.asarray(both(a, b), float)
        expected = cross_correlate1d(cross_correlate1d(x, a, "valid"), b, "valid")
        assert c.shape == (i + j - 1,), (
            f"c must have shape ({i + j - 1},), since kernels of {i} and {j} together read {i + j - 1} inputs, got {c.shape}"
        )
        result = cross_correlate1d(x, c, "valid")
        assert np.allclose(result, expected), f"with a = {a} and b = {b}: c ⋆ x is not b ⋆ (a ⋆ x); try an x with a single 1"


@checked_function("of w and n that returns a matrix")
def check_4(matrix):
    """Check the matrix of the valid convolution with w on signals of length n."""
    rng = np.random.default_rng(4)
    for k, n in ((2, 3), (3, 7), (5, 5)):
        w, x = rng.integers(1, 9, k).astype(float), rng.integers(-9, 9, n).astype(float)
        T = np.asarray(matrix(w, n), float)
        assert T.shape == (n - k + 1, n), (
            f"for k = {k}, n = {n}: T must have a row for each output and a column for each input, got shape {T.shape}"
        )
        assert np.allclose(T @ x, convolve1d(x, w, "valid")), f"with w = {w} and x = {x}: T x is {T @ x}, and not w * x"


@checked("three rows of three numbers")
def check_5(K):
    """Check the kernel that subtracts from each pixel the pixel below and to the right of it."""
    K = np.asarray(K, float)
    assert K.shape == (3, 3), f"K must have three rows of three numbers, got shape {K.shape}"
    image = np.random.default_rng(5).integers(0, 9, (5, 6)).astype(float)
    neighbour = np.pad(image, ((0, 1), (0, 1)))[1:, 1:]
    result = cross_correlate2d(image, K, "same")
    assert np.allclose(result, image - neighbour), "which number of K lies on the pixel below and to the right?"
