"""Tests that the kernels of im2col, col2im, toeplitz and zero_stuff equal the loops.

They are equal bit for bit, because they copy, or add in the same order.
"""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    assert_parity,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    fenced,
    needs_kernels,
)
from refconv.geometry import Window
from refconv.ops.matrix import col2im, im2col, toeplitz1d, toeplitz2d, zero_stuff
from strategies import conv_problems, dtypes, image_batches, seeds, small_floats, unlike, windows

pytestmark = needs_kernels


def options(window):
    return {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}


def unfold_and_fold(window, size):
    """Return im2col and col2im of one window as functions of one array."""
    return (
        lambda x: im2col(x, window.kernel, **options(window)),
        lambda columns: col2im(columns, size, window.kernel, **options(window)),
    )


@given(st.data())
def test_im2col_and_col2im_equal_the_loops(data):
    window = data.draw(windows(2))
    x = data.draw(image_batches(window))
    unfold, fold = unfold_and_fold(window, x.shape[1:-1])
    assert_parity(unfold, x)
    assert_parity(fold, small_floats(unfold(x).shape, data.draw(seeds), x.dtype))


@pytest.mark.parametrize(
    ("size", "window"),
    [
        pytest.param((3, 4), Window((2, 3), 1, 5), id="windows-on-padding-only"),
        pytest.param((2, 3), Window((1, 2), 4, 3), id="stride-larger-than-the-image"),
        pytest.param((4, 1), Window((3, 2), 3, ((0, 1), (3, 0))), id="pixels-after-the-last-window"),
        pytest.param((7, 8), Window((2, 2), (3, 4)), id="pixels-between-windows"),
        pytest.param((9, 7), Window((2, 3), (2, 3), ((0, 3), (4, 1)), (3, 2)), id="dilation-and-stride"),
        pytest.param((1, 1), Window((3, 2), 2, "same"), id="one-pixel"),
    ],
)
@pytest.mark.parametrize("N", [0, 1, 3])
def test_im2col_and_col2im_equal_the_loops_for_unusual_windows(size, window, N):
    x = small_floats((N, *size, 2), 1)
    unfold, fold = unfold_and_fold(window, size)
    assert_parity(unfold, x)
    assert_parity(fold, small_floats(unfold(x).shape, 2))
    assert fold(unfold(x)).shape == x.shape


@given(conv_problems(2, most_channels=2, extra=2, most_dilation=2))
def test_toeplitz2d_equals_the_loops(p):
    assert_parity(lambda w: toeplitz2d(w, p.size, **p.options), p.w)


@given(conv_problems(1))
def test_toeplitz1d_equals_the_loops(p):
    assert_parity(lambda w: toeplitz1d(w, p.size, **p.options), p.w)


@given(st.data(), dtypes, st.sampled_from([1, 2]))
def test_zero_stuff_equals_the_loops(data, dtype, ndim):
    shape = [data.draw(st.integers(0, 2))]
    for _ in range(ndim + 1):
        shape.append(data.draw(unlike(shape, 1, 4)))
    stride = data.draw(st.tuples(*[st.integers(1, 4)] * ndim))
    assert_parity(lambda x: zero_stuff(x, stride), small_floats(shape, 1, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_thread_count(dtype):
    window = Window((3, 5), (2, 1), "same", (1, 2))
    unfold, fold = unfold_and_fold(window, (33, 35))
    x = small_floats((2, 33, 35, 3), 1, dtype)
    columns = small_floats(unfold(x).shape, 2, dtype)
    assert_same_bits_at_any_thread_count(lambda: (unfold(x), fold(columns)))


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("window", [Window((2, 3)), Window((2, 3), (2, 3), ((4, 1), (0, 5)), (3, 2)), Window((2, 2), 3)])
def test_nothing_outside_the_arrays_is_read(window, side, dtype):
    unfold, fold = unfold_and_fold(window, (5, 7))
    x = small_floats((2, 5, 7, 3), 1, dtype)
    columns = small_floats(unfold(x).shape, 2, dtype)
    assert_same_bits(unfold(fenced(x, side)), unfold(x))
    assert_same_bits(fold(fenced(columns, side)), fold(columns))


def test_nan_is_copied_once_for_each_window_that_reads_it():
    x = small_floats((2, 5, 7, 3), 1)
    x[1, 2, 3, 1] = np.nan
    M = im2col(x, (2, 3))
    assert np.isnan(M).sum() == 6
    folded = np.isnan(col2im(M, (5, 7), (2, 3)))
    assert folded[1, 2, 3, 1]
    assert folded.sum() == 1


def test_kernels_accept_read_only_arrays():
    x = small_floats((2, 5, 7, 3), 1)
    x.setflags(write=False)
    M = im2col(x, (2, 3))
    M.setflags(write=False)
    assert col2im(M, (5, 7), (2, 3)).shape == x.shape
