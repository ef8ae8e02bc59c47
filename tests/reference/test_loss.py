"""Tests of softmax and the losses as loops: by hand, on symbols, and for huge logits."""

from fractions import Fraction

import numpy as np
import pytest

from refconv.reference.loss import (
    binary_cross_entropy,
    log_softmax,
    log_softmax_dx,
    mean_squared_error,
    shift,
    softmax,
    softmax_cross_entropy,
    softmax_dx,
)


def test_softmax_computed_by_hand():
    x = np.log([[1.0, 2, 5], [3, 1, 4]])
    np.testing.assert_allclose(softmax(x), [[0.125, 0.25, 0.625], [0.375, 0.125, 0.5]], rtol=1e-14)
    np.testing.assert_allclose(log_softmax(x), np.log([[0.125, 0.25, 0.625], [0.375, 0.125, 0.5]]), rtol=1e-14)


def test_a_smoothed_label_computed_by_hand():
    # With α = 0.3 and three classes, the label gets 0.7, and each class (also the label) gets 0.1 more.
    logits, labels = np.log([[1.0, 2, 5], [3, 1, 4]]), np.array([2, 0])
    p, target = np.array([[0.125, 0.25, 0.625], [0.375, 0.125, 0.5]]), np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    loss, dlogits = softmax_cross_entropy(logits, labels, 0.3)
    np.testing.assert_allclose(loss, -(target * np.log(p)).sum() / 2, rtol=1e-14)
    np.testing.assert_allclose(dlogits, (p - target) / 2, rtol=1e-13, atol=1e-15)


def test_class_weights_computed_by_hand():
    # The labels have probabilities ¼, ½, ½, so the losses are log 4, log 2, log 2; their weights are 1, 3, 3.
    logits, labels = np.log([[1.0, 3], [1, 1], [1, 1]]), np.array([0, 1, 1])
    loss, dlogits = softmax_cross_entropy(logits, labels, 0.0, np.array([1.0, 3.0]))
    np.testing.assert_allclose(loss, 8 * np.log(2) / 7, rtol=1e-14)
    np.testing.assert_allclose(dlogits, np.array([[-0.75, 0.75], [1.5, -1.5], [1.5, -1.5]]) / 7, rtol=1e-13)


def test_squared_errors_are_exact_for_fractions():
    predictions, targets = (np.array([Fraction(n, d) for n, d in pairs]) for pairs in (((1, 2), (5, 3)), ((1, 3), (2, 3))))
    loss, dpredictions = mean_squared_error(predictions, targets)
    assert loss == Fraction(37, 72)
    assert dpredictions.tolist() == [Fraction(1, 6), 1]


def test_a_binary_loss_computed_by_hand():
    # The sigmoids are ¾, ½ and ⅕; a target of ½ gives half of both logarithms.
    logits, targets = np.log([3.0, 1.0, 0.25]), np.array([0.0, 0.5, 1.0])
    loss, dlogits = binary_cross_entropy(logits, targets, 3.0)
    np.testing.assert_allclose(loss, (np.log(4) + 1.5 * np.log(2) + 0.5 * np.log(2) + 3 * np.log(5)) / 3, rtol=1e-14)
    np.testing.assert_allclose(dlogits, np.array([0.75, 0.25 - 0.75, -3 * 0.8]) / 3, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_neither_overflow_nor_underflow(dtype):
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4 + 1, -1e4]], dtype)
    assert softmax(x)[0].tolist() == [1, 0, 0]
    assert log_softmax(x)[0].tolist() == [0, -2e4, -1e4]
    np.testing.assert_allclose(softmax(x)[1], np.exp([0, 1, 0]) / (2 + np.e), rtol=1e-6)
    loss, dlogits = softmax_cross_entropy(x, np.array([1, 1]), 0.0)
    assert loss.dtype == dtype
    np.testing.assert_allclose(loss, (2e4 + np.log(2 + np.e) - 1) / 2, rtol=1e-6)
    assert dlogits[0].tolist() == [0.5, -0.5, 0]


def test_shift_is_the_maximum_or_0_for_symbols():
    assert shift(np.array([-3.0, -1, -2])) == -1
    assert shift(np.array([1, 2], object)) == 0


def test_symbolic_derivatives_agree_with_sympy():
    sympy = pytest.importorskip("sympy")
    x, d = (np.array(sympy.symbols(f"{name}:4", real=True), object).reshape(2, 2) for name in "xd")
    alpha = sympy.Symbol("alpha")

    def assert_gradient(e, gradient):
        for i in np.ndindex(2, 2):
            assert sympy.simplify(sympy.diff(e, x[i]) - gradient[i]) == 0

    assert_gradient((softmax(x) * d).sum(), softmax_dx(d, y=softmax(x)))
    assert_gradient((log_softmax(x) * d).sum(), log_softmax_dx(d, y=log_softmax(x)))
    assert_gradient(*softmax_cross_entropy(x, np.array([1, 0]), alpha))
    assert_gradient(*softmax_cross_entropy(x, np.array([1, 0]), alpha, d[0]))
    for loss, dx in (mean_squared_error(x.ravel(), d.ravel()), binary_cross_entropy(x.ravel(), d.ravel(), alpha)):
        assert_gradient(loss, dx.reshape(2, 2))
