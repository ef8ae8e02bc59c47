"""Tests of the public operators on p4: errors, types and exact numbers."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import assert_inputs_unchanged, engines
from refconv._config import config
from refconv.ops.p4_conv import (
    p4_conv2d,
    p4_conv2d_db,
    p4_conv2d_dw,
    p4_conv2d_dx,
    p4_lift_conv2d,
    p4_lift_conv2d_dw,
    p4_lift_conv2d_dx,
    p4_window,
)
from refconv.verify.catalogue.p4_conv import turned
from strategies import small_floats, small_integers

ones = np.ones
X, W = ones((2, 5, 7, 3)), ones((3, 3, 3, 6))
DY = ones((2, 3, 5, 4, 6))
X4, W4 = ones((2, 5, 7, 4, 3)), ones((3, 3, 4, 3, 6))


def passes(dtype=np.float64, values=small_floats):
    """Return (function, arrays) for each operator and derivative."""
    x, w, dy = values((2, 5, 7, 3), 0, dtype), values((3, 3, 3, 6), 1, dtype), values((2, 5, 7, 4, 6), 2, dtype)
    x4, w4 = values((2, 5, 7, 4, 3), 3, dtype), values((3, 3, 4, 3, 6), 4, dtype)
    return [
        (lambda x, w: p4_lift_conv2d(x, w, padding="same"), (x, w)),
        (lambda dy, w: p4_lift_conv2d_dx(dy, w, (5, 7), padding="same"), (dy, w)),
        (lambda x, dy: p4_lift_conv2d_dw(x, dy, 3, padding="same"), (x, dy)),
        (lambda x, w: p4_conv2d(x, w, padding=1), (x4, w4)),
        (lambda dy, w: p4_conv2d_dx(dy, w, (5, 7), padding=1), (dy, w4)),
        (lambda x, dy: p4_conv2d_dw(x, dy, (3, 3), padding=1), (x4, dy)),
        (p4_conv2d_db, (dy,)),
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: p4_lift_conv2d(X4, W), ValueError, r"^x must have 4 axes \(batch, height, width, channels\)"),
        (lambda: p4_lift_conv2d(X, W4), ValueError, "^w must have 4 axes .*kernel height"),
        (lambda: p4_lift_conv2d(X, W[:2]), ValueError, r"^w must have shape \(2, 2, 3, 6\), square kernels, got shape \(2, 3"),
        (lambda: p4_lift_conv2d(X[..., :2], W), ValueError, r"^x must have 3 channels, as w of shape \(3, 3, 3, 6\)"),
        (lambda: p4_lift_conv2d(X, W, ones(3)), ValueError, r"^b must have shape \(6,\), one for each output channel"),
        (lambda: p4_lift_conv2d(X[:, :2], W), ValueError, "at least as large as the kernel"),
        (lambda: p4_lift_conv2d(X, W.astype(np.float32)), TypeError, "float64 for x, float32 for w"),
        (lambda: p4_lift_conv2d(X, W, padding="some"), ValueError, "^padding must be 'valid', 'same'"),
        (lambda: p4_lift_conv2d(X, W, padding=(1, 0)), ValueError, r"^padding must add equal zeros .*got \(1, 0\) .*size 3"),
        (lambda: p4_lift_conv2d(X, W[:2, :2], padding="same"), ValueError, "got 'same' .*size 2: 0 and 1 rows, 0 and 1 col"),
        (lambda: p4_lift_conv2d_dx(DY, W, (5, 8)), ValueError, r"^dy must have shape \(2, 3, 6, 4, 6\), the output of 2 inp"),
        (lambda: p4_lift_conv2d_dx(DY, W[..., :5], (5, 7)), ValueError, r"^dy must have shape \(2, 3, 5, 4, 5\)"),
        (lambda: p4_lift_conv2d_dx(DY, W, (5, 0)), ValueError, "^input_size must be at least 1"),
        (
            lambda: p4_lift_conv2d_dw(X, DY[:1], 3),
            ValueError,
            r"^dy must have shape \(2, 3, 5, 4, 6\), the output of 2 inputs",
        ),
        (lambda: p4_lift_conv2d_dw(X, DY, 2), ValueError, r"^dy must have shape \(2, 4, 6, 4, 6\)"),
        (lambda: p4_lift_conv2d_dw(X, DY, (3, 2)), ValueError, r"^kernel_size must be square, .*got \(3, 2\)"),
        (lambda: p4_lift_conv2d_dw(X, DY[..., :3, :], 3), ValueError, r"^dy must have shape .*, with 4 rotations, got"),
        (lambda: p4_conv2d(X, W4), ValueError, "^x must have 5 axes .*rotation, channels"),
        (lambda: p4_conv2d(X4[..., :3, :], W4), ValueError, r"^x must have shape \(2, 5, 7, 4, 3\), with 4 rotations"),
        (lambda: p4_conv2d(X4, W4[:, :, :3]), ValueError, r"^w must have shape \(3, 3, 4, 3, 6\), square kernels with 4 rot"),
        (lambda: p4_conv2d(X4, W4[:, :2]), ValueError, r"^w must have shape \(3, 3, 4, 3, 6\), square kernels"),
        (lambda: p4_conv2d(X4, W4, padding=((1, 1), (1, 2))), ValueError, "1 and 1 rows, 1 and 2 columns"),
        (lambda: p4_conv2d_dx(DY, W4, 5), ValueError, r"^dy must have shape \(2, 3, 3, 4, 6\)"),
        (lambda: p4_conv2d_dw(X4, DY, "3"), TypeError, "^kernel_size must be an integer"),
        (lambda: p4_conv2d_db(DY[0]), ValueError, "^dy must have 5 axes"),
        (lambda: p4_conv2d_db(None), TypeError, "^dy must be an array, got None"),
    ],
)
def test_invalid_arguments_are_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.slow
@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_type_of_the_arguments_and_share_no_memory(dtype):
    for call, arrays in passes(dtype):
        assert call(*arrays).dtype == dtype
        assert_inputs_unchanged(call, *arrays)


@pytest.mark.slow
@engines
def test_integers_become_float64():
    for call, arrays in passes(values=small_integers):
        np.testing.assert_array_equal(call(*[a.astype(int) for a in arrays]), call(*arrays))


@engines
def test_rotated_views_give_the_rotated_output():
    """D9: ``np.rot90`` returns a view with other strides."""
    x, w = small_integers((2, 5, 7, 3), 0), small_integers((3, 3, 3, 6), 1)
    y = p4_lift_conv2d(x, w)
    np.testing.assert_array_equal(p4_lift_conv2d(turned(x), w), turned(y))
    w4 = small_integers((2, 2, 4, 6, 1), 2)
    np.testing.assert_array_equal(p4_conv2d(turned(y), w4, padding=1), turned(p4_conv2d(y, w4, padding=1)))


def test_fractions_run_on_the_loops():
    third = np.full((1, 2, 2, 1), Fraction(1, 3))
    with config(engine="reference"):
        assert p4_lift_conv2d(third, third.reshape(2, 2, 1, 1)).ravel().tolist() == [Fraction(4, 9)] * 4
    with config(engine="kernels"), pytest.raises(TypeError, match=r"x must be .*got Python objects"):
        p4_lift_conv2d(third, third.reshape(2, 2, 1, 1))


@pytest.mark.parametrize(
    ("k", "padding", "zeros"),
    [(3, "same", 1), (5, "same_lower", 2), (4, "full", 3), (2, 1, 1), (2, (3, 3), 3), (1, ((2, 2), (2, 2)), 2)],
)
def test_each_form_of_an_equal_padding_is_accepted(k, padding, zeros):
    assert p4_window(k, padding).pads((7, 9)) == ((zeros, zeros), (zeros, zeros))
