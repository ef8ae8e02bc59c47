"""Tests of Preprocessing: size, channels, normalisation, and the form in which it is saved."""

import json

import numpy as np
import pytest

from refconv.data import Preprocessing, lenet_input

PHOTO = np.random.default_rng(0).integers(0, 256, (3, 7, 11, 3)).astype(np.uint8)


def test_each_channel_is_normalised_with_its_own_mean_and_deviation():
    mean, std = (0.1, 0.4, 0.8), (0.5, 0.25, 2.0)
    x = Preprocessing((7, 11), mean, std, resize=(7, 11))(PHOTO)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, (PHOTO / 255 - mean) / np.array(std), rtol=1e-6, atol=1e-6)


def test_an_image_is_scaled_to_cover_the_size_and_its_centre_is_cropped():
    flat = np.tile(np.repeat(np.arange(11, dtype=np.uint8), 2), (3, 14, 1))  # 14 × 22 pixels in columns 2 pixels wide
    pixels = Preprocessing((7, 5), (0.0,), (1.0,), resize=(7, 9)).fit(flat)
    assert pixels.shape == (3, 7, 5, 1)
    assert (pixels[..., 0] == np.arange(3, 8)).all()  # of columns 0 to 10, the box keeps 1 to 9 and the crop 3 to 7


def test_an_image_of_the_right_size_is_not_changed():
    prepare = Preprocessing((7, 11), (0.0,) * 3, (1.0,) * 3, resize=(14, 22))
    np.testing.assert_array_equal(prepare.fit(PHOTO), PHOTO)


def test_without_resizing_images_are_framed_by_zeros():
    pixels = Preprocessing((10, 12), (0.0,) * 3, (1.0,) * 3).fit(PHOTO)
    np.testing.assert_array_equal(pixels[:, 1:8, :11], PHOTO)
    assert pixels.sum() == PHOTO.sum()
    with pytest.raises(ValueError, match="images must have at most 6 × 12 pixels, got 7 × 11"):
        Preprocessing((6, 12), (0.0,) * 3, (1.0,) * 3).fit(PHOTO)


def test_channels_are_repeated_or_combined():
    grey = Preprocessing((7, 11), (0.0,), (1.0,), resize=(7, 11)).fit(PHOTO)
    np.testing.assert_allclose(grey[..., 0], PHOTO @ np.array([0.299, 0.587, 0.114]), atol=0.5)
    colour = Preprocessing((7, 11), (0.0,) * 3, (1.0,) * 3, resize=(7, 11)).fit(PHOTO[..., 0])
    assert (colour == PHOTO[..., :1]).all()


def test_the_preprocessing_of_lenet_has_the_bits_of_lenet_input():
    digits = np.random.default_rng(1).integers(0, 256, (4, 28, 28)).astype(np.uint8)
    np.testing.assert_array_equal(Preprocessing.of_lenet()(digits), lenet_input(digits))


def test_the_statistics_of_the_training_images_give_mean_0_and_deviation_1():
    x = Preprocessing.of_images(PHOTO, (7, 11))(PHOTO)
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(x.std((0, 1, 2)), 1, rtol=1e-6)
    constant = Preprocessing.of_images(np.full((2, 5, 6), 51, np.uint8), 6)
    assert (constant.mean, constant.std) == ((0.2,), (1.0,))


@pytest.mark.parametrize(("side", "resize"), [(28, None), (20, (32, 32)), (40, (32, 32))])
def test_images_are_framed_only_if_they_are_a_little_smaller(side, resize):
    assert Preprocessing.of_images(np.arange(side * side * 2).reshape(2, side, side).astype(np.uint8), 32).resize == resize


def test_the_settings_restore_it_from_json():
    prepare = Preprocessing((6, 5), (0.1, 0.2, 0.3), (1, 2, 3), resize=(8, 7), ink=False)
    again = Preprocessing.from_settings(json.loads(json.dumps(prepare.settings())))
    assert again == prepare
    np.testing.assert_array_equal(again(PHOTO), prepare(PHOTO))
    with pytest.raises(ValueError, match="preprocessing must be the settings of a Preprocessing, got"):
        Preprocessing.from_settings({"size": 3, "colour": True})


def test_a_picture_file_is_resized_with_all_its_pixels(tmp_path):
    image = pytest.importorskip("PIL.Image")
    checks = (np.indices((60, 90)).sum(0) % 2 * 255).astype(np.uint8)
    image.fromarray(checks).save(tmp_path / "checks.png")
    prepare = Preprocessing((4, 5), (0.0,) * 3, (1.0,) * 3, resize=(6, 9))
    pixels = prepare.read(tmp_path / "checks.png")
    assert pixels.shape == (4, 5, 3)
    assert np.abs(pixels.astype(int) - 127).max() <= 8  # the mean of black and white, and not one of the two


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((4, 5), (0.1, 0.2), (1, 1)), "mean and std must be of equal length, 1 or 3, got 2 and 2"),
        (((4, 5), (0.1,), (1, 1, 1)), "mean and std must be of equal length, 1 or 3, got 1 and 3"),
        (((4, 5), (0.1,), (0,)), "std must be above 0, got 0"),
        (((4, 5), (0.1,), (1,), (4, 4)), r"resize must be at least size, \(4, 5\), got \(4, 4\)"),
        (((4, 0), (0.1,), (1,)), "size must be at least 1"),
        (((4, 5), (0.1,), (1,), (10**5, 10**6)), r"resize must have at most \d+ pixels, got \(100000, 1000000\)"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(*arguments)


def test_small_pictures_are_not_scaled_to_many_pixels(tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.new("L", (10**6, 1)).save(tmp_path / "line.png")
    with pytest.raises(ValueError, match=r"images must be scaled to at most \d+ pixels, got 256 × 256000000"):
        Preprocessing((224, 224), (0.1,), (1,), shorter_side=256).read(tmp_path / "line.png")
    with pytest.raises(ValueError, match=r"images must be scaled to at most \d+ pixels, got 1000000000 × 1500000000"):
        Preprocessing((4, 5), (0.1,), (1,), shorter_side=10**9)(np.zeros((1, 2, 3), np.uint8))


def test_only_8_bit_images_are_accepted():
    prepare = Preprocessing((4, 5), (0.1,), (1,))
    with pytest.raises(TypeError, match="images must be uint8, got float64"):
        prepare(np.zeros((2, 4, 5)))
    with pytest.raises(
        ValueError, match=r"images must have shape \(N, H, W\) or \(N, H, W, C\) and not be empty, got \(4, 5\)"
    ):
        prepare(np.zeros((4, 5), np.uint8))
