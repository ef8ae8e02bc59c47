"""The loops of pooling: literal examples, an independent definition by slices, and what must hold for every input."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import assert_adjoint, assert_is_derivative, fractions, inner
from pool_strategies import pool_problems
from refconv.geometry import Window
from refconv.reference import pool
from strategies import seeds, small_floats

NDIMS = pytest.mark.parametrize("ndim", [1, 2])
SLIDE = np.array([[1.0, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]).reshape(1, 4, 4, 1)

# Kernels not square, stride unlike the window, asymmetric padding, overlap: for each ndim a window and an input size.
CASES = {
    1: [
        (Window((3,), 2, ((2, 1),)), (6,)),
        (Window((2,), 3, ((0, 1),), 2, ceil_mode=True), (7,)),
    ],
    2: [
        (Window((3, 2), (1, 2), ((2, 0), (0, 1))), (4, 5)),
        (Window((2, 4), (3, 1), ((1, 0), (2, 3))), (5, 4)),
        (Window((2, 3), (2, 3), ((0, 1), (1, 1)), (2, 1), ceil_mode=True), (6, 5)),
    ],
}
PROBLEMS = pytest.mark.parametrize(("window", "size"), [case for cases in CASES.values() for case in cases])


def run(name, window, *arguments):
    """The function of this name for the window's number of axes: "max_pool" is max_pool1d or max_pool2d."""
    return getattr(pool, name.replace("pool", f"pool{window.ndim}d"))(*arguments)


def patches(x, window, fill):
    """x under the window, by NumPy's own slices: (N, *outputs, C, *kernel). ``fill`` lies outside of the image."""
    size = x.shape[1:-1]
    pads = window.pads(size)
    # More than enough at the end: ceil_mode may reach beyond the declared padding.
    around = [(0, 0), *[(p0, p1 + S) for (p0, p1), S in zip(pads, window.stride, strict=True)], (0, 0)]
    x = np.pad(x, around, constant_values=fill)
    axes = tuple(range(1, 1 + window.ndim))
    every = np.lib.stride_tricks.sliding_window_view(x, window.span, axis=axes)
    outputs = tuple(slice(0, n * S, S) for n, S in zip(window.output_size(size), window.stride, strict=True))
    taps = tuple(slice(None, None, D) for D in window.dilation)
    return every[(slice(None), *outputs, slice(None), *taps)]


def flat_patches(x, window, fill):
    under = patches(x, window, fill)
    return under.reshape(*under.shape[: -window.ndim], -1)


def test_slide_c9():
    window = Window((2, 2), stride=2)
    np.testing.assert_array_equal(pool.max_pool2d(SLIDE, window)[0, :, :, 0], [[4, 5], [7, 9]])
    np.testing.assert_array_equal(pool.avg_pool2d(SLIDE, window, False)[0, :, :, 0], [[2, 3], [4, 6]])


@NDIMS
def test_maximum_is_that_of_the_slices(ndim):
    @given(pool_problems(ndim))
    def check(problem):
        x, window = problem
        y, argmax = run("max_pool_with_argmax", window, x, window)
        under = flat_patches(x, window, -np.inf)
        np.testing.assert_array_equal(y, under.max(axis=-1))
        # np.argmax, too, takes the first; it finds the entry of the window, and the same slices tell its position.
        positions = np.broadcast_to(np.arange(np.prod(x.shape[1:-1])).reshape(1, *x.shape[1:-1], 1), x.shape)
        first = under.argmax(axis=-1)[..., None]
        expected = np.take_along_axis(flat_patches(positions, window, -1), first, axis=-1)[..., 0]
        np.testing.assert_array_equal(argmax, expected)
        assert (y.dtype, argmax.dtype) == (x.dtype, np.intp)
        np.testing.assert_array_equal(run("max_pool", window, x, window), y)

    check()


