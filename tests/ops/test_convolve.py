"""What the operators refuse and leave alone."""

import numpy as np
import pytest

from evidence import assert_inputs_unchanged
from refconv.ops.conv import conv2d
from refconv.ops.convolve import convolve1d, convolve2d, cross_correlate1d, cross_correlate2d
from strategies import small_floats


def test_lists_of_integers_become_float64_and_float32_stays():
    assert convolve1d([1, 2, 3], [1, 1], "valid").dtype == np.float64
    assert convolve1d(np.ones(3, np.float32), np.ones(2, np.float32), "valid").dtype == np.float32


@pytest.mark.parametrize("slide", [convolve2d, cross_correlate2d])
def test_inputs_are_left_alone(slide):
    assert_inputs_unchanged(lambda x, w: slide(x, w, "same"), small_floats((5, 6), 1), small_floats((3, 2), 2))


def test_the_layer_correlates():
    x, w = small_floats((5, 6), 1), small_floats((3, 2), 2)
    y = conv2d(x[None, :, :, None], w[:, :, None, None])[0, :, :, 0]
    np.testing.assert_allclose(cross_correlate2d(x, w, "valid"), y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: convolve1d([1, 2], [1, 2, 3], "valid"), ValueError, "at least as large as the kernel"),
        (
            lambda: convolve1d([1, 2], [1], "vaild"),
            ValueError,
            "mode must be 'valid', 'same' or 'full', but is 'vaild'",
        ),
        (lambda: convolve1d([1, 2], [1], []), ValueError, r"mode must be 'valid', 'same' or 'full', but is \[\]"),
        (
            lambda: convolve1d([[1, 2]], [1], "full"),
            ValueError,
            r"x must have 1 axes \(position\), but has shape \(1, 2\)",
        ),
        (lambda: convolve2d([[1, 2]], [1], "full"), ValueError, r"w must have 2 axes \(height, width\)"),
        (lambda: cross_correlate1d([], [1.0], "full"), ValueError, r"x must not be empty, but has shape \(0,\)"),
        (lambda: cross_correlate1d([1.0], [1j], "full"), TypeError, "w must hold float32, float64 or integers"),
        (
            lambda: cross_correlate1d(np.ones(3, np.float32), np.ones(2), "full"),
            TypeError,
            "x and w must have one float type, but x is float32, w is float64",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
