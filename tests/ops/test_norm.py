"""Tests of public batch normalisation: axes, layouts, derivatives and errors."""

import numpy as np
import pytest

from evidence import all_engines, assert_inputs_unchanged, assert_is_derivative, assert_same_sums, in_order
from refconv.ops.conv import conv2d
from refconv.ops.norm import batch_norm, batch_norm_grads, batch_norm_inference, batch_norm_inference_grads
from strategies import small_floats

SHAPES = [(6, 3), (4, 5, 3), (2, 4, 5, 3)]  # dense, signals, images
C = 3
GAMMA, BETA = np.array([2.0, -0.5, 3]), np.array([7.0, 0, -4])
MEAN, VAR = np.array([0.5, -1, 0.2]), np.array([0.7, 2.5, 0])
X, DY = small_floats((6, 3), 1), small_floats((6, 3), 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_channel_is_normalised_over_batch_and_positions(shape):
    x = small_floats(shape, 1)
    axes = tuple(range(len(shape) - 1))
    expected = GAMMA * (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-3) + BETA
    for y, mean, var in all_engines(lambda: batch_norm(x, GAMMA, BETA)):
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
        assert_same_sums(mean, lambda x: x.mean(axes), x, terms=x.size // C)
        np.testing.assert_allclose(var, x.var(axes), rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_channels_first_gives_the_same_values(shape):
    x, dy = small_floats(shape, 1), small_floats(shape, 2)
    first = [np.moveaxis(a, -1, 1) for a in (x, dy)]
    layout = {"data_format": "channels_first"}
    y, mean, var = batch_norm(x, GAMMA, BETA)
    calls = [
        ((y, mean, var), batch_norm(first[0], GAMMA, BETA, **layout)),
        (
            batch_norm_grads(dy, x=x, gamma=GAMMA, mean=mean, var=var),
            batch_norm_grads(first[1], x=first[0], gamma=GAMMA, mean=mean, var=var, **layout),
        ),
        (
            (batch_norm_inference(x, GAMMA, BETA, MEAN, VAR),),
            (batch_norm_inference(first[0], GAMMA, BETA, MEAN, VAR, **layout),),
        ),
        (
            batch_norm_inference_grads(dy, x=x, gamma=GAMMA, mean=MEAN, var=VAR),
            batch_norm_inference_grads(first[1], x=first[0], gamma=GAMMA, mean=MEAN, var=VAR, **layout),
        ),
    ]
    for last, moved in calls:
        np.testing.assert_array_equal(np.moveaxis(last[0], -1, 1), moved[0])
        for per_channel, per_channel_moved in zip(last[1:], moved[1:], strict=True):
            np.testing.assert_array_equal(per_channel, per_channel_moved)


def test_a_bias_of_the_preceding_convolution_cancels():
    x, w = small_floats((2, 5, 6, 4), 1), small_floats((3, 2, 4, 3), 2)
    with_bias, without = (batch_norm(conv2d(x, w, b), GAMMA, BETA)[0] for b in ([1.5, -2, 30], None))
    np.testing.assert_allclose(with_bias, without, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_in_training_agree_with_central_differences(shape):
    x, dy, eps = small_floats(shape, 1), small_floats(shape, 2), 0.1
    _, mean, var = batch_norm(x, GAMMA, BETA, eps=eps)
    for dx, dgamma, dbeta in all_engines(lambda: batch_norm_grads(dy, x=x, gamma=GAMMA, mean=mean, var=var, eps=eps)):
        assert_is_derivative(dx, lambda x: batch_norm(x, GAMMA, BETA, eps=eps)[0], x, dy)
        assert_is_derivative(dgamma, lambda gamma: batch_norm(x, gamma, BETA, eps=eps)[0], GAMMA, dy)
        assert_is_derivative(dbeta, lambda beta: batch_norm(x, GAMMA, beta, eps=eps)[0], BETA, dy)


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_in_inference_agree_with_central_differences(shape):
    x, dy, given = small_floats(shape, 1), small_floats(shape, 2), {"mean": MEAN, "var": VAR, "eps": 0.1}
    for dx, dgamma, dbeta in all_engines(lambda: batch_norm_inference_grads(dy, x=x, gamma=GAMMA, **given)):
        assert_is_derivative(dx, lambda x: batch_norm_inference(x, GAMMA, BETA, **given), x, dy)
        assert_is_derivative(dgamma, lambda gamma: batch_norm_inference(x, gamma, BETA, **given), GAMMA, dy)
        assert_is_derivative(dbeta, lambda beta: batch_norm_inference(x, GAMMA, beta, **given), BETA, dy)


def test_a_batch_of_one_has_variance_0_and_gives_beta():
    for y, mean, var in all_engines(lambda: batch_norm(X[:1], GAMMA, BETA)):
        assert (y == BETA).all()
        assert (mean == X[0]).all()
        assert (var == 0).all()


def test_inference_accepts_an_empty_batch():
    x = np.zeros((0, 4, 5, 3))
    for y in all_engines(lambda: batch_norm_inference(x, GAMMA, BETA, MEAN, VAR)):
        assert y.shape == x.shape
    for dx, dgamma, dbeta in all_engines(lambda: batch_norm_inference_grads(x, x=x, gamma=GAMMA, mean=MEAN, var=VAR)):
        assert dx.shape == x.shape
        assert (dgamma == 0).all()
        assert (dbeta == 0).all()


def test_inputs_are_unchanged():
    assert_inputs_unchanged(batch_norm, X, GAMMA, BETA)
    assert_inputs_unchanged(in_order(batch_norm_grads), DY, X, GAMMA, MEAN, VAR)
    assert_inputs_unchanged(batch_norm_inference, X, GAMMA, BETA, MEAN, VAR)
    assert_inputs_unchanged(in_order(batch_norm_inference_grads), DY, X, GAMMA, MEAN, VAR)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: batch_norm(X[:0], GAMMA, BETA), ValueError, "x must contain at least one example"),
        (
            lambda: batch_norm_grads(X[:0], x=X[:0], gamma=GAMMA, mean=MEAN, var=VAR),
            ValueError,
            "x must contain at least one example",
        ),
        (lambda: batch_norm(X[:, :0], GAMMA, BETA), ValueError, "x must not be empty"),
        (lambda: batch_norm(X[0], GAMMA, BETA), ValueError, r"x must have 2, 3 or 4 axes .*got shape \(3,\)"),
        (lambda: batch_norm(X, GAMMA[:2], BETA), ValueError, r"gamma must have shape \(3,\), one for each channel"),
        (lambda: batch_norm(X, GAMMA, BETA[:2]), ValueError, r"beta must have shape \(3,\)"),
        (lambda: batch_norm(X, GAMMA, BETA, eps=-1), ValueError, "eps must be at least 0, got -1"),
        (lambda: batch_norm(X, GAMMA, BETA, eps=None), TypeError, "eps must be a number"),
        (lambda: batch_norm(X[:, None], GAMMA, BETA, data_format="NHWC"), ValueError, "data_format must be"),
        (lambda: batch_norm(X, GAMMA, BETA.astype(np.float32)), TypeError, "beta must have the same float type"),
        (
            lambda: batch_norm_grads(DY[:2], x=X, gamma=GAMMA, mean=MEAN, var=VAR),
            ValueError,
            r"dy must have shape \(6, 3\), the shape of x",
        ),
        (lambda: batch_norm_grads(DY, x=X, gamma=GAMMA, mean=MEAN[:1], var=VAR), ValueError, r"mean must have shape \(3,\)"),
        (
            lambda: batch_norm_inference(X, GAMMA, BETA, MEAN, -VAR),
            ValueError,
            "var .* got -0.7 for channel 0",
        ),
        (
            lambda: batch_norm_inference_grads(DY, x=X, gamma=GAMMA, mean=MEAN, var=VAR[:1]),
            ValueError,
            r"var must have shape \(3,\)",
        ),
        (lambda: batch_norm_inference(X, GAMMA, BETA, MEAN, [0.0, 0.5, -2.0]), ValueError, "got -2.0 for channel 2"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_unknown_data_format_is_rejected_even_for_rows():
    with pytest.raises(ValueError, match="data_format must be 'channels_last' or 'channels_first', got 'NC'"):
        batch_norm(np.ones((3, 2)), np.ones(2), np.ones(2), data_format="NC")


@pytest.mark.parametrize("missing", ["gamma", "beta"])
def test_none_for_a_vector_is_rejected_by_name(missing):
    vectors = {"gamma": np.ones(2), "beta": np.ones(2), missing: None}
    with pytest.raises(TypeError, match=f"{missing} must be an array, got None"):
        batch_norm(np.ones((3, 2)), **vectors)
