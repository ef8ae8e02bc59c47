"""Tests of the kernels on p4 against the loops."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    assert_adjoint,
    assert_parity,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_writes_every_cell,
    fenced,
    fractions,
    needs_kernels,
    rounding,
)
from refconv import _core
from refconv.ops import p4_conv as ops
from refconv.verify.catalogue.p4_conv import cases
from strategies import dtypes, max_examples, seeds, small_floats, small_integers

pytestmark = needs_kernels
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@dataclass(frozen=True, eq=False)
class Problem:
    """Shapes of x and w of one p4 convolution; the seed determines the values."""

    x: tuple
    w: tuple
    padding: object = "valid"
    seed: int = 0
    dtype: type = np.float64
    values: object = small_floats

    def array(self, number, shape):
        return self.values(shape, self.seed + number, self.dtype)

    @property
    def passes(self):
        """Public calls with their arrays and the number of products in one sum."""
        name = "p4_conv2d" if len(self.x) == 5 else "p4_lift_conv2d"
        forward, dx, dw = (getattr(ops, name + suffix) for suffix in ("", "_dx", "_dw"))
        k, size, options = self.w[0], self.x[1:3], {"padding": self.padding}
        outputs = ops.p4_window(k, self.padding).output_size(size)
        x, w, b = self.array(0, self.x), self.array(1, self.w), self.array(2, self.w[-1:])
        dy = self.array(3, (self.x[0], *outputs, 4, self.w[-1]))
        pixels = self.x[0] * np.prod(outputs)
        return [
            (lambda x, w, b: forward(x, w, b, **options), (x, w, b), np.prod(self.w[:-1]) + 1),
            (lambda dy, w: dx(dy, w, size, **options), (dy, w), 4 * k * k * self.w[-1]),
            (lambda x, dy: dw(x, dy, k, **options), (x, dy), 4 * pixels),
            (ops.p4_conv2d_db, (dy,), 4 * pixels),
        ]


@st.composite
def problems(draw, values):
    case = draw(cases(()) | cases((4,)))
    return Problem(case.shapes["x"], case.shapes["w"], case.options["padding"], draw(seeds), draw(dtypes), values)


@max_examples(40)
@given(problems(small_floats))
def test_kernels_agree_with_the_loops(p):
    for call, arrays, terms in p.passes:
        assert_parity(call, *arrays, tolerance=rounding(call, *arrays, terms=terms))


@max_examples(40)
@given(problems(small_integers))
def test_kernels_equal_the_loops_without_rounding(p):
    for call, arrays, _ in p.passes:
        assert_parity(call, *arrays)


WIDE = {"lift": ((6, 19, 23, 17), (3, 3, 17, 5)), "p4": ((6, 11, 13, 4, 17), (3, 3, 4, 17, 9))}
SMALL = {"lift": ((2, 5, 7, 3), (3, 3, 3, 4)), "p4": ((2, 4, 6, 4, 3), (3, 3, 4, 3, 5))}


@DTYPES
@pytest.mark.parametrize("name", WIDE)
def test_same_bits_at_any_thread_count(name, dtype):
    for call, arrays, _ in Problem(*WIDE[name], "same", dtype=dtype).passes:
        assert_same_bits_at_any_thread_count(lambda call=call, arrays=arrays: call(*arrays))
        assert_writes_every_cell(lambda call=call, arrays=arrays: call(*arrays))


@DTYPES
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("name", SMALL)
def test_nothing_outside_the_arrays_is_read(name, side, dtype):
    for call, arrays, _ in Problem(*SMALL[name], "same", dtype=dtype).passes:
        assert_same_bits(call(*[fenced(a, side) for a in arrays]), call(*arrays))


@DTYPES
@pytest.mark.parametrize("name", SMALL)
def test_an_empty_batch_has_no_outputs_and_zero_derivatives(name, dtype):
    x, w = SMALL[name]
    for call, arrays, _ in Problem((0, *x[1:]), w, "same", dtype=dtype).passes:
        assert_parity(call, *arrays)


@pytest.mark.parametrize("name", SMALL)
def test_fold_is_the_adjoint_of_expand(name):
    kernels, (_, shape) = _core.kernels.p4_conv, SMALL[name]
    expanded = (*shape[:-1], 4, shape[-1])
    assert_adjoint(lambda w: kernels.expand(w).reshape(expanded), kernels.fold, fractions(shape), fractions(expanded, 1))


@pytest.mark.parametrize("name", SMALL)
def test_four_rotations_leave_kernels_unchanged(name):
    kernels, (_, shape) = _core.kernels.p4_conv, SMALL[name]
    w = small_integers(shape, 0)
    assert (kernels.rotate(w, 4) == w).all()
    assert (kernels.rotate(kernels.rotate(w, 1), 2) == kernels.rotate(w, 3)).all()
