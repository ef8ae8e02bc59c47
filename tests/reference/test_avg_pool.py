"""Tests of the average pooling loops: examples, NumPy slices, and derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_adjoint, assert_is_derivative, assert_same_sums, fractions
from pool_strategies import NDIMS, PROBLEMS, SLIDE, flat_patches, pool_problems
from refconv.geometry import Window
from refconv.reference import avg_pool
from strategies import max_examples, seeds, small_floats

COUNTS = pytest.mark.parametrize("count_include_pad", [False, True])


def run(name, window, *arguments):
    """Call a function for the window's number of axes: "avg_pool" is avg_pool1d or avg_pool2d."""
    return getattr(avg_pool, name.replace("pool", f"pool{window.ndim}d"))(*arguments)


def test_slide_c9():
    np.testing.assert_array_equal(avg_pool.avg_pool2d(SLIDE, Window((2, 2), stride=2), False)[0, :, :, 0], [[2, 3], [4, 6]])


@NDIMS
@COUNTS
def test_average_equals_the_mean_of_numpy_slices(ndim, count_include_pad):
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
            # If the padding is part of the image, ceil_mode can add one more window, which is removed here.
            counts = counts[tuple(slice(0, n) for n in (1, *y.shape[1:-1], 1))].sum(axis=-1)
        else:
            counts = flat_patches(counted, window, 0).sum(axis=-1)

        def means(x):
            return (flat_patches(x, window, 0).sum(axis=-1) / counts).astype(x.dtype)

        assert_same_sums(y, means, x, terms=np.prod(window.kernel))

    check()


def test_padding_counts_only_with_count_include_pad():
    x, window = np.full((1, 2, 3, 1), -5.0), Window((2, 2), padding=1)
    assert (avg_pool.avg_pool2d(x, window, count_include_pad=False) == -5).all()
    corner = avg_pool.avg_pool2d(x, window, count_include_pad=True)[0, 0, 0, 0]
    assert corner == -5 / 4


def test_cells_added_by_ceil_mode_never_count():
    x = np.array([2.0, 4, 6, 8]).reshape(1, 4, 1)
    window = Window((3,), 2, 1, ceil_mode=True)
    np.testing.assert_array_equal(avg_pool.avg_pool1d(x, window, False)[0, :, 0], [3, 6, 8])
    np.testing.assert_array_equal(avg_pool.avg_pool1d(x, window, True)[0, :, 0], [2, 6, 4])


@PROBLEMS
@COUNTS
def test_the_derivative_agrees_with_central_differences(window, size, count_include_pad):
    x = small_floats((2, *size, 3), seed=1)
    dy = np.random.default_rng(2).standard_normal((2, *window.output_size(size), 3))
    dx = run("avg_pool_dx", window, dy, window, size, count_include_pad)
    assert_is_derivative(dx, lambda x: run("avg_pool", window, x, window, count_include_pad), x, dy)


@PROBLEMS
@COUNTS
def test_the_derivative_is_the_exact_adjoint(window, size, count_include_pad):
    x, dy = fractions((2, *size, 3), seed=1), fractions((2, *window.output_size(size), 3), seed=2)
    assert_adjoint(
        lambda x: run("avg_pool", window, x, window, count_include_pad),
        lambda dy: run("avg_pool_dx", window, dy, window, size, count_include_pad),
        x,
        dy,
    )


def test_the_derivative_spreads_over_the_window_only():
    dx = avg_pool.avg_pool2d_dx(np.array([6.0]).reshape(1, 1, 1, 1), Window((3, 1)), (3, 2), False)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[2, 0], [2, 0], [2, 0]])


@COUNTS
def test_a_signal_equals_an_image_one_pixel_high(count_include_pad):
    window = Window((3,), 2, ((1, 2),), ceil_mode=True)
    flat, x = window.with_axis_before(), np.random.default_rng(5).standard_normal((2, 7, 3))
    y = avg_pool.avg_pool1d(x, window, count_include_pad)
    np.testing.assert_array_equal(y, avg_pool.avg_pool2d(x[:, None], flat, count_include_pad)[:, 0])
    dx2 = avg_pool.avg_pool2d_dx(y[:, None], flat, (1, 7), count_include_pad)[:, 0]
    np.testing.assert_array_equal(avg_pool.avg_pool1d_dx(y, window, (7,), count_include_pad), dx2)


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
    before, after = (avg_pool.avg_pool2d(x, window, False) for x in images)
    np.testing.assert_array_equal(before, after)


GLOBAL = pytest.mark.parametrize("size", [(5,), (3, 4), (4, 1)])


def run_global(suffix, size, *arguments):
    return getattr(avg_pool, f"global_avg_pool{len(size)}d{suffix}")(*arguments)


@GLOBAL
def test_global_average_is_the_mean_over_all_positions(size):
    x = small_floats((2, *size, 3), 1)
    axes = tuple(range(1, 1 + len(size)))
    assert_same_sums(run_global("", size, x), lambda x: x.mean(axes), x, terms=np.prod(size))


@GLOBAL
def test_global_average_equals_the_average_of_one_window_over_the_image(size):
    x, dy = fractions((2, *size, 3), 1), fractions((2, 3), 2)
    window, one = Window(size), (2, *(1,) * len(size), 3)
    assert (run_global("", size, x).reshape(one) == run("avg_pool", window, x, window, False)).all()
    dx = run("avg_pool_dx", window, dy.reshape(one), window, size, False)
    assert (run_global("_dx", size, dy, size) == dx).all()


@GLOBAL
def test_the_global_derivative_is_exact_and_agrees_with_central_differences(size):
    x, dy = fractions((2, *size, 3), 1), fractions((2, 3), 2)
    assert_adjoint(lambda x: run_global("", size, x), lambda dy: run_global("_dx", size, dy, size), x, dy)
    x, dy = small_floats((2, *size, 3), 3), small_floats((2, 3), 4)
    assert_is_derivative(run_global("_dx", size, dy, size), lambda x: run_global("", size, x), x, dy)


@GLOBAL
def test_the_symbolic_global_derivative_agrees_with_sympy(size):
    sympy = pytest.importorskip("sympy")
    x = np.array(sympy.symbols(f"x:{2 * int(np.prod(size))}"), object).reshape(1, *size, 2)
    dy = np.array(sympy.symbols("d:2"), object).reshape(1, 2)
    e, dx = (dy * run_global("", size, x)).sum(), run_global("_dx", size, dy, size)
    assert all(sympy.expand(sympy.diff(e, x[i]) - dx[i]) == 0 for i in np.ndindex(x.shape))
