"""Tests of the experiment on Deep Image Prior: simple fills, diversity and quick runs."""

import numpy as np
import pytest

from evidence import needs_kernels

pytest.importorskip("experiments", reason="an installed package has no experiments")
pytest.importorskip("matplotlib")
pytest.importorskip("PIL")

from experiments import Settings
from experiments.deep_image_prior import (
    EXPERIMENT,
    diversity,
    harmonic_fill,
    mean_fill,
    photograph,
    photograph_with_hole,
    psnr,
    restorations,
)


def test_the_photograph_is_scaled_and_psnr_matches_a_known_value():
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    picture = photograph(32)
    assert picture.shape == (32, 32, 3)
    assert 0.1 < picture.mean() < 0.9
    assert picture.std() > 0.1
    assert psnr(picture + 0.1, picture) == pytest.approx(20, abs=1e-3)


def test_a_harmonic_fill_continues_a_ramp_and_keeps_known_pixels():
    """D2: a linear function is harmonic, so the fill restores it; the mean colour does not."""
    v, u = np.mgrid[:15, :19] / 20
    ramp = np.stack([0.1 + v / 2 + u / 4, 0.9 - v], -1)
    known = np.ones((15, 19, 1))
    known[4:11, 3:12] = 0
    damaged = np.where(known, ramp, 0.77)
    np.testing.assert_allclose(harmonic_fill(damaged, known), ramp, atol=1e-9)
    filled = mean_fill(damaged, known)
    np.testing.assert_array_equal(filled[known[..., 0] > 0], ramp[known[..., 0] > 0])
    np.testing.assert_allclose(filled[5, 5], ramp[known[..., 0] > 0].mean(0))


def test_diversity_is_the_mean_deviation_inside_and_outside_the_hole():
    images, known = np.zeros((2, 3, 4, 3)), np.ones((3, 4, 1))
    known[1, 1:3] = 0
    images[1, 1, 1] = 0.4  # standard deviation 0.2 in one of the two pixels of the hole
    images[1, 0, 0, 2] = 0.6  # 0.3 in one of three colours of one of the ten known pixels
    assert diversity(images, known) == pytest.approx((255 * 0.2 / 2, 255 * 0.3 / 30))


def test_the_hole_is_large_and_inside_the_photograph():
    image, known = photograph_with_hole()
    assert image.shape == (96, 96, 3)
    assert (known == 0).sum() == 40 * 26
    assert known[[0, -1]].all()
    assert known[:, [0, -1]].all()


@needs_kernels
@pytest.mark.slow
@pytest.mark.parametrize("vary", ["z", "weights"])
def test_restorations_differ_and_the_first_depends_on_the_seed_only(vary):
    first, second = restorations(vary, steps=2, count=2, seed=3)
    assert (first != second).any()
    np.testing.assert_array_equal(restorations(vary, steps=2, count=1, seed=3)[0], first)


@needs_kernels
@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), EXPERIMENT.variants.items(), ids=EXPERIMENT.variants)
def test_a_quick_run_of_each_variant_measures_psnr(name, variant):
    results = variant(Settings(quick=True))
    psnrs = {quantity: value for quantity, value in results.items() if quantity.startswith("PSNR")}
    assert len(psnrs) == (5 if name.startswith("diversity") else 2)
    assert all(5 < value < 25 for value in psnrs.values())
    if name.startswith(("denoise", "inpaint")):
        before, after = psnrs
        assert after == "PSNR after 2 steps, dB"
        assert psnrs[after] < psnrs[before]  # two steps are too few for an improvement
    if name == "large hole, no network":
        mean, harmonic = psnrs.values()
        assert harmonic > mean + 1
