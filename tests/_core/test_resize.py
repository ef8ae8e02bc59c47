"""Tests of the kernels of padding, upsampling and adaptive pooling against the loops."""

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
from refconv.ops.resize import adaptive_avg_pool2d, adaptive_avg_pool2d_dx, pad, pad_dx, upsample2d, upsample2d_dx
from strategies import dtypes, seeds, small_floats, small_integers, unlike

pytestmark = needs_kernels

MODES = ("nearest", "bilinear")
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@st.composite
def sizes(draw, most=5):
    """Draw N, H, W and C, mutually distinct."""
    drawn = []
    for _ in range(4):
        drawn.append(draw(unlike(set(drawn), 1, most)))
    return tuple(drawn)


@given(sizes(), st.tuples(st.integers(1, 4), st.integers(1, 5)), st.sampled_from(MODES), seeds, dtypes)
def test_upsampling_by_any_scale_agrees_with_the_loops(size, scale, mode, seed, dtype):
    (N, H, W, C), (S_h, S_w) = size, scale
    x, dy = small_floats(size, seed, dtype), small_floats((N, H * S_h, W * S_w, C), seed + 1, dtype)

    def forward(x):
        return upsample2d(x, scale, mode=mode)

    def backward(dy):
        return upsample2d_dx(dy, scale, mode=mode)

    # Four products are summed; computing their weights rounds about four more times.
    assert_parity(forward, x, tolerance=0 if mode == "nearest" else rounding(forward, x, terms=4 + 4))
    assert_parity(backward, dy, tolerance=rounding(backward, dy, terms=4 * S_h * S_w + 4))


@given(sizes(), st.sampled_from([(1, 2), (4, 1), (2, 4)]), st.sampled_from(MODES), seeds, dtypes)
def test_upsampling_by_powers_of_two_is_exact(size, scale, mode, seed, dtype):
    (N, H, W, C), (S_h, S_w) = size, scale
    assert_parity(lambda x: upsample2d(x, scale, mode=mode), small_integers(size, seed, dtype))
    dy = small_integers((N, H * S_h, W * S_w, C), seed, dtype)
    assert_parity(lambda dy: upsample2d_dx(dy, scale, mode=mode), dy)


@given(sizes(), st.tuples(st.integers(1, 7), st.integers(1, 7)), seeds, dtypes)
def test_adaptive_pooling_to_any_size_agrees_with_the_loops(size, output_size, seed, dtype):
    (N, H, W, C), (K, L) = size, output_size
    x, dy = small_floats(size, seed, dtype), small_floats((N, K, L, C), seed + 1, dtype)

    def forward(x):
        return adaptive_avg_pool2d(x, output_size)

    def backward(dy):
        return adaptive_avg_pool2d_dx(dy, (H, W))

    # Two factors and their product, the weight, are also rounded.
    assert_parity(forward, x, tolerance=rounding(forward, x, terms=H * W + 4))
    assert_parity(backward, dy, tolerance=rounding(backward, dy, terms=K * L + 4))


@given(st.data(), sizes(), st.sampled_from(["zeros", "reflect", "edge"]), dtypes, st.booleans())
def test_padding_of_any_width_agrees_with_the_loops(data, size, mode, dtype, signal):
    N, *size, C = size[1:] if signal else size
    most = [min(n - 1, 3) if mode == "reflect" else 3 for n in size]
    pads = tuple(data.draw(st.tuples(st.integers(0, m), st.integers(0, m)), label="pad") for m in most)
    framed = (N, *(n + sum(widths) for n, widths in zip(size, pads, strict=True)), C)
    seed = data.draw(seeds)

    def backward(dy):
        return pad_dx(dy, pads, mode=mode)

    assert_parity(lambda x: pad(x, pads, mode=mode), small_floats((N, *size, C), seed, dtype))
    assert_parity(backward, small_integers(framed, seed, dtype))
    dy = small_floats(framed, seed, dtype)
    assert_parity(backward, dy, tolerance=rounding(backward, dy, terms=16))


@DTYPES
@pytest.mark.parametrize("mode", MODES)
def test_same_bits_at_any_thread_count(mode, dtype):
    x, dy = small_floats((3, 17, 13, 5), 1, dtype), small_floats((3, 34, 39, 5), 2, dtype)
    for call in (
        lambda: upsample2d(x, (2, 3), mode=mode),
        lambda: upsample2d_dx(dy, (2, 3), mode=mode),
        lambda: adaptive_avg_pool2d(dy, (7, 4)),
        lambda: adaptive_avg_pool2d_dx(x, (41, 5)),
    ):
        assert_same_bits_at_any_thread_count(call)
        assert_writes_every_cell(call)


@DTYPES
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_outside_the_arrays_is_read(mode, side, dtype):
    x, dy = small_floats((2, 5, 3, 7), 1, dtype), small_floats((2, 10, 9, 7), 2, dtype)
    assert_same_bits(upsample2d(fenced(x, side), (2, 3), mode=mode), upsample2d(x, (2, 3), mode=mode))
    assert_same_bits(upsample2d_dx(fenced(dy, side), (2, 3), mode=mode), upsample2d_dx(dy, (2, 3), mode=mode))
    assert_same_bits(adaptive_avg_pool2d(fenced(dy, side), (3, 4)), adaptive_avg_pool2d(dy, (3, 4)))
    assert_same_bits(adaptive_avg_pool2d_dx(fenced(x, side), (8, 2)), adaptive_avg_pool2d_dx(x, (8, 2)))


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_batch_agrees_with_the_loops(mode):
    assert_parity(lambda x: upsample2d(x, (2, 3), mode=mode), np.ones((0, 3, 4, 2)))
    assert_parity(lambda x: upsample2d_dx(x, (3, 2), mode=mode), np.ones((0, 3, 4, 2)))
    assert_parity(lambda x: adaptive_avg_pool2d(x, (2, 5)), np.ones((0, 3, 4, 2)))
    assert_parity(lambda x: adaptive_avg_pool2d_dx(x, (2, 5)), np.ones((0, 3, 4, 2)))
    assert_parity(lambda x: pad(x, 1, mode="edge"), np.ones((0, 3, 4, 2)))
    assert_parity(lambda x: pad_dx(x, 1, mode="edge"), np.ones((0, 3, 4, 2)))


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("mode", MODES)
def test_non_finite_values_reach_the_same_outputs_as_in_the_loops(mode, poison):
    x = small_integers((1, 3, 4, 2), 1)
    x[0, 1, 2, 0] = poison
    # An output at the centre of one input must not read the next input: ∞ · 0 would be NaN.
    for scale in ((1, 2), (2, 3)):
        y = upsample2d(x, scale, mode=mode)
        assert np.isinf(y).sum() + np.isnan(y).sum() == np.count_nonzero(upsample2d(np.isfinite(x), scale, mode=mode) < 1)
        # Four products of at most 3, which may cancel.
        assert_parity(
            lambda x, scale=scale: upsample2d(x, scale, mode=mode), x, tolerance=2 * (4 + 2) * 3 * np.finfo(float).eps
        )
