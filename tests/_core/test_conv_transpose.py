"""Tests of the transposed convolution's kernels against the loops."""

import sys

import numpy as np
import pytest
from hypothesis import given

from evidence import (
    assert_parity,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    assert_writes_every_cell,
    fenced,
    needs_kernels,
    rounding,
)
from refconv._core import kernels
from refconv.geometry import Window
from refconv.ops import conv_transpose as ops
from strategies import max_examples, small_integers
from transpose_strategies import transpose_problem, transpose_problems, with_fewer_inputs

pytestmark = needs_kernels

NDIMS = pytest.mark.parametrize("ndim", [1, 2])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def passes(p):
    """Map "y", "dx", "dw" and "db" to (public call, arrays, number of products in one sum)."""
    pre, kernel, options = f"conv_transpose{p.window.ndim}d", p.window.kernel, p.transposed_options
    pixels = p.x[..., 0].size
    return {
        "y": (lambda x, w, b: getattr(ops, pre)(x, w, b, **options), (p.x, p.w, p.b), p.w[..., 0, :].size + 1),
        "dx": (lambda dy, w: getattr(ops, f"{pre}_dx")(dy, w, **options), (p.dy, p.w), p.w[..., 0].size),
        "dw": (lambda x, dy: getattr(ops, f"{pre}_dw")(x, dy, kernel, **options), (p.x, p.dy), pixels),
        "db": (getattr(ops, f"{pre}_db"), (p.dy,), p.dy[..., 0].size),
    }


def assert_all_passes_agree(p, exact=False):
    for call, arrays, terms in passes(p).values():
        assert_parity(call, *arrays, tolerance=0.0 if exact else rounding(call, *arrays, terms=terms))


@NDIMS
def test_kernels_agree_with_the_loops(ndim):
    @max_examples(100)
    @given(transpose_problems(ndim))
    def check(p):
        assert_all_passes_agree(p)

    check()


@NDIMS
def test_kernels_equal_the_loops_without_rounding(ndim):
    @max_examples(100)
    @given(transpose_problems(ndim, values=small_integers))
    def check(p):
        assert_all_passes_agree(p, exact=True)

    check()


@DTYPES
@pytest.mark.parametrize(("C_g", "O_g", "groups"), [(1, 40, 1), (40, 1, 1), (3, 17, 2), (17, 5, 1), (2, 9, 3)])
def test_kernels_equal_the_loops_for_full_and_partial_tiles(C_g, O_g, groups, dtype):
    window = Window((2, 3), (1, 2), ((1, 0), (0, 2)))
    p = transpose_problem((2, 6), window, N=1, C_g=C_g, O_g=O_g, groups=groups, dtype=dtype, values=small_integers)
    assert_all_passes_agree(p, exact=True)


@pytest.mark.parametrize(
    ("output_size", "window"),
    [
        pytest.param((3, 4), Window((2, 3), 1, 5), id="stamps-on-padding-only"),
        pytest.param((2, 7), Window((1, 2), 4), id="gaps-between-stamps"),
        pytest.param((4, 9), Window((2, 2), (3, 4)), id="pixels-after-all-stamps"),
        pytest.param((9, 7), Window((2, 3), (2, 3), ((0, 3), (4, 1)), (3, 2)), id="dilation-and-stride"),
        pytest.param((5, 4), Window((5, 4)), id="one-stamp"),
        pytest.param((1, 1), Window((3, 2), 2, "same"), id="one-pixel"),
    ],
)
def test_kernels_equal_the_loops_for_unusual_windows(output_size, window):
    assert_all_passes_agree(transpose_problem(output_size, window, values=small_integers), exact=True)


@pytest.mark.parametrize(
    ("output_size", "window", "fewer"),
    [
        pytest.param((13, 12), Window((3, 2), (1, 2), dilation=(4, 5)), (3, 2), id="pixels-after-all-stamps"),
        pytest.param((9, 10), Window((2, 3), (2, 1), ((1, 3), (0, 1)), (5, 3)), (1, 2), id="padding-at-the-end"),
        pytest.param((8, 7), Window((2, 3), (1, 2), "same", (4, 1)), (3, 0), id="same"),
        pytest.param((3, 4), Window((1, 2), 1, ((4, 0), (0, 0)), (5, 1)), (4, 0), id="no-stamp-reaches-the-output"),
    ],
)
def test_kernels_equal_the_loops_for_an_output_padding_of_the_stride_or_more(output_size, window, fewer):
    p = with_fewer_inputs(transpose_problem(output_size, window, values=small_integers), fewer)
    assert any(e >= S for e, S in zip(p.output_padding, window.stride, strict=True))
    assert_all_passes_agree(p, exact=True)
    for call, arrays, _ in passes(p).values():
        assert_writes_every_cell(lambda call=call, arrays=arrays: call(*arrays))


