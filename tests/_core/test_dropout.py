"""Tests that the kernels of dropout equal the loops, bit for bit."""

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
    in_order,
    needs_kernels,
)
from refconv._core import kernels
from refconv.ops.dropout import dropout, dropout_dx
from strategies import dtypes, seeds, small_floats

pytestmark = needs_kernels

shapes = st.lists(st.integers(0, 7), min_size=1, max_size=4).map(tuple)


@given(shapes, st.sampled_from([0.0, 0.1, 0.4, 0.5, 0.9]), seeds, dtypes)
def test_kernels_equal_the_loops_for_any_shape_and_rate(shape, rate, seed, dtype):
    x, dy = small_floats(shape, seed, dtype), small_floats(shape, seed + 1, dtype)
    assert_parity(lambda x: dropout(x, rate, seed), x)
    assert_parity(in_order(dropout_dx), dy, dropout(x, rate, seed)[1])


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 20_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_equal_the_loops_on_many_blocks(size, dtype):
    x = small_floats((size,), 1, dtype)
    mask = dropout(x, 0.3, 7)[1]
    assert_parity(lambda x: dropout(x, 0.3, 7), x)
    for call in (lambda: dropout(x, 0.3, 7), lambda: dropout_dx(x, mask=mask)):
        assert_same_bits_at_any_thread_count(call)
        assert_writes_every_cell(call)


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_outside_the_arrays_is_read(side, dtype):
    x, u = small_floats((4, 33), 1, dtype), np.random.default_rng(2).random((4, 33))
    y, mask = kernels.dropout.dropout(x, u, 0.4)
    assert_same_bits(kernels.dropout.dropout(fenced(x, side), fenced(u, side), 0.4), (y, mask))
    assert_same_bits(kernels.dropout.dropout_dx(fenced(x, side), mask=fenced(mask, side)), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_equal_the_loops_on_non_finite_values(dtype):
    x = np.resize(np.array([np.nan, np.inf, -np.inf, 1.0, np.nan], dtype), 37)
    mask = dropout(x, 0.5, 1)[1]
    assert 0 < np.count_nonzero(mask) < 37
    assert_parity(lambda x: dropout(x, 0.5, 1), x)
    assert_parity(lambda dy: dropout_dx(dy, mask=mask), x)
