"""Tests of public group, layer and instance normalisation."""

import numpy as np
import pytest

from evidence import all_engines, assert_inputs_unchanged, assert_is_derivative, in_order
from refconv.ops.group_norm import group_norm, group_norm_grads, instance_norm, layer_norm
from strategies import small_floats

SHAPES = pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6), (2, 4, 5, 6)])  # rows, signals, images
C, GROUPS = 6, 3
GAMMA, BETA = small_floats((C,), 3), small_floats((C,), 4)
X, DY = small_floats((4, 5, C), 1), small_floats((4, 5, C), 2)
MEAN, VAR = small_floats((4, GROUPS), 5), np.abs(small_floats((4, GROUPS), 6))


@SHAPES
def test_each_group_of_each_example_is_normalised_over_positions_and_its_channels(shape):
    x = small_floats(shape, 1)
    for y, mean, var in all_engines(lambda: group_norm(x, GAMMA, BETA, GROUPS)):
        assert mean.shape == var.shape == (len(x), GROUPS)
        for n in range(len(x)):
            for g in range(GROUPS):
                channels = slice(2 * g, 2 * g + 2)
                part = x[n, ..., channels]
                expected = GAMMA[channels] * (part - part.mean()) / np.sqrt(part.var() + 1e-3) + BETA[channels]
                np.testing.assert_allclose(y[n, ..., channels], expected, rtol=1e-12, atol=1e-12)
                np.testing.assert_allclose((mean[n, g], var[n, g]), (part.mean(), part.var()), rtol=1e-12, atol=1e-14)


@SHAPES
def test_layer_and_instance_norm_have_one_group_and_a_group_for_each_channel(shape):
    x = small_floats(shape, 1)
    for one, all_channels in all_engines(lambda: (layer_norm(x, GAMMA, BETA), instance_norm(x, GAMMA, BETA))):
        for results, groups in ((one, 1), (all_channels, C)):
            for a, b in zip(results, group_norm(x, GAMMA, BETA, groups), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@SHAPES
def test_channels_first_gives_the_same_values(shape):
    x, dy, layout = small_floats(shape, 1), small_floats(shape, 2), {"data_format": "channels_first"}
    first = [np.moveaxis(a, -1, 1) for a in (x, dy)]
    y, mean, var = group_norm(x, GAMMA, BETA, GROUPS)
    calls = [
        ((y, mean, var), group_norm(first[0], GAMMA, BETA, GROUPS, **layout)),
        (layer_norm(x, GAMMA, BETA), layer_norm(first[0], GAMMA, BETA, **layout)),
        (instance_norm(x, GAMMA, BETA), instance_norm(first[0], GAMMA, BETA, **layout)),
        (
            group_norm_grads(dy, x=x, gamma=GAMMA, mean=mean, var=var),
            group_norm_grads(first[1], x=first[0], gamma=GAMMA, mean=mean, var=var, **layout),
        ),
    ]
    for last, moved in calls:
        np.testing.assert_array_equal(np.moveaxis(last[0], -1, 1), moved[0])
        for one, other in zip(last[1:], moved[1:], strict=True):
            np.testing.assert_array_equal(one, other)


@SHAPES
def test_derivatives_agree_with_central_differences(shape):
    x, dy, eps = small_floats(shape, 1), small_floats(shape, 2), 0.1
    _, mean, var = group_norm(x, GAMMA, BETA, GROUPS, eps=eps)
    for dx, dgamma, dbeta in all_engines(lambda: group_norm_grads(dy, x=x, gamma=GAMMA, mean=mean, var=var, eps=eps)):
        assert_is_derivative(dx, lambda x: group_norm(x, GAMMA, BETA, GROUPS, eps=eps)[0], x, dy)
        assert_is_derivative(dgamma, lambda gamma: group_norm(x, gamma, BETA, GROUPS, eps=eps)[0], GAMMA, dy)
        assert_is_derivative(dbeta, lambda beta: group_norm(x, GAMMA, beta, GROUPS, eps=eps)[0], BETA, dy)


@pytest.mark.parametrize("shape", [(4, 6), (3, 5, 6), (2, 4, 3, 6)])
def test_pytorch_computes_the_same(shape):
    F = pytest.importorskip("torch").nn.functional
    torch = pytest.importorskip("torch")
    x, gamma, beta = (torch.from_numpy(a).requires_grad_() for a in (small_floats(shape, 1), GAMMA.copy(), BETA.copy()))
    dy = torch.from_numpy(small_floats(shape, 2))
    y = F.group_norm(x.movedim(-1, 1), GROUPS, gamma, beta, eps=1e-3).movedim(1, -1)
    y.backward(dy)
    ours, mean, var = group_norm(x.detach().numpy(), GAMMA, BETA, GROUPS)
    np.testing.assert_allclose(ours, y.detach().numpy(), rtol=1e-11, atol=1e-11)
    grads = group_norm_grads(dy.numpy(), x=x.detach().numpy(), gamma=GAMMA, mean=mean, var=var)
    for actual, expected in zip(grads, (x.grad, gamma.grad, beta.grad), strict=True):
        np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-10, atol=1e-11)


