"""Tests of the max pooling kernels against the loops."""

import numpy as np
import pytest
from hypothesis import given

from evidence import (
    all_engines,
    assert_parity,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_writes_every_cell,
    fenced,
    needs_kernels,
)
from pool_strategies import CHANNELS, FENCED, NDIMS, options, pool_problems
from refconv._config import config
from refconv.geometry import Window
from refconv.ops import dispatch
from refconv.ops import max_pool as ops
from strategies import small_floats, small_integers

pytestmark = needs_kernels

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def op(name, ndim):
    return getattr(ops, name.replace("pool", f"pool{ndim}d"))


def assert_agrees(x, window):
    """Check that y, argmax and ∂e/∂x have the same bits, since all sums have the same order."""
    ndim, kernel = window.ndim, window.kernel
    assert_parity(lambda x: op("max_pool_with_argmax", ndim)(x, kernel, **options(window)), x)
    assert_parity(lambda x: op("max_pool", ndim)(x, kernel, **options(window)), x)
    with config(engine="reference"):
        y, argmax = op("max_pool_with_argmax", ndim)(x, kernel, **options(window))
    dy = small_floats(y.shape, 1, x.dtype)
    assert_parity(lambda dy: op("max_pool_dx", ndim)(dy, argmax, x.shape[1:-1]), dy)


@NDIMS
def test_kernels_equal_the_loops_with_ties(ndim):
    @given(pool_problems(ndim))
    def check(problem):
        assert_agrees(*problem)

    check()


@NDIMS
def test_kernels_equal_the_loops_with_few_ties(ndim):
    @given(pool_problems(ndim, values=small_floats))
    def check(problem):
        assert_agrees(*problem)

    check()


def with_special_values(shape, seed, dtype):
    """Return small integers mixed with NaN, both infinities and both zeros."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([np.nan, np.inf, -np.inf, -np.inf, 0.0, -0.0, 1, 2], dtype), shape)


@NDIMS
def test_kernels_equal_the_loops_on_nan_and_infinities(ndim):
    @given(pool_problems(ndim, values=with_special_values))
    def check(problem):
        x, window = problem
        results = all_engines(lambda: op("max_pool_with_argmax", ndim)(x, window.kernel, **options(window)))
        for loops, *others in zip(*results, strict=True):
            for other in others:
                np.testing.assert_array_equal(other, loops)
        np.testing.assert_array_equal(op("max_pool", ndim)(x, window.kernel, **options(window)), results[0][0])

    check()


@DTYPES
@CHANNELS
def test_kernels_equal_the_loops_for_full_and_partial_vectors(C, dtype):
    assert_agrees(small_integers((2, 4, 5, C), C, dtype), Window((3, 2), (1, 2), ((1, 0), (0, 1))))


@pytest.mark.parametrize(("N", "C"), [(1, 300), (3, 113), (7, 35)])
def test_tasks_of_the_derivative_cover_all_channels(N, C):
    # The channels fill more cache lines than an image has tasks, and not a multiple of that number.
    assert_agrees(small_integers((N, 3, 2, C), 0), Window((2, 1)))


@DTYPES
@CHANNELS
@FENCED
@pytest.mark.parametrize("side", ["start", "end"])
def test_nothing_outside_the_arrays_is_read(C, dtype, side, window, more):
    x = small_floats((2, 4, 5, C), C, dtype)
    y, argmax = ops.max_pool2d_with_argmax(x, window, **more)
    dx = ops.max_pool2d_dx(y, argmax, (4, 5))
    x = fenced(x, side)
    assert_same_bits(ops.max_pool2d_with_argmax(x, window, **more), (y, argmax))
    assert_same_bits(ops.max_pool2d(x, window, **more), y)
    assert_same_bits(ops.max_pool2d_dx(fenced(y, side), fenced(argmax, side), (4, 5)), dx)


@DTYPES
@pytest.mark.parametrize(("N", "C"), [(1, 70), (5, 6), (33, 3)])
def test_same_bits_at_any_thread_count(N, C, dtype):
    # Enough work for several threads; the last lanes of a task overlap the next task's outputs.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 59, 61, C)).astype(dtype)
    more = {"stride": (1, 2), "padding": "same"}
    y, argmax = ops.max_pool2d_with_argmax(x, (4, 3), **more)
    dy = rng.standard_normal(y.shape).astype(dtype)
    assert_same_bits_at_any_thread_count(lambda: ops.max_pool2d_with_argmax(x, (4, 3), **more))
    assert_same_bits_at_any_thread_count(lambda: ops.max_pool2d(x, (4, 3), **more))
    assert_same_bits_at_any_thread_count(lambda: ops.max_pool2d_dx(dy, argmax, (59, 61)))


def test_pixels_that_are_no_maximum_get_zero_derivative():
    argmax = np.zeros((1, 2, 2, 3), np.intp)
    assert_writes_every_cell(lambda: ops.max_pool2d_dx(np.ones((1, 2, 2, 3)), argmax, (5, 6)))


def test_an_empty_batch_stays_empty():
    y, argmax = ops.max_pool2d_with_argmax(np.zeros((0, 4, 5, 3)), 2)
    assert y.shape == argmax.shape == (0, 2, 2, 3)
    assert ops.max_pool2d_dx(y, argmax, (4, 5)).shape == (0, 4, 5, 3)


@DTYPES
@pytest.mark.parametrize("channels", [5, 16, 37])
def test_slices_of_channels_are_read_and_written(channels, dtype):
    window = Window((3, 2), (2, 1), ((1, 0), (0, 1)))
    x = np.full((2, 7, 6, channels + 4), np.nan, dtype)[..., 1:-3]
    x[...] = small_floats(x.shape, 3, dtype)
    for after in (0, 2):  # with 0, lanes beyond the channels may be written
        wide = np.full((2, 3, 6, channels + after), 9, dtype)
        y = wide[..., :channels]
        dispatch.kernels().max_pool.max_pool2d_to(x, window, y)
        assert_same_bits(y.copy(), ops.max_pool2d(x.copy(), (3, 2), **options(window)))
        assert (wide[..., channels:] == 9).all()
