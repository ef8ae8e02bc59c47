"""Softmax and cross-entropy as loops: by hand, on symbols, and where exponentials overflow."""

import numpy as np
import pytest

from refconv.reference.loss import (
    log_softmax,
    log_softmax_dx,
    shift,
    softmax,
    softmax_cross_entropy,
    softmax_dx,
)


def test_softmax_by_hand():
    x = np.log([[1.0, 2, 5], [3, 1, 4]])
    np.testing.assert_allclose(softmax(x), [[0.125, 0.25, 0.625], [0.375, 0.125, 0.5]], rtol=1e-14)
    np.testing.assert_allclose(log_softmax(x), np.log([[0.125, 0.25, 0.625], [0.375, 0.125, 0.5]]), rtol=1e-14)


def test_a_smoothed_label_by_hand():
    # With α = 0.3 and three classes: 0.7 on the label, and 0.1 on each class, the label's own included.
    logits, labels = np.log([[1.0, 2, 5], [3, 1, 4]]), np.array([2, 0])
    p, target = np.array([[0.125, 0.25, 0.625], [0.375, 0.125, 0.5]]), np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    loss, dlogits = softmax_cross_entropy(logits, labels, 0.3)
    np.testing.assert_allclose(loss, -(target * np.log(p)).sum() / 2, rtol=1e-14)
    np.testing.assert_allclose(dlogits, (p - target) / 2, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_neither_overflow_nor_vanish(dtype):
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4 + 1, -1e4]], dtype)
    assert softmax(x)[0].tolist() == [1, 0, 0]
    assert log_softmax(x)[0].tolist() == [0, -2e4, -1e4]
    np.testing.assert_allclose(softmax(x)[1], np.exp([0, 1, 0]) / (2 + np.e), rtol=1e-6)
    loss, dlogits = softmax_cross_entropy(x, np.array([1, 1]), 0.0)
    assert loss.dtype == dtype
    np.testing.assert_allclose(loss, (2e4 + np.log(2 + np.e) - 1) / 2, rtol=1e-6)
    assert dlogits[0].tolist() == [0.5, -0.5, 0]


def test_the_shift_is_the_maximum_and_0_for_symbols():
    assert shift(np.array([-3.0, -1, -2])) == -1
    assert shift(np.array([1, 2], object)) == 0


def test_on_symbols_the_derivatives_are_those_of_sympy():
    sympy = pytest.importorskip("sympy")
    x, d = (np.array(sympy.symbols(f"{name}:4", real=True), object).reshape(2, 2) for name in "xd")
    alpha = sympy.Symbol("alpha")

    def assert_gradient(e, gradient):
        for i in np.ndindex(2, 2):
            assert sympy.simplify(sympy.diff(e, x[i]) - gradient[i]) == 0

    assert_gradient((softmax(x) * d).sum(), softmax_dx(d, y=softmax(x)))
    assert_gradient((log_softmax(x) * d).sum(), log_softmax_dx(d, y=log_softmax(x)))
    assert_gradient(*softmax_cross_entropy(x, np.array([1, 0]), alpha))
