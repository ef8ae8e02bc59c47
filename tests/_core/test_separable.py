"""Tests of the separable convolutions' kernels against the loops."""

from dataclasses import dataclass

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
from refconv.geometry import Window
from refconv.ops import separable as ops
from strategies import dtypes, input_sizes, seeds, small_floats, small_integers, unlike, windows

pytestmark = needs_kernels
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@dataclass(frozen=True, eq=False)
class Problem:
    """Sizes of one separable convolution; the seed determines the values."""

    N: int
    size: tuple
    C: int
    Q: int
    O: int
    window: Window
    seed: int = 0
    dtype: type = np.float64
    values: object = small_floats

    def array(self, number, *shape):
        return self.values(shape, self.seed + number, self.dtype)

    @property
    def passes(self):
        """Public calls of all operators: (call, arrays, number of products in one sum)."""
        w = self.window
        options = {"stride": w.stride, "padding": w.padding, "dilation": w.dilation}
        outputs = w.output_size(self.size)
        x, between = self.array(0, self.N, *self.size, self.C), self.C * self.Q
        depthwise, pointwise = self.array(1, *w.kernel, self.C, self.Q), self.array(2, 1, 1, between, self.O)
        b, b_last = self.array(3, between), self.array(4, self.O)
        dz, dy = self.array(5, self.N, *outputs, between), self.array(6, self.N, *outputs, self.O)
        taps, pixels = np.prod(w.kernel), self.N * np.prod(outputs)
        return [
            (lambda x, w, b: ops.depthwise_conv2d(x, w, b, **options), (x, depthwise, b), taps + 1),
            (lambda dy, w: ops.depthwise_conv2d_dx(dy, w, self.size, **options), (dz, depthwise), taps * self.Q),
            (lambda x, dy: ops.depthwise_conv2d_dw(x, dy, w.kernel, **options), (x, dz), pixels),
            (lambda *a: ops.separable_conv2d(*a, **options), (x, depthwise, pointwise, b_last), taps + between + 1),
            (
                lambda dy, x, d, p: ops.separable_conv2d_grads(dy, x=x, depthwise=d, pointwise=p, **options),
                (dy, x, depthwise, pointwise),
                taps * self.Q + self.O + pixels,
            ),
        ]


@st.composite
def problems(draw, values):
    window = draw(windows(2))
    C, Q = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    O = draw(unlike({C, C * Q}, 1, 4))
    N = draw(unlike({C, C * Q, O}, 1, 3))
    size = draw(input_sizes(window, excluded={N, C, C * Q, O}))
    return Problem(N, size, C, Q, O, window, draw(seeds), draw(dtypes), values)


@given(problems(small_floats))
def test_kernels_agree_with_the_loops(p):
    for call, arrays, terms in p.passes:
        assert_parity(call, *arrays, tolerance=rounding(call, *arrays, terms=terms))


@given(problems(small_integers))
def test_kernels_equal_the_loops_without_rounding(p):
    for call, arrays, _ in p.passes:
        assert_parity(call, *arrays)


WIDE = Problem(24, (19, 23), 17, 2, 33, Window((3, 2), (2, 1), ((1, 0), (0, 2))))


@DTYPES
def test_same_bits_at_any_thread_count(dtype):
    for call, arrays, _ in Problem(**{**vars(WIDE), "dtype": dtype}).passes:
        assert_same_bits_at_any_thread_count(lambda call=call, arrays=arrays: call(*arrays))
        assert_writes_every_cell(lambda call=call, arrays=arrays: call(*arrays))


@DTYPES
@pytest.mark.parametrize("side", ["start", "end"])
def test_nothing_outside_the_arrays_is_read(side, dtype):
    for call, arrays, _ in Problem(2, (5, 7), 5, 3, 4, Window((2, 3), padding="same"), dtype=dtype).passes:
        assert_same_bits(call(*[fenced(a, side) for a in arrays]), call(*arrays))


@DTYPES
def test_an_empty_batch_has_no_outputs_and_zero_derivatives(dtype):
    for call, arrays, _ in Problem(0, (5, 4), 2, 3, 5, Window((2, 3), padding="same"), dtype=dtype).passes:
        assert_parity(call, *arrays)
