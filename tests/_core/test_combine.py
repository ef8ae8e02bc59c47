"""Tests of sums, scales and limits in slices of channels."""

import numpy as np
import pytest

from evidence import assert_same_bits, fenced, needs_kernels, threads
from refconv._core import kernels
from strategies import small_integers

pytestmark = needs_kernels

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def layouts(shape, dtype):
    """Return arrays of NaN: contiguous, a slice of wider pixels, and a crop of larger images."""
    N, H, W, C = shape
    wide = np.full((N, H, W, C + 5), np.nan, dtype)
    framed = np.full((N, H + 3, W + 2, C), np.nan, dtype)
    return {"contiguous": np.full(shape, np.nan, dtype), "slice": wide[..., 3:-2], "crop": framed[:, 1:-2, 2:]}


def filled(array, seed):
    array[...] = small_integers(array.shape, seed, array.dtype)
    return array


def expected(arrays, scale, shift, low, high):
    y = sum(arrays[1:], arrays[0])
    y = y if scale is None else scale * y + shift
    y = y if low is None else np.where(y < low, np.asarray(low, y.dtype), y)
    return y if high is None else np.where(y > high, np.asarray(high, y.dtype), y)


@DTYPES
@pytest.mark.parametrize("layout", ["contiguous", "slice", "crop"])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"low": 0}, {"scale": 3, "shift": 2}, {"scale": 3, "shift": 2, "low": -4, "high": 6}])
def test_any_layout_equals_numpy(dtype, layout, count, options):
    shape = (2, 3, 5, 19)
    scale = small_integers((19,), 8, dtype) if "scale" in options else None
    options = {**options, "scale": scale, "shift": None if scale is None else scale[::-1].copy()}
    arrays = [filled(layouts(shape, dtype)[kind], seed) for seed, kind in enumerate([layout, "slice", "contiguous"][:count])]
    for y in layouts(shape, dtype).values():
        assert kernels.combine.combine(y, arrays, **options) is None
        np.testing.assert_array_equal(y, expected(arrays, **{"low": None, "high": None, **options}), strict=True)
        if y.base is not None:
            y[...] = np.nan  # as the elements beside it
            assert np.isnan(y.base).all()


@DTYPES
def test_nan_and_infinity_pass_the_limits(dtype):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 3], dtype).reshape(1, 1, 1, 5)
    y = np.empty_like(x)
    kernels.combine.combine(y, [x], low=0, high=6)
    np.testing.assert_array_equal(y[0, 0, 0], [np.nan, 6, 0, 0, 3])


@DTYPES
@pytest.mark.parametrize("side", ["start", "end"])
def test_no_access_outside_of_the_arrays(dtype, side):
    x, z, y = (fenced(small_integers((2, 3, 7, 5), seed, dtype), side) for seed in (1, 2, 3))
    scale, shift = (fenced(small_integers((5,), seed, dtype), side) for seed in (4, 5))
    kernels.combine.combine(y, [x, z], scale=scale, shift=shift, low=0)
    np.testing.assert_array_equal(y, np.maximum(scale * (x + z) + shift, 0))


def test_the_bits_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal((2, 67, 61, 40)).astype(np.float32)[..., :37] for _ in range(3)]
    scale, shift = rng.standard_normal((2, 37)).astype(np.float32)
    results = []
    for count in (1, 2, 5):
        y = np.empty((2, 67, 61, 37), np.float32)
        with threads(count):
            kernels.combine.combine(y, arrays, scale=scale, shift=shift)
        results.append(y)
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


@pytest.mark.parametrize(
    ("y", "arrays", "options", "message"),
    [
        ((2, 3, 4, 5), [(2, 3, 4, 6)], {}, r"the arrays must have shape \(2, 3, 4, 5\), got \(2, 3, 4, 6\)"),
        ((2, 3, 4, 5), [(2, 3, 4, 5)], {"scale": np.ones(6), "shift": np.ones(5)}, "scale and shift must have 5 elements"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(y, arrays, options, message):
    with pytest.raises(ValueError, match=message):
        kernels.combine.combine(np.zeros(y), [np.zeros(shape) for shape in arrays], **options)


def test_channels_that_are_not_contiguous_are_refused():
    with pytest.raises(ValueError, match="the channels of the arrays must be contiguous"):
        kernels.combine.combine(np.zeros((2, 3, 4, 5)), [np.zeros((2, 3, 5, 4)).swapaxes(2, 3)])
