"""Tests of public softmax and losses: derivatives, shapes, class weights and errors."""

import numpy as np
import pytest

from evidence import all_engines, assert_inputs_unchanged, assert_is_derivative, in_order
from refconv._config import AVAILABLE_ENGINES, config
from refconv.ops.loss import (
    binary_cross_entropy,
    log_softmax,
    log_softmax_dx,
    mean_squared_error,
    softmax,
    softmax_cross_entropy,
    softmax_dx,
)
from strategies import small_floats

X, DY, LABELS = small_floats((3, 5), 1), small_floats((3, 5), 2), np.array([4, 0, 2])


def test_derivatives_agree_with_central_differences():
    assert_is_derivative(softmax_dx(DY, y=softmax(X)), softmax, X, DY)
    assert_is_derivative(log_softmax_dx(DY, y=log_softmax(X)), log_softmax, X, DY)


@pytest.mark.parametrize("alpha", [0, 0.1, 1])
def test_the_derivative_of_the_loss_agrees_with_central_differences(alpha):
    def loss(x):
        return softmax_cross_entropy(x, LABELS, label_smoothing=alpha)[0]

    assert_is_derivative(softmax_cross_entropy(X, LABELS, label_smoothing=alpha)[1], loss, X, np.float64(1.7) / 1.7)


def test_label_smoothing_is_cross_entropy_against_the_smoothed_target():
    alpha = 0.1
    target = (1 - alpha) * np.eye(5)[LABELS] + alpha / 5
    expected = -(target * np.log(np.exp(X) / np.exp(X).sum(axis=1, keepdims=True))).sum(axis=1).mean()
    for loss, _ in all_engines(lambda: softmax_cross_entropy(X, LABELS, label_smoothing=alpha)):
        np.testing.assert_allclose(loss, expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_loss_has_the_dtype_of_the_logits(dtype):
    for loss, dlogits in all_engines(lambda: softmax_cross_entropy(X.astype(dtype), LABELS)):
        assert type(loss) is dtype
        assert dlogits.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_neither_overflow_nor_underflow(dtype):
    x = np.array([[1e4, -1e4, 0]], dtype)
    for y, log_y, (loss, dlogits) in all_engines(
        lambda: (softmax(x), log_softmax(x), softmax_cross_entropy(x, [1], label_smoothing=0.3))
    ):
        assert y.tolist() == [[1, 0, 0]]
        assert log_y.tolist() == [[0, -2e4, -1e4]]
        np.testing.assert_allclose(loss, 0.8 * 2e4 + 0.1 * 1e4, rtol=1e-6)
        np.testing.assert_allclose(dlogits, [[0.9, -0.8, -0.1]], rtol=1e-6)


def test_softmax_uses_the_last_of_any_number_of_axes():
    x = small_floats((2, 3, 4, 5), 3)
    for f, f_dx in ((softmax, softmax_dx), (log_softmax, log_softmax_dx)):
        for y, dx in all_engines(lambda f=f, f_dx=f_dx: (f(x), f_dx(x, y=f(x)))):
            np.testing.assert_allclose(y[1, 2], f(x[1, 2]), rtol=1e-14, atol=1e-14)
            np.testing.assert_allclose(dx[1, 2], f_dx(x[1, 2], y=f(x[1, 2])), rtol=1e-14, atol=1e-14)
            assert f(x[0, 0, 0]).shape == (5,)
    assert softmax(np.zeros((0, 5))).shape == (0, 5)


def test_inputs_are_unchanged():
    y, log_y = softmax(X), log_softmax(X)
    assert_inputs_unchanged(softmax, X)
    assert_inputs_unchanged(log_softmax, X)
    assert_inputs_unchanged(in_order(softmax_dx), DY, y)
    assert_inputs_unchanged(in_order(log_softmax_dx), DY, log_y)
    assert_inputs_unchanged(softmax_cross_entropy, X, LABELS)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64, np.uint64, list])
