"""Tests of ``fit_image``: mask, inputs, callback and arguments."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv.training import fit_image, image_prior, meshgrid

pytestmark = needs_kernels

SMALL = {"depth": 2, "width": 0.125}


@pytest.fixture
def image():
    return np.random.default_rng(0).random((16, 24, 3), np.float32)


def psnr(image, truth):
    return -10 * np.log10(np.mean((image - truth) ** 2))


@pytest.mark.slow
def test_a_fitted_image_is_closer_to_the_clean_image_than_to_the_noisy_one():
    v, u = np.mgrid[:32, :48] / 32
    truth = np.stack([v / 2 + 0.2, 0.3 + 0.3 * np.sin(4 * u), 0.8 - u / 3], -1).astype(np.float32)
    noisy = truth + 0.15 * np.random.default_rng(0).standard_normal(truth.shape, np.float32)
    result = fit_image(noisy, steps=120, depth=3, width=0.125, smooth=0.9)
    assert result.shape == truth.shape
    assert psnr(result, truth) > psnr(noisy, truth) + 1
    assert psnr(result, truth) > psnr(result, noisy)


@pytest.mark.slow
def test_a_meshgrid_fills_a_hole_in_a_ramp_better_than_its_mean_colour():
    v, u = np.mgrid[:32, :48].astype(np.float32) / 48
    truth = np.stack([u, 0.2 + v, 1 - u], -1)
    known = np.ones((32, 48, 1), np.float32)
    known[8:22, 20:36] = 0
    hole = known[..., 0] == 0
    result = fit_image(truth * known, known, steps=150, depth=3, width=0.125, smooth=0.9, z="meshgrid", skip=0)
    assert psnr(result[hole], truth[hole]) > psnr(truth[~hole].mean(0), truth[hole]) + 6


def test_unknown_pixels_are_ignored():
    rng = np.random.default_rng(0)
    image = np.full((16, 24, 1), 0.6, np.float32)
    known = (rng.random((16, 24, 1)) < 0.5).astype(np.float32)
    one, other = (fit_image(np.where(known, image, hole), known, steps=3, **SMALL) for hole in (0, np.nan))
    np.testing.assert_array_equal(one, other)


def test_the_callback_receives_each_step_and_changes_nothing(image):
    seen = []
    options = dict(steps=3, smooth=0.0, **SMALL)  # without averaging, the last image is the result
    watched = fit_image(image, on_step=lambda step, drawn: seen.append((step, drawn)), **options)
    assert [step for step, _ in seen] == [0, 1, 2]
    np.testing.assert_array_equal(watched, seen[-1][1])
    np.testing.assert_array_equal(watched, fit_image(image, **options))


def test_a_short_run_does_not_warn_of_running_averages(image):
    fit_image(image, steps=10, **SMALL)  # the network is never used in inference; a warning is an error in the tests


def test_a_meshgrid_contains_the_coordinates_along_y_and_x():
    grid = meshgrid(3, 5)
    assert grid.shape == (3, 5, 2)
    assert grid.dtype == np.float32
    np.testing.assert_array_equal(grid[:, 4, 0], [0, 0.5, 1])
    np.testing.assert_array_equal(grid[2, :, 1], [0, 0.25, 0.5, 0.75, 1])


def test_the_name_of_an_input_and_its_array_give_the_same_result(image):
    named = fit_image(image, steps=2, z="meshgrid", skip=0, seed=5, **SMALL)
    np.testing.assert_array_equal(named, fit_image(image, steps=2, z=meshgrid(16, 24), skip=0, seed=5, **SMALL))
    for options in ({"skip": 0, "seed": 5}, {"z": "meshgrid", "seed": 5}, {"z": "meshgrid", "skip": 0, "seed": 6}):
        assert (fit_image(image, steps=2, **options, **SMALL) != named).any()


def test_only_the_input_differs_between_two_arrays_z(image, monkeypatch):
    """D2: restorations from different z start from equal weights."""
    weights, create = [], image_prior.deep_image_prior

    def recorded(*arguments, **options):
        model = create(*arguments, **options)
        build = model.build
        model.build = lambda *given: [build(*given), weights.append({n: p.value.copy() for n, p in parameters(model)})]
        return model

    monkeypatch.setattr(image_prior, "deep_image_prior", recorded)
    rng = np.random.default_rng(1)
    one, other = (fit_image(image, steps=1, z=rng.random((16, 24, 7)), jitter=0, seed=3, **SMALL) for _ in range(2))
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name])
    assert (one != other).any()


def parameters(model):
    return model.named_parameters().items()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"damaged": np.zeros((16, 24, 3), np.uint8)},
            "damaged must be float32 or float64 with values from 0 to 1, got uint8",
        ),
        ({"damaged": np.zeros((16, 24))}, r"damaged must have shape \(H, W, C\), got \(16, 24\)"),
        ({"damaged": np.zeros((16, 26, 3))}, r"height and width must be divisible by 4 .*got \(16, 26\)"),
        ({"known": np.ones((16, 24))}, r"known must have shape \(16, 24, 1\), got \(16, 24\)"),
        ({"known": np.full((16, 24, 1), 0.5)}, "known must contain only 0 and 1, got other values"),
        ({"known": np.zeros((16, 24, 1))}, "known must be 1 for at least one pixel, got only zeros"),
        ({"z": "grid"}, "z must be 'noise' or 'meshgrid', got 'grid'"),
        (
            {"z": np.zeros((24, 16, 2))},
            r"z must be 'noise', 'meshgrid' or an array of shape \(16, 24, K\), got an array of shape \(24, 16, 2\)",
        ),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"smooth": 1.0}, "smooth must be at least 0 and below 1, got 1.0"),
        ({"jitter": -0.1}, "jitter must be at least 0, got -0.1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"skip": -1}, "skip must be at least 0, got -1"),
    ],
)
def test_invalid_arguments_are_refused(image, arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        fit_image(**{"damaged": image, "steps": 1, **SMALL, **arguments})
