"""Tests of augmentation: sizes of the changes, random seeds and arguments."""

import numpy as np
import pytest

from refconv.data import augment, resize
from refconv.data.resample import gaussians, resample

RNG = np.random.default_rng(0)
GREY = RNG.integers(1, 256, (5, 9, 11)).astype(np.uint8)
COLOUR = RNG.integers(1, 256, (5, 9, 11, 3)).astype(np.uint8)

AUGMENTATIONS = {
    "crop": augment.crop((7), pad=1),
    "shift": augment.shift(2),
    "flip": augment.flip(),
    "scale": augment.scale(6, least=7, most=20),
    "colour": augment.colour(),
    "distort": augment.distort(share=2),
    "chain": augment.chain(augment.flip(), augment.shift(1)),
}


def apply(function, images, seed=3):
    return function(images, np.random.default_rng(seed))


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
def test_results_depend_on_the_seed_only_and_the_given_images_do_not_change(name, images):
    before = images.copy()
    first, again, other = (apply(AUGMENTATIONS[name], images, seed) for seed in (3, 3, 4))
    assert first.dtype == np.uint8
    assert (len(first), *first.shape[3:]) == (len(images), *images.shape[3:])
    assert (first == again).all()
    assert not (first == other).all()
    assert (images == before).all()
    assert not np.shares_memory(first, images)


def windows_of(image, size, pad):
    padded = np.pad(image, [(pad, pad), (pad, pad), *([(0, 0)] * (image.ndim - 2))])
    height, width = (n - s for n, s in zip(padded.shape, size, strict=False))
    return {(i, j): padded[i : i + size[0], j : j + size[1]].tobytes() for i in range(height + 1) for j in range(width + 1)}


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
def test_each_crop_is_a_window_of_its_image_and_every_window_occurs(images):
    """A21: crops are random windows, for instance 28×28 of 32×32 or 224×224 of 256×256."""
    crop, positions = augment.crop(7, pad=1), [set() for _ in images]
    rng = np.random.default_rng(1)
    for _ in range(200):
        for k, cropped in enumerate(crop(images, rng)):
            (position,) = [p for p, pixels in windows_of(images[k], (7, 7), 1).items() if pixels == cropped.tobytes()]
            positions[k].add(position)
    assert all(found == set(windows_of(images[0], (7, 7), 1)) for found in positions)


def test_a_shift_moves_by_at_most_its_limit_and_fills_with_background():
    moved = {apply(augment.shift(1), GREY[:1], seed).tobytes() for seed in range(100)}
    assert moved == set(windows_of(GREY[0], (9, 11), 1).values())


def test_a_flip_exchanges_left_and_right():
    """A21: images are flipped horizontally with a given probability."""
    assert (apply(augment.flip(1.0), COLOUR) == COLOUR[:, :, ::-1]).all()
    assert (apply(augment.flip(0.0), COLOUR) == COLOUR).all()
    many = np.repeat(GREY[:1], 1000, 0)
    assert 0.42 < (apply(augment.flip(0.5), many)[:, 0, 0] != GREY[0, 0, 0]).mean() < 0.58


def test_scale_jitter_draws_sizes_over_the_complete_range():
    """A21: the shorter side S is drawn between the arguments ``least`` and ``most``."""
    ramp = np.broadcast_to(np.arange(0, 200, 10, dtype=np.uint8), (400, 10, 20))  # 10 grey levels per pixel
    slopes = np.diff(apply(augment.scale(8, least=10, most=40), ramp).astype(float), axis=2)[:, :, 2:-2].max((1, 2))
    sizes = 10 / slopes * 10
    assert 9 < sizes.min() < 13
    assert 30 < sizes.max() < 55
    same = apply(augment.scale(9, least=9, most=9), GREY)
    assert all(cropped.tobytes() in windows_of(image, (9, 9), 0).values() for cropped, image in zip(same, GREY, strict=True))