@NDIMS
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_average_is_that_of_the_slices(ndim, count_include_pad):
    @given(pool_problems(ndim))
    def check(problem):
        x, window = problem
        y = run("avg_pool", window, x, window, count_include_pad)
        counted = np.ones((1, *x.shape[1:-1], 1))
        if count_include_pad:
            pads = window.pads(x.shape[1:-1])
            counted = np.pad(counted, [(0, 0), *pads, (0, 0)], constant_values=1)
            window_without = Window(window.kernel, window.stride, 0, window.dilation, window.ceil_mode)
            counts = flat_patches(counted, window_without, 0)
            # With the padding as part of the image, ceil_mode may let one more window in: it is left out.
            counts = counts[tuple(slice(0, n) for n in (1, *y.shape[1:-1], 1))].sum(axis=-1)
        else:
            counts = flat_patches(counted, window, 0).sum(axis=-1)
        sums = flat_patches(x, window, 0).sum(axis=-1)
        np.testing.assert_allclose(y, sums / counts, rtol=4 * np.finfo(x.dtype).eps)
        assert y.dtype == x.dtype

    check()


def test_nan_wins_wherever_it_stands():
    for place in range(6):
        x = np.arange(6.0).reshape(1, 2, 3, 1)
        x.flat[place] = np.nan
        y, argmax = pool.max_pool2d_with_argmax(x, Window((2, 3)))
        assert np.isnan(y).all()
        assert argmax.item() == place


def test_of_many_infinities_the_first_wins():
    x = np.full((1, 3, 4, 2), -np.inf)
    y, argmax = pool.max_pool2d_with_argmax(x, Window((2, 3), padding=1))
    np.testing.assert_array_equal(y, np.full_like(y, -np.inf))
    np.testing.assert_array_equal(argmax[0, :, :, 0], [[0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6], [8, 8, 9, 10]])


def test_padding_never_wins_and_never_counts():
    x = np.full((1, 2, 3, 1), -5.0)
    window = Window((2, 2), padding=1)
    assert (pool.max_pool2d(x, window) == -5).all()
    assert (pool.avg_pool2d(x, window, count_include_pad=False) == -5).all()
    corner = pool.avg_pool2d(x, window, count_include_pad=True)[0, 0, 0, 0]
    assert corner == -5 / 4


def test_what_ceil_mode_adds_never_counts():
    x = np.array([2.0, 4, 6, 8]).reshape(1, 4, 1)
    window = Window((3,), 2, 1, ceil_mode=True)
    np.testing.assert_array_equal(pool.avg_pool1d(x, window, False)[0, :, 0], [3, 6, 8])
    np.testing.assert_array_equal(pool.avg_pool1d(x, window, True)[0, :, 0], [2, 6, 4])


@PROBLEMS
def test_max_derivative_is_the_numeric_one(window, size):
    # Neighbouring values are 1 apart, so no step of the central difference changes a winner.
    rng = np.random.default_rng(0)
    x = rng.permutation(2 * int(np.prod(size)) * 3).astype(float).reshape(2, *size, 3)
    y, argmax = run("max_pool_with_argmax", window, x, window)
    dy = rng.standard_normal(y.shape)
    dx = run("max_pool_dx", window, dy, argmax, size)
    assert_is_derivative(dx, lambda x: run("max_pool", window, x, window), x, dy)


@PROBLEMS
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_average_derivative_is_the_numeric_one(window, size, count_include_pad):
    x = small_floats((2, *size, 3), seed=1)
    dy = np.random.default_rng(2).standard_normal((2, *window.output_size(size), 3))
    dx = run("avg_pool_dx", window, dy, window, size, count_include_pad)
    assert_is_derivative(dx, lambda x: run("avg_pool", window, x, window, count_include_pad), x, dy)


@PROBLEMS
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_average_derivative_is_the_exact_adjoint(window, size, count_include_pad):
    x, dy = fractions((2, *size, 3), seed=1), fractions((2, *window.output_size(size), 3), seed=2)
    assert_adjoint(
        lambda x: run("avg_pool", window, x, window, count_include_pad),
        lambda dy: run("avg_pool_dx", window, dy, window, size, count_include_pad),
        x,
        dy,
    )


