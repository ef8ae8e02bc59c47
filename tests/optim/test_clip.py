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
    clip_by_global_norm(found, max_norm=100.0)
    assert (found["w"].grad == before).all()
    found["b"].grad[2] = np.inf
    assert clip_by_global_norm(found, max_norm=1.0) == np.inf
    assert (found["w"].grad == before).all()


@pytest.mark.parametrize("most", [0, -1, "2"])
def test_a_norm_that_nothing_has_is_refused(most):
    with pytest.raises((TypeError, ValueError), match="max_norm must be"):
        clip_by_global_norm(parameters(), most)


def gradients(dtype, *values):
    """Parameters with these gradients."""
    made = {f"p{k}": Parameter(np.zeros(len(value), dtype)) for k, value in enumerate(values)}
    for p, value in zip(made.values(), values, strict=True):
        p.grad[...] = value
    return made


@engines
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        (np.float64, 1e200),
        (np.float64, 1e-200),
        (np.float64, 2.0**1020),
        (np.float64, 2.0**-1070),
        (np.float32, 1e30),
        (np.float32, 1e-30),
        (np.float32, 2.0**-145),
    ],
)
def test_norm_of_very_large_and_very_small_gradients_neither_overflows_nor_vanishes(dtype, scale):
    scale = float(dtype(scale))
    found = gradients(dtype, [3 * scale, -4 * scale], [12 * scale])
    most = 6.5 * scale
    assert clip_by_global_norm(found, most) == pytest.approx(13 * scale, rel=4 * float(np.finfo(dtype).eps), abs=0)
    # 8: the product of each element is rounded once more where it is subnormal.
    near = {"rtol": 8 * np.finfo(dtype).eps, "atol": float(np.finfo(dtype).smallest_subnormal)}
    np.testing.assert_allclose(found["p0"].grad, [1.5 * scale, -2 * scale], **near)
    np.testing.assert_allclose(found["p1"].grad, [6 * scale], **near)


@engines
@pytest.mark.parametrize(("dtype", "huge"), [(np.float64, 1e308), (np.float32, 3e38)])
def test_gradients_whose_norm_exceeds_their_type_are_clipped(dtype, huge):
    found = gradients(dtype, np.full(400, huge), np.full(225, -huge))
    norm = clip_by_global_norm(found, max_norm=1e-30)
    assert norm == (np.inf if dtype is np.float64 else pytest.approx(25 * 3e38, rel=1e-6))
    near = {"rtol": 4 * np.finfo(dtype).eps, "atol": 0}
    np.testing.assert_allclose(found["p0"].grad, np.full(400, dtype(1e-30 / 25)), **near)
    np.testing.assert_allclose(found["p1"].grad, np.full(225, dtype(-1e-30 / 25)), **near)


@engines
def test_zero_and_empty_gradients_have_norm_zero():
    found = gradients(np.float32, [0.0, -0.0, 0.0], [])
    assert clip_by_global_norm(found, max_norm=1e-3) == 0
    assert found["p0"].grad.tolist() == [0, 0, 0]


@engines
@pytest.mark.parametrize("order", [1, -1])
def test_norm_is_nan_if_any_element_is_nan(order):
    found = gradients(np.float64, *[[1.0, np.inf], [np.nan, 2.0]][::order])
    assert np.isnan(clip_by_global_norm(found, max_norm=0.5))
    assert {1.0, 2.0} <= {float(x) for p in found.values() for x in p.grad}
