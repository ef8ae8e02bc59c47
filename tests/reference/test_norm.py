"""Tests of the batch normalisation loops: by hand, properties, symbolic derivatives."""

import numpy as np
import pytest

from evidence import assert_within
from refconv.reference.dense import dense
from refconv.reference.norm import batch_norm, batch_norm_grads, batch_norm_inference, batch_norm_inference_grads
from strategies import small_floats

M, C = 5, 3
X, GAMMA, BETA = small_floats((M, C), 1), np.array([2.0, -0.5, 3]), np.array([7.0, 0, -4])


def test_two_channels_computed_by_hand():
    # 0, 6, 3 have mean 3 and variance 6; with ε = 3 the deviation is 3. 1, 1, 1 have mean 1 and variance 0.
    x = np.array([[0.0, 1], [6, 1], [3, 1]])
    y, mean, var = batch_norm(x, np.array([2.0, 9]), np.array([10.0, -1]), 3)
    assert y.tolist() == [[8, -1], [12, -1], [10, -1]]
    assert (mean.tolist(), var.tolist()) == ([3, 1], [6, 0])


def test_the_normalised_values_have_mean_0_and_variance_1():
    eps = 1e-3
    xhat, _, var = batch_norm(X, np.ones(C), np.zeros(C), eps)
    # The errors of the mean, of the deviations and of their mean are at most M·ε·max|x| each; x̂ divides them by σ.
    allowed = 3 * (M + 2) * np.finfo(X.dtype).eps * np.abs(X).max(axis=0) / np.sqrt(var)
    assert_within(xhat.mean(axis=0), np.zeros(C), allowed)
    np.testing.assert_allclose(xhat.var(axis=0), var / (var + eps), rtol=1e-12)
    y, _, _ = batch_norm(X, GAMMA, BETA, 1e-12)
    assert_within(y.mean(axis=0), BETA, np.abs(GAMMA) * allowed + (M + 2) * np.finfo(X.dtype).eps * np.abs(y).max(axis=0))
    np.testing.assert_allclose(y.var(axis=0), GAMMA**2, rtol=1e-10)


def test_a_bias_before_batch_norm_cancels():
    x, w, bias = small_floats((M, 4), 2), small_floats((4, C), 3), np.array([1.5, -2, 30])
    with_bias, without = (batch_norm(dense(x, w, b), GAMMA, BETA, 1e-3)[0] for b in (bias, None))
    np.testing.assert_allclose(with_bias, without, rtol=1e-11, atol=1e-11)


def test_inference_with_the_batchs_own_mean_and_variance_equals_training():
    y, mean, var = batch_norm(X, GAMMA, BETA, 0.1)
    assert (batch_norm_inference(X, GAMMA, BETA, mean, var, 0.1) == y).all()


@pytest.fixture
def symbols():
    sympy = pytest.importorskip("sympy")

    def array(name, *shape):
        names = [f"{name}{i}" for i in range(int(np.prod(shape)))]
        return np.array(sympy.symbols(names, real=True), object).reshape(shape)

    return sympy, array


def test_symbolic_derivatives_in_training_agree_with_sympy(symbols):
    # The derivatives are compared exactly at rational points, because simplifying the roots would be slow.
    sympy, array = symbols
    x, dy, gamma, beta = array("x", 3, 1), array("d", 3, 1), array("g", 1), array("b", 1)
    eps = sympy.Rational(1, 7)
    y, mean, var = batch_norm(x, gamma, beta, eps)
    e = (y * dy).sum()
    values = [sympy.Rational(3 * i * i - 5 * i + 1, i + 2) for i in range(8)]
    point = dict(zip([*x.flat, *dy.flat, *gamma, *beta], values, strict=True))
    for array_, derivative in zip(
        (x, gamma, beta), batch_norm_grads(dy, x=x, gamma=gamma, mean=mean, var=var, eps=eps), strict=True
    ):
        for i in np.ndindex(array_.shape):
            difference = sympy.diff(e, array_[i]) - derivative[i]
            assert sympy.radsimp(difference.subs(point)) == 0


def test_symbolic_derivatives_in_inference_agree_with_sympy(symbols):
    sympy, array = symbols
    x, dy, gamma, beta, mean, var = (array(n, *s) for n, s in zip("xdgbmv", ((2, 1),) * 2 + ((1,),) * 4, strict=True))
    eps = sympy.Symbol("epsilon")
    e = (batch_norm_inference(x, gamma, beta, mean, var, eps) * dy).sum()
    gradients = batch_norm_inference_grads(dy, x=x, gamma=gamma, mean=mean, var=var, eps=eps)
    for array_, derivative in zip((x, gamma, beta), gradients, strict=True):
        for i in np.ndindex(array_.shape):
            assert sympy.simplify(sympy.diff(e, array_[i]) - derivative[i]) == 0