def test_labels_may_have_any_integer_dtype(kind):
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
            r"labels must have shape \(3,\), got rows of different lengths",
        ),
        (
            lambda: softmax_cross_entropy(X, np.ma.array(LABELS, mask=[0, 1, 0])),
            TypeError,
            "labels must be a plain array, got a masked array",
        ),
        (lambda: softmax_dx(DY[:2], y=X), ValueError, r"dy must have shape \(3, 5\), the shape of y"),
        (lambda: log_softmax_dx(DY.astype(np.float32), y=X), TypeError, "dy and y must have the same float type"),
        (lambda: softmax_cross_entropy(X[:0], LABELS[:0]), ValueError, "logits must not be empty"),
        (
            lambda: softmax_cross_entropy(X[0], LABELS),
            ValueError,
            r"logits must have at least 2 axes \(examples, classes\), got shape \(5,\)",
        ),
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
def test_invalid_arguments_are_rejected_by_name(call, error, message):
    with pytest.raises(error, match=message):
        call()


PIXELS, CLASSES = small_floats((2, 3, 1, 4, 5), 4), np.arange(24).reshape(2, 3, 1, 4) % 5
WEIGHTS = [0.5, 0.0, 2.0, 1.0, 7.0]


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("alpha", [0, 0.3])
def test_cross_entropy_of_pixels_equals_cross_entropy_of_their_rows(weights, alpha):
    options = {"label_smoothing": alpha, "class_weights": weights}
    expected, rows = softmax_cross_entropy(PIXELS.reshape(-1, 5), CLASSES.ravel(), **options)
    for loss, dlogits in all_engines(lambda: softmax_cross_entropy(PIXELS, CLASSES, **options)):
        np.testing.assert_allclose(loss, expected, rtol=1e-14)
        np.testing.assert_allclose(dlogits, rows.reshape(PIXELS.shape), rtol=1e-13, atol=1e-16)
    assert_is_derivative(dlogits, lambda x: softmax_cross_entropy(x, CLASSES, **options)[0], PIXELS, np.float64(1.7) / 1.7)


def test_class_weights_give_a_weighted_mean():
    log_p = log_softmax(X)[np.arange(3), LABELS]
    own = np.array(WEIGHTS)[LABELS]
    expected = -(own * log_p).sum() / own.sum()
    for weights in (WEIGHTS, tuple(WEIGHTS), np.array(WEIGHTS, np.float32), 3 * np.array(WEIGHTS)):
        for loss, _ in all_engines(lambda weights=weights: softmax_cross_entropy(X, LABELS, class_weights=weights)):
            np.testing.assert_allclose(loss, expected, rtol=1e-13)
    for loss, dlogits in all_engines(lambda: softmax_cross_entropy(X, LABELS, class_weights=np.full(5, 0.1))):
        np.testing.assert_allclose(loss, softmax_cross_entropy(X, LABELS)[0], rtol=1e-13)
        np.testing.assert_allclose(dlogits, softmax_cross_entropy(X, LABELS)[1], rtol=1e-13)


def test_a_class_of_weight_0_is_ignored():
    labels = np.array([4, 1, 2])
    without = softmax_cross_entropy(X[[0, 2]], labels[[0, 2]], class_weights=WEIGHTS)
    x = X.copy()
    x[1, 1] = -np.inf
    for loss, dlogits in all_engines(lambda: softmax_cross_entropy(x, labels, class_weights=WEIGHTS)):
        np.testing.assert_allclose(loss, without[0], rtol=1e-13)
        np.testing.assert_allclose(dlogits[[0, 2]], without[1], rtol=1e-13)
        assert not dlogits[1].any()


T, ANSWERS = small_floats((3, 5), 5), np.array([[0, 1, 1, 0, 0.25], [1, 0, 1, 1, 0], [0.5, 0, 0, 1, 1]])


