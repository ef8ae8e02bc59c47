"""Tests of the activation kernels against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    all_engines,
    assert_parity,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_writes_every_cell,
    fenced,
    in_order,
    needs_kernels,
)
from refconv.ops import activation as ops
from strategies import float_arrays, small_floats

pytestmark = needs_kernels

FUNCTIONS = {
    "relu": {},
    "relu6": {},
    "leaky_relu": {"slope": 0.3},
    "elu": {"alpha": 1.7},
    "sigmoid": {},
    "tanh": {},
}
EACH = pytest.mark.parametrize("name", FUNCTIONS)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)


def forward(name, x):
    return getattr(ops, name)(x, **FUNCTIONS[name])


def backward(name, dy, a):
    return in_order(getattr(ops, f"{name}_dx"))(dy, a, **FUNCTIONS[name])


@EACH
def test_kernels_agree_with_the_loops(name):
    @given(float_arrays(shapes))
    def check(x):
        # NumPy's exp and the C library's exp differ in the last one or two bits.
        eps = np.finfo(x.dtype).eps
        dy = small_floats(x.shape, 1, x.dtype)
        for a in (x, (4 * x).astype(x.dtype)):  # the second reaches beyond 6; NumPy 1 makes 4 · x float64 if x has no axes
            assert_parity(lambda x: forward(name, x), a, rtol=8 * eps)
            assert_parity(lambda dy, x: backward(name, dy, x), dy, a, rtol=8 * eps, tolerance=8 * eps)

    check()


@EACH
@DTYPES
def test_kernels_agree_with_the_loops_on_extreme_values(name, dtype):
    tiny, huge = np.finfo(dtype).tiny, np.finfo(dtype).max
    x = np.array([np.nan, -np.inf, -huge, -1000, -90, -1e-4, -tiny, -0.0, 0, tiny, 1e-4, 90, 1000, huge, np.inf], dtype)
    y = forward(name, x)
    a = y if name in ("sigmoid", "tanh") else x
    for loops, *others in (
        all_engines(lambda: forward(name, x)),
        all_engines(lambda: backward(name, np.full_like(x, 3), a)),
    ):
        for other in others:
            np.testing.assert_allclose(other, loops, rtol=8 * np.finfo(dtype).eps, atol=4 * tiny)


@EACH
@DTYPES
@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 200_000])  # the last size is large enough for several threads
def test_every_element_of_every_block_is_computed(name, size, dtype):
    x, dy = small_floats(size, 0, dtype), small_floats(size, 1, dtype)
    assert_same_bits_at_any_thread_count(lambda: forward(name, x))
    assert_same_bits_at_any_thread_count(lambda: backward(name, dy, x))
    assert_writes_every_cell(lambda: forward(name, x))
    # An element's result must not depend on its position in the array.
    pieces = np.concatenate([forward(name, part) for part in np.array_split(x, 7) if part.size])
    np.testing.assert_allclose(pieces, forward(name, x), rtol=4 * np.finfo(dtype).eps)
    pieces = np.concatenate([backward(name, *p) for p in zip(np.array_split(dy, 7), np.array_split(x, 7), strict=True)])
    np.testing.assert_allclose(pieces, backward(name, dy, x), rtol=4 * np.finfo(dtype).eps)


@EACH
@pytest.mark.parametrize("side", ["start", "end"])
def test_nothing_outside_the_arrays_is_read(name, side):
    x = small_floats((3, 5, 7), 0)
    y = forward(name, x)
    assert_same_bits(forward(name, fenced(x, side)), y)
    assert_same_bits(backward(name, fenced(y, side), fenced(x, side)), backward(name, y, x))


@DTYPES
def test_an_output_larger_than_the_caches_is_correct_to_its_last_element(dtype):
    # Large outputs bypass the caches in whole cache lines: test a remainder at the end and an input that is not aligned.
    size = (1 << 24) // np.dtype(dtype).itemsize + 77
    x = small_floats((size + 3,), 5, dtype)[3:]
    assert_same_bits(ops.relu(x), np.where(x > 0, x, 0).astype(dtype))
    assert_same_bits(ops.relu_dx(x, x=-x), np.where(x < 0, x, 0).astype(dtype))
