"""Tests of loss objects: values, auxiliary heads, settings and checks of targets."""

import json

import numpy as np
import pytest

from evidence import engines
from refconv import nn, optim
from refconv.ops.loss import binary_cross_entropy, mean_squared_error, softmax_cross_entropy
from refconv.training import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError, train_step
from strategies import small_floats

SCORES, LABELS = small_floats((4, 3), 1), np.array([2, 0, 1, 1])
PIXELS, CLASSES = small_floats((2, 5, 1, 3), 2), np.arange(10).reshape(2, 5, 1) % 3
OUTPUTS, ANSWERS = small_floats((4, 2), 3), np.array([[0, 1], [1, 1], [0, 0.5], [1, 0]])
CASES = {
    "classes": (
        CrossEntropy(0.1, class_weights=[1, 5, 0.5]),
        SCORES,
        LABELS,
        lambda s, t: softmax_cross_entropy(s, t, label_smoothing=0.1, class_weights=[1, 5, 0.5]),
    ),
    "pixels": (CrossEntropy(), PIXELS, CLASSES, softmax_cross_entropy),
    "squares": (MeanSquaredError(), OUTPUTS, ANSWERS, mean_squared_error),
    "answers": (BinaryCrossEntropy(3), OUTPUTS, ANSWERS, lambda s, t: binary_cross_entropy(s, t, pos_weight=3)),
}


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_a_loss_computes_its_operator(case, dtype):
    loss, scores, targets, operator = CASES[case]
    scores = scores.astype(dtype)
    loss.check_targets(targets, scores.shape)
    value, slope = loss(scores, targets)
    expected, expected_slope = operator(scores, targets)
    assert (value, slope.tobytes()) == (expected, expected_slope.tobytes())
    assert slope.dtype == dtype


@pytest.mark.parametrize("case", CASES)
def test_every_loss_adds_the_losses_of_auxiliary_heads(case):
    """A22: the losses of auxiliary heads have weight 0.3."""
    loss, scores, targets, operator = CASES[case]
    heads = (scores, 2 * scores, -scores)
    value, slopes = loss(heads, targets)
    values, expected = zip(*(operator(head, targets) for head in heads), strict=True)
    assert value == pytest.approx(values[0] + 0.3 * values[1] + 0.3 * values[2], rel=1e-14)
    for slope, one, weight in zip(slopes, expected, (1, 0.3, 0.3), strict=True):
        np.testing.assert_allclose(slope, weight * one, rtol=1e-14)
    assert loss.settings()["aux_weight"] == 0.3


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        (CrossEntropy(), {"aux_weight": 0.3, "label_smoothing": 0.0, "class_weights": None}),
        (
            CrossEntropy(0.1, 0.5, np.array([1, 2], np.float32)),
            {"aux_weight": 0.5, "label_smoothing": 0.1, "class_weights": [1.0, 2.0]},
        ),
        (MeanSquaredError(0.5), {"aux_weight": 0.5}),
        (BinaryCrossEntropy(4), {"aux_weight": 0.3, "pos_weight": 4.0}),
    ],
)
def test_settings_can_be_stored_as_json(loss, settings):
    assert json.loads(json.dumps(loss.settings())) == loss.settings() == settings
    assert eval(repr(loss)).settings() == settings


