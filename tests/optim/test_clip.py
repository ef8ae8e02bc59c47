"""Tests of clipping by the global norm."""

import numpy as np
import pytest

from evidence import engines
from refconv.nn import Parameter
from refconv.optim import clip_by_global_norm


def parameters(dtype=np.float64):
    rng = np.random.default_rng(0)
    trainable = {"w": Parameter(np.zeros((3, 5, 2), dtype)), "b": Parameter(np.zeros(7, dtype))}
    for p in trainable.values():
        p.grad[...] = rng.standard_normal(p.grad.shape)
    return {**trainable, "mean": Parameter(np.full(4, 100.0, dtype), trainable=False)}


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_are_scaled_to_the_largest_norm_and_keep_their_direction(dtype):
    """A20: gradients are clipped at norm 2.0."""
    model = parameters(dtype)
    before = {name: p.grad.copy() for name, p in model.items() if p.trainable}
    norm = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in before.values()))
    assert norm > 2
    assert clip_by_global_norm(model) == pytest.approx(norm, rel=1e-6)
    for name, g in before.items():
        np.testing.assert_allclose(model[name].grad, g * (2.0 / norm), rtol=1e-6)
        assert model[name].grad.dtype == dtype


def test_short_and_infinite_gradients_are_not_changed():
    model = parameters()
    before = model["w"].grad.copy()
    clip_by_global_norm(model, max_norm=100.0)
    assert (model["w"].grad == before).all()
    model["b"].grad[2] = np.inf
    assert clip_by_global_norm(model, max_norm=1.0) == np.inf
    assert (model["w"].grad == before).all()


@pytest.mark.parametrize("most", [0, -1, "2"])
def test_an_invalid_norm_is_refused(most):
    with pytest.raises((TypeError, ValueError), match="max_norm must be"):
        clip_by_global_norm(parameters(), most)


def gradients(dtype, *values):
    """Return parameters with these gradients."""
    model = {f"p{k}": Parameter(np.zeros(len(value), dtype)) for k, value in enumerate(values)}
    for p, value in zip(model.values(), values, strict=True):
        p.grad[...] = value
    return model


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
def test_the_norm_of_very_large_and_very_small_gradients_neither_overflows_nor_underflows(dtype, scale):
    scale = float(dtype(scale))
    model = gradients(dtype, [3 * scale, -4 * scale], [12 * scale])
    most = 6.5 * scale
    assert clip_by_global_norm(model, most) == pytest.approx(13 * scale, rel=4 * float(np.finfo(dtype).eps), abs=0)
    # The factor is 8 because a subnormal product is rounded once more.
    tolerance = {"rtol": 8 * np.finfo(dtype).eps, "atol": float(np.finfo(dtype).smallest_subnormal)}
    np.testing.assert_allclose(model["p0"].grad, [1.5 * scale, -2 * scale], **tolerance)
    np.testing.assert_allclose(model["p1"].grad, [6 * scale], **tolerance)


@engines
@pytest.mark.parametrize(("dtype", "huge"), [(np.float64, 1e308), (np.float32, 3e38)])
def test_gradients_whose_norm_exceeds_the_range_of_their_dtype_are_clipped(dtype, huge):
    model = gradients(dtype, np.full(400, huge), np.full(225, -huge))
    norm = clip_by_global_norm(model, max_norm=1e-30)
    assert norm == (np.inf if dtype is np.float64 else pytest.approx(25 * 3e38, rel=1e-6))
    tolerance = {"rtol": 4 * np.finfo(dtype).eps, "atol": 0}
    np.testing.assert_allclose(model["p0"].grad, np.full(400, dtype(1e-30 / 25)), **tolerance)
    np.testing.assert_allclose(model["p1"].grad, np.full(225, dtype(-1e-30 / 25)), **tolerance)


@engines
def test_zero_and_empty_gradients_have_norm_zero():
    model = gradients(np.float32, [0.0, -0.0, 0.0], [])
    assert clip_by_global_norm(model, max_norm=1e-3) == 0
    assert model["p0"].grad.tolist() == [0, 0, 0]


@engines
@pytest.mark.parametrize("step", [1, -1])
def test_the_norm_is_nan_if_any_element_is_nan(step):
    model = gradients(np.float64, *[[1.0, np.inf], [np.nan, 2.0]][::step])
    assert np.isnan(clip_by_global_norm(model, max_norm=0.5))
    assert {1.0, 2.0} <= {float(x) for p in model.values() for x in p.grad}