def test_mean_squared_error_is_the_mean_over_all_elements():
    for loss, dx in all_engines(lambda: mean_squared_error(X, T)):
        np.testing.assert_allclose(loss, ((X - T) ** 2).mean(), rtol=1e-14)
        np.testing.assert_allclose(dx, 2 * (X - T) / 15, rtol=1e-14)
    assert_is_derivative(dx, lambda x: mean_squared_error(x, T)[0], X, np.float64(1.7) / 1.7)


@pytest.mark.parametrize("weight", [1, 2.5, 0.125])
def test_binary_cross_entropy_equals_the_formula_with_sigmoids(weight):
    p = 1 / (1 + np.exp(-X))
    expected = -(weight * ANSWERS * np.log(p) + (1 - ANSWERS) * np.log(1 - p)).mean()
    for loss, dx in all_engines(lambda: binary_cross_entropy(X, ANSWERS, pos_weight=weight)):
        np.testing.assert_allclose(loss, expected, rtol=1e-13)
        np.testing.assert_allclose(dx, ((1 - ANSWERS) * p - weight * ANSWERS * (1 - p)) / 15, rtol=1e-12)
    assert_is_derivative(dx, lambda x: binary_cross_entropy(x, ANSWERS, pos_weight=weight)[0], X, np.float64(1.7) / 1.7)