TARGETS = {
    "labels of images for pixels": (
        CrossEntropy(),
        CLASSES[:, 0, 0],
        PIXELS.shape,
        ValueError,
        r"labels must have shape \(2, 5, 1\)",
    ),
    "a label without a class": (
        CrossEntropy(),
        LABELS + 1,
        SCORES.shape,
        ValueError,
        "labels must be from 0 to 2, got 3 at index 0",
    ),
    "one-hot labels": (CrossEntropy(), np.eye(3)[LABELS], SCORES.shape, TypeError, "labels must be integers, got float64"),
    "weights of other classes": (
        CrossEntropy(class_weights=[1, 2]),
        LABELS,
        SCORES.shape,
        ValueError,
        r"class_weights must have shape \(3,\), one weight for each class, got shape \(2,\)",
    ),
    "labels without weight": (
        CrossEntropy(class_weights=[0, 0, 1]),
        LABELS % 2,
        SCORES.shape,
        ValueError,
        "class_weights must be above 0 for the class of at least one label",
    ),
    "(N,) against (N, 1)": (
        MeanSquaredError(),
        OUTPUTS[:, 0],
        (4, 1),
        ValueError,
        r"targets must have shape \(4, 1\), like the outputs, got shape \(4,\): use targets.reshape\(4, 1\)",
    ),
    "(N, 1) against (N,)": (
        MeanSquaredError(),
        OUTPUTS[:, :1],
        (4,),
        ValueError,
        r"targets must have shape \(4,\), like the outputs, got shape \(4, 1\): use targets.reshape\(4,\)",
    ),
    "a row for each example": (MeanSquaredError(), OUTPUTS[0], (4, 2), ValueError, r"got shape \(2,\)$"),
    "words": (MeanSquaredError(), ["a", "b"], (2,), TypeError, "targets must be numbers, got <U1"),
    "masked": (MeanSquaredError(), np.ma.array(OUTPUTS), (4, 2), TypeError, "targets must be a plain array"),
    "answers of another shape": (BinaryCrossEntropy(), LABELS > 1, (4, 1), ValueError, r"use targets.reshape\(4, 1\)"),
    "answers above 1": (BinaryCrossEntropy(), LABELS, (4,), ValueError, "targets must be from 0 to 1, got 2"),
    "no answer": (BinaryCrossEntropy(), np.array([0, np.nan]), (2,), ValueError, "targets must be from 0 to 1, got nan"),
}


@pytest.mark.parametrize("case", TARGETS)
def test_invalid_targets_are_refused_by_name(case):
    loss, targets, shape, error, message = TARGETS[case]
    with pytest.raises(error, match=message):
        loss.check_targets(targets, shape)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CrossEntropy(class_weights=2.0), TypeError, "class_weights must be a sequence of numbers, one for each"),
        (lambda: CrossEntropy(class_weights=[1, -2]), ValueError, "class_weights must be at least 0, got -2"),
        (lambda: CrossEntropy(class_weights={0: 1.0}), TypeError, "class_weights must be a sequence of numbers"),
        (lambda: BinaryCrossEntropy(pos_weight=0), ValueError, "pos_weight must be above 0"),
        (lambda: MeanSquaredError(aux_weight="a"), TypeError, "aux_weight must be a number"),
    ],
)
def test_invalid_settings_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_regression_is_trained_and_its_targets_are_not_broadcast():
    """Check that targets (N,) are refused for outputs (N, 1) without changing anything.

    Broadcasting would compute the mean over all pairs.
    """
    x = small_floats((64, 3), 4, np.float32)
    targets = (x @ [[1.0], [-2.0], [0.5]] + 0.25).astype(np.float64)
    model = nn.Sequential(nn.BatchNorm(), nn.Dense(1))
    model.build((3,), rng=0)
    optimizer = optim.SGD(model, lr=0.1, momentum=0.9)
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    with pytest.raises(ValueError, match=r"use targets.reshape\(64, 1\)"):
        train_step(model, optimizer, x, targets[:, 0], loss=MeanSquaredError())
    for name, parameter in model.named_parameters().items():  # including the running averages
        np.testing.assert_array_equal(parameter.value, before[name])
    losses = [train_step(model, optimizer, x, targets, loss=MeanSquaredError())[0] for _ in range(200)]
    assert losses[-1] < 1e-4 < losses[0]


def test_a_binary_classification_is_trained():
    x = small_floats((64, 3), 5)
    answers = (x[:, :1] > x[:, 1:2]).astype(int)
    model = nn.Dense(1)
    model.build((3,), rng=0, dtype=np.float64)
    optimizer = optim.Adam(model, lr=0.1)
    for _ in range(200):
        _, scores = train_step(model, optimizer, x, answers, loss=BinaryCrossEntropy())
    assert ((scores > 0) == answers).mean() > 0.95


def test_a_users_loss_supports_auxiliary_heads():
    class AbsoluteError(Loss):
        def of_one_head(self, scores, targets):
            return np.abs(scores - targets).mean(), np.sign(scores - targets) / scores.size

        def check_targets(self, targets, scores_shape):
            pass

    value, (slope, aux) = AbsoluteError(aux_weight=0.5)((np.array([2.0, -1.0]), np.array([1.0, 4.0])), np.array([1.0, 1.0]))
    assert value == 1.5 + 0.5 * 1.5
    assert (slope.tolist(), aux.tolist()) == ([0.5, -0.5], [0.0, 0.25])
