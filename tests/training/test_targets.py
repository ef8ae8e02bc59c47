"""Tests of targets in training: classes, classes of pixels, numbers and binary answers."""

import numpy as np
import pytest

from refconv import nn, optim
from refconv.data import Batches
from refconv.training import (
    BinaryCrossEntropy,
    CrossEntropy,
    MeanSquaredError,
    accuracy,
    evaluate,
    fit,
    intersection_over_union,
    mean_absolute_error,
    predict,
    train_step,
)

RNG = np.random.default_rng(7)
IMAGES = RNG.standard_normal((10, 6, 5, 3))
X = RNG.standard_normal((10, 4))


def built(layer, shape, dtype=np.float64):
    layer.build(shape, rng=0, dtype=dtype)
    return layer


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_classification_of_pixels_is_trained(dtype):
    images, classes = IMAGES.astype(dtype), IMAGES[..., :2].argmax(-1)
    model = built(nn.Conv2D(4, (1, 3), padding="same"), (6, 5, 3), dtype)
    metrics = {"accuracy": accuracy, "iou": intersection_over_union}
    batches = Batches(images, classes.astype(np.uint8), 3, rng=0)
    history = fit(model, batches, optim.SGD(model, lr=0.5), epochs=20, validation=(images, classes), metrics=metrics)
    first, last = history.epochs[0].metrics, history.epochs[-1].metrics
    assert last["validation_loss"] < 0.7 * first["validation_loss"]
    predicted = predict(model, images)
    assert predicted.shape == classes.shape
    assert last["validation_accuracy"] == pytest.approx(np.mean(predicted == classes))
    overlaps = [((predicted == k) & (classes == k)).sum() / ((predicted == k) | (classes == k)).sum() for k in (0, 1)]
    assert last["validation_iou"] == pytest.approx(np.mean(overlaps))
    assert evaluate(model, (images, classes)).predictions is None


def test_class_weights_apply_to_the_training_and_the_validation_loss():
    classes = IMAGES[..., 0].argmax(-1)
    weighted = CrossEntropy(class_weights=[1, 2, 5, 1, 1])
    model = built(nn.Sequential(nn.Flatten(), nn.Dense(5)), (6, 5, 3))
    labels = classes[:, 0]
    history = fit(model, [(IMAGES, labels)], optim.SGD(model, lr=0.0), epochs=1, loss=weighted, validation=[(IMAGES, labels)])
    expected, _ = weighted(model(IMAGES), labels)
    plain, _ = CrossEntropy()(model(IMAGES), labels)
    assert history.epochs[0].metrics["validation_loss"] == pytest.approx(float(expected))
    assert float(expected) != pytest.approx(float(plain), rel=1e-3)


@pytest.mark.parametrize("batch_size", [1, 4, 9, 11])
def test_the_loss_with_class_weights_does_not_depend_on_the_batches(batch_size):
    rng = np.random.default_rng(4)
    scores, labels = rng.standard_normal((11, 3)), rng.integers(0, 3, 11)
    weighted = CrossEntropy(class_weights=[0.5, 2.0, 9.0])
    expected, _ = weighted(scores, labels)
    batches = Batches(scores, labels, batch_size, shuffle=False)
    assert evaluate(lambda x: x, batches, loss=weighted).loss == pytest.approx(float(expected), rel=1e-12)
    pixels, classes = scores[:10].reshape(5, 2, 1, 3), labels[:10].reshape(5, 2, 1)
    expected, _ = weighted(pixels, classes)
    batches = Batches(pixels, classes, min(batch_size, 3), shuffle=False)
    assert evaluate(lambda x: x, batches, loss=weighted).loss == pytest.approx(float(expected), rel=1e-12)


def test_a_regression_is_trained():
    targets = X[:, :2] - 3 * X[:, 1:3]
    model = built(nn.Dense(2), (4,))
    metrics = {"error": mean_absolute_error}
    options = dict(loss=MeanSquaredError(), metrics=metrics, validation=(X, targets), schedule=optim.cosine)
    history = fit(model, Batches(X, targets, 4, rng=0), optim.Adam(model, lr=0.3), epochs=60, **options)
    assert history.epochs[-1].validation_loss < 0.01 * history.epochs[0].validation_loss
    assert history.epochs[-1].metrics["validation_error"] == pytest.approx(np.mean(np.abs(model(X) - targets)))
    assert set(history.epochs[0].metrics) == {"train_loss", "train_error", "validation_loss", "validation_error"}


def test_a_binary_classification_is_trained():
    answers = (X[:, :3] > 0.2).astype(int)
    model = built(nn.Dense(3), (4,))
    options = dict(loss=BinaryCrossEntropy(), validation=(X, answers))
    history = fit(model, Batches(X, answers, 4, rng=0), optim.SGD(model, lr=2.0), epochs=40, **options)
    assert history.epochs[-1].validation_loss < 0.5 * history.epochs[0].validation_loss
    assert history.epochs[-1].metrics["validation_accuracy"] == pytest.approx(np.mean((model(X) > 0) == answers))


WRONG = {
    "a column as numbers": (MeanSquaredError(), RNG.standard_normal(10), 1, r"targets.* must have shape \(\d+, 1\)"),
    "one number for three": (
        MeanSquaredError(),
        RNG.standard_normal((10, 1)),
        3,
        r"targets.* must have shape \(\d+, 3\)",
    ),
    "one answer for three": (BinaryCrossEntropy(), np.ones((10, 1)), 3, r"targets.* must have shape \(\d+, 3\)"),
    "no answer": (BinaryCrossEntropy(), np.full((10, 3), 1.5), 3, "targets.* must be from 0 to 1, got 1.5"),
    "a class of none": (CrossEntropy(), np.full(10, 3), 3, "labels.* must be from 0 to 2, got 3"),
    "classes as numbers": (CrossEntropy(), np.ones(10), 3, "labels.* must be integers, got float64"),
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_targets_are_refused_before_anything_changes(case):
    loss, targets, outputs, message = WRONG[case]
    model = built(nn.Sequential(nn.BatchNorm(), nn.Dense(outputs)), (4,))
    optimizer = optim.SGD(model, lr=0.1)
    before = [p.value.tobytes() for p in model.named_parameters().values()]
    calls = [
        lambda: train_step(model, optimizer, X, targets, loss=loss),
        lambda: fit(model, Batches(X, targets, 4), optimizer, epochs=1, loss=loss),
        lambda: fit(model, [(X, targets)], optimizer, epochs=1, loss=loss),
        lambda: evaluate(model, [(X, targets)], loss=loss),
    ]
    for call in calls:
        with pytest.raises((TypeError, ValueError), match=message):
            call()
    assert [p.value.tobytes() for p in model.named_parameters().values()] == before


def test_fit_takes_the_same_steps_as_train_step():
    labels = RNG.integers(0, 3, 10)
    batches = [(X[:6], labels[:6]), (X[6:], labels[6:])]
    one, other = (built(nn.Sequential(nn.BatchNorm(), nn.Dense(3)), (4,)) for _ in range(2))
    fit(one, batches, optim.SGD(one, lr=0.1, momentum=0.9), epochs=2, clip_norm=0.5)
    optimizer = optim.SGD(other, lr=0.1, momentum=0.9)
    for x, targets in [*batches, *batches]:
        train_step(other, optimizer, x, targets, clip_norm=0.5)
    for a, b in zip(one.named_parameters().values(), other.named_parameters().values(), strict=True):
        np.testing.assert_array_equal(a.value, b.value)
