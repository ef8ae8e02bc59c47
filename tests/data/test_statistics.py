"""Tests of channel statistics: accuracy, memory, and channels with constant values."""

import tracemalloc

import numpy as np
import pytest

from refconv import data

EPS = np.finfo(np.float64).eps


def exact(images):
    """Return the mean and standard deviation of each channel, computed by NumPy in longdouble."""
    images = np.asarray(images, np.longdouble)
    axes = tuple(range(images.ndim - 1))
    return images.mean(axes), images.std(axes)


def bytes_and_floats(count=700):
    """Return 700 · 32 · 32 pixels as uint8, and as float32 divided by 255.

    The channels have different standard deviations.
    """
    rng = np.random.default_rng(3)
    images = np.stack([rng.integers(low, high, (count, 32, 32)) for low, high in ((0, 256), (90, 131), (250, 256))], -1)
    return images.astype(np.uint8), (images / 255).astype(np.float32)


@pytest.mark.slow
def test_more_than_2_to_the_24_equal_float32_pixels_become_zero():
    ones = np.broadcast_to(np.float32(1), (17_000, 32, 32, 2))  # a float32 sum of ones stops at 2**24
    assert not data.normalize(ones).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.1, 14.62, 1e30, -3e-20])
def test_a_constant_channel_of_floats_becomes_zero(dtype, value):
    images = np.empty((400, 9, 7, 2), dtype)
    images[..., 0] = value
    images[..., 1] = np.random.default_rng(0).random((400, 9, 7))
    result = data.normalize(images)
    assert not result[..., 0].any()
    assert result[..., 1].astype(np.float64).std() == pytest.approx(1, rel=1e-6)


def test_a_channel_whose_values_differ_by_rounding_errors_becomes_zero():
    images = np.full((40, 9, 7, 1), 0.1, np.float32)
    images[::2] = np.nextafter(np.float32(0.1), np.float32(1))
    assert not data.normalize(images).any()


def test_one_different_pixel_among_many_does_not_count_as_a_rounding_error():
    images = np.full((2000, 9, 7, 1), 1e6, np.float32)
    images[3, 4, 5] += 1
    n = 2000 * 9 * 7
    mean, std = data.channel_statistics(images)
    assert mean[0] == pytest.approx(1e6 + 1 / n, rel=1e-12)
    assert std[0] == pytest.approx(np.sqrt((1 - 1 / n) / n), rel=1e-6)


def test_float32_images_have_the_statistics_of_their_bytes():
    as_bytes, as_floats = bytes_and_floats()
    mean, std = exact(as_bytes[:, :8])  # a slice that is not contiguous
    statistics = data.channel_statistics(as_bytes[:, :8])
    np.testing.assert_allclose(statistics[0], mean.astype(np.float64), rtol=1e5 * EPS)
    np.testing.assert_allclose(statistics[1], std.astype(np.float64), rtol=1e5 * EPS)
    rounding = np.finfo(np.float32).eps  # relative error of a pixel divided by 255
    for dtype, statistics in ((np.uint8, data.channel_statistics(as_bytes)), (np.float32, data.channel_statistics(as_floats))):
        scale = 1 if dtype == np.uint8 else 255
        np.testing.assert_allclose(scale * statistics[0], as_bytes.mean((0, 1, 2)), rtol=rounding)
        np.testing.assert_allclose(scale * statistics[1], as_bytes.std((0, 1, 2)), rtol=rounding * 255 / 2)


@pytest.mark.parametrize("result", [np.float32, np.float64])
def test_standardised_float32_images_have_mean_zero_and_variance_one(result):
    _, images = bytes_and_floats()
    normalised = data.normalize(images, dtype=result)
    assert normalised.dtype == result
    normalised = normalised.astype(np.float64)
    rounding = np.finfo(result).eps + normalised[..., 0].size * EPS  # of each pixel, and of the sums in this test
    np.testing.assert_allclose(normalised.mean((0, 1, 2)), 0, atol=rounding)
    np.testing.assert_allclose(normalised.std((0, 1, 2)), 1, rtol=rounding)


