"""Tests of initialisers: the variance of the initial weights."""

import numpy as np
import pytest

from refconv.nn.initializers import fans, glorot_uniform, he_normal, ones, zeros

SHAPE = (5, 3, 20, 64)  # fan-in 300, fan-out 960


def test_fans_count_inputs_of_an_output_and_outputs_of_an_input():
    assert fans(SHAPE) == (300, 960)
    assert fans((3, 20, 64)) == (60, 192)
    assert fans((20, 64)) == (20, 64)


@pytest.mark.parametrize(("initializer", "variance"), [(he_normal, 2 / 300), (glorot_uniform, 2 / (300 + 960))])
def test_the_variance_follows_the_fans(initializer, variance):
    w = initializer(np.random.default_rng(0), SHAPE)
    assert w.shape == SHAPE
    # For 19,200 numbers, the standard error of the variance is about 1 % of it, and the standard error of the mean is
    # about 0.007 standard deviations.
    assert w.var() == pytest.approx(variance, rel=0.04)
    assert abs(w.mean()) < 0.03 * variance**0.5


def test_he_normal_accepts_a_fan_in_that_differs_from_the_shape():
    w = he_normal(np.random.default_rng(0), SHAPE, fan_in=50)
    assert w.var() == pytest.approx(2 / 50, rel=0.04)


def test_glorot_uniform_is_uniform_up_to_its_limit():
    w = np.abs(glorot_uniform(np.random.default_rng(0), SHAPE))
    limit = (6 / 1260) ** 0.5
    assert 0.999 * limit < w.max() <= limit
    assert np.median(w) == pytest.approx(limit / 2, rel=0.03)


def test_zeros_and_ones_return_constants():
    assert (zeros(None, (2, 3)) == 0).all()
    assert (ones(None, (2, 3)) == 1).all()
