"""Clipping: one factor for all gradients."""

import numpy as np
import pytest

from evidence import engines
from refconv.nn import Parameter
from refconv.optim import clip_by_global_norm


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    made = {"w": Parameter(np.zeros((3, 5, 2), dtype)), "b": Parameter(np.zeros(7, dtype))}
    for p in made.values():
        p.grad[...] = rng.standard_normal(p.grad.shape)
    return {**made, "mean": Parameter(np.full(4, 100.0, dtype), trainable=False)}


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_norm_of_all_together_is_the_longest_allowed_and_the_direction_stays(dtype):
    """A20: gradient clipping 2.0."""
    found = parameters(dtype)
    before = {name: p.grad.copy() for name, p in found.items() if p.trainable}
    norm = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in before.values()))
    assert norm > 2
    assert clip_by_global_norm(found) == pytest.approx(norm, rel=1e-6)
    for name, g in before.items():
        np.testing.assert_allclose(found[name].grad, g * (2.0 / norm), rtol=1e-6)
        assert found[name].grad.dtype == dtype


def test_short_gradients_and_endless_ones_stay_as_they_are():
    found = parameters()
    before = found["w"].grad.copy()
    clip_by_global_norm(found, most=100.0)
    assert (found["w"].grad == before).all()
    found["b"].grad[2] = np.inf
    assert clip_by_global_norm(found, most=1.0) == np.inf
    assert (found["w"].grad == before).all()


@pytest.mark.parametrize("most", [0, -1, "2"])
def test_a_norm_that_nothing_has_is_refused(most):
    with pytest.raises((TypeError, ValueError), match="most must be"):
        clip_by_global_norm(parameters(), most)
