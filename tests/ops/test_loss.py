"""Softmax and cross-entropy as users call them: derivatives, any number of axes, and what is refused."""

import numpy as np
import pytest

from evidence import assert_inputs_unchanged, assert_is_derivative, both_engines, in_order
from refconv.ops.loss import log_softmax, log_softmax_dx, softmax, softmax_cross_entropy, softmax_dx
from strategies import small_floats

X, DY, LABELS = small_floats((3, 5), 1), small_floats((3, 5), 2), np.array([4, 0, 2])


def test_the_derivatives_are_those_that_differences_find():
    assert_is_derivative(softmax_dx(DY, y=softmax(X)), softmax, X, DY)
    assert_is_derivative(log_softmax_dx(DY, y=log_softmax(X)), log_softmax, X, DY)


@pytest.mark.parametrize("alpha", [0, 0.1, 1])
def test_the_derivative_of_the_loss_is_the_one_that_differences_find(alpha):
    def loss(x):
        return softmax_cross_entropy(x, LABELS, label_smoothing=alpha)[0]

    assert_is_derivative(softmax_cross_entropy(X, LABELS, label_smoothing=alpha)[1], loss, X, np.float64(1.7) / 1.7)


def test_label_smoothing_is_cross_entropy_against_the_smoothed_target():
    alpha = 0.1
    target = (1 - alpha) * np.eye(5)[LABELS] + alpha / 5
    expected = -(target * np.log(np.exp(X) / np.exp(X).sum(axis=1, keepdims=True))).sum(axis=1).mean()
    for loss, _ in both_engines(lambda: softmax_cross_entropy(X, LABELS, label_smoothing=alpha)):
        np.testing.assert_allclose(loss, expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_is_a_number_of_the_logits_type(dtype):
    for loss, dlogits in both_engines(lambda: softmax_cross_entropy(X.astype(dtype), LABELS)):
        assert type(loss) is dtype
        assert dlogits.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_neither_overflow_nor_vanish(dtype):
    x = np.array([[1e4, -1e4, 0]], dtype)
    for y, log_y, (loss, dlogits) in both_engines(
        lambda: (softmax(x), log_softmax(x), softmax_cross_entropy(x, [1], label_smoothing=0.3))
    ):
        assert y.tolist() == [[1, 0, 0]]
        assert log_y.tolist() == [[0, -2e4, -1e4]]
        np.testing.assert_allclose(loss, 0.8 * 2e4 + 0.1 * 1e4, rtol=1e-6)
        np.testing.assert_allclose(dlogits, [[0.9, -0.8, -0.1]], rtol=1e-6)


def test_the_softmax_runs_over_the_last_axis_of_any_number_of_axes():
    x = small_floats((2, 3, 4, 5), 3)
    for f, f_dx in ((softmax, softmax_dx), (log_softmax, log_softmax_dx)):
        for y, dx in both_engines(lambda f=f, f_dx=f_dx: (f(x), f_dx(x, y=f(x)))):
            np.testing.assert_allclose(y[1, 2], f(x[1, 2]), rtol=1e-14, atol=1e-14)
            np.testing.assert_allclose(dx[1, 2], f_dx(x[1, 2], y=f(x[1, 2])), rtol=1e-14, atol=1e-14)
            assert f(x[0, 0, 0]).shape == (5,)
    assert softmax(np.zeros((0, 5))).shape == (0, 5)


def test_the_inputs_are_left_alone():
    y, log_y = softmax(X), log_softmax(X)
    assert_inputs_unchanged(softmax, X)
    assert_inputs_unchanged(log_softmax, X)
    assert_inputs_unchanged(in_order(softmax_dx), DY, y)
    assert_inputs_unchanged(in_order(log_softmax_dx), DY, log_y)
    assert_inputs_unchanged(softmax_cross_entropy, X, LABELS)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64, np.uint64, list])
def test_labels_may_be_integers_of_any_kind(kind):
    labels = LABELS.tolist() if kind is list else LABELS.astype(kind)
    assert softmax_cross_entropy(X, labels)[0] == softmax_cross_entropy(X, LABELS)[0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: softmax(np.zeros((3, 0))), ValueError, r"x must have at least one class .* shape \(3, 0\)"),
        (lambda: softmax(3.0), ValueError, r"x must have at least one class on its last axis, got shape \(\)"),
        (lambda: log_softmax(np.float32(3)), ValueError, r"x must have at least one class .* shape \(\)"),
        (lambda: softmax_dx(3.0, y=3.0), ValueError, r"y must have at least one class .* shape \(\)"),
        (lambda: log_softmax_dx(DY[0], y=3.0), ValueError, r"y must have at least one class .* shape \(\)"),
        (
            lambda: softmax_cross_entropy(X, [[0], [1, 2], [0]]),
            ValueError,
            r"labels must have shape \(N,\), got rows of different lengths",
        ),
        (
            lambda: softmax_cross_entropy(X, np.ma.array(LABELS, mask=[0, 1, 0])),
            TypeError,
            "labels must be a plain array, got a masked array",
        ),
        (lambda: softmax_dx(DY[:2], y=X), ValueError, r"dy must have shape \(3, 5\), that of y"),
        (lambda: log_softmax_dx(DY.astype(np.float32), y=X), TypeError, "dy and y must have one float type"),
        (lambda: softmax_cross_entropy(X[:0], LABELS[:0]), ValueError, "logits must not be empty"),
        (lambda: softmax_cross_entropy(X[0], LABELS), ValueError, "logits must have 2 axes"),
        (lambda: softmax_cross_entropy(X, LABELS[:2]), ValueError, r"labels must have shape \(3,\)"),
        (
            lambda: softmax_cross_entropy(X, np.eye(5)[LABELS]),
            TypeError,
            "labels must be integers, got float64",
        ),
        (lambda: softmax_cross_entropy(X, LABELS > 1), TypeError, "labels must be integers, got bool"),
        (lambda: softmax_cross_entropy(X, [4, 5, -1]), ValueError, "labels must be from 0 to 4, got 5 at index 1"),
        (lambda: softmax_cross_entropy(X, [0, 1, -1]), ValueError, "labels must be from 0 to 4, got -1 at index 2"),
        (
            lambda: softmax_cross_entropy(X, LABELS, label_smoothing=1.5),
            ValueError,
            "label_smoothing must be from 0 to 1, got 1.5",
        ),
        (lambda: softmax_cross_entropy(X, LABELS, label_smoothing="a"), TypeError, "label_smoothing must be a number"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_masked_class_with_a_logit_of_minus_infinity_costs_nothing():
    loss, dlogits = softmax_cross_entropy(np.array([[0.0, -np.inf, 1.0]]), [2])
    np.testing.assert_allclose(loss, np.log(1 + np.exp(-1.0)), rtol=1e-12)
    assert dlogits[0, 1] == 0
