"""Tests of the max pooling loops: examples, NumPy slices, and properties."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_is_derivative, fractions, inner
from pool_strategies import NDIMS, PROBLEMS, SLIDE, flat_patches, pool_problems
from refconv.geometry import Window
from refconv.reference import max_pool
from strategies import max_examples, seeds


def run(name, window, *arguments):
    """Call a function for the window's number of axes: "max_pool" is max_pool1d or max_pool2d."""
    return getattr(max_pool, name.replace("pool", f"pool{window.ndim}d"))(*arguments)


def test_slide_c9():
    np.testing.assert_array_equal(max_pool.max_pool2d(SLIDE, Window((2, 2), stride=2))[0, :, :, 0], [[4, 5], [7, 9]])


@NDIMS
def test_maximum_equals_the_maximum_of_numpy_slices(ndim):
    @given(pool_problems(ndim))
    def check(problem):
        x, window = problem
        y, argmax = run("max_pool_with_argmax", window, x, window)
        under = flat_patches(x, window, -np.inf)
        np.testing.assert_array_equal(y, under.max(axis=-1))
        # np.argmax returns the first maximum of each window; the same slices of the positions give its index in x.
        positions = np.broadcast_to(np.arange(np.prod(x.shape[1:-1])).reshape(1, *x.shape[1:-1], 1), x.shape)
        first = under.argmax(axis=-1)[..., None]
        expected = np.take_along_axis(flat_patches(positions, window, -1), first, axis=-1)[..., 0]
        np.testing.assert_array_equal(argmax, expected)
        assert (y.dtype, argmax.dtype) == (x.dtype, np.intp)
        np.testing.assert_array_equal(run("max_pool", window, x, window), y)

    check()


def test_nan_is_the_maximum_at_any_position():
    for place in range(6):
        x = np.arange(6.0).reshape(1, 2, 3, 1)
        x.flat[place] = np.nan
        y, argmax = max_pool.max_pool2d_with_argmax(x, Window((2, 3)))
        assert np.isnan(y).all()
        assert argmax.item() == place


def test_the_first_of_several_infinities_is_the_argmax():
    x = np.full((1, 3, 4, 2), -np.inf)
    y, argmax = max_pool.max_pool2d_with_argmax(x, Window((2, 3), padding=1))
    np.testing.assert_array_equal(y, np.full_like(y, -np.inf))
    np.testing.assert_array_equal(argmax[0, :, :, 0], [[0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6], [8, 8, 9, 10]])


def test_padding_is_never_the_maximum():
    x = np.full((1, 2, 3, 1), -5.0)
    assert (max_pool.max_pool2d(x, Window((2, 2), padding=1)) == -5).all()


@PROBLEMS
def test_the_derivative_agrees_with_central_differences(window, size):
    # All values differ by at least 1, so no step of the central difference changes a maximum.
    rng = np.random.default_rng(0)
    x = rng.permutation(2 * int(np.prod(size)) * 3).astype(float).reshape(2, *size, 3)
    y, argmax = run("max_pool_with_argmax", window, x, window)
    dy = rng.standard_normal(y.shape)
    dx = run("max_pool_dx", window, dy, argmax, size)
    assert_is_derivative(dx, lambda x: run("max_pool", window, x, window), x, dy)


@PROBLEMS
def test_the_derivative_is_the_exact_adjoint_of_gathering_the_maxima(window, size):
    x, dy = fractions((2, *size, 3), seed=3), fractions((2, *window.output_size(size), 3), seed=4)
    y, argmax = run("max_pool_with_argmax", window, x, window)
    dx = run("max_pool_dx", window, dy, argmax, size)
    assert isinstance(inner(dx, x), Fraction)
    assert inner(dy, y) == inner(dx, x)


def test_the_derivative_reads_argmax_without_padding():
    # The maximum is in the corner of the image; counted with padding, position 5 would be one row and column off.
    x = np.array([[0.0, 0, 0], [0, 0, 9]]).reshape(1, 2, 3, 1)
    _, argmax = max_pool.max_pool2d_with_argmax(x, Window((4, 5), padding=1))
    dx = max_pool.max_pool2d_dx(np.array([7.0]).reshape(1, 1, 1, 1), argmax, (2, 3))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 0, 0], [0, 0, 7]])


def test_a_signal_equals_an_image_one_pixel_high():
    window = Window((3,), 2, ((1, 2),), ceil_mode=True)
    flat, x = window.with_axis_before(), np.random.default_rng(5).standard_normal((2, 7, 3))
    y, argmax = max_pool.max_pool1d_with_argmax(x, window)
    y2, argmax2 = max_pool.max_pool2d_with_argmax(x[:, None], flat)
    np.testing.assert_array_equal(y, y2[:, 0])
    np.testing.assert_array_equal(argmax, argmax2[:, 0])
    dx2 = max_pool.max_pool2d_dx(y2, argmax2, (1, 7))[:, 0]
    np.testing.assert_array_equal(max_pool.max_pool1d_dx(y, argmax, (7,)), dx2)


@max_examples(20)
@given(seeds, st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_pooling_ignores_the_order_inside_a_window(seed, kernel):
    rng = np.random.default_rng(seed)
    kh, kw = kernel
    # Each row of the table is one window of the image; the rows are shuffled independently.
    table = rng.integers(-9, 10, (2 * 3, kh * kw)).astype(float)
    shuffled = rng.permuted(table, axis=1)
    images = [t.reshape(2, 3, kh, kw).transpose(0, 2, 1, 3).reshape(1, 2 * kh, 3 * kw, 1) for t in (table, shuffled)]
    window = Window(kernel, stride=kernel)
    before, after = (max_pool.max_pool2d(x, window) for x in images)
    np.testing.assert_array_equal(before, after)


def test_only_shifts_by_the_stride_shift_the_output():
    window = Window((2, 3), stride=(2, 3))
    # A bright pixel at each of the six positions in the window of output (1, 1).
    for u in range(2, 4):
        for v in range(3, 6):
            x = np.zeros((1, 6, 9, 1))
            x[0, u, v] = 1
            expected = np.zeros((3, 3))
            expected[1, 1] = 1
            np.testing.assert_array_equal(max_pool.max_pool2d(x, window)[0, :, :, 0], expected)
            moved = max_pool.max_pool2d(np.roll(x, (2, 3), axis=(1, 2)), window)[0, :, :, 0]
            np.testing.assert_array_equal(moved, np.roll(expected, (1, 1), axis=(0, 1)))