def test_binary_cross_entropy_equals_softmax_cross_entropy_of_two_classes():
    """Test that the softmax of the logits x and 0 gives the sigmoid of x."""
    answers = np.array([0, 1, 1])
    for x in (X[:, 0], 50 * X[:, 0]):
        loss, dx = binary_cross_entropy(x, answers)
        expected, rows = softmax_cross_entropy(np.stack([np.zeros_like(x), x], axis=1), answers)
        np.testing.assert_allclose(loss, expected, rtol=1e-13)
        np.testing.assert_allclose(dx, rows[:, 1], rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_of_a_binary_loss_neither_overflow_nor_underflow(dtype):
    x = np.array([1e4, -1e4, 1e4, -1e4, np.inf, -np.inf, 40, -40], dtype)
    t = np.array([1, 0, 0, 1, 1, 0, 1, 0])
    for loss, dx in all_engines(lambda: binary_cross_entropy(x, t)):
        assert loss == dtype(2e4 / 8)
        assert dx[:6].tolist() == [0, 0, 0.125, -0.125, 0, 0]
        np.testing.assert_allclose(dx[6:], [-np.exp(-40.0) / 8, np.exp(-40.0) / 8], rtol=1e-6)
    for loss, _ in all_engines(lambda: binary_cross_entropy(x[6:], t[6:])):
        np.testing.assert_allclose(loss, np.exp(-40.0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_targets_are_converted_to_the_dtype_of_the_predictions(dtype):
    answers = ANSWERS > 0.3
    for given in (answers, answers.astype(np.uint8), answers.astype(np.float64), answers.tolist()):
        for call in (mean_squared_error, binary_cross_entropy):
            for loss, dx in all_engines(lambda call=call, given=given: call(X.astype(dtype), given)):
                assert type(loss) is dtype
                assert dx.dtype == dtype
                assert loss == pytest.approx(float(call(X, answers)[0]), rel=1e-5)


@pytest.mark.parametrize("call", [mean_squared_error, binary_cross_entropy])
@pytest.mark.parametrize("shape", [(), (7,), (7, 1), (2, 3, 1, 4)])
def test_losses_of_any_shape_equal_the_losses_of_their_elements(call, shape):
    x, t = small_floats(shape, 6), np.ones(shape)
    for loss, dx in all_engines(lambda: call(x, t)):
        expected, flat = call(x.ravel(), t.ravel())
        assert loss == pytest.approx(expected, rel=1e-14)
        assert dx.shape == shape
        np.testing.assert_allclose(dx.ravel(), flat, rtol=1e-13)


def test_losses_do_not_change_their_inputs():
    assert_inputs_unchanged(mean_squared_error, X, T)
    assert_inputs_unchanged(binary_cross_entropy, X, ANSWERS)
    assert_inputs_unchanged(lambda *a: softmax_cross_entropy(*a[:2], class_weights=a[2]), X, LABELS, np.array(WEIGHTS))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: softmax_cross_entropy(PIXELS, CLASSES[:, 0]),
            ValueError,
            r"labels must have shape \(2, 3, 1, 4\), the shape of logits without its last axis, got \(2, 1, 4\)",
        ),
        (
            lambda: softmax_cross_entropy(PIXELS, np.where(CLASSES == 3, 5, CLASSES)),
            ValueError,
            r"labels must be from 0 to 4, got 5 at index \(0, 0, 0, 3\)",
        ),
        (
            lambda: softmax_cross_entropy(X, LABELS, class_weights=[1, 2]),
            ValueError,
            r"class_weights must have shape \(5,\), one weight for each class, got shape \(2,\)",
        ),
        (
            lambda: softmax_cross_entropy(X, LABELS, class_weights=[1, 2, -1, 0, 1]),
            ValueError,
            "class_weights must be finite and at least 0, got",
        ),
        (
            lambda: softmax_cross_entropy(X, LABELS, class_weights=[1, np.nan, 1, 0, 1]),
            ValueError,
            "class_weights must be finite and at least 0, got",
        ),
        (
            lambda: softmax_cross_entropy(X, LABELS, class_weights=[0, 1, 0, 1, 0]),
            ValueError,
            "class_weights must be above 0 for the class of at least one label, got 0 for all",
        ),
        (
            lambda: softmax_cross_entropy(X, LABELS, class_weights={0: 1.0}),
            TypeError,
            r"class_weights must be an array of real numbers, got {0: 1.0}",
        ),
        (lambda: mean_squared_error(X[:0], T[:0]), ValueError, r"predictions must not be empty, got shape \(0, 5\)"),
        (
            lambda: mean_squared_error(X[:, :1], T[:, 0]),
            ValueError,
            r"targets must have shape \(3, 1\), the shape of predictions, got shape \(3,\)",
        ),
        (lambda: mean_squared_error(X, 0.0), ValueError, r"targets must have shape \(3, 5\), .* got shape \(\)"),
        (lambda: mean_squared_error(X, "yes"), TypeError, "targets must be an array of real numbers, got 'yes'"),
        (lambda: mean_squared_error(X, np.ma.array(T)), TypeError, "targets must be a plain array, got a masked array"),
        (
            lambda: mean_squared_error(X.astype(np.float16), T),
            TypeError,
            "predictions must be an array of float32, float64 or int",
        ),
        (lambda: binary_cross_entropy(X[:0], T[:0]), ValueError, r"logits must not be empty, got shape \(0, 5\)"),
        (
            lambda: binary_cross_entropy(X, ANSWERS[0]),
            ValueError,
            r"targets must have shape \(3, 5\), the shape of logits, got shape \(5,\)",
        ),
        (lambda: binary_cross_entropy(X, 2 * ANSWERS), ValueError, r"targets must be from 0 to 1, got 2.0"),
        (lambda: binary_cross_entropy(X, -ANSWERS), ValueError, r"targets must be from 0 to 1, got -1.0"),
        (lambda: binary_cross_entropy(X, np.nan * ANSWERS), ValueError, r"targets must be from 0 to 1, got nan"),
        (lambda: binary_cross_entropy(X, ANSWERS, pos_weight=0), ValueError, "pos_weight must be above 0, got 0"),
        (lambda: binary_cross_entropy(X, ANSWERS, pos_weight="2"), TypeError, "pos_weight must be a number"),
    ],
)
def test_invalid_targets_and_weights_are_rejected_by_name(call, error, message):
    for engine in AVAILABLE_ENGINES:
        with config(engine=engine), pytest.raises(error, match=message):
            call()


def test_a_class_with_a_logit_of_minus_infinity_adds_no_loss():
    loss, dlogits = softmax_cross_entropy(np.array([[0.0, -np.inf, 1.0]]), [2])
    np.testing.assert_allclose(loss, np.log(1 + np.exp(-1.0)), rtol=1e-12)
    assert dlogits[0, 1] == 0
