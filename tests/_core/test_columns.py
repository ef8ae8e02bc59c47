"""Tests of columns.pyx (∂e/∂x for few input channels) against the loops and direct.pyx."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    assert_inputs_unchanged,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_same_sums,
    assert_writes_every_cell,
    fenced,
    needs_kernels,
)
from refconv import reference
from refconv._core import kernels
from refconv.geometry import Window
from refconv.ops.conv import conv2d_dx
from strategies import max_examples, problem, small_floats, small_integers

pytestmark = needs_kernels


@st.composite
def problems(draw, values=small_floats):
    """Draw one to six channels and windows that skip inputs, overlap or exceed the edge."""
    small, edge = st.integers(1, 3), st.integers(0, 3)
    window = Window(
        (draw(st.integers(1, 4)), draw(st.integers(1, 5))),
        (draw(st.integers(1, 4)), draw(small)),
        ((draw(edge), draw(edge)), (draw(edge), draw(edge))),
        (draw(small), draw(small)),
    )
    height, width = window.span
    size = (height + draw(st.integers(0, 9)), width + draw(st.integers(0, 5)))
    C, O = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, 7, 16, 17]))
    dtype, seed = draw(st.sampled_from([np.float32, np.float64])), draw(st.integers(0, 99))
    return problem(size, window, N=draw(small), C_g=C, O_g=O, dtype=dtype, seed=seed, values=values)


def kernel(p):
    return kernels.columns.conv2d_dx(p.dy, p.w, p.size, p.window)


def by_tile(p):
    return kernels.direct_dx.conv2d_dx(p.dy, p.w, p.size, p.window, 1)


@max_examples(150)
@given(problems(values=small_integers))
def test_kernel_equals_the_loops_without_rounding(p):
    expected = reference.conv.conv2d_dx(p.dy, p.w, p.size, p.window, 1)
    assert_same_bits(kernel(p), expected)
    assert_same_bits(by_tile(p), expected)


@max_examples(50)
@given(problems())
def test_kernel_agrees_with_the_loops(p):

    def loops(dy, w):
        return reference.conv.conv2d_dx(dy, w, p.size, p.window, 1)

    assert_same_sums(kernel(p), loops, p.dy, p.w, terms=p.w.size // p.w.shape[2])


# Many images with few rows; one image, split into bands for the threads; long rows, split so that z fits in the caches.
LARGE = [
    (33, (9, 7), Window((3, 2), padding=((1, 0), (0, 1)))),
    (1, (61, 19), Window((4, 3), (3, 2), ((2, 1), (0, 2)))),
    (17, (60, 301), Window((2, 3), (1, 2), 0, (3, 1))),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("N", "size", "window"), LARGE)
def test_bands_of_any_height_give_the_same_image(N, size, window, dtype):
    p = problem(size, window, N=N, C_g=3, O_g=5, dtype=dtype, values=small_integers)
    assert_same_bits(kernel(p), by_tile(p))
    assert_same_bits_at_any_thread_count(lambda: kernel(p))
    assert_writes_every_cell(lambda: kernel(p))


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize(("C", "dtype"), [(1, np.float32), (6, np.float32), (3, np.float64)])
def test_nothing_outside_the_arrays_is_read(side, C, dtype):
    p = problem((7, 9), Window((2, 3), padding=((1, 2), (2, 0))), N=2, C_g=C, O_g=7, dtype=dtype)
    assert_same_bits(kernels.columns.conv2d_dx(fenced(p.dy, side), fenced(p.w, side), p.size, p.window), kernel(p))


def test_public_calls_use_it_for_few_channels():
    p = problem((14, 12), Window((5, 4)), N=3, C_g=6, O_g=16, dtype=np.float32)
    actual = conv2d_dx(p.dy, p.w, p.size)
    assert_same_bits(actual, kernel(p))
    assert not (actual == by_tile(p)).all()
    assert_inputs_unchanged(lambda dy, w: conv2d_dx(dy, w, p.size), p.dy, p.w)


def test_a_non_finite_value_reaches_the_same_outputs_as_in_the_loops():
    p = problem((9, 8), Window((3, 2), (2, 1), ((1, 0), (0, 1))), N=2, C_g=2, O_g=4)
    p.dy[1, 2, 3, 1] = np.inf
    expected = reference.conv.conv2d_dx(p.dy, p.w, p.size, p.window, 1)
    np.testing.assert_array_equal(np.isfinite(kernel(p)), np.isfinite(expected))
    assert 0 < np.isfinite(expected).sum() < expected.size