@PROBLEMS
def test_max_derivative_is_the_exact_adjoint_of_picking_the_winners(window, size):
    x, dy = fractions((2, *size, 3), seed=3), fractions((2, *window.output_size(size), 3), seed=4)
    y, argmax = run("max_pool_with_argmax", window, x, window)
    dx = run("max_pool_dx", window, dy, argmax, size)
    assert isinstance(inner(dx, x), Fraction)
    assert inner(dy, y) == inner(dx, x)


def test_max_derivative_reads_positions_without_padding():
    # The winner is in the corner of the image; read with padding, position 5 would lie one row and column off.
    x = np.array([[0.0, 0, 0], [0, 0, 9]]).reshape(1, 2, 3, 1)
    _, argmax = pool.max_pool2d_with_argmax(x, Window((4, 5), padding=1))
    dx = pool.max_pool2d_dx(np.array([7.0]).reshape(1, 1, 1, 1), argmax, (2, 3))
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 0, 0], [0, 0, 7]])


def test_average_derivative_spreads_down_the_height_and_across_the_width():
    dx = pool.avg_pool2d_dx(np.array([6.0]).reshape(1, 1, 1, 1), Window((3, 1)), (3, 2), False)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[2, 0], [2, 0], [2, 0]])


def test_a_signal_is_an_image_one_pixel_high():
    window = Window((3,), 2, ((1, 2),), ceil_mode=True)
    flat, x = window.with_axis_before(), np.random.default_rng(5).standard_normal((2, 7, 3))
    y, argmax = pool.max_pool1d_with_argmax(x, window)
    y2, argmax2 = pool.max_pool2d_with_argmax(x[:, None], flat)
    np.testing.assert_array_equal(y, y2[:, 0])
    np.testing.assert_array_equal(argmax, argmax2[:, 0])
    dx2 = pool.max_pool2d_dx(y2, argmax2, (1, 7))[:, 0]
    np.testing.assert_array_equal(pool.max_pool1d_dx(y, argmax, (7,)), dx2)
    for count in (False, True):
        np.testing.assert_array_equal(pool.avg_pool1d(x, window, count), pool.avg_pool2d(x[:, None], flat, count)[:, 0])
        dx2 = pool.avg_pool2d_dx(y2, flat, (1, 7), count)[:, 0]
        np.testing.assert_array_equal(pool.avg_pool1d_dx(y, window, (7,), count), dx2)


@settings(max_examples=20)
@given(seeds, st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_pooling_does_not_see_order_inside_a_window(seed, kernel):
    rng = np.random.default_rng(seed)
    kh, kw = kernel
    # Window (i, j) of the image, as rows of one table, each shuffled on its own.
    table = rng.integers(-9, 10, (2 * 3, kh * kw)).astype(float)
    shuffled = rng.permuted(table, axis=1)
    images = [t.reshape(2, 3, kh, kw).transpose(0, 2, 1, 3).reshape(1, 2 * kh, 3 * kw, 1) for t in (table, shuffled)]
    window = Window(kernel, stride=kernel)
    for pooled in (pool.max_pool2d, lambda x, w: pool.avg_pool2d(x, w, False)):
        before, after = (pooled(x, window) for x in images)
        np.testing.assert_array_equal(before, after)


def test_small_shifts_do_not_matter_and_strides_shift_the_output():
    window = Window((2, 3), stride=(2, 3))
    # A bright pixel inside the window of output (1, 1), at each of its six places.
    for u in range(2, 4):
        for v in range(3, 6):
            x = np.zeros((1, 6, 9, 1))
            x[0, u, v] = 1
            expected = np.zeros((3, 3))
            expected[1, 1] = 1
            np.testing.assert_array_equal(pool.max_pool2d(x, window)[0, :, :, 0], expected)
            moved = pool.max_pool2d(np.roll(x, (2, 3), axis=(1, 2)), window)[0, :, :, 0]
            np.testing.assert_array_equal(moved, np.roll(expected, (1, 1), axis=(0, 1)))
