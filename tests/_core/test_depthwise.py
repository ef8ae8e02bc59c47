"""Tests of groups of one, two and four channels against the loops.

They cover many windows, and channels that fill vectors or leave a remainder.
"""

import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evidence import (
    all_engines,
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
from refconv.ops import conv as ops
from refconv.ops import separable
from strategies import dtypes, input_sizes, max_examples, problem, small_floats, small_integers, windows

pytestmark = needs_kernels

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
GROUPS_OF = pytest.mark.parametrize("G", [1, 2, 4])
MIXED = Window((2, 3), (2, 1), ((1, 0), (0, 2)), (1, 2))
WINDOWS = [
    pytest.param((5, 7), Window((2, 3)), id="valid"),
    pytest.param((6, 8), MIXED, id="asymmetric"),
    pytest.param((9, 13), Window((3, 5), (2, 3), "same", (3, 2)), id="strided-and-dilated"),
    pytest.param((11, 17), Window((3, 5), (4, 6), ((1, 2), (3, 0)), (2, 4)), id="phases-without-a-tap"),
    pytest.param((4, 9), Window((1, 7), padding=((0, 0), (6, 6))), id="more-than-three-taps-side-by-side"),
    pytest.param((3, 4), Window((1, 1), 2), id="one-by-one-with-gaps"),
    pytest.param((2, 3), Window((2, 1), (100_000, 3), ((0, 9), (1, 0)), (7, 1)), id="huge-stride"),
]


def grouped(size, window, G, groups, **options):
    """Return a problem with ``groups`` groups of G input and G output channels each."""
    return problem(size, window, C_g=G, O_g=G, groups=groups, **options)


def takes(p):
    return kernels.depthwise.takes(p.w.shape[2], p.w.shape[3], p.groups, p.x.dtype)


def grouped_or_skip(*sizes, **options):
    """Return a grouped problem, or skip the test if the kernels do not support it."""
    p = grouped(*sizes, **options)
    if not takes(p):
        pytest.skip("vectors of this instruction set or compiler cannot store a whole group")
    return p


def passes(p):
    """Map "y", "dx" and "dw" to (call, arrays)."""
    module, G = kernels.depthwise, p.w.shape[2]
    return {
        "y": (lambda x, w, b: module.conv2d(x, w, b, p.window), (p.x, p.w, p.b)),
        "dx": (lambda dy, w: module.conv2d_dx(dy, w, p.size, p.window), (p.dy, p.w)),
        "dw": (lambda x, dy: module.conv2d_dw(x, dy, p.window, G), (p.x, p.dy)),
    }


def computed(p):
    """Compute all passes; a kernel that declines ∂e/∂w gives None."""
    return {name: call(*arrays) for name, (call, arrays) in passes(p).items()}


def direct():
    """Return the functions of direct.pyx, direct_dx.pyx and direct_grads.pyx."""
    return SimpleNamespace(**(vars(kernels.direct_dx) | vars(kernels.direct_grads) | vars(kernels.direct)))


def passes_of(p, module):
    """Return the same three calls of another module: the loops or the plain sums."""
    return {
        "y": lambda x, w, b: module.conv2d(x, w, b, p.window, p.groups),
        "dx": lambda dy, w: module.conv2d_dx(dy, w, p.size, p.window, p.groups),
        "dw": lambda x, dy: module.conv2d_dw(x, dy, p.window, p.groups),
    }


def expected(p, module):
    """Compute all passes with another module."""
    calls = passes_of(p, module)
    return {name: calls[name](*arrays) for name, (_, arrays) in passes(p).items()}


def assert_all_passes_equal(p, module):
    actual, reference_result = computed(p), expected(p, module)
    for name in reference_result:
        if name != "dw" or every_window_reads_a_pixel(p):
            np.testing.assert_array_equal(actual[name], reference_result[name], err_msg=name, strict=True)
        else:
            assert actual[name] is None


def every_window_reads_a_pixel(p):
    return reference.conv.conv2d(np.ones_like(p.x), np.ones_like(p.w), None, p.window, p.groups).all()


@st.composite
def problems(draw, values):
    window = draw(windows(2))
    G, groups = draw(st.sampled_from([1, 2, 4])), draw(st.integers(2, 6))
    options = dict(N=draw(st.integers(1, 2)), seed=draw(st.integers(0, 99)), dtype=draw(dtypes), values=values)
    return grouped(draw(input_sizes(window)), window, G, groups, **options)


@max_examples(100)
@given(problems(small_integers))
def test_all_passes_equal_the_loops_without_rounding(p):
    assume(takes(p))
    assert_all_passes_equal(p, reference.conv)


@max_examples(100)
@given(problems(small_floats))
def test_all_passes_agree_with_the_loops(p):
    assume(takes(p))
    actual, loops = computed(p), passes_of(p, reference.conv)
    taps = np.prod(p.w.shape[:3])
    terms = {"y": taps + 1, "dx": taps, "dw": np.prod(p.dy.shape[:-1])}
    for name, (_, arrays) in passes(p).items():
        if actual[name] is not None:
            assert_same_sums(actual[name], loops[name], *arrays, terms=terms[name])


@pytest.mark.slow
@DTYPES
@GROUPS_OF
@pytest.mark.parametrize(("size", "window"), WINDOWS)
def test_all_passes_equal_the_loops_for_unusual_windows(size, window, G, dtype):
    assert_all_passes_equal(grouped_or_skip(size, window, G, 8, N=2, dtype=dtype, values=small_integers), reference.conv)


@DTYPES
@GROUPS_OF
def test_any_number_of_channels_equals_direct(G, dtype):
    counts = [groups for groups in range(2, 71 // G + 1) if kernels.depthwise.takes(G, G * groups, groups, np.dtype(dtype))]
    assert len(counts) > 12 or G > 1
    for groups in counts:
        assert_all_passes_equal(grouped((4, 7), MIXED, G, groups, N=1, dtype=dtype, values=small_integers), direct())


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 7, 8, 9, 14])
def test_rows_shorter_and_longer_than_a_tile_equal_direct(columns):
    for window in (Window((1, 3), padding=1), Window((2, 1))):
        assert_all_passes_equal(grouped((2, columns), window, 1, 20, values=small_integers, dtype=np.float32), direct())


def large(G, dtype, values=small_floats):
    """Return a problem with several bands and chunks, and rows of more than one span."""
    groups = 70 // G + 2
    return grouped_or_skip((33, 131), Window((3, 4), (1, 2), "same", (2, 1)), G, groups, N=3, dtype=dtype, values=values)


@DTYPES
@GROUPS_OF
def test_results_of_many_tasks_are_complete_and_exact(G, dtype):
    p = large(G, dtype, small_integers)
    for call, arrays in passes(p).values():
        assert_writes_every_cell(lambda call=call, arrays=arrays: call(*arrays))
    for name, reference_result in expected(p, direct()).items():
        np.testing.assert_array_equal(computed(p)[name], reference_result, err_msg=name)


@DTYPES
@GROUPS_OF
def test_same_bits_at_any_thread_count(G, dtype):
    p = large(G, dtype)
    for call, arrays in passes(p).values():
        assert_same_bits_at_any_thread_count(lambda call=call, arrays=arrays: call(*arrays))


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize(("G", "groups"), [(1, 3), (1, 21), (2, 9), (4, 3), (4, 9)])
@pytest.mark.parametrize(("size", "window"), WINDOWS)
def test_nothing_outside_the_arrays_is_read(size, window, G, groups, side):
    p = grouped_or_skip(size, window, G, groups, dtype=np.float32)
    for name, (call, arrays) in passes(p).items():
        reference_result = computed(p)[name]
        actual = call(*[fenced(a, side) for a in arrays])
        assert (actual is None) == (reference_result is None)
        if reference_result is not None:
            assert_same_bits(actual, reference_result)


@GROUPS_OF
def test_inputs_are_unchanged(G):
    for call, arrays in passes(grouped_or_skip((5, 7), Window((2, 3), padding=1), G, 8, dtype=np.float32)).values():
        assert_inputs_unchanged(call, *arrays)


@pytest.mark.slow
@GROUPS_OF
@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("window", [Window((3, 2), padding="same"), MIXED, Window((2, 2), 1, ((3, 0), (0, 0)))])
def test_non_finite_outputs_are_where_the_loops_have_them(window, poison, G):
    p = grouped((5, 6), window, G, 8, N=1, dtype=np.float32)
    calls = {
        "y": (lambda x, w: ops.conv2d(x, w, **p.options), (p.x, p.w)),
        "dx": (lambda dy, w: ops.conv2d_dx(dy, w, p.size, **p.options), (p.dy, p.w)),
        "dw": (lambda x, dy: ops.conv2d_dw(x, dy, p.window.kernel, **p.options), (p.x, p.dy)),
    }
    for name, (call, arrays) in calls.items():
        for which in (0, 1):
            for at in (0, arrays[which].size // 2, arrays[which].size - 1):
                dirty = [a.copy() for a in arrays]
                dirty[which].flat[at] = poison
                with np.errstate(invalid="ignore"):
                    loops, *others = all_engines(lambda call=call, dirty=dirty: call(*dirty))
                for fast, is_one in itertools.product(others, (np.isnan, np.isposinf, np.isneginf)):
                    np.testing.assert_array_equal(is_one(fast), is_one(loops), err_msg=name)


def test_dw_returns_none_if_it_is_not_finite():
    p = grouped((4, 5), Window((3, 3), padding=1), 1, 20, dtype=np.float32)
    assert computed(p)["dw"] is not None
    p.dy[0, 2, 3, 7] = np.inf
    assert computed(p)["dw"] is None


@GROUPS_OF
def test_an_empty_batch_has_no_outputs_and_zero_derivatives(G):
    p = grouped_or_skip((4, 5), MIXED, G, 8, N=0, dtype=np.float32)
    y, dx, dw = computed(p).values()
    assert (y.shape, dx.shape, dw.shape) == (p.dy.shape, p.x.shape, p.w.shape)
    assert not dw.any()


def test_public_calls_use_depthwise_kernels():
    p = grouped((5, 7), Window((2, 3), padding=1), 1, 20, dtype=np.float32)
    y, dx, dw = computed(p).values()
    assert_same_bits(ops.conv2d(p.x, p.w, p.b, **p.options), y)
    assert_same_bits(ops.conv2d_dx(p.dy, p.w, p.size, **p.options), dx)
    assert_same_bits(ops.conv2d_dw(p.x, p.dy, (2, 3), **p.options), dw)
    assert_same_bits(separable.depthwise_conv2d(p.x, p.w.reshape(2, 3, 20, 1), p.b, padding=1), y)


@pytest.mark.parametrize(
    ("C_g", "O", "groups"),
    [
        pytest.param(1, 40, 20, id="two-outputs-each"),
        pytest.param(3, 60, 20, id="three-channels"),
        pytest.param(4, 4, 1, id="one-group"),
        pytest.param(2, 20, 20, id="two-inputs-for-one-output"),
        pytest.param(64, 128, 2, id="many-channels"),
    ],
)
def test_other_group_sizes_do_not_use_depthwise_kernels(C_g, O, groups):
    assert kernels.depthwise.takes(1, 20, 20, np.dtype(np.float32))
    assert not kernels.depthwise.takes(C_g, O, groups, np.dtype(np.float32))
