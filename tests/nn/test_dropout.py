"""Tests of the dropout layer: masks and seeds in training, and the identity in inference."""

import numpy as np
import pytest

from evidence import assert_is_derivative, assert_same_bits
from layer_evidence import assert_layer, random_input
from refconv import nn
from refconv.ops.dropout import dropout

X = random_input((40,))


def test_dropout_satisfies_the_requirements_of_layers_in_inference():
    assert_layer(nn.Dropout(0.4), (3, 4, 2), train=False)
    layer = nn.Dropout(0.4, seed=1)
    assert (layer(X) == X).all()
    y, backward = layer.forward(X, train=False)
    assert (y == X).all()
    assert (backward(3 * X) == 3 * X).all()


def test_dropout_in_training_computes_the_operator_with_its_own_generator():
    layer, rng = nn.Dropout(0.4, seed=1), np.random.default_rng(1)
    for _ in range(3):
        y, backward = layer.forward(X)
        expected, mask = dropout(X, 0.4, rng)
        assert_same_bits(y, expected)
        assert_same_bits(backward(X), np.where(mask == 0, 0, X * mask))
        assert backward(X, want_dx=False) is None


def test_each_pass_draws_a_new_mask_for_its_backward_function():
    layer = nn.Dropout(0.5, seed=1)
    (first, back), (second, _) = layer.forward(X), layer.forward(X)
    assert (first != second).any()
    dy = np.random.default_rng(2).standard_normal(X.shape)
    kept = first != 0
    assert ((back(dy) != 0) == kept).all()
    assert_is_derivative(back(dy), lambda x: 2 * x * kept, X, dy)


def test_the_seed_of_the_network_seeds_layers_without_their_own_seed():
    def passes(seed, *layer_seeds):
        model = nn.Sequential(*(nn.Dropout(0.5, s) for s in layer_seeds))
        model.build((40,), rng=seed)
        return model.forward(X)[0], model.forward(X)[0]

    assert_same_bits(passes(1, None, None), passes(1, None, None))
    assert (passes(1, None)[0] != passes(2, None)[0]).any()
    assert_same_bits(passes(1, 7), passes(2, 7))
    # Two layers of a network draw different masks: about a quarter of the elements is not zero, rather than a half.
    assert 0.1 < np.mean(passes(1, None, None)[0] != 0) < 0.4


def test_a_pass_does_not_use_the_generator_of_the_network():
    layer, rng = nn.Dropout(0.5), np.random.default_rng(1)
    layer.build((40,), rng)
    before = rng.bit_generator.state
    layer.forward(X)
    assert rng.bit_generator.state == before


def test_build_resets_the_generator_of_a_layer_with_a_seed():
    layer = nn.Dropout(0.5, seed=3)
    first = layer.forward(X)[0]
    layer.build((40,), rng=5)
    assert_same_bits(layer.forward(X)[0], first)


def test_invalid_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="rate must be at least 0 and below 1"):
        nn.Dropout(1.0)
    with pytest.raises(TypeError, match=r"seed must be a numpy.random.Generator or an integer, got 'x'"):
        nn.Dropout(0.5, seed="x")
    with pytest.raises(RuntimeError, match=r"Dropout\(0.5\) has no random generator yet: call build"):
        nn.Dropout(0.5).forward(X)


def test_dropout_has_no_parameters_and_shows_rate_and_seed():
    layer = nn.Dropout(0.25)
    assert (layer.count_parameters((3, 4)), layer.multiply_adds((3, 4)), layer.output_shape([3, 4])) == (0, 0, (3, 4))
    assert repr(layer) == "Dropout(0.25)"
    assert repr(nn.Dropout(0.25, seed=3)) == "Dropout(0.25, seed 3)"
