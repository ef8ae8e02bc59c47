"""Tests of Winograd's algorithm against the loops.

They cover both tile sizes, any padding, and sizes that fill tiles or leave a remainder.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refconv
from evidence import (
    assert_inputs_unchanged,
    assert_same_bits,
    assert_same_bits_at_any_thread_count,
    fenced,
    needs_kernels,
)
from refconv import reference
from refconv._core import kernels
from refconv.geometry import Window
from refconv.ops import conv as ops
from strategies import max_examples, problem, small_floats, small_integers

pytestmark = needs_kernels

TILES = pytest.mark.parametrize("m", [2, 4])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
LARGE = Window((3, 3), padding=((1, 0), (2, 1)))


@st.composite
def problems(draw, values=small_floats):
    """Draw a 3×3 problem with stride 1.

    The channels are next to multiples of the vector length, so that remainders of every length occur.
    """
    edge = st.integers(0, 4)
    window = Window((3, 3), padding=((draw(edge), draw(edge)), (draw(edge), draw(edge))))
    size = (draw(st.integers(3, 9)), draw(st.integers(3, 7)))
    channels = st.sampled_from([1, 2, 5, 17])
    return problem(
        size,
        window,
        N=draw(st.integers(1, 3)),
        C_g=draw(channels),
        O_g=draw(channels),
        dtype=draw(st.sampled_from([np.float32, np.float64])),
        seed=draw(st.integers(0, 99)),
        values=values,
    )


def offset(p):
    return tuple(before for before, _ in p.window.pads(p.size))


def forward(p, m):
    return kernels.winograd.conv2d(p.x, p.w, p.b, offset(p), p.dy.shape[1:3], m)


def backward_dx(p, m):
    top, left = offset(p)
    rotated = np.ascontiguousarray(p.w[::-1, ::-1].swapaxes(2, 3))
    return kernels.winograd.conv2d(p.dy, rotated, None, (2 - top, 2 - left), p.size, m)


def loops(p):
    return reference.conv.conv2d(p.x, p.w, p.b, p.window, 1), reference.conv.conv2d_dx(p.dy, p.w, p.size, p.window, 1)


def assert_near(actual, expected, factor):
    eps = np.finfo(expected.dtype).eps
    np.testing.assert_allclose(actual, expected, rtol=0, atol=factor * eps * max(1.0, np.abs(expected).max(initial=0)))


@max_examples(60)
@given(problems())
def test_both_tile_sizes_agree_with_the_loops(p):
    y, dx = loops(p)
    for m, factor in ((2, 60), (4, 400)):
        assert_near(forward(p, m), y, factor)
        assert_near(backward_dx(p, m), dx, factor)


@max_examples(60)
@given(problems())
def test_dw_agrees_with_the_loops(p):
    assert_near(kernels.winograd.conv2d_dw(p.x, p.dy, offset(p)), reference.conv.conv2d_dw(p.x, p.dy, p.window, 1), 300)


@max_examples(60)
@given(problems(values=small_integers))
def test_small_tiles_equal_the_loops_without_rounding(p):
    y, dx = loops(p)
    assert_same_bits(forward(p, 2), y)
    assert_same_bits(backward_dx(p, 2), dx)
    assert_same_bits(kernels.winograd.conv2d_dw(p.x, p.dy, offset(p)), reference.conv.conv2d_dw(p.x, p.dy, p.window, 1))


@DTYPES
@pytest.mark.parametrize(("C", "O"), [(3, 70), (40, 33), (33, 8), (16, 64)])
def test_full_and_partial_panels_of_channels_equal_direct(C, O, dtype):
    p = problem((5, 4), LARGE, N=2, C_g=C, O_g=O, dtype=dtype, values=small_integers)
    assert_same_bits(forward(p, 2), kernels.direct.conv2d(p.x, p.w, p.b, p.window, 1))
    assert_same_bits(backward_dx(p, 2), kernels.direct_dx.conv2d_dx(p.dy, p.w, p.size, p.window, 1))
    assert_same_bits(kernels.winograd.conv2d_dw(p.x, p.dy, offset(p)), kernels.direct_grads.conv2d_dw(p.x, p.dy, p.window, 1))


def many_blocks(dtype=np.float32):
    """Return a problem with more tiles than one block of any pass."""
    return problem((31, 27), LARGE, N=3, C_g=50, O_g=53, dtype=dtype)


@DTYPES
@TILES
def test_same_bits_at_any_thread_count(m, dtype):
    p = many_blocks(dtype)
    assert_same_bits_at_any_thread_count(lambda: forward(p, m))
    assert_same_bits_at_any_thread_count(lambda: kernels.winograd.conv2d_dw(p.x, p.dy, offset(p)))


@DTYPES
def test_many_blocks_agree_with_direct(dtype):
    p = many_blocks(dtype)
    assert_near(forward(p, 2), kernels.direct.conv2d(p.x, p.w, p.b, p.window, 1), 60)
    assert_near(forward(p, 4), kernels.direct.conv2d(p.x, p.w, p.b, p.window, 1), 400)
    assert_near(kernels.winograd.conv2d_dw(p.x, p.dy, offset(p)), kernels.direct_grads.conv2d_dw(p.x, p.dy, p.window, 1), 300)


def test_small_tiles_are_as_accurate_as_direct():
    p = problem((20, 22), Window((3, 3), padding="same"), N=2, C_g=64, O_g=48, dtype=np.float32)
    exact = kernels.direct.conv2d(*(a.astype(np.float64) for a in (p.x, p.w, p.b)), p.window, 1)
    direct, small = (np.abs(y - exact).max() for y in (kernels.direct.conv2d(p.x, p.w, p.b, p.window, 1), forward(p, 2)))
    assert small < 1.5 * direct


def test_rounding_errors_of_large_tiles_are_about_twice_those_of_a_running_sum():
    p = problem((20, 22), Window((3, 3), padding="same"), N=2, C_g=64, O_g=48, dtype=np.float32)
    exact = kernels.direct.conv2d(*(a.astype(np.float64) for a in (p.x, p.w, p.b)), p.window, 1)
    running = np.zeros_like(exact, np.float32)
    padded = np.pad(p.x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for i, j, c in np.ndindex(3, 3, 64):
        running += padded[:, i : i + 20, j : j + 22, c, None] * p.w[i, j, c]
    large, plain = (np.mean((y - exact) ** 2) ** 0.5 for y in (forward(p, 4), running + p.b))
    assert large < 2.5 * plain  # with the points ±1 and ±2, it is more than 4 times the error


@pytest.mark.parametrize("side", ["start", "end"])
@TILES
def test_nothing_outside_the_arrays_is_read(m, side):
    p = problem((6, 5), LARGE, N=2, C_g=19, O_g=37, dtype=np.float32)
    x, w, b, dy = (fenced(a, side) for a in (p.x, p.w, p.b, p.dy))
    assert_same_bits(kernels.winograd.conv2d(x, w, b, offset(p), p.dy.shape[1:3], m), forward(p, m))
    assert_same_bits(kernels.winograd.conv2d_dw(x, dy, offset(p)), kernels.winograd.conv2d_dw(p.x, p.dy, offset(p)))


@TILES
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("array", ["x", "w", "b"])
def test_non_finite_and_overflowing_inputs_never_give_finite_outputs(array, value, m):
    p = problem((6, 5), LARGE, N=2, C_g=5, O_g=7, dtype=np.float32)
    p.b[...] = 1e37
    p.x[...], p.w[...] = np.abs(p.x) + 9, np.abs(p.w) + 9
    getattr(p, array).flat[3] = value
    if np.isfinite(forward(p, m) if forward(p, m) is not None else np.nan).all():
        assert (array, value) == ("b", 3e38)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_non_finite_value_reaches_only_the_windows_that_read_it(value):
    p = problem((40, 30), Window((3, 3), padding=1), N=1, C_g=32, O_g=32, dtype=np.float32)
    assert kernels.winograd.conv2d(p.x, p.w, None, offset(p), p.dy.shape[1:3], 2) is not None
    p.x[0, 20, 10, 3] = value
    with np.errstate(invalid="ignore"):
        y = ops.conv2d(p.x, p.w, padding=1)
    rows, columns = np.nonzero(~np.isfinite(y[0, :, :, 0]))
    assert (set(rows), set(columns)) == ({19, 20, 21}, {9, 10, 11})
    dw = ops.conv2d_dw(p.x, p.dy, (3, 3), padding=1)
    assert not np.isfinite(dw[:, :, 3]).any()
    assert np.isfinite(np.delete(dw, 3, axis=2)).all()


def test_inputs_are_unchanged():
    p = problem((6, 5), LARGE, N=2, C_g=5, O_g=7)
    assert_inputs_unchanged(lambda x, w, b: kernels.winograd.conv2d(x, w, b, (1, 2), (5, 6), 2), p.x, p.w, p.b)
    assert_inputs_unchanged(lambda x, dy: kernels.winograd.conv2d_dw(x, dy, (1, 2)), p.x, p.dy)


def test_public_calls_use_winograd_for_many_channels():
    p = many_blocks()
    options = dict(padding=LARGE.padding)
    assert_same_bits(ops.conv2d(p.x, p.w, p.b, **options), forward(p, 2))
    assert_same_bits(ops.conv2d_dx(p.dy, p.w, p.size, **options), backward_dx(p, 2))
    assert_same_bits(ops.conv2d_dw(p.x, p.dy, (3, 3), **options), kernels.winograd.conv2d_dw(p.x, p.dy, offset(p)))


def test_fast_precision_uses_larger_tiles():
    p = many_blocks()
    with refconv.config(precision="fast"):
        assert_same_bits(ops.conv2d(p.x, p.w, p.b, padding=LARGE.padding), forward(p, 4))
    assert_same_bits(ops.conv2d(p.x, p.w, p.b, padding=LARGE.padding), forward(p, 2))


def test_few_pixels_use_small_tiles():
    p = problem((14, 13), LARGE, N=1, C_g=50, O_g=53)
    with refconv.config(precision="fast"):
        assert_same_bits(ops.conv2d(p.x, p.w, p.b, padding=LARGE.padding), forward(p, 2))


def test_few_channels_use_direct_for_dw():
    p = problem((31, 27), LARGE, N=1, C_g=37, O_g=31)
    direct = kernels.direct_grads.conv2d_dw(p.x, p.dy, LARGE, 1)
    assert_same_bits(ops.conv2d_dw(p.x, p.dy, (3, 3), padding=LARGE.padding), direct)


@pytest.mark.parametrize("precision", ["exact", "Fast", 2])
def test_an_unknown_precision_is_rejected(precision):
    with pytest.raises(ValueError, match="precision must be 'standard' or 'fast'"):
        refconv.set_config(precision=precision)
    assert refconv.get_config().precision == "standard"
