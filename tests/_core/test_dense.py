"""Tests of the dense layer's kernels against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_parity, assert_same_bits, assert_same_bits_at_any_thread_count, fenced, needs_kernels, rounding
from refconv.ops.dense import dense, dense_db, dense_dw, dense_dx
from strategies import dtypes, seeds, small_floats, small_integers, unlike

pytestmark = needs_kernels


@st.composite
def dense_problems(draw, most=18):
    """Draw x (N, C), w (C, O), b (O,) and dy (N, O), with N, C and O mutually distinct."""
    C = draw(st.integers(1, most))
    O = draw(unlike({C}, 1, most))
    N = draw(unlike({C, O}, 0, most))
    dtype, seed = draw(dtypes), draw(seeds)
    return tuple(small_floats(shape, seed + i, dtype) for i, shape in enumerate(((N, C), (C, O), (O,), (N, O))))


@given(dense_problems())
def test_forward_and_derivatives_agree_with_the_loops(problem):
    x, w, b, dy = problem
    (N, C), O = x.shape, len(b)
    assert_parity(dense, x, w, b, tolerance=rounding(dense, x, w, b, terms=C + 1))
    assert_parity(dense, x, w, tolerance=rounding(dense, x, w, terms=C))
    assert_parity(dense_dx, dy, w, tolerance=rounding(dense_dx, dy, w, terms=O))
    assert_parity(dense_dw, x, dy, tolerance=rounding(dense_dw, x, dy, terms=N))
    assert_parity(dense_db, dy, tolerance=rounding(dense_db, dy, terms=N))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_same_bits_at_any_thread_count(dtype):
    x, w, dy = small_floats((201, 97), 1, dtype), small_floats((97, 130), 2, dtype), small_floats((201, 130), 3, dtype)
    assert_same_bits_at_any_thread_count(lambda: (dense(x, w), dense_dx(dy, w), dense_dw(x, dy), dense_db(dy)))


@pytest.mark.parametrize("side", ["start", "end"])
def test_nothing_outside_the_arrays_is_read(side):
    arrays = (
        small_floats((19, 7), 1, np.float32),
        small_floats((7, 33), 2, np.float32),
        small_floats((19, 33), 3, np.float32),
    )

    def call(x, w, dy):
        return dense(x, w), dense_dx(dy, w), dense_dw(x, dy), dense_db(dy)

    assert_same_bits(call(*[fenced(a, side) for a in arrays]), call(*arrays))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_many_tasks_are_exact_on_integers(dtype):
    N, C, O = 341, 1030, 67
    x, w, b, dy = (small_integers(shape, k, dtype) for k, shape in enumerate([(N, C), (C, O), (O,), (N, O)]))
    assert_same_bits(dense(x, w, b), x @ w + b)  # integers: no sum rounds, in any order
    assert_same_bits(dense_dx(dy, w), dy @ w.T)
    assert_same_bits(dense_dw(x, dy), x.T @ dy)
    assert_same_bits(dense_dx(x, w.T.copy()), x @ w)


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("N", [1, 3, 4, 5])
def test_small_batches_are_exact_on_integers(N, dtype, side):
    # A small batch reads the weights unpacked. The outputs need several tasks; the depth leaves a remainder in each loop.
    x, w, b = (small_integers(shape, k, dtype) for k, shape in enumerate([(N, 1027), (1027, 1061), (1061,)]))
    assert_same_bits(dense(*(fenced(a, side) for a in (x, w, b))), x @ w + b)
    assert_same_bits_at_any_thread_count(lambda: dense(x, w))
