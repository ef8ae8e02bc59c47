"""Tests of metrics: values computed by hand, shapes and averages."""

import numpy as np
import pytest

import refconv
from refconv import nn, optim
from refconv.training import (
    accuracy,
    binary_accuracy,
    evaluate,
    fit,
    intersection_over_union,
    mean_absolute_error,
    predict,
    predict_proba,
    top_k_accuracy,
)

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("leading", [(7,), (3, 2, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_accuracy_counts_images_or_pixels(leading, dtype):
    scores, labels = RNG.standard_normal((*leading, 4)).astype(dtype), RNG.integers(0, 4, leading)
    correct = [scores[index].tolist().index(max(scores[index])) == labels[index] for index in np.ndindex(leading)]
    assert accuracy(scores, labels) == np.mean(correct)
    assert top_k_accuracy(1)(scores, labels) == np.mean(correct)
    assert top_k_accuracy(4)(scores, labels) == 1.0
    assert np.mean(correct) <= top_k_accuracy(2)(scores, labels) <= top_k_accuracy(3)(scores, labels)


def test_equal_scores_are_ranked_by_class():
    scores = np.zeros((2, 5))
    assert top_k_accuracy(3)(scores, np.array([2, 3])) == 0.5
    assert accuracy(scores, np.array([0, 1])) == 0.5


def test_binary_accuracy_and_absolute_error_match_the_values_by_hand():
    logits = np.array([[0.5, -2.0, 1.0], [-0.1, 3.0, 0.0]])
    assert binary_accuracy(logits, np.array([[1, 0, 0], [0, 1, 1]])) == pytest.approx(4 / 6)
    assert mean_absolute_error(logits, np.zeros((2, 3))) == pytest.approx(6.6 / 6)


def test_intersection_over_union_is_the_mean_over_the_classes_that_occur():
    predicted = np.array([[[0, 0, 2], [2, 2, 2]]])
    truth = np.array([[[0, 2, 2], [2, 1, 2]]])
    # Intersection over union: class 0 has 1 of 2, class 1 has 0 of 1, class 2 has 3 of 5; class 3 does not occur.
    assert intersection_over_union(np.eye(4)[predicted], truth) == pytest.approx((1 / 2 + 0 + 3 / 5) / 3)


@pytest.mark.parametrize(
    ("metric", "outputs", "targets"),
    [
        (accuracy, (5, 3), (5, 1)),
        (top_k_accuracy(2), (5, 3), (5, 3)),
        (intersection_over_union, (5, 4, 3), (5, 1)),
        (binary_accuracy, (5, 1), (5,)),
        (mean_absolute_error, (5, 1), (5,)),
    ],
)
def test_targets_that_would_broadcast_are_refused(metric, outputs, targets):
    with pytest.raises(ValueError, match=rf"targets must have shape \(.*\), .*, got \({targets[0]},"):
        metric(np.zeros(outputs), np.zeros(targets, int))


def test_averages_weight_all_examples_equally():
    x, y = RNG.standard_normal((7, 2)), RNG.standard_normal((7, 2))
    metrics = {"error": mean_absolute_error}
    parts = evaluate(lambda x: x, [(x[:5], y[:5]), (x[5:], y[5:])], loss=squared_error, metrics=metrics)
    single = evaluate(lambda x: x, [(x, y)], loss=squared_error, metrics=metrics)
    assert parts.loss == pytest.approx(single.loss, rel=1e-12)
    assert parts.metrics == {"error": pytest.approx(np.mean(np.abs(x - y)), rel=1e-12)}
    assert parts.predictions is None


def squared_error(outputs, targets):
    return float(np.mean((outputs - targets) ** 2)), 2 * (outputs - targets) / outputs.size


def test_a_regression_has_no_accuracy_by_default():
    """Check that no accuracy is computed for a regression, for which it has no meaning."""
    x, y = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2))
    model = nn.Dense(2)
    model.build((3,), rng=0, dtype=np.float64)
    metrics = {"error": mean_absolute_error}
    options = {"loss": squared_error, "epochs": 1}
    history = fit(model, [(x, y)], optim.SGD(model, lr=0.1), validation=[(x, y)], **options)
    assert set(history.epochs[0].metrics) == {"train_loss", "validation_loss"}
    with pytest.raises(AttributeError, match="accuracy must be one of the metrics, got none"):
        print(evaluate(model, [(x, y)], loss=squared_error).accuracy)
    history = fit(model, [(x, y)], optim.SGD(model, lr=0.1), validation=[(x, y)], metrics=metrics, **options)
    assert history.epochs[0].metrics["validation_error"] == pytest.approx(np.mean(np.abs(model(x) - y)))
    assert history.epochs[0].metrics["validation_loss"] == pytest.approx(np.mean((model(x) - y) ** 2))


def test_metrics_that_are_not_a_dict_of_functions_are_refused():
    for wrong in (accuracy, [accuracy], {"accuracy": 1}):
        with pytest.raises(TypeError, match="metrics must be a dict of functions"):
            evaluate(lambda x: x, [(np.ones((2, 3)), np.array([0, 1]))], metrics=wrong)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        top_k_accuracy(0)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_predictions_do_not_depend_on_the_batch_size(batch_size):
    scores = RNG.standard_normal((7, 2, 3, 5))
    np.testing.assert_array_equal(predict(lambda x: x, scores, batch_size), scores.argmax(-1))
    probabilities = predict_proba(lambda x: x, scores, batch_size)
    assert probabilities.shape == scores.shape
    np.testing.assert_allclose(probabilities.sum(-1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(probabilities.argmax(-1), scores.argmax(-1))


def test_predictions_for_no_examples_are_refused():
    with pytest.raises(ValueError, match="x must contain at least one example, got none"):
        predict(lambda x: x, np.ones((0, 3)))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        predict_proba(lambda x: x, np.ones((2, 3)), batch_size=0)


@pytest.mark.parametrize("metric", [accuracy, top_k_accuracy(2), intersection_over_union])
@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0, 2, -1], "^targets must be from 0 to 2, got -1 at index 2$"),
        ([0, 3, 1], "^targets must be from 0 to 2, got 3 at index 1$"),
        ([0.0, 1.5, 1.0], "^targets must be integers, got float64$"),
    ],
)
def test_targets_that_are_not_classes_are_refused(metric, targets, message):
    with pytest.raises(refconv.ArgumentError, match=message):
        metric(np.eye(3), np.array(targets))
