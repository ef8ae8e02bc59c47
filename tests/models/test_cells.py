"""Tests of the cells of the neocognitron: responses, selectivity and derivatives."""

import numpy as np
import pytest

from layer_evidence import assert_layer
from refconv import models


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: models.SCells(3, (2, 3), selectivity=1.5), (4, 5, 2)),
        (lambda: models.SCells(2, 3, padding="same"), (3, 4, 1)),
        (lambda: models.CCells((3, 2), stride=(2, 1), padding="same"), (5, 4, 3)),
        (lambda: models.CCells(2, saturation=0.7), (3, 4, 2)),
    ],
)
def test_cells_satisfy_the_requirements_of_layers(layer, shape):
    assert_layer(layer(), shape, positive=("a", "b"))


def learnt(pattern, r):
    """Return S-cells of one plane after one update by Fukushima's rule, and γ."""
    layer = models.SCells(1, pattern.shape[1:3], selectivity=r)
    layer.build(pattern.shape[1:], rng=0, dtype=np.float64)
    v, gamma = layer.strength(pattern)
    strong = 1e9  # makes the 1 in numerator and denominator negligible
    layer.parameters["a"].value[...] = strong * gamma * pattern[0][..., None]
    layer.parameters["b"].value[...] = strong / 2 * v.item()
    return layer, gamma[..., 0]


def test_the_response_to_a_learnt_pattern_is_one_at_any_contrast():
    pattern = np.random.default_rng(1).uniform(0, 1, (1, 3, 4, 2))
    layer, _ = learnt(pattern, r=1.5)
    np.testing.assert_allclose(layer(pattern), 1, rtol=1e-6)
    np.testing.assert_allclose(layer(5 * pattern), 1, rtol=1e-6)


@pytest.mark.parametrize("r", [1.0, 4.0])
def test_a_cell_responds_above_a_cosine_that_depends_on_its_selectivity(r):
    rng = np.random.default_rng(2)
    pattern = rng.uniform(0, 1, (1, 3, 4, 2))
    layer, gamma = learnt(pattern, r)
    for _ in range(40):
        other = np.maximum(pattern + rng.normal(0, 0.6, pattern.shape), 0)
        cosine = (gamma * pattern * other).sum() / np.sqrt((gamma * pattern**2).sum() * (gamma * other**2).sum())
        np.testing.assert_allclose(layer(other).item(), max(0, (1 + r) * cosine - r), atol=1e-6)


def test_c_cells_respond_to_their_own_plane_and_inhibit_the_others():
    x = np.zeros((1, 3, 5, 2))
    x[0, 1, 1, 0] = 2.0
    y = models.CCells(3, padding="same")
    y.build(x.shape[1:], rng=0)
    response = y(x)
    assert (response[0, :, :3, 0] > 0).all()
    assert not response[..., 1].any()
    assert not response[0, :, 3:].any()
    assert response[0, 1, 1, 0] == response.max() < 1
    assert not y(np.ones((1, 3, 5, 2))).any()  # equal planes inhibit each other completely


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.SCells(0, 3), "planes must be at least 1"),
        (lambda: models.SCells(2, 3, selectivity=0), "selectivity must be above 0, got 0"),
        (lambda: models.SCells(2, 3).output_shape((2, 5, 1)), "at least as large as the kernel"),
        (lambda: models.CCells(3, saturation=-1), "saturation must be above 0, got -1"),
    ],
)
def test_invalid_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_gradient_of_inhibition_in_float32_is_accurate_for_long_sums():
    rng = np.random.default_rng(1)
    x, dy = rng.random((300, 16, 17, 2)).astype(np.float32), rng.uniform(0.1, 1.1, (300, 16, 17, 3)).astype(np.float32)
    gradients = {}
    for dtype in (np.float32, np.float64):
        layer = models.SCells(3, 3, selectivity=1.5, padding="same")
        layer.build((16, 17, 2), rng=0, dtype=dtype)
        layer.parameters["a"].value[...] = np.random.default_rng(2).random((3, 3, 2, 3)).astype(np.float32)
        layer.parameters["b"].value[...] = [0.5, 0.25, 1]
        _, backward = layer.forward(x.astype(dtype))
        backward(dy.astype(dtype))
        gradients[dtype] = layer.parameters["b"].grad
    # All terms have the same sign. Each term has the error of 3 · 3 · 2 products and about ten operations, and the sum
    # adds no error.
    np.testing.assert_allclose(gradients[np.float32], gradients[np.float64], rtol=28 * np.finfo(np.float32).eps)
