"""Tests of the convolution layer's kernels against the loops."""

import itertools
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import (
    all_engines,
    assert_inputs_unchanged,
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
from refconv.ops import conv as ops
from strategies import conv_problems, max_examples, problem, small_integers

pytestmark = needs_kernels

NDIMS = pytest.mark.parametrize("ndim", [1, 2])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def passes(p):
    """Map "y", "dx", "dw" and "db" to (public call, arrays, number of products in one sum)."""
    pre, kernel, options = f"conv{p.window.ndim}d", p.window.kernel, p.options
    pixels = p.dy[..., 0].size
    return {
        "y": (lambda x, w, b: getattr(ops, pre)(x, w, b, **options), (p.x, p.w, p.b), p.w[..., 0].size + 1),
        "dx": (lambda dy, w: getattr(ops, f"{pre}_dx")(dy, w, p.size, **options), (p.dy, p.w), p.w[..., 0, :].size),
        "dw": (lambda x, dy: getattr(ops, f"{pre}_dw")(x, dy, kernel, **options), (p.x, p.dy), pixels),
        "db": (getattr(ops, f"{pre}_db"), (p.dy,), pixels),
    }


def assert_all_passes_agree(p, exact=False):
    for call, arrays, terms in passes(p).values():
        assert_parity(call, *arrays, tolerance=0.0 if exact else rounding(call, *arrays, terms=terms))


@NDIMS
def test_kernels_agree_with_the_loops(ndim):
    @max_examples(200)
    @given(conv_problems(ndim))
    def check(p):
        assert_all_passes_agree(p)

    check()


@NDIMS
def test_kernels_equal_the_loops_without_rounding(ndim):
    @max_examples(200)
    @given(conv_problems(ndim, values=small_integers))
    def check(p):
        assert_all_passes_agree(p, exact=True)

    check()


# More channels than one tile in any instruction set, and numbers next to a multiple of the vector length.
CHANNELS = [(1, 40), (40, 1), (3, 17), (17, 5), (8, 16), (33, 9), (2, 31), (32, 4), (15, 7)]


@DTYPES
@pytest.mark.parametrize(("C_g", "O_g"), CHANNELS)
def test_kernels_equal_the_loops_for_full_and_partial_tiles(C_g, O_g, dtype):
    window = Window((2, 3), (1, 2), ((1, 0), (0, 2)))
    p = problem((2, 4), window, N=1, C_g=C_g, O_g=O_g, dtype=dtype, values=small_integers)
    assert_all_passes_agree(p, exact=True)


@DTYPES
@pytest.mark.parametrize(("C_g", "O_g", "groups"), [(2, 9, 2), (17, 2, 2), (1, 1, 7), (3, 5, 3)])
def test_kernels_equal_the_loops_for_any_group_size(C_g, O_g, groups, dtype):
    window = Window((1, 2), (2, 1), "same", (1, 2))
    p = problem((3, 4), window, C_g=C_g, O_g=O_g, groups=groups, dtype=dtype, values=small_integers)
    assert_all_passes_agree(p, exact=True)


@pytest.mark.parametrize("columns", [1, 2, 5, 13, 29])
def test_kernels_agree_with_the_loops_for_rows_shorter_and_longer_than_a_tile(columns):
    window = Window((2, 2), padding=((1, 1), (1, 0)))
    assert_all_passes_agree(problem((3, columns), window, N=1, C_g=1, O_g=3, values=small_integers), exact=True)
    assert_all_passes_agree(problem((29 // columns + 1, columns), window, C_g=2, O_g=1), exact=False)


@pytest.mark.parametrize(
    ("size", "window"),
    [
        pytest.param((3, 4), Window((2, 3), 1, 5), id="windows-on-padding-only"),
        pytest.param((2, 3), Window((1, 2), 4, 3), id="stride-larger-than-the-image"),
        pytest.param((2, 3), Window((1, 2), (1, 9), ((0, 0), (3, 0))), id="no-window-reaches-the-image"),
        pytest.param((4, 1), Window((3, 2), 3, ((0, 1), (3, 0))), id="pixels-after-the-last-window"),
        pytest.param((7, 8), Window((2, 2), (3, 4), "valid"), id="pixels-between-windows"),
        pytest.param((9, 7), Window((2, 3), (2, 3), ((0, 3), (4, 1)), (3, 2)), id="dilation-and-stride"),
        pytest.param((8, 6), Window((3, 2), (2, 2), ((1, 2), (0, 1)), (2, 4)), id="dilation-a-multiple-of-stride"),
        pytest.param((11, 17), Window((3, 5), (4, 6), ((1, 2), (3, 0)), (2, 4)), id="phases-without-a-tap"),
        pytest.param((19, 9), Window((7, 4), (6, 2), "same", (4, 3)), id="several-taps-per-phase"),
        pytest.param((2, 3), Window((2, 1), (100_000, 3), ((0, 9), (1, 0)), (7, 1)), id="huge-stride"),
        pytest.param((5, 4), Window((5, 4)), id="kernel-as-large-as-the-image"),
        pytest.param((1, 1), Window((3, 2), 2, "same"), id="one-pixel"),
    ],
)
def test_kernels_equal_the_loops_for_unusual_windows(size, window):
    assert_all_passes_agree(problem(size, window, C_g=2, O_g=3, values=small_integers), exact=True)


# Enough work for several threads and enough rows for several tasks per image; for ∂e/∂w, several parts of the weights or
# chunks of the rows.
LARGE = [
    pytest.param((37, 41), Window((3, 2), padding="same"), {"N": 6, "C_g": 5, "O_g": 20}, id="bands"),
    pytest.param((33, 35), Window((3, 5), (2, 1), "same", (1, 2)), {"N": 16, "C_g": 3, "O_g": 4, "groups": 2}, id="strided"),
    pytest.param((7, 6), Window((3, 3), padding="same"), {"C_g": 70, "O_g": 130}, id="many-weights"),
    pytest.param((23, 1), Window((4, 1)), {"N": 800, "C_g": 2, "O_g": 19}, id="one-column"),
    pytest.param((500,), Window((5,), 2, ((3, 1),), 2), {"N": 24, "C_g": 4, "O_g": 18}, id="signals"),
]


@DTYPES
@pytest.mark.parametrize(("size", "window", "channels"), LARGE)
def test_same_bits_at_any_thread_count(size, window, channels, dtype):
    p = problem(size, window, dtype=dtype, **channels)
    for call, arrays, _ in passes(p).values():
        assert_same_bits_at_any_thread_count(lambda call=call, arrays=arrays: call(*arrays))


@DTYPES
@pytest.mark.parametrize(("size", "window", "channels"), LARGE)
def test_results_of_many_tasks_are_complete_and_exact(size, window, channels, dtype):
    p = problem(size, window, dtype=dtype, values=small_integers, **channels)
    for call, arrays, _ in passes(p).values():
        assert_writes_every_cell(lambda call=call, arrays=arrays: call(*arrays))
    y, dx, dw, db = (call(*arrays) for call, arrays, _ in passes(p).values())
    # On integers nothing rounds, so these three forms of the same bilinear form are equal.
    inner = np.sum(p.dy * (y - p.b), dtype=np.float64)
    assert inner == np.sum(p.x * dx, dtype=np.float64) == np.sum(p.w * dw, dtype=np.float64)
    np.testing.assert_array_equal(db, p.dy.sum(axis=tuple(range(p.dy.ndim - 1))))


# Small images, of which a block of ∂e/∂w contains several: few pixels, whose copies the parts of the weights share; many
# pixels, in chunks that begin within an image; images that are read in place.
@pytest.mark.parametrize(
    ("N", "size", "window", "channels"),
    [
        (37, (4, 5), Window((3, 2), padding=((1, 0), (2, 1))), {"C_g": 6, "O_g": 19, "groups": 2}),
        (411, (5, 7), Window((3, 3), (2, 1), padding=1), {"C_g": 3, "O_g": 8}),
        (211, (6, 8), Window((1, 1)), {"C_g": 5, "O_g": 21}),
        (350, (6, 9), Window((3, 2), (1, 2)), {"C_g": 2, "O_g": 7}),
    ],
)
def test_dw_of_many_small_images_is_exact_and_has_the_same_bits_at_any_thread_count(N, size, window, channels):
    p = problem(size, window, N=N, values=small_integers, **channels)
    padded = np.pad(p.x, ((0, 0), *window.pads(size), (0, 0)))
    (S_h, S_w), (rows, columns), inputs = window.stride, p.dy.shape[1:3], np.split(np.arange(p.x.shape[3]), p.groups)
    expected = np.empty_like(p.w)
    for m, n in np.ndindex(window.kernel):
        x = padded[:, m : m + S_h * (rows - 1) + 1 : S_h, n : n + S_w * (columns - 1) + 1 : S_w]
        parts = zip(inputs, np.split(p.dy, p.groups, -1), strict=True)
        expected[m, n] = np.concatenate([np.einsum("bijc,bijo->co", x[..., c], dy) for c, dy in parts], -1)
    np.testing.assert_array_equal(kernels.direct_grads.conv2d_dw(p.x, p.dy, window, p.groups), expected)
    x, dy = np.random.default_rng(1).normal(size=p.x.shape), np.random.default_rng(2).normal(size=p.dy.shape)
    assert_same_bits_at_any_thread_count(lambda: kernels.direct_grads.conv2d_dw(x, dy, window, p.groups))


@NDIMS
@DTYPES
def test_an_empty_batch_has_no_outputs_and_zero_derivatives(ndim, dtype):
    window = Window((2, 3)[-ndim:], padding="same")
    p = problem((4, 5)[-ndim:], window, N=0, dtype=dtype)
    shapes = {name: call(*arrays).shape for name, (call, arrays, _) in passes(p).items()}
    assert shapes == {"y": p.dy.shape, "dx": p.x.shape, "dw": p.w.shape, "db": p.b.shape}
    assert_all_passes_agree(p, exact=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@DTYPES
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("channels", [{"C_g": 3, "O_g": 5, "groups": 2}, {"C_g": 19, "O_g": 33, "groups": 1}])
@pytest.mark.parametrize(
    "window",
    [
        Window((2, 3)),
        Window((2, 3), (2, 3), "same", (3, 2)),
        Window((1, 1)),
        Window((3, 2), (1, 2), ((0, 2), (1, 0))),
        Window((2, 2), 3),
    ],
    ids=["valid", "same", "one-by-one", "asymmetric", "gaps"],
)
def test_nothing_outside_the_arrays_is_read(window, channels, side, dtype):
    p = problem((5, 7), window, dtype=dtype, **channels)
    for call, arrays, _ in passes(p).values():
        assert_same_bits(call(*[fenced(a, side) for a in arrays]), call(*arrays))


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_non_finite_values_stay_in_their_group(poison):
    p = problem((4, 5), Window((2, 3), padding="same"), C_g=3, O_g=9, groups=3)
    for name, (call, arrays, _) in passes(p).items():
        clean, dirty = call(*arrays), [a.copy() for a in arrays]
        dirty[0][..., dirty[0].shape[-1] // 3 : dirty[0].shape[-1] // 3 * 2] = poison
        actual, third = call(*dirty), clean.shape[-1] // 3
        middle = np.zeros(clean.shape[-1], bool)
        middle[third : 2 * third] = True
        assert not np.isfinite(actual[..., middle]).any(), name
        assert_same_bits(actual[..., ~middle], clean[..., ~middle])


def test_nan_reaches_only_the_windows_that_read_it():
    p = problem((6, 7), Window((2, 3), (2, 1), ((1, 0), (0, 2)), (1, 2)), N=3, C_g=2, O_g=17)
    for name, (call, arrays, _) in passes(p).items():
        dirty = [a.copy() for a in arrays]
        dirty[0][1, 2, 3, 0] = np.nan
        touched = [a.copy() for a in arrays]
        touched[0][1, 2, 3, 0] += 1
        changed = call(*touched) != call(*arrays)
        np.testing.assert_array_equal(np.isnan(call(*dirty)), changed, err_msg=name)


@DTYPES
def test_kernels_reject_two_dtypes_in_one_call(dtype):
    other = np.float64 if dtype == np.float32 else np.float32
    p = problem((3, 4), Window((2, 2)), dtype=dtype)
    with pytest.raises((TypeError, ValueError)):
        kernels.conv.conv2d(p.x, p.w.astype(other), None, p.window, 1)


def test_kernels_accept_read_only_arrays():
    p = problem((3, 4), Window((2, 2)))
    for call, arrays, _ in passes(p).values():
        expected = call(*arrays)
        for a in arrays:
            a.setflags(write=False)
        assert_same_bits(call(*arrays), expected)


def test_dx_with_a_huge_stride_is_fast_and_correct():
    # A loop over all stride² phases would never end.
    dx = ops.conv2d_dx(np.full((1, 1, 1, 2), 3.0), np.ones((3, 2, 1, 2)), (3, 4), stride=2**30)
    np.testing.assert_array_equal(dx[0, :, :, 0], [[6, 6, 0, 0]] * 3)


@NDIMS
def test_kernels_have_non_finite_outputs_where_the_loops_do(ndim):
    @max_examples(100)
    @given(conv_problems(ndim), st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), min_size=1, max_size=3), st.data())
    def check(p, poisons, data):
        for name, (call, arrays, _) in passes(p).items():
            arrays = [a.copy() for a in arrays]
            for poison in poisons:
                poisoned = data.draw(st.sampled_from(arrays))
                poisoned.flat[data.draw(st.integers(0, poisoned.size - 1))] = poison
            expected, *others = all_engines(lambda call=call, arrays=arrays: call(*arrays))
            for actual, is_one in itertools.product(others, (np.isnan, np.isposinf, np.isneginf)):
                np.testing.assert_array_equal(is_one(actual), is_one(expected), err_msg=name)

    with np.errstate(invalid="ignore"):
        check()


def test_infinite_weights_give_the_same_bits_at_any_thread_count():
    p = problem((9, 8), Window((3, 2), (1, 2), ((0, 1), (2, 0))), C_g=40, O_g=50, groups=2)
    p.w[...] = np.inf  # as after a training that diverged
    call, arrays, _ = passes(p)["dx"]
    assert_same_bits_at_any_thread_count(lambda: call(*arrays))
    assert_inputs_unchanged(call, *arrays)
