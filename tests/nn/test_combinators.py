"""Tests of combinators: outputs, gradients, and dotted names of parameters."""

import numpy as np
import pytest

from layer_evidence import assert_layer, built, random_input
from refconv import nn


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Identity(), (3, 4)),
        (lambda: nn.Select([2, 0]), (4, 3)),
        (lambda: nn.Sequential(nn.Dense(4), nn.Tanh(), nn.Dense(2)), (3,)),
        (lambda: nn.Sum(nn.Dense(4), nn.Sequential(nn.Dense(2), nn.Dense(4)), nn.Dense(4)), (3,)),
        (lambda: nn.Sum(nn.Conv2D(2, 3, padding="same"), nn.Identity()), (4, 5, 2)),
        (lambda: nn.Mean(nn.Identity(), nn.Dense(3), nn.Tanh()), (3,)),
        (lambda: nn.Concat(nn.Conv2D(3, 1), nn.Identity(), nn.Conv2D(1, 1)), (3, 2, 2)),
        (
            lambda: nn.Concat(nn.Conv2D(3, 1, data_format="channels_first"), nn.Identity(), axis=0),
            (2, 3, 4),
        ),
        (lambda: nn.Sum(nn.Identity(), nn.Identity()), (3,)),
        (lambda: nn.Concat(nn.Identity(), nn.Sequential(nn.Identity())), (3,)),
        (lambda: nn.StochasticDepth(nn.Dense(3), survival=1.0), (4,)),
    ],
)
def test_combinators_satisfy_the_requirements_of_layers(layer, shape, train):
    assert_layer(layer(), shape, train)


def test_layers_without_a_name_are_named_by_their_position():
    model = nn.Sequential(nn.Dense(2), head=nn.Sum(a=nn.Dense(3), b=nn.Sequential(nn.ReLU(), nn.Dense(3))))
    model.build((4,), rng=0)
    assert list(model.named_parameters()) == ["0.w", "0.b", "head.a.w", "head.a.b", "head.b.1.w", "head.b.1.b"]


def test_a_sum_does_not_change_an_input_that_a_branch_returns():
    # Two branches return the input array itself, so a sum in place would change an array that a backward function uses.
    model = nn.Sum(nn.Identity(), nn.Tanh(), nn.Identity())
    x = random_input((4,))
    before = x.copy()
    y, backward = model.forward(x)
    dy = np.ones_like(y)
    backward(dy)
    assert (x == before).all()
    assert (dy == 1).all()


def test_concat_of_identities_splits_the_gradient_in_order():
    _, backward = nn.Concat(nn.Identity(), nn.Select([0])).forward(np.zeros((1, 2)))
    assert (backward(np.array([[1.0, 10.0, 100.0]])) == [[101.0, 10.0]]).all()


def test_stochastic_depth_drops_whole_batches_with_its_probability_and_scales_in_inference():
    layer = built(nn.StochasticDepth(nn.Identity(), survival=0.7), (3,))
    x = random_input((3,))
    outcomes = [layer.forward(x) for _ in range(400)]
    survived = [bool(y.any()) for y, _ in outcomes]
    assert 0.6 < np.mean(survived) < 0.8  # the bounds are more than four standard errors from 0.7
    for (y, backward), survives in zip(outcomes[:20], survived[:20], strict=True):
        assert (y == (x if survives else 0)).all()
        assert (backward(np.ones_like(x)) == (1 if survives else 0)).all()
    y, backward = layer.forward(x, train=False)
    np.testing.assert_allclose(y, 0.7 * x)
    np.testing.assert_allclose(backward(np.ones_like(x)), 0.7)


def test_stochastic_depth_is_seeded_by_build():
    def drops(seed):
        layer = nn.StochasticDepth(nn.Identity(), survival=0.5)
        layer.build((1,), rng=seed)
        return [bool(layer.forward(np.ones((1, 1)))[0].any()) for _ in range(40)]

    assert drops(3) == drops(3)
    assert drops(3) != drops(4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Sequential(), ValueError, "Sequential must have at least one layer, got none"),
        (lambda: nn.Sum(nn.ReLU(), np.tanh), TypeError, "layer 1 of Sum must be a layer, got <ufunc"),
        (lambda: nn.Sequential(act=nn.ReLU), TypeError, "layer act of Sequential must be a layer, got the class: write ReLU"),
        (lambda: nn.Sum(nn.Dense(2), nn.Dense(3)).output_shape((4,)), ValueError, "outputs of one shape"),
        (
            lambda: nn.Concat(nn.Conv2D(2, 1), nn.Conv2D(2, 2)).output_shape((4, 5, 1)),
            ValueError,
            "outputs of one size",
        ),
        (lambda: nn.Select([0, 0]), ValueError, "channels must be distinct"),
        (lambda: nn.Select([0, -1]), ValueError, "channels must be distinct"),
        (lambda: nn.Select([3]).output_shape((2, 3)), ValueError, "must have a channel 3"),
        (lambda: nn.Select([0, 1.5]), TypeError, r"channels must be distinct non-negative integers, got \[0, 1.5\]"),
        (lambda: nn.Select("02"), TypeError, "channels must be distinct non-negative integers, got '02'"),
        (lambda: nn.Select(3), TypeError, "channels must be distinct non-negative integers, got 3"),
        (lambda: nn.Select([True]), TypeError, "channels must be distinct non-negative integers"),
        (lambda: nn.Select([3])(np.ones((2, 3))), ValueError, r"must have a channel 3, got shape \(3,\)"),
        (lambda: nn.Select([0]).output_shape(()), ValueError, r"must have a channel 0, got shape \(\)"),
        (lambda: nn.Concat(nn.ReLU(), axis="x"), TypeError, "axis must be an integer, got 'x'"),
        (lambda: nn.Concat(nn.ReLU(), axis=1.5), TypeError, "axis must be an integer, got 1.5"),
        (lambda: nn.Concat(nn.ReLU(), axis=(0, 1)), TypeError, "axis must be an integer"),
        (lambda: nn.Concat(nn.ReLU(), axis=2).output_shape((4, 5)), ValueError, r"outputs with an axis 2.*\(4, 5\)"),
        (lambda: nn.Concat(nn.ReLU(), axis=-3)(np.ones((2, 4, 5))), ValueError, "outputs with an axis -3"),
        (
            lambda: nn.Concat(nn.ReLU(), nn.Flatten())(np.ones((2, 3, 4))),
            ValueError,
            r"branches of Concat must have outputs of one size.*\(3, 4\).*\(12,\)",
        ),
        # Shapes that NumPy would broadcast.
        (
            lambda: nn.Sum(nn.ReLU(), nn.Select([0]))(np.ones((2, 3))),
            ValueError,
            "branches of Sum must have outputs of one shape",
        ),
        (lambda: nn.Mean(nn.ReLU(), nn.Select([0]))(np.ones((2, 3))), ValueError, "branches of Mean must have outputs of one"),
        (lambda: nn.StochasticDepth(nn.ReLU(), 0), ValueError, "survival must be above 0"),
        (lambda: nn.StochasticDepth(nn.ReLU(), 1.5), ValueError, "survival must be above 0 and at most 1, got 1.5"),
        (lambda: nn.StochasticDepth(nn.ReLU(), "x"), TypeError, "survival must be a number, got 'x'"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()
