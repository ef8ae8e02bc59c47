"""The kernels that make and unmake matrices equal their loops to the last bit: they copy, or add in the same order."""

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


def there_and_back(window, size):
    """im2col and col2im of one window, as functions of their array alone."""
    return (
        lambda x: im2col(x, window.kernel, **options(window)),
        lambda columns: col2im(columns, size, window.kernel, **options(window)),
    )


@given(st.data())
def test_columns_and_back(data):
    window = data.draw(windows(2))
    x = data.draw(image_batches(window))
    there, back = there_and_back(window, x.shape[1:-1])
    assert_parity(there, x)
    assert_parity(back, small_floats(there(x).shape, data.draw(seeds), x.dtype))


@pytest.mark.parametrize(
    ("size", "window"),
    [
        pytest.param((3, 4), Window((2, 3), 1, 5), id="neighbourhoods-of-padding-only"),
        pytest.param((2, 3), Window((1, 2), 4, 3), id="stride-larger-than-the-image"),
        pytest.param((4, 1), Window((3, 2), 3, ((0, 1), (3, 0))), id="image-behind-the-last-window"),
        pytest.param((7, 8), Window((2, 2), (3, 4)), id="pixels-that-no-window-sees"),
        pytest.param((9, 7), Window((2, 3), (2, 3), ((0, 3), (4, 1)), (3, 2)), id="dilation-beside-stride"),
        pytest.param((1, 1), Window((3, 2), 2, "same"), id="one-pixel"),
    ],
)
@pytest.mark.parametrize("N", [0, 1, 3])
def test_columns_and_back_at_the_edges(size, window, N):
    x = small_floats((N, *size, 2), 1)
    there, back = there_and_back(window, size)
    assert_parity(there, x)
    assert_parity(back, small_floats(there(x).shape, 2))
    assert back(there(x)).shape == x.shape


@given(conv_problems(2, most_channels=2, extra=2, most_dilation=2))
def test_toeplitz_matrices_of_images(p):
    assert_parity(lambda w: toeplitz2d(w, p.size, **p.options), p.w)


@given(conv_problems(1))
def test_toeplitz_matrices_of_signals(p):
    assert_parity(lambda w: toeplitz1d(w, p.size, **p.options), p.w)


@given(st.data(), dtypes, st.sampled_from([1, 2]))
def test_stuffed_zeros(data, dtype, ndim):
    shape = [data.draw(st.integers(0, 2))]
    for _ in range(ndim + 1):
        shape.append(data.draw(unlike(shape, 1, 4)))
    stride = data.draw(st.tuples(*[st.integers(1, 4)] * ndim))
    assert_parity(lambda x: zero_stuff(x, stride), small_floats(shape, 1, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_the_number_of_threads(dtype):
    window = Window((3, 5), (2, 1), "same", (1, 2))
    there, back = there_and_back(window, (33, 35))
    x = small_floats((2, 33, 35, 3), 1, dtype)
    columns = small_floats(there(x).shape, 2, dtype)
    assert_same_bits_at_any_thread_count(lambda: (there(x), back(columns)))


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("window", [Window((2, 3)), Window((2, 3), (2, 3), ((4, 1), (0, 5)), (3, 2)), Window((2, 2), 3)])
def test_kernels_read_nothing_beside_their_arrays(window, side, dtype):
    there, back = there_and_back(window, (5, 7))
    x = small_floats((2, 5, 7, 3), 1, dtype)
    columns = small_floats(there(x).shape, 2, dtype)
    assert_same_bits(there(fenced(x, side)), there(x))
    assert_same_bits(back(fenced(columns, side)), back(columns))


def test_a_value_that_is_no_number_is_copied_as_often_as_it_is_seen():
    x = small_floats((2, 5, 7, 3), 1)
    x[1, 2, 3, 1] = np.nan
    M = im2col(x, (2, 3))
    assert np.isnan(M).sum() == 6
    back = np.isnan(col2im(M, (5, 7), (2, 3)))
    assert back[1, 2, 3, 1]
    assert back.sum() == 1


def test_kernels_take_read_only_arrays():
    x = small_floats((2, 5, 7, 3), 1)
    x.setflags(write=False)
    M = im2col(x, (2, 3))
    M.setflags(write=False)
    assert col2im(M, (5, 7), (2, 3)).shape == x.shape