def test_standardised_bytes_have_mean_zero_and_variance_one_in_each_channel():
    images = np.random.default_rng(0).integers(0, 200, (7, 5, 6, 3)).astype(np.uint8)
    before = images.copy()
    x = data.normalize(images)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.mean((0, 1, 2), np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(x.std((0, 1, 2), np.float64), 1, rtol=1e-6)
    subset = data.normalize(images[:2], *data.channel_statistics(images), np.float64)
    np.testing.assert_allclose(subset, x[:2], rtol=1e-6)
    np.testing.assert_array_equal(images, before)


def noise():
    return np.random.default_rng(8).normal([3, -1], size=(5, 7, 6, 2))


@pytest.mark.parametrize("exponent", [-1000, -565, 0, 532, 664, 1020])
def test_scaling_the_images_by_a_power_of_two_only_scales_their_statistics(exponent):
    images = noise()
    images[..., 1] = np.ldexp(images[..., 1], exponent)
    mean, std = data.channel_statistics(images)
    expected_mean, expected_std = exact(noise())
    np.testing.assert_allclose(np.ldexp(mean, [0, -exponent]), expected_mean.astype(float), rtol=1e3 * EPS)
    np.testing.assert_allclose(np.ldexp(std, [0, -exponent]), expected_std.astype(float), rtol=1e3 * EPS)
    np.testing.assert_array_equal(data.normalize(images), data.normalize(noise()))


@pytest.mark.parametrize("value", [1e308, np.finfo(np.float64).max, -1e200, 1e-320, 5e-324])
def test_a_constant_channel_at_the_ends_of_the_range_becomes_zero(value):
    images = noise()
    images[..., 1] = value
    mean, std = data.channel_statistics(images)
    assert mean[1] == pytest.approx(value, rel=1e3 * EPS)
    assert std[1] == 0
    result = data.normalize(images)
    assert not result[..., 1].any()
    np.testing.assert_array_equal(result[..., 0], data.normalize(noise())[..., 0])


def test_differences_from_the_mean_may_exceed_the_largest_float():
    largest = np.finfo(np.float64).max
    images = np.array([-largest, largest, largest, largest]).reshape(1, 2, 2, 1)  # the mean is half of the largest float
    expected = np.array([-3, 1, 1, 1]) / np.sqrt(3)
    np.testing.assert_allclose(data.normalize(images, dtype=np.float64).ravel(), expected, rtol=8 * EPS)


def test_infinities_of_both_signs_are_refused_without_a_warning():
    with pytest.raises(ValueError, match="images must be finite, got NaN or infinity in channel 1"):
        data.channel_statistics(np.array([[1, np.inf], [1, -np.inf]]))


def test_a_given_std_of_zero_makes_only_its_channel_zero():
    images = np.array([[[[10, 3, 7], [30, 9, 7]]]], np.float64)
    result = data.normalize(images, mean=[20, 3, 7], std=[5, 0, 0.5], dtype=np.float64)
    assert result.tolist() == [[[[-2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]]]


def test_float64_images_are_rounded_once_to_the_requested_dtype():
    images = np.array([14.62, 14.62 + 2**-30]).reshape(1, 1, 2, 1)
    result = data.normalize(images, dtype=np.float32)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.ravel(), [-1, 1], rtol=1e-6)  # a float32 mean would lose the difference


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_memory_does_not_grow_with_the_number_of_images(dtype):
    images = np.ones((3000, 32, 24, 3), dtype)
    images[::2] = 0
    peaks = []
    for work in (data.channel_statistics, data.normalize):
        tracemalloc.start()
        work(images)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 3e6
    assert peaks[1] < 4 * images.size + 3e6


def test_blocks_cover_images_that_are_larger_than_a_block():
    image = np.random.default_rng(5).integers(0, 9, (2, 300, 230, 3)).astype(np.uint8)
    mean, std = exact(image)
    statistics = data.channel_statistics(image.transpose(0, 2, 1, 3))
    np.testing.assert_allclose(statistics, np.stack([mean, std]).astype(np.float64), rtol=1e6 * EPS)
    expected = (image - mean.astype(np.float64)) / std.astype(np.float64)
    np.testing.assert_allclose(data.normalize(image, dtype=np.float64), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: data.channel_statistics(np.ones(3)), ValueError, r"images must have shape \(N, H, W, C\), got \(3,\)"),
        (lambda: data.channel_statistics(np.ones((0, 2, 3))), ValueError, "images must not be empty"),
        (lambda: data.channel_statistics(np.array([[1, np.nan], [1, 2]])), ValueError, "got NaN or infinity in channel 1"),
        (lambda: data.channel_statistics(np.array([["a"]])), TypeError, "images must be integers or floats, got <U1"),
        (lambda: data.normalize(np.ones((2, 3)), dtype=np.int8), TypeError, "dtype must be float32 or float64, got int8"),
        (lambda: data.normalize(np.ones((2, 3)), mean=[1, 2]), ValueError, r"mean must be finite and have shape \(3,\)"),
        (lambda: data.normalize(np.ones((2, 2)), 0, [1, np.inf]), ValueError, r"std must be finite and have shape \(2,\)"),
        (lambda: data.normalize(np.ones((2, 2)), 0, [1, -2]), ValueError, "std must be at least 0, got -2.0"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()