@NDIMS
@DTYPES
def test_an_empty_batch_has_no_outputs_and_zero_derivatives(ndim, dtype):
    window = Window((2, 3)[-ndim:], padding="same")
    p = transpose_problem((4, 5)[-ndim:], window, N=0, dtype=dtype)
    shapes = {name: call(*arrays).shape for name, (call, arrays, _) in passes(p).items()}
    assert shapes == {"y": p.dy.shape, "dx": p.x.shape, "dw": p.w.shape, "db": p.b.shape}
    assert_all_passes_agree(p, exact=True)


# Enough work for several threads, and enough rows for several tasks per image.
LARGE = [
    pytest.param((37, 41), Window((3, 2), 2, "same"), {"N": 6, "C_g": 20, "O_g": 5}, id="bands"),
    pytest.param((33, 35), Window((3, 5), (2, 1), "same", (1, 2)), {"N": 16, "C_g": 4, "O_g": 3, "groups": 2}, id="groups"),
    pytest.param((500,), Window((5,), 2, ((3, 1),), 2), {"N": 24, "C_g": 18, "O_g": 4}, id="signals"),
]


@DTYPES
@pytest.mark.parametrize(("output_size", "window", "channels"), LARGE)
def test_same_bits_at_any_thread_count(output_size, window, channels, dtype):
    p = transpose_problem(output_size, window, dtype=dtype, **channels)
    for call, arrays, _ in passes(p).values():
        assert_same_bits_at_any_thread_count(lambda call=call, arrays=arrays: call(*arrays))


@DTYPES
@pytest.mark.parametrize(("output_size", "window", "channels"), LARGE)
def test_results_of_many_tasks_are_complete_and_exact(output_size, window, channels, dtype):
    p = transpose_problem(output_size, window, dtype=dtype, values=small_integers, **channels)
    for call, arrays, _ in passes(p).values():
        assert_writes_every_cell(lambda call=call, arrays=arrays: call(*arrays))
    y, dx, dw, db = (call(*arrays) for call, arrays, _ in passes(p).values())
    # On integers nothing rounds, so these three forms of the same bilinear form are equal.
    inner = np.sum(p.dy * (y - p.b), dtype=np.float64)
    assert inner == np.sum(p.x * dx, dtype=np.float64) == np.sum(p.w * dw, dtype=np.float64)
    np.testing.assert_array_equal(db, p.dy.sum(axis=tuple(range(p.dy.ndim - 1))))


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@DTYPES
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("channels", [{"C_g": 5, "O_g": 3, "groups": 2}, {"C_g": 33, "O_g": 19}])
@pytest.mark.parametrize("window", [Window((2, 3), (2, 3), "same", (3, 2)), Window((2, 2), 3)], ids=["same", "gaps"])
def test_nothing_outside_the_arrays_is_read(window, channels, side, dtype):
    p = transpose_problem((5, 7), window, dtype=dtype, **channels)
    for call, arrays, _ in passes(p).values():
        assert_same_bits(call(*[fenced(a, side) for a in arrays]), call(*arrays))


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("fewer", [(0, 0), (0, 1)], ids=["small", "output-padding-of-the-stride"])
def test_a_non_finite_value_reaches_only_the_outputs_of_its_stamp(fewer, poison):
    p = transpose_problem((6, 7), Window((2, 3), (2, 1), ((1, 0), (0, 2)), (1, 2)), N=3, C_g=2, O_g=17, groups=2)
    p = with_fewer_inputs(p, fewer)
    for name, (call, arrays, _) in passes(p).items():
        arrays = [np.abs(a) + 1 for a in arrays]  # without zeros, which would hide a product
        touched, dirty = [a.copy() for a in arrays], [a.copy() for a in arrays]
        touched[0][1, 1, 2, 0] += 1
        dirty[0][1, 1, 2, 0] = poison
        changed = call(*touched) != call(*arrays)
        assert changed.any()
        assert not changed.all()
        np.testing.assert_array_equal(~np.isfinite(call(*dirty)), changed, err_msg=name)


def test_kernels_accept_read_only_arrays():
    p = transpose_problem((3, 4), Window((2, 2)))
    for call, arrays, _ in passes(p).values():
        expected = call(*arrays)
        for a in arrays:
            a.setflags(write=False)
        assert_same_bits(call(*arrays), expected)


@DTYPES
def test_kernels_reject_two_dtypes_in_one_call(dtype):
    other = np.float64 if dtype == np.float32 else np.float32
    p = transpose_problem((3, 4), Window((2, 2)), dtype=dtype)
    for w, b in ((p.w.astype(other), p.b), (p.w, p.b.astype(other))):
        with pytest.raises((TypeError, ValueError)):
            kernels.conv_transpose.conv_transpose2d(p.x, w, b, (3, 4), p.window, 1)