def test_colour_jitter_changes_brightness_contrast_and_saturation_separately():
    none = {"brightness": 0, "contrast": 0, "saturation": 0}
    assert (apply(augment.colour(**none), COLOUR) == COLOUR).all()
    medium = (COLOUR // 4 + 80).astype(np.uint8)
    brighter = apply(augment.colour(**{**none, "brightness": 0.3}), medium)
    ratio = brighter.mean((1, 2, 3)) / medium.mean((1, 2, 3))
    np.testing.assert_allclose(brighter, medium * ratio[:, None, None, None], atol=1)
    contrasted = apply(augment.colour(**{**none, "contrast": 0.3}), medium).astype(float)
    np.testing.assert_allclose(contrasted.mean((1, 2, 3)), medium.mean((1, 2, 3)), atol=0.6)
    spread = contrasted.std((1, 2, 3)) / medium.std((1, 2, 3))
    assert (np.abs(spread - 1) > 0.02).sum() >= 3
    saturated = apply(augment.colour(**{**none, "saturation": 0.3}), medium).astype(float)
    np.testing.assert_allclose(saturated @ augment.GREY, medium @ augment.GREY, atol=1)
    assert np.abs(saturated - medium).max() > 3


NO_DISTORTION = {"rotation": 0, "zoom": 0, "shear": 0, "elastic": 0}


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("share", [1, 2, 5, 8])
def test_a_distortion_of_zero_changes_nothing(images, share):
    assert (apply(augment.distort(**NO_DISTORTION, share=share), images) == images).all()


def sampled(image, field):
    """Sample the image at the positions of a field by bilinear interpolation; the outside is 0."""
    height, width = image.shape
    result = np.zeros(image.shape)
    for i in range(height):
        for j in range(width):
            y, x = np.clip(field[0, i, j], -1, height), np.clip(field[1, i, j], -1, width)
            for m in range(int(np.floor(y)), int(np.floor(y)) + 2):
                for n in range(int(np.floor(x)), int(np.floor(x)) + 2):
                    if 0 <= m < height and 0 <= n < width:
                        result[i, j] += image[m, n] * (1 - abs(y - m)) * (1 - abs(x - n))
    return result


def test_pixels_are_interpolated_at_the_positions_of_the_field_of_their_group():
    field = (RNG.integers(-256, 13 * 128, (2, 2, 9, 11)) / 128).astype(np.float32)
    gathered = augment._gather(GREY, field, 3)
    for k, image in enumerate(GREY):
        np.testing.assert_allclose(gathered[k], sampled(image, field[:, k // 3]), atol=1.01)
    channels = augment._gather(COLOUR, field, 3)
    for c in range(3):
        assert (channels[..., c] == augment._gather(COLOUR[..., c].copy(), field, 3)).all()


def test_a_rotation_is_about_the_centre_and_preserves_distances():
    """C11: augmentation rotates images by small angles."""
    rng = np.random.default_rng(0)
    field = augment._sources((9, 11), 50, rng, np.radians(20), 0, 0, 0, 4.0, 0)
    away = field - np.array([4.0, 5.0])[:, None, None, None]
    grid = np.stack(np.meshgrid(np.arange(9) - 4.0, np.arange(11) - 5.0, indexing="ij"))
    np.testing.assert_allclose(np.hypot(*away), np.broadcast_to(np.hypot(*grid), (50, 9, 11)), atol=1e-4)
    turned = np.degrees(np.arctan2(away[0, :, 4, 10], away[1, :, 4, 10]))
    assert turned.min() < -15
    assert turned.max() > 15
    assert np.abs(turned).max() <= 20


def test_an_elastic_field_is_smooth_and_has_the_requested_size():
    rng = np.random.default_rng(0)
    field = augment._sources((28, 26), 300, rng, 0, 0, 0, 1.5, 4.0, 0)
    moved = field - np.stack(np.meshgrid(np.arange(28), np.arange(26), indexing="ij"))[:, None]
    assert moved.std((0, 1)) == pytest.approx(1.5, rel=0.15)
    assert np.abs(np.diff(moved, axis=2)).mean() < 0.4
    assert gaussians(28, 4.0).shape[0] == 28


def test_resampling_returns_pixels_at_their_positions_and_means_between_them():
    image = RNG.standard_normal((4, 6, 2))
    np.testing.assert_allclose(resample(image, np.arange(4.0), np.arange(6.0)), image, rtol=1e-6)
    half = resample(image, np.array([1.5]), np.array([2.0, 4.5]))
    np.testing.assert_allclose(half[0, 1], image[1:3, 4:6].mean((0, 1)), rtol=1e-5)
    bytes_ = RNG.integers(0, 256, (3, 5, 7)).astype(np.uint8)
    assert (resize(bytes_, (5, 7)) == bytes_).all()
    assert resize(COLOUR, (4, 22)).shape == (5, 4, 22, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: apply(augment.flip(), GREY.astype(float)), "images must be uint8 of shape"),
        (lambda: apply(augment.shift(1), GREY[0]), "images must be uint8 of shape"),
        (lambda: apply(augment.crop(12), GREY), r"images must be at least \(12, 12\) pixels large"),
        (lambda: augment.shift(-1), "most must be at least 0"),
        (
            lambda: augment.scale(30, least=20, most=40),
            "size, least and most must satisfy size <= least <= most, got 30, 20 and 40",
        ),
        (lambda: augment.distort(share=0), "share must be at least 1"),
        (lambda: augment.distort(sigma=0), "sigma must be above 0"),
        (lambda: augment.distort(zoom=1.5), "zoom must be from 0 to 1, got 1.5"),
        (lambda: augment.distort(rotation=float("inf")), "rotation must be finite, got inf"),
        (lambda: augment.distort(move="2"), "move must be a number, got '2'"),
        (lambda: augment.flip(1.5), "probability must be from 0 to 1, got 1.5"),
        (lambda: augment.flip(True), "probability must be a number, got True"),
        (lambda: augment.colour(contrast=-0.1), "contrast must be from 0 to 1, got -0.1"),
        (lambda: augment.colour(saturation=None), "saturation must be a number, got None"),
    ],
)
def test_invalid_arguments_are_refused_by_name(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
