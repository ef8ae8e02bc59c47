"""Tests of views and ensembles: the crops, their number, and averages of probabilities."""

import numpy as np
import pytest

from refconv import nn
from refconv.ops.loss import softmax
from refconv.training import Ensemble, centre_crop, crops_144, evaluate, flips, grid_crops, scales, ten_crops

X = np.random.default_rng(0).standard_normal((3, 9, 12, 2))


def network(seed):
    model = nn.Sequential(nn.Conv2D(4, 3), nn.ReLU(), nn.GlobalAvgPool2D(), nn.Dense(5))
    model.build((9, 12, 2), rng=seed, dtype=np.float64)
    return model


def test_ten_crops_are_corners_centre_and_their_mirror_images():
    """A21: the ten crops are four corners, the centre and their mirror images."""
    views = [view.tolist() for view in ten_crops(5)(X)]
    corners = [X[:, :5, :5], X[:, :5, -5:], X[:, -5:, :5], X[:, -5:, -5:], X[:, 2:7, 3:8]]
    assert views == [a.tolist() for crop in corners for a in (crop, crop[:, :, ::-1])]


def test_the_centre_crop_is_the_middle_of_the_ten_crops():
    (crop,) = centre_crop(4)(X)
    np.testing.assert_array_equal(crop, X[:, 2:6, 4:8])
    np.testing.assert_array_equal(crop, [*ten_crops(4)(X)][8])


def test_grid_crops_touch_all_edges_and_are_evenly_spaced():
    """M5: 5 × 5 crops and their mirror images at each scale."""
    views = list(grid_crops(5, per_axis=3)(X))
    crops = [X[:, top : top + 5, left : left + 5] for top in (0, 2, 4) for left in (0, 4, 7)]
    assert [view.tolist() for view in views] == [a.tolist() for crop in crops for a in (crop, crop[:, :, ::-1])]
    assert len(list(scales(9, 10, 12, views=grid_crops(8))(X))) == 150
    with pytest.raises(ValueError, match="size must be at most 9 × 12, the size of the images, got 10"):
        next(iter(grid_crops(10)(X)))


@pytest.mark.parametrize("shape", [(3, 9, 31, 2), (3, 31, 9, 2)])
def test_there_are_144_different_crops_of_one_size(shape):
    """A21: 4 scales × 3 squares × 6 crops × 2."""
    x = np.random.default_rng(1).standard_normal(shape)
    views = list(crops_144(7, sizes=(9, 10, 11, 12))(x))
    assert len(views) == 144
    assert {view.shape for view in views} == {(3, 7, 7, 2)}
    assert len({view.tobytes() for view in views}) == 144
    first_scale = views[:36]  # the scale of the images themselves
    square = x[:, :9, :9]
    assert first_scale[0].tobytes() == np.ascontiguousarray(square[:, :7, :7]).tobytes()
    assert first_scale[24].tobytes() == np.ascontiguousarray(x[:, -9:, -9:][:, :7, :7]).tobytes()


def test_scales_are_sizes_of_the_shorter_side():
    assert [view.shape for view in scales(6, 9, 18)(X)] == [(3, 6, 8, 2), (3, 9, 12, 2), (3, 18, 24, 2)]
    assert next(iter(scales(9)(X))).tobytes() == X.tobytes()
    assert len(list(scales(6, 9, views=ten_crops(5))(X))) == 20


def test_an_ensemble_averages_the_probabilities_of_all_networks_and_views():
    """A21, B11: an ensemble averages probabilities over crops and networks."""
    models = [network(seed) for seed in range(3)]
    expected = np.mean([softmax(m(view)) for m in models for view in (X, X[:, :, ::-1].copy())], 0)
    np.testing.assert_allclose(np.exp(Ensemble(*models, views=flips)(X)), expected, rtol=1e-12)
    labels = np.array([4, 0, 2])
    evaluation = evaluate(Ensemble(*models, views=flips), [(X, labels)])
    assert evaluation.loss == pytest.approx(-np.log(expected[np.arange(3), labels]).mean(), rel=1e-12)
    assert (evaluation.predictions == expected.argmax(1)).all()
    np.testing.assert_array_equal(Ensemble(models, views=flips)(X), Ensemble(*models, views=flips)(X))  # models in a list


def test_a_probability_that_underflows_has_a_finite_score():
    certain = Ensemble(lambda x: np.array([[0.0, -2000.0]]))
    assert np.isfinite(certain(X)).all()


def test_invalid_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="models must contain at least one network"):
        Ensemble()
    with pytest.raises(ValueError, match="models must contain at least one network"):
        Ensemble([])
    with pytest.raises(ValueError, match="size must be at most 9 × 12, the size of the images, got 10"):
        list(ten_crops(10)(X))
    with pytest.raises(ValueError, match="size must be at most 9 × 12, the size of the images, got 10"):
        list(centre_crop(10)(X))
    with pytest.raises(ValueError, match="sizes must contain at least one integer, got none"):
        scales()
    with pytest.raises(ValueError, match="size must be at least 1"):
        ten_crops(0)
