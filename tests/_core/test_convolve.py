"""Tests of plain convolution and cross-correlation kernels against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    assert_parity,
    assert_same_bits_at_any_thread_count,
    assert_within,
    fenced,
    fft_rounding,
    needs_kernels,
    rounding,
)
from refconv.ops.convolve import (
    convolve1d,
    convolve2d,
    cross_correlate1d,
    cross_correlate2d,
    fft_convolve1d,
    fft_convolve2d,
)
from strategies import dtypes, small_floats

pytestmark = needs_kernels
MODES = ("valid", "same", "full")


@given(st.data(), st.sampled_from(MODES), dtypes, st.sampled_from([convolve2d, cross_correlate2d]))
def test_images_agree_with_the_loops_in_every_mode(data, mode, dtype, slide):
    kh, kw = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5)), label="kernel")
    H, W = kh + data.draw(st.integers(0, 4)), kw + data.draw(st.integers(0, 20))
    x, w = small_floats((H, W), 1, dtype), small_floats((kh, kw), 2, dtype)

    def call(x, w):
        return slide(x, w, mode)

    assert_parity(call, x, w, tolerance=rounding(call, x, w, terms=kh * kw))


@given(st.integers(1, 6), st.integers(0, 40), st.sampled_from(MODES), dtypes)
def test_signals_agree_with_the_loops_in_every_mode(k, extra, mode, dtype):
    x, w = small_floats((k + extra,), 1, dtype), small_floats((k,), 2, dtype)
    for slide in (convolve1d, cross_correlate1d):

        def call(x, w, slide=slide):
            return slide(x, w, mode)

        assert_parity(call, x, w, tolerance=rounding(call, x, w, terms=k))


@pytest.mark.parametrize("mode", ["same", "full"])
def test_a_kernel_larger_than_the_image_agrees_with_the_loops(mode):
    x, w = small_floats((2, 3), 1), small_floats((5, 4), 2)
    for slide in (cross_correlate2d, convolve2d):

        def call(x, w, slide=slide):
            return slide(x, w, mode)

        assert_parity(call, x, w, tolerance=rounding(call, x, w, terms=w.size))


def test_same_bits_at_any_thread_count():
    x, w = small_floats((97, 61), 1, np.float32), small_floats((7, 5), 2, np.float32)
    assert_same_bits_at_any_thread_count(lambda: convolve2d(x, w, "same"))


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_outside_the_arrays_is_read(mode, side):
    x, w = fenced(small_floats((9, 33), 1, np.float32), side), fenced(small_floats((3, 5), 2, np.float32), side)
    expected = convolve2d(np.array(x), np.array(w), mode)
    assert (convolve2d(x, w, mode) == expected).all()


@given(st.data(), st.sampled_from(MODES), dtypes)
def test_fft_convolution_agrees_with_the_loops_in_every_mode(data, mode, dtype):
    kh, kw = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)), label="kernel")
    H, W = kh + data.draw(st.integers(0, 4)), kw + data.draw(st.integers(0, 5))
    x, w = small_floats((H, W), 1, dtype), small_floats((kh, kw), 2, dtype)
    assert_parity(lambda x, w: fft_convolve2d(x, w, mode), x, w, tolerance=fft_rounding(x, w))
    x, w = x.reshape(-1), w.reshape(-1)
    assert_parity(lambda x, w: fft_convolve1d(x, w, mode), x, w, tolerance=fft_rounding(x, w))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("extra", range(24))
def test_fft_padded_to_a_fast_length_gives_the_same_convolution(extra, dtype):
    x, w = small_floats((37 + extra,), 1, dtype), small_floats((5,), 2, dtype)
    assert_within(fft_convolve1d(x, w, "full"), convolve1d(x, w, "full"), fft_rounding(x, w))


def test_fft_convolution_with_a_kernel_larger_than_the_image_agrees_with_the_loops():
    x, w = small_floats((2, 3), 1), small_floats((5, 4), 2)
    assert_parity(lambda x, w: fft_convolve2d(x, w, "same"), x, w, tolerance=fft_rounding(x, w))
