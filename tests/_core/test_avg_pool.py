"""Tests of the average pooling kernels against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    assert_parity,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_writes_every_cell,
    fenced,
    needs_kernels,
    rounding,
)
from pool_strategies import CHANNELS, FENCED, NDIMS, options, pool_problems
from refconv.geometry import Window
from refconv.ops import avg_pool as ops
from refconv.ops import dispatch
from strategies import dtypes, seeds, small_floats, small_integers

pytestmark = needs_kernels

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
COUNTS = pytest.mark.parametrize("count_include_pad", [False, True])


def op(name, ndim):
    return getattr(ops, name.replace("pool", f"pool{ndim}d"))


def assert_agrees(x, window, count_include_pad):
    more = {name: value for name, value in options(window).items() if name != "dilation"}
    more["count_include_pad"] = count_include_pad
    ndim, kernel, size = window.ndim, window.kernel, x.shape[1:-1]

    def forward(x):
        return op("avg_pool", ndim)(x, kernel, **more)

    def backward(dy):
        return op("avg_pool_dx", ndim)(dy, kernel, size, **more)

    terms = int(np.prod(kernel))
    dy = small_floats((len(x), *window.output_size(size), x.shape[-1]), 1, x.dtype)
    assert_parity(forward, x, tolerance=rounding(forward, x, terms=terms))
    assert_parity(backward, dy, tolerance=rounding(backward, dy, terms=terms))


@NDIMS
@COUNTS
def test_kernels_agree_with_the_loops(ndim, count_include_pad):
    @given(pool_problems(ndim, values=small_floats, most_dilation=1))
    def check(problem):
        assert_agrees(*problem, count_include_pad)

    check()


@DTYPES
@CHANNELS
@COUNTS
def test_kernels_agree_with_the_loops_for_full_and_partial_vectors(C, dtype, count_include_pad):
    window = Window((3, 2), (1, 2), ((1, 0), (0, 1)))
    assert_agrees(small_integers((2, 4, 5, C), C, dtype), window, count_include_pad)


@DTYPES
@CHANNELS
@COUNTS
@FENCED
@pytest.mark.parametrize("side", ["start", "end"])
def test_nothing_outside_the_arrays_is_read(C, dtype, side, window, more, count_include_pad):
    more = {**more, "count_include_pad": count_include_pad}
    x = small_floats((2, 4, 5, C), C, dtype)
    y = ops.avg_pool2d(x, window, **more)
    dx = ops.avg_pool2d_dx(y, window, (4, 5), **more)
    assert_same_bits(ops.avg_pool2d(fenced(x, side), window, **more), y)
    assert_same_bits(ops.avg_pool2d_dx(fenced(y, side), window, (4, 5), **more), dx)


@DTYPES
@pytest.mark.parametrize(("N", "C"), [(1, 70), (5, 6), (33, 3)])
def test_same_bits_at_any_thread_count(N, C, dtype):
    # Enough work for several threads; the last lanes of a task overlap the next task's outputs.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 59, 61, C)).astype(dtype)
    more = {"stride": (1, 2), "padding": "same"}
    dy = rng.standard_normal((N, 59, 31, C)).astype(dtype)
    assert_same_bits_at_any_thread_count(lambda: ops.avg_pool2d(x, (4, 3), **more))
    assert_same_bits_at_any_thread_count(lambda: ops.avg_pool2d_dx(dy, (4, 3), (59, 61), **more))


def test_pixels_that_no_window_reads_get_zero_derivative():
    # A stride larger than the window leaves gaps; the kernel must write zeros there.
    assert_writes_every_cell(lambda: ops.avg_pool2d_dx(np.ones((1, 2, 2, 3)), (1, 2), (5, 6), stride=(3, 4)))


def test_an_empty_batch_stays_empty():
    y = ops.avg_pool2d(np.zeros((0, 4, 5, 3)), 2)
    assert y.shape == (0, 2, 2, 3)
    assert ops.avg_pool2d_dx(y, 2, (4, 5)).shape == (0, 4, 5, 3)


@given(st.data(), dtypes, seeds)
def test_global_average_agrees_with_the_loops(data, dtype, seed):
    N, C, *size = data.draw(st.lists(st.integers(1, 20), min_size=3, max_size=4, unique=True))
    forward, backward = op("global_avg_pool", len(size)), op("global_avg_pool_dx", len(size))
    x, dy = small_floats((N, *size, C), seed, dtype), small_floats((N, C), seed, dtype)
    terms = int(np.prod(size))
    assert_parity(forward, x, tolerance=rounding(forward, x, terms=terms))
    assert_parity(lambda dy: backward(dy, size), dy, rtol=2 * np.finfo(dtype).eps)
    exact = small_integers(x.shape, seed, dtype) * terms  # the means are integers, so nothing rounds
    assert_parity(forward, exact)


@DTYPES
@CHANNELS
@pytest.mark.parametrize("side", ["start", "end"])
def test_global_pooling_reads_nothing_outside_the_arrays(C, dtype, side):
    x, dy = small_floats((2, 4, 5, C), C, dtype), small_floats((2, C), C, dtype)
    assert_same_bits(ops.global_avg_pool2d(fenced(x, side)), ops.global_avg_pool2d(x))
    assert_same_bits(ops.global_avg_pool2d_dx(fenced(dy, side), (4, 5)), ops.global_avg_pool2d_dx(dy, (4, 5)))


@DTYPES
def test_global_average_has_the_same_bits_at_any_thread_count(dtype):
    x, dy = small_floats((5, 29, 31, 70), 1, dtype), small_floats((5, 70), 2, dtype)
    assert_same_bits_at_any_thread_count(lambda: (ops.global_avg_pool2d(x), ops.global_avg_pool1d(x[:, 0])))
    assert_same_bits_at_any_thread_count(lambda: (ops.global_avg_pool2d_dx(dy, (29, 31)), ops.global_avg_pool1d_dx(dy, 29)))


def test_an_empty_batch_has_an_empty_global_average():
    assert ops.global_avg_pool2d(np.zeros((0, 4, 5, 3))).shape == (0, 3)
    assert ops.global_avg_pool2d_dx(np.zeros((0, 3)), (4, 5)).shape == (0, 4, 5, 3)


@DTYPES
@COUNTS
@pytest.mark.parametrize("channels", [5, 16, 37])
def test_slices_of_channels_are_read_and_written(channels, count_include_pad, dtype):
    window = Window((3, 2), (2, 1), ((1, 0), (0, 1)))
    x = np.full((2, 7, 6, channels + 4), np.nan, dtype)[..., 1:-3]
    x[...] = small_floats(x.shape, 3, dtype)
    for after in (0, 2):  # with 0, lanes beyond the channels may be written
        wide = np.full((2, 3, 6, channels + after), 9, dtype)
        y = wide[..., :channels]
        dispatch.kernels().avg_pool.avg_pool2d_to(x, window, count_include_pad, y)
        more = {"stride": (2, 1), "padding": ((1, 0), (0, 1)), "count_include_pad": count_include_pad}
        assert_same_bits(y.copy(), ops.avg_pool2d(x.copy(), (3, 2), **more))
        assert (wide[..., channels:] == 9).all()
