"""Tests of the update loops: one step with fractions, and sequences of steps."""

from fractions import Fraction

import numpy as np
import pytest

from evidence import fractions
from refconv.reference.update import adam, rmsprop, sgd, sum_of_squares


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_exactly_the_lectures_line(nesterov):
    """A12: v ← 0.9·v − α·g − 0.0005·α·θ; θ ← θ + v."""
    theta, v, g = fractions((2, 3), 0), fractions((2, 3), 1), fractions((2, 3), 2)
    mu, decay, alpha = Fraction(9, 10), Fraction(5, 10_000), Fraction(1, 7)
    new_v = mu * v - alpha * g - decay * alpha * theta
    new_theta = theta + (mu * new_v - alpha * g - decay * alpha * theta if nesterov else new_v)
    sgd(theta, v, g, alpha, mu, decay, nesterov)
    assert (v == new_v).all()
    assert (theta == new_theta).all()


def test_the_first_step_of_adam_is_the_learning_rate_for_any_gradient():
    theta, g = np.array([1.0, 2.0, 3.0]), np.array([1e-3, -20.0, 4e5])
    adam(theta, np.zeros(3), np.zeros(3), g, lr=0.25, beta1=0.9, beta2=0.999, eps=0.0, t=1, decay=0.0)
    np.testing.assert_allclose(theta, [0.75, 2.25, 2.75], rtol=1e-12)


def test_adam_of_a_constant_gradient_steps_evenly():
    theta, m, s = (np.zeros(1) for _ in range(3))
    for t in range(1, 6):
        adam(theta, m, s, np.array([3.0]), lr=0.5, beta1=0.7, beta2=0.9, eps=0.0, t=t, decay=0.0)
        assert theta[0] == pytest.approx(-0.5 * t, rel=1e-12)


def test_rmsprop_with_epsilon_inside_and_outside_the_root():
    after = []
    for inside in (True, False):
        theta, s, v = np.array([0.0]), np.array([5.0]), np.array([1.0])
        rmsprop(theta, s, v, np.array([1.0]), lr=6.0, rho=0.5, momentum=0.5, eps=1.0, eps_inside_sqrt=inside, decay=0.0)
        assert s[0] == 3
        after.append((theta[0], v[0]))
    assert after[0] == pytest.approx((-2.5, -2.5))  # 0.5 − 6 / √(3 + 1)
    assert after[1] == pytest.approx((0.5 - 6 / (3**0.5 + 1),) * 2)


def test_rmsprop_adds_weight_decay_to_the_gradient():
    theta, s, v = np.array([2.0]), np.zeros(1), np.zeros(1)
    rmsprop(theta, s, v, np.array([1.0]), lr=1.0, rho=0.75, momentum=0.0, eps=0.0, eps_inside_sqrt=True, decay=0.25)
    assert s[0] == 0.25 * 1.5**2
    assert theta[0] == pytest.approx(2 - 1 / 0.25**0.5)


def test_the_sum_of_squares_is_exact():
    g = fractions((3, 4), 5)
    assert sum_of_squares(g) == sum(x * x for x in g.flat)
