"""First weights have the variance that their rule promises."""

import numpy as np
import pytest

from refconv.nn.initializers import fans, glorot_uniform, he_normal, ones, zeros

SHAPE = (5, 3, 20, 64)  # fan-in 300, fan-out 960


def test_fans_count_products_in_and_uses_out():
    assert fans(SHAPE) == (300, 960)
    assert fans((3, 20, 64)) == (60, 192)
    assert fans((20, 64)) == (20, 64)


@pytest.mark.parametrize(("initializer", "variance"), [(he_normal, 2 / 300), (glorot_uniform, 2 / (300 + 960))])
def test_the_variance_follows_the_fans(initializer, variance):
    w = initializer(np.random.default_rng(0), SHAPE)
    assert w.shape == SHAPE
    # 19,200 numbers: the standard error of the variance is about a hundredth of it, of the mean about 0.007 deviations.
    assert w.var() == pytest.approx(variance, rel=0.04)
    assert abs(w.mean()) < 0.03 * variance**0.5


def test_he_takes_a_fan_in_that_the_shape_does_not_tell():
    w = he_normal(np.random.default_rng(0), SHAPE, fan_in=50)
    assert w.var() == pytest.approx(2 / 50, rel=0.04)


def test_glorot_is_uniform_up_to_its_limit():
    w = np.abs(glorot_uniform(np.random.default_rng(0), SHAPE))
    limit = (6 / 1260) ** 0.5
    assert 0.999 * limit < w.max() <= limit
    assert np.median(w) == pytest.approx(limit / 2, rel=0.03)


def test_constants():
    assert (zeros(None, (2, 3)) == 0).all()
    assert (ones(None, (2, 3)) == 1).all()
