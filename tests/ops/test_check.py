"""Tests of the checks and conversions of arguments."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import needs_kernels
from refconv._config import config
from refconv.ops.check import as_float, axes, channels_last, floats, restore, same_shape, scalar

FLOATS = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", FLOATS)
def test_float_dtypes_are_kept(dtype):
    a = np.ones((2, 3), dtype)
    assert as_float("a", a).dtype == dtype
    assert np.shares_memory(as_float("a", a), a)  # no unnecessary copy


@pytest.mark.parametrize("value", [[1, 2], [True, False], (1, 2), np.uint8([1, 2]), np.int64([1, 2]), np.bool_([1, 0])])
def test_integers_become_float64(value):
    converted = as_float("a", value)
    assert converted.dtype == np.float64
    np.testing.assert_array_equal(converted, value)


def test_non_contiguous_arrays_are_copied():
    a = np.arange(24.0).reshape(2, 3, 4)
    for view in (a[:, ::2], a[::-1], a.transpose(2, 0, 1), np.asfortranarray(a)):
        converted = as_float("a", view)
        assert converted.flags.c_contiguous
        np.testing.assert_array_equal(converted, view)


@pytest.mark.parametrize("dtype", FLOATS)
def test_unaligned_arrays_are_copied(dtype):
    unaligned = np.frombuffer(b"\0" + np.arange(3, dtype=dtype).tobytes(), dtype, 3, 1)
    assert not unaligned.flags.aligned
    for converted in (as_float("a", unaligned), *floats(a=unaligned, b=unaligned)):
        assert converted.flags.aligned
        np.testing.assert_array_equal(converted, unaligned)


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f4", "<f8", ">i4"])
def test_any_byte_order_becomes_native(dtype):
    converted = as_float("a", np.array([1, 2.0, 3]).astype(dtype))
    assert converted.dtype.isnative
    assert converted.dtype.itemsize == (8 if "i" in dtype else int(dtype[-1]))
    assert converted.tolist() == [1, 2, 3]


def test_floats_returns_arguments_in_order_and_keeps_none():
    x, w = np.ones(2), np.zeros(3)
    first, second, third = floats(x=x, b=None, w=w)
    assert [a if a is None else a.tolist() for a in (first, second, third)] == [[1, 1], None, [0, 0, 0]]
    (alone,) = floats(b=None)
    assert alone is None


@pytest.mark.parametrize(
    "value",
    [np.float16([1]), np.complex64([1]), np.array(["1"]), np.array([None]), np.longdouble([1]), np.datetime64("2001")],
)
def test_other_dtypes_are_rejected_by_name(value):
    if np.asarray(value).dtype == np.float64:
        pytest.skip("long double is float64 here")
    with pytest.raises(TypeError, match="dw must be an array of float32, float64 or integers, got"):
        floats(x=np.ones(2), dw=value)


def test_mixed_dtypes_are_rejected_with_the_dtype_of_each():
    message = "x and w and b must have the same float type, got float32 for x, float64 for w, float32 for b; convert"
    with pytest.raises(TypeError, match=message):
        floats(x=np.float32([1]), w=np.float64([1]), b=np.float32([1]))
    with pytest.raises(TypeError, match=r"float32 for x, int64 \(as float64\) for w"):
        floats(x=np.float32([1]), w=[1], b=None)  # integers count as float64; the error must state this instead of promoting


def test_axes_checks_the_number_and_lists_the_meanings():
    a = np.ones((2, 3))
    assert axes("a", a, "height", "width") is a
    with pytest.raises(ValueError, match=r"a must have 3 axes \(batch, position, channels\), got shape \(2, 3\)"):
        axes("a", a, "batch", "position", "channels")


def test_only_the_batch_may_be_empty():
    axes("x", np.ones((0, 3)), "batch", "channels")
    with pytest.raises(ValueError, match=r"x must not be empty, got shape \(3, 0\)"):
        axes("x", np.ones((3, 0)), "batch", "channels")
    with pytest.raises(ValueError, match=r"w must not be empty, got shape \(0, 3\)"):
        axes("w", np.ones((0, 3)), "kernel height", "kernel width")


def test_same_shape_gives_the_reason_for_the_shape():
    a = np.ones((2, 3))
    assert same_shape("a", a, [2, 3], "why") is a
    assert same_shape("a", None, (2, 3), "why") is None
    with pytest.raises(ValueError, match=r"a must have shape \(3, 2\), because of b, got shape \(2, 3\)"):
        same_shape("a", a, (3, 2), "because of b")


@pytest.mark.parametrize(("ndim", "shape", "last"), [(1, (2, 3, 5), (2, 5, 3)), (2, (2, 3, 5, 7), (2, 5, 7, 3))])
def test_channels_move_to_the_end_and_back(ndim, shape, last):
    a = np.arange(np.prod(shape), dtype=float).reshape(shape)
    moved = channels_last("x", a, ndim, "channels_first")
    assert moved.shape == last
    assert moved.flags.c_contiguous
    assert moved[(1,) + (2,) * ndim + (0,)] == a[(1, 0) + (2,) * ndim]
    restored = restore(moved, "channels_first")
    assert restored.flags.c_contiguous
    np.testing.assert_array_equal(restored, a)
    assert channels_last("x", a, ndim, "channels_last") is a
    assert restore(a, "channels_last") is a


@pytest.mark.parametrize("data_format", ["NHWC", "channels-first", "", None, 0])
def test_an_unknown_data_format_is_rejected(data_format):
    with pytest.raises(ValueError, match=f"must be 'channels_last' or 'channels_first', got {data_format!r}"):
        channels_last("x", np.ones((1, 1, 1)), 1, data_format)


@pytest.mark.parametrize(
    ("data_format", "order"),
    [("channels_last", "batch, height, width, channels"), ("channels_first", "batch, channels, height, width")],
)
def test_errors_list_axes_in_the_order_of_the_data_format(data_format, order):
    with pytest.raises(ValueError, match=rf"dy must have 4 axes \({order}\), got shape \(2, 3, 5\)"):
        channels_last("dy", np.ones((2, 3, 5)), 2, data_format)


def test_the_loops_accept_fractions_and_symbols_unchanged():
    sympy = pytest.importorskip("sympy")
    a = np.array([Fraction(1, 3), sympy.Symbol("x"), 2], object)
    with config(engine="reference"):
        converted_value = as_float("a", a)
        assert converted_value.dtype == object
        assert [*converted_value] == [*a]
        assert scalar("k", Fraction(1, 7), converted_value) == Fraction(1, 7)
        assert scalar("k", sympy.Symbol("k"), converted_value, least=0) == sympy.Symbol("k")
        with pytest.raises(TypeError, match="a must be an array of numbers, got 'no'"):
            as_float("a", np.array([Fraction(1), "no"], object))
        with pytest.raises(ValueError, match="k must be at least 0, got Fraction"):
            scalar("k", Fraction(-1, 7), converted_value, least=0)


@needs_kernels
def test_the_kernels_reject_fractions():
    with config(engine="kernels"), pytest.raises(TypeError, match="fractions and symbols run on the loops"):
        as_float("a", [Fraction(1, 3)])


def test_a_scalar_for_float_arrays_becomes_a_float():
    converted_value = scalar("k", Fraction(1, 4), np.zeros(1, np.float32))
    assert (type(converted_value), converted_value) == (float, 0.25)


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        ("1", TypeError, "k must be a number, got '1'"),
        (True, TypeError, "k must be a number, got True"),
        (1j, TypeError, "k must be a number"),
        (float("nan"), ValueError, "k must be finite, got nan"),
        (float("inf"), ValueError, "k must be finite, got inf"),
        (-0.5, ValueError, "k must be from 0 to 1, got -0.5"),
        (1.5, ValueError, "k must be from 0 to 1, got 1.5"),
    ],
)
def test_invalid_scalars_are_rejected(number, error, message):
    with pytest.raises(error, match=message):
        scalar("k", number, np.zeros(1), least=0, most=1)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.ma.masked_array([1.0, 2], [True, False]), TypeError, "a must be a plain array, got a masked array"),
        ([[1, 2], [3]], ValueError, "a must have rows of equal length, got rows of different lengths"),
    ],
)
def test_masked_and_ragged_arrays_are_rejected(value, error, message):
    with pytest.raises(error, match=message):
        as_float("a", value)
