"""Tests of the group normalisation loops: by hand, and beside batch normalisation."""

import numpy as np
import pytest

from evidence import assert_is_derivative, assert_within
from refconv.reference.group_norm import group_norm, group_norm_grads, instance_norm, layer_norm
from refconv.reference.norm import batch_norm
from strategies import small_floats

N, M, C = 2, 5, 6
X, GAMMA, BETA = small_floats((N, M, C), 1), small_floats((C,), 2), small_floats((C,), 3)


def test_two_groups_computed_by_hand():
    # The first group has 0, 6, 3, 3 with mean 3 and variance 4.5; with ε = 4.5 the deviation is 3. The second has only ones.
    x = np.array([[[0.0, 6, 1, 1], [3, 3, 1, 1]]])
    y, mean, var = group_norm(x, np.array([2.0, 2, 9, 9]), np.array([10.0, 0, -1, 5]), 2, 4.5)
    assert y.tolist() == [[[8, 2, -1, 5], [10, 0, -1, 5]]]
    assert (mean.tolist(), var.tolist()) == ([[3, 1]], [[4.5, 0]])


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_a_group_is_a_channel_of_batch_norm(groups):
    """D4: the formula is the same, so batch_norm of rearranged elements gives the same result."""
    K = C // groups
    columns = X.reshape(N, M, groups, K).transpose(1, 3, 0, 2).reshape(M * K, N * groups)
    xhat, mean, var = batch_norm(columns, np.ones(N * groups), np.zeros(N * groups), 0.1)
    xhat = xhat.reshape(M, K, N, groups).transpose(2, 0, 3, 1).reshape(N, M, C)
    y, group_mean, group_var = group_norm(X, GAMMA, BETA, groups, 0.1)
    np.testing.assert_allclose(y, GAMMA * xhat + BETA, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(group_mean.ravel(), mean, rtol=1e-13)
    np.testing.assert_allclose(group_var.ravel(), var, rtol=1e-13)


def test_layer_and_instance_norm_are_the_extreme_numbers_of_groups():
    for one, other in ((layer_norm(X, GAMMA, BETA, 0.1), 1), (instance_norm(X, GAMMA, BETA, 0.1), C)):
        for a, b in zip(one, group_norm(X, GAMMA, BETA, other, 0.1), strict=True):
            np.testing.assert_array_equal(a, b)


def test_other_examples_have_no_effect():
    changed = X.copy()
    changed[1] *= 100
    y, _, _ = group_norm(X, GAMMA, BETA, 3, 0.1)
    other, _, _ = group_norm(changed, GAMMA, BETA, 3, 0.1)
    assert (y[0] == other[0]).all()
    assert (y[1] != other[1]).any()


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_derivatives_agree_with_central_differences(groups):
    dy, eps = small_floats(X.shape, 4), 0.2
    _, mean, var = group_norm(X, GAMMA, BETA, groups, eps)
    dx, dgamma, dbeta = group_norm_grads(dy, x=X, gamma=GAMMA, mean=mean, var=var, eps=eps)
    assert_is_derivative(dx, lambda x: group_norm(x, GAMMA, BETA, groups, eps)[0], X, dy)
    assert_is_derivative(dgamma, lambda gamma: group_norm(X, gamma, BETA, groups, eps)[0], GAMMA, dy)
    assert_is_derivative(dbeta, lambda beta: group_norm(X, GAMMA, beta, groups, eps)[0], BETA, dy)


def test_a_gradient_along_the_output_and_a_constant_do_not_change_the_input():
    # Scaling or shifting a group does not change x̂, so dy in these directions gives ∂e/∂x = 0 for ε = 0.
    y, mean, var = group_norm(X, np.ones(C), np.zeros(C), 2, 0.0)
    for dy in (y, np.ones_like(y)):
        dx, _, _ = group_norm_grads(dy, x=X, gamma=np.ones(C), mean=mean, var=var, eps=0.0)
        assert_within(dx, np.zeros_like(dx), 100 * np.finfo(float).eps / np.sqrt(var.min()))
