"""Tests of zero padding and cropping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_adjoint, fractions
from refconv.geometry import Window
from refconv.reference.padding import crop, zero_pad
from strategies import image_batches, windows


@given(st.data())
def test_zero_pad_equals_numpys_pad_of_the_spatial_axes(data):
    window = data.draw(windows(data.draw(st.sampled_from([1, 2]))))
    x = data.draw(image_batches(window))
    expected = np.pad(x, ((0, 0), *window.pads(x.shape[1:-1]), (0, 0)))
    padded = zero_pad(x, window)
    assert padded.dtype == x.dtype
    np.testing.assert_array_equal(padded, expected, strict=True)


@given(st.data())
def test_crop_undoes_zero_pad(data):
    window = data.draw(windows(2))
    x = data.draw(image_batches(window))
    np.testing.assert_array_equal(crop(zero_pad(x, window), window, x.shape[1:-1]), x, strict=True)


@pytest.mark.parametrize("padding", ["valid", "same", "full", ((1, 0), (2, 3))])
def test_crop_is_the_adjoint_of_zero_pad(padding):
    window = Window((2, 3), (2, 1), padding)
    x, dy = fractions((2, 5, 7, 3), 0), fractions((2, *window.padded_size((5, 7)), 3), 1)
    assert_adjoint(lambda x: zero_pad(x, window), lambda dy: crop(dy, window, (5, 7)), x, dy)


def test_zero_pad_keeps_integer_and_object_dtypes():
    window = Window((3,), padding=((1, 2),))
    assert zero_pad(np.ones((1, 2, 1), np.int8), window).dtype == np.int8
    assert zero_pad(fractions((1, 2, 1)), window).dtype == object


def test_zero_pad_copies_and_crop_returns_a_view():
    window = Window((3,), padding=1)
    x = np.ones((2, 3, 1))
    assert not np.shares_memory(zero_pad(x, Window((3,))), x)
    padded = zero_pad(x, window)
    crop(padded, window, (3,))[...] = 7
    assert padded[:, :, 0].tolist() == [[0, 7, 7, 7, 0]] * 2
