"""Tests of Gabor functions: their responses, banks, and the most similar one to a filter."""

import math

import numpy as np
import pytest

from refconv import analysis, nn
from refconv.analysis.gabor import gabor, gabor_bank, gabor_layer, likest_gabor


def grating(size, wavelength, direction):
    """Return a plane wave without the Gaussian envelope."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.cos(2 * math.pi * (x * math.cos(direction) + y * math.sin(direction)) / wavelength)


@pytest.mark.parametrize(("wavelength", "direction", "phase"), [(3.0, 0.0, 0.0), (5.0, 1.1, 0.4), (7.5, 2.5, math.pi / 2)])
def test_a_gabor_function_has_mean_0_and_norm_1(wavelength, direction, phase):
    g = gabor(11, wavelength, direction, phase)
    assert g.mean() == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(g) == pytest.approx(1)


def test_even_and_odd_gabor_functions_have_their_symmetry():
    even, odd = gabor(9, 4.0, 0.6), gabor(9, 4.0, 0.6, math.pi / 2)
    np.testing.assert_allclose(even[::-1, ::-1], even, atol=1e-12)
    np.testing.assert_allclose(odd[::-1, ::-1], -odd, atol=1e-12)


def test_a_gabor_function_responds_most_to_its_own_direction_and_wavelength():
    directions = [math.pi * k / 8 for k in range(8)]
    for own in directions:
        responses = [abs((gabor(15, 5.0, own) * grating(15, 5.0, other)).sum()) for other in directions]
        assert directions[int(np.argmax(responses))] == own
        assert sorted(responses)[-2] < 0.75 * max(responses)
    responses = [abs((gabor(15, 5.0, 0.3) * grating(15, length, 0.3)).sum()) for length in (2.5, 5.0, 10.0)]
    assert int(np.argmax(responses)) == 1


def test_direction_0_varies_along_the_rows_and_half_a_pi_along_the_columns():
    assert abs(np.diff(gabor(9, 4.0, 0.0), axis=1)).sum() > 2 * abs(np.diff(gabor(9, 4.0, 0.0), axis=0)).sum()
    np.testing.assert_allclose(gabor(9, 4.0, math.pi / 2), gabor(9, 4.0, 0.0).T, atol=1e-12)


def test_the_bank_is_ordered_by_direction_wavelength_and_phase():
    bank = gabor_bank(7, directions=3, wavelengths=(3, 5))
    assert bank.shape == (7, 7, 1, 12)
    np.testing.assert_array_equal(bank[..., 0, 4 + 2 + 1], gabor(7, 5, math.pi / 3, math.pi / 2))


def test_the_initial_weights_of_a_layer_are_the_bank_for_each_colour():
    layer = gabor_layer(7, directions=2, wavelengths=(4,), padding="same")
    layer.build((12, 10, 3), rng=0)
    w = layer.parameters["w"].value
    assert w.shape == (7, 7, 3, 4)
    np.testing.assert_allclose(w.sum(2), gabor_bank(7, 2, (4,))[:, :, 0], atol=1e-6)
    assert isinstance(layer, nn.Conv2D)


def test_likest_gabor_finds_the_function_for_any_phase():
    for phase in (0.0, 0.9, 2.0):
        match = likest_gabor(3 * gabor(9, 4.5, math.pi / 4, phase) + 7)
        assert match.explained > 0.97
        assert (match.wavelength, match.direction) == (4.5, pytest.approx(math.pi / 4))
    noise = np.random.default_rng(0).standard_normal((9, 9))
    assert likest_gabor(noise).explained < 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gabor(1, 4, 0), "size must be at least 2, got 1"),
        (lambda: gabor(5, 0, 0), "wavelength must be above 0, got 0"),
        (lambda: gabor_bank(5, directions=0), "directions must be at least 1"),
        (lambda: gabor_bank(5, wavelengths=4), "wavelengths must be a sequence of at least one number, got 4"),
        (lambda: likest_gabor(np.eye(3), directions=0), "directions must be at least 1"),
        (lambda: likest_gabor(np.eye(3), wavelengths=()), r"wavelengths must be a sequence of at least one number, got \(\)"),
        (lambda: likest_gabor(np.ones((3, 4))), r"kernel must be a square array, got shape \(3, 4\)"),
        (lambda: likest_gabor(np.ones((3, 3))), "kernel must have at least two different elements"),
        (lambda: likest_gabor(np.full((9, 9), 0.1)), "kernel must have at least two different elements"),
    ],
)
def test_invalid_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_gabor_functions_are_public():
    assert analysis.gabor_bank is gabor_bank
