"""Tests of one_channel.pyx (convolution of one channel) against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    assert_inputs_unchanged,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_same_sums,
    fenced,
    needs_kernels,
)
from refconv import reference
from refconv._core import kernels
from refconv.geometry import Window
from refconv.ops.conv import conv2d
from strategies import max_examples, problem, small_floats, small_integers

pytestmark = needs_kernels


@st.composite
def problems(draw, values=small_floats):
    """Draw a problem with one channel and output rows that fill at least one vector."""
    small, edge = st.integers(1, 3), st.integers(0, 3)
    window = Window(
        (draw(small), draw(st.integers(1, 5))),
        (draw(small), 1),
        ((draw(edge), draw(edge)), (draw(edge), draw(edge))),
        (draw(small), draw(st.integers(1, 2))),
    )
    height, width = window.span
    size = (height + draw(st.integers(0, 3)), width - 1 + kernels.one_channel.LEAST_COLUMNS + draw(st.integers(0, 20)))
    dtype, seed = draw(st.sampled_from([np.float32, np.float64])), draw(st.integers(0, 99))
    return problem(
        size, window, N=draw(small), C_g=1, O_g=draw(st.sampled_from([1, 5, 6, 7, 13])), dtype=dtype, seed=seed, values=values
    )


def kernel(p):
    return kernels.one_channel.conv2d(p.x, p.w, p.b, p.window, p.dy.shape[1:3])


@max_examples(100)
@given(problems(values=small_integers))
def test_kernel_equals_the_loops_without_rounding(p):
    assert_same_bits(kernel(p), reference.conv.conv2d(p.x, p.w, p.b, p.window, 1))


@max_examples(50)
@given(problems())
def test_kernel_agrees_with_the_loops(p):

    def loops(x, w, b):
        return reference.conv.conv2d(x, w, b, p.window, 1)

    assert_same_sums(kernel(p), loops, p.x, p.w, p.b, terms=np.prod(p.window.kernel) + 1)


def lenet(dtype=np.float32):
    return problem((28, 28), Window((5, 5)), N=3, C_g=1, O_g=6, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_thread_count(dtype):
    p = lenet(dtype)
    assert_same_bits_at_any_thread_count(lambda: kernel(p))


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("padding", [0, ((1, 2), (2, 0))])
def test_nothing_outside_the_arrays_is_read(side, padding):
    p = problem((3, 21), Window((2, 3), padding=padding), N=2, C_g=1, O_g=7, dtype=np.float32)
    arrays = (p.x, p.w, p.b)
    fence = [fenced(a, side) for a in arrays]
    assert_same_bits(kernels.one_channel.conv2d(*fence, p.window, p.dy.shape[1:3]), kernel(p))


def test_public_calls_use_it_if_rows_are_long_enough():
    p = lenet()
    assert_same_bits(conv2d(p.x, p.w, p.b), kernel(p))
    assert_inputs_unchanged(conv2d, p.x, p.w, p.b)
    short = problem((4, 3), Window((2, 2)), N=2, C_g=1, O_g=6)
    assert_same_bits(conv2d(short.x, short.w, short.b), kernels.direct.conv2d(short.x, short.w, short.b, short.window, 1))


def test_non_finite_values_without_a_bias_agree_with_direct():
    p = lenet()
    p.x[1, 7, 9] = np.nan
    assert_same_sums(conv2d(p.x, p.w), lambda x, w: kernels.direct.conv2d(x, w, None, p.window, 1), p.x, p.w, terms=5 * 5)