def test_instance_norm_of_rows_is_beta():
    for y, mean, var in all_engines(lambda: instance_norm(X[:, 0], GAMMA, BETA)):
        assert (y == BETA).all()
        assert (mean == X[:, 0]).all()
        assert (var == 0).all()


def test_an_empty_batch_is_accepted():
    x = np.zeros((0, 4, 5, C))
    for y, mean, var in all_engines(lambda: group_norm(x, GAMMA, BETA, GROUPS)):
        assert (y.shape, mean.shape, var.shape) == (x.shape, (0, GROUPS), (0, GROUPS))
    none = np.zeros((0, GROUPS))
    for dx, dgamma, dbeta in all_engines(lambda: group_norm_grads(x, x=x, gamma=GAMMA, mean=none, var=none)):
        assert dx.shape == x.shape
        assert (dgamma == 0).all()
        assert (dbeta == 0).all()


def test_inputs_are_unchanged():
    assert_inputs_unchanged(lambda x, gamma, beta: group_norm(x, gamma, beta, 2), X, GAMMA, BETA)
    assert_inputs_unchanged(layer_norm, X, GAMMA, BETA)
    assert_inputs_unchanged(instance_norm, X, GAMMA, BETA)
    assert_inputs_unchanged(in_order(group_norm_grads), DY, X, GAMMA, MEAN, VAR)


def grads(**changed):
    arrays = {"x": X, "gamma": GAMMA, "mean": MEAN, "var": VAR, **changed}
    return group_norm_grads(arrays.pop("dy", DY), **arrays)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: group_norm(X, GAMMA, BETA, 4), ValueError, "groups must divide the 6 channels, got 4"),
        (lambda: group_norm(X, GAMMA, BETA, 0), ValueError, "groups must be at least 1, got 0"),
        (lambda: group_norm(X, GAMMA, BETA, 1.5), TypeError, "groups must be an integer"),
        (lambda: group_norm(X[:, :0], GAMMA, BETA, 2), ValueError, "x must not be empty"),
        (lambda: layer_norm(X[0, 0], GAMMA, BETA), ValueError, r"x must have 2, 3 or 4 axes .*got shape \(6,\)"),
        (lambda: layer_norm(X, GAMMA[:2], BETA), ValueError, r"gamma must have shape \(6,\), one for each channel"),
        (lambda: instance_norm(X, GAMMA, BETA[:2]), ValueError, r"beta must have shape \(6,\)"),
        (lambda: layer_norm(X, GAMMA, BETA, eps=-1), ValueError, "eps must be at least 0, got -1"),
        (lambda: layer_norm(X, GAMMA, BETA, data_format="NHWC"), ValueError, "data_format must be"),
        (lambda: layer_norm(X, GAMMA, BETA.astype(np.float32)), TypeError, "beta must have the same float type"),
        (lambda: grads(dy=DY[:2]), ValueError, r"dy must have shape \(4, 5, 6\), the shape of x"),
        (lambda: grads(mean=MEAN[0]), ValueError, r"mean must have shape \(4, groups\), got shape \(3,\)"),
        (lambda: grads(mean=MEAN[:2]), ValueError, r"mean must have shape \(4, groups\), got shape \(2, 3\)"),
        (lambda: grads(mean=np.zeros((4, 5))), ValueError, "the number of groups in mean must divide the 6 channels, got 5"),
        (lambda: grads(var=VAR[:, :2]), ValueError, r"var must have shape \(4, 3\), the shape of mean"),
        (lambda: grads(var=VAR - 100), ValueError, "var must not be negative, got -9"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()
