"""Tests of drawn digits: the format of MNIST, seeds, and recognisable shapes."""

import tracemalloc

import numpy as np
import pytest

from refconv.data import digits, draw_digits

STYLES = [strokes for _, _, strokes in digits._STYLES]


@pytest.fixture(scope="module")
def drawn():
    return draw_digits(4000, seed=1)


def test_the_images_have_the_format_of_mnist(drawn):
    images, labels = drawn
    assert (images.shape, images.dtype) == ((4000, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((4000,), np.uint8)
    assert images[:, 0].mean() < 1  # a black border …
    assert (images.max(axis=(1, 2)) > 128).all()  # … white ink in every image …
    assert (images.max(axis=(1, 2)) == 255).mean() > 0.9  # … and the largest value in nearly every image


def test_each_digit_is_drawn_equally_often_in_random_order(drawn):
    _, labels = drawn
    blocks = labels.reshape(-1, 200)
    assert all(np.bincount(block).tolist() == [20] * 10 for block in blocks)
    assert len({tuple(block) for block in blocks}) == len(blocks)
    assert (labels[1:] == labels[:-1]).mean() == pytest.approx(19 / 199, abs=0.03)


def test_the_longer_side_of_a_digit_is_at_most_20_pixels(drawn):
    ink = drawn[0] > 0
    sides = np.stack([np.ptp(np.where(ink.any(axis=axis), np.arange(28), 14), axis=1) + 1 for axis in (1, 2)])
    assert sides.max() == 20
    assert (sides.max(axis=0) >= 18).mean() > 0.95


def test_a_one_is_narrow_and_leans_to_the_right(drawn):
    ones = drawn[0][drawn[1] == 1] / 255.0
    assert np.median((ones > 0).any(axis=1).sum(axis=1)) < 12
    y, x = np.ogrid[-14:14, -14:14]
    slant = -(ones * x * y).sum(axis=(1, 2)) / (ones * y * y).sum(axis=(1, 2))  # change of x per upward change of y
    assert np.median(slant) == pytest.approx(0.15, abs=0.05)


def test_the_centre_of_mass_is_within_half_a_pixel_of_the_centre(drawn):
    ink = drawn[0].astype(float)
    pixel = np.arange(28)
    for profile in (ink.sum(axis=1), ink.sum(axis=2)):
        distance = abs(profile @ pixel / ink.sum(axis=(1, 2)) - 14)
        assert (distance <= 0.5).mean() > 0.98  # the boxes of the others would extend beyond the image
        assert distance.max() < 4


def test_every_bit_depends_on_the_seed_only(drawn):
    again = draw_digits(4000, seed=1)
    assert all((a == b).all() for a, b in zip(drawn, again, strict=True))
    others = [draw_digits(200, seed=seed) for seed in (0, 2, 1 + 2**32, 1 + 2**64)]
    for images, labels in others:
        assert (labels != drawn[1][:200]).any()
        assert (images != drawn[0][:200]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("k", [0, 1, 10, 199, 200, 201, 437])
def test_the_first_digits_do_not_depend_on_the_number_of_digits(drawn, k):
    images, labels = draw_digits(k, seed=1)
    assert images.shape == (k, 28, 28)
    assert labels.shape == (k,)
    assert (images == drawn[0][:k]).all()
    assert (labels == drawn[1][:k]).all()


def test_all_digits_are_different(drawn):
    assert len(np.unique(drawn[0].reshape(4000, -1), axis=0)) == 4000


def test_a_nearest_neighbour_classifier_generalises_to_another_seed(drawn):
    training = drawn[0].reshape(4000, -1) / 255
    images, labels = draw_digits(1000, seed=2)
    x = images.reshape(1000, -1) / 255
    nearest = ((training**2).sum(axis=1) - 2 * x @ training.T).argmin(axis=1)
    accuracies = np.array([(drawn[1][nearest] == labels)[labels == digit].mean() for digit in range(10)])
    assert accuracies.mean() > 0.6  # random guesses have 0.1
    assert accuracies.min() > 0.4


def test_styles_of_each_digit_are_chosen_in_proportion_to_their_shares():
    rng = np.random.default_rng(3)
    labels = np.arange(digits._CHUNK) % 10
    chosen = np.concatenate([digits._choose_styles(rng, labels) for _ in range(200)])
    digit, share = (np.array(column) for column in list(zip(*digits._STYLES, strict=True))[:2])
    assert (digit[chosen] == np.tile(labels, 200)).all()
    expected = share / np.bincount(digit, share)[digit]
    assert np.bincount(chosen) / 4000 == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("strokes", STYLES)
def test_the_pen_passes_each_station_of_a_style_at_constant_speed(strokes):
    stations, runs = digits._parse(strokes)
    path, length = digits._path_matrix(stations, runs)
    pen = path.T @ stations
    step_length = length / digits._POSITIONS
    distances = np.linalg.norm(stations[:, None] - pen, axis=2).min(axis=1)
    assert (distances < 1.25 * step_length).all()
    steps = np.linalg.norm(np.diff(pen, axis=0), axis=1)
    assert (steps > 1.5 * step_length).sum() == strokes.count("/")  # the path jumps only if the pen is lifted
    assert steps.max() < 1.5 * step_length or "/" in strokes
    assert path.sum(axis=0) == pytest.approx(1)  # if all stations move by a vector, the path moves by the same vector


def test_a_curve_is_smooth_except_at_its_corners():
    def sharpest_angle(strokes):
        stations, runs = digits._parse(strokes)
        steps = np.diff(digits._path_matrix(stations, runs)[0].T @ stations, axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        return np.degrees(np.arccos((steps[1:] * steps[:-1]).sum(axis=1).min()))

    assert sharpest_angle("0,0 10,0 10,10") < 20
    assert sharpest_angle("0,0 10,0! 10,10") > 40


@pytest.mark.parametrize("radius", [1.0, 2.5])
def test_a_line_has_the_width_of_the_pen(radius):
    line = np.stack([np.linspace(-5, 25, digits._POSITIONS), np.full(digits._POSITIONS, 9.0)])[None]
    pen = np.full((1, digits._POSITIONS), radius)
    ink = digits._ink(line.astype(np.float32), pen, pen_radius=pen[:, :1], edge_width=np.array([[1.0]]))
    depth = abs(np.arange(20) - 9)
    expected = 255 * np.clip(radius + 0.5 - depth, 0, 1)
    assert ink.shape == (1, 20, 20)
    assert abs(ink[0].T - expected).max() <= 3


def test_pressure_makes_the_line_wider():
    line = np.stack([np.linspace(0, 19, digits._POSITIONS), np.full(digits._POSITIONS, 9.0)])[None]
    radius = np.linspace(1, 3, digits._POSITIONS)[None]
    ink = digits._ink(line.astype(np.float32), radius, pen_radius=np.array([[2.0]]), edge_width=np.array([[1.0]]))
    width = ink[0].sum(axis=0) / 255
    assert width[3] == pytest.approx(2.6, abs=0.5)
    assert width[16] == pytest.approx(5.4, abs=0.5)


def test_temporary_memory_does_not_grow_with_n():
    def peak(n):
        tracemalloc.start()
        images, labels = draw_digits(n)
        extra = tracemalloc.get_traced_memory()[1] - images.nbytes - labels.nbytes
        tracemalloc.stop()
        return extra

    draw_digits(1)  # creates the alphabet, which is cached
    assert peak(5000) < 1.2 * peak(200) < 30e6


@pytest.mark.parametrize("name", ["n", "seed"])
@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (-1, ValueError, "at least 0"),
        (2.5, TypeError, "an integer"),
        (3.0, TypeError, "an integer"),
        ("3", TypeError, "an integer"),
        (None, TypeError, "an integer"),
    ],
)
def test_the_error_about_an_invalid_argument_shows_its_name_and_value(name, value, error, expected):
    with pytest.raises(error, match=f"^{name} must be {expected}, got {value!r}$"):
        draw_digits(**{"n": 1, "seed": 0, name: value})


def test_numpy_integers_are_accepted():
    images, _ = draw_digits(np.int64(3), np.uint8(1))
    assert (images == draw_digits(3, 1)[0]).all()
