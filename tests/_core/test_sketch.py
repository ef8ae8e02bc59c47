"""Tests of tutorial 12's compiled loops against the loops of the formula."""

import numpy as np
import pytest
from hypothesis import given

from evidence import assert_same_bits, assert_same_bits_at_any_thread_count, assert_same_sums, fenced, needs_kernels
from refconv import reference
from refconv._core import kernels
from refconv.geometry import Window
from strategies import conv_problems, problem, small_integers

pytestmark = needs_kernels

WINDOW = Window((3, 2), (2, 1), ((1, 0), (0, 2)), (1, 2))


def sketch(p, *arrays):
    return kernels.sketch.conv2d(*arrays or (p.x, p.w, p.b), p.window, p.groups)


def loops(p, *arrays):
    return reference.conv.conv2d(*arrays or (p.x, p.w, p.b), p.window, p.groups)


@given(conv_problems(2))
def test_sketch_agrees_with_the_loops(p):
    assert sketch(p).dtype == p.x.dtype
    assert_same_sums(sketch(p), lambda x, w, b: loops(p, x, w, b), p.x, p.w, p.b, terms=p.w[..., 0].size + 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("groups", [1, 3])
def test_sketch_equals_the_loops_without_rounding(dtype, groups):
    p = problem((7, 6), WINDOW, N=2, C_g=4, O_g=5, groups=groups, values=small_integers, dtype=dtype)
    assert_same_bits(sketch(p), loops(p))
    assert_same_bits(sketch(p, p.x, p.w, None), loops(p, p.x, p.w, None))
    assert_same_bits_at_any_thread_count(lambda: sketch(p))


@pytest.mark.parametrize("side", ["start", "end"])
def test_sketch_reads_nothing_outside_its_arrays(side):
    p = problem((7, 6), WINDOW, N=2, C_g=4, O_g=5, groups=3)
    assert_same_bits(sketch(p, fenced(p.x, side), fenced(p.w, side), fenced(p.b, side)), sketch(p))
