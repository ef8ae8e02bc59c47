"""Tests that labels of all integer types are equivalent and that invalid labels are refused."""

import numpy as np
import pytest

from refconv import data, nn, optim, softmax_cross_entropy
from refconv._arguments import class_labels
from refconv.models.neocognitron import labels_of_planes
from refconv.training import Evaluation, accuracy, evaluate, fit, top_k_accuracy, train_step

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
SCORES = np.random.default_rng(1).standard_normal((7, 5))
IMAGES = np.arange(7 * 3.0).reshape(7, 3)
RIGHT = np.array([4, 0, 3, 2, 1, 0, 4])

WRONG = {
    "a column": (
        RIGHT[:, None],
        ValueError,
        r"labels.* must have shape \(.*\)(, the shape of logits without its last axis)?, got \(7, 1\)",
    ),
    "floats": (RIGHT.astype(float), TypeError, "labels.* must be integers, got float64"),
    "booleans": (RIGHT > 2, TypeError, "labels.* must be integers, got bool"),
    "names": (np.array(list("abcdefg")), TypeError, "labels.* must be (integers|numbers), got <U1"),
    "negative": (np.array([4, 0, -3, 2, 1, 0, 4], np.int8), ValueError, "labels.* must be .*, got -3 at index 2"),
    "too large for intp": (np.array([4, 2**63, 3, 2, 1, 0, 4], np.uint64), ValueError, f"got {2**63} at index 1"),
    "masked": (np.ma.array(RIGHT), TypeError, "labels must be a plain array, got a masked array"),
    "nothing": (None, TypeError, "labels must be (integers|numbers), got (object|None)"),
}

FUNCTIONS = {
    "fit": lambda labels: fit_untouchable(labels),
    "evaluate": lambda labels: evaluate(lambda x: x, [(SCORES, labels)]),
    "softmax_cross_entropy": lambda labels: softmax_cross_entropy(SCORES, labels),
    "train_step": lambda labels: train_step(*untouchable(), IMAGES, labels),
    "confusion": lambda labels: Evaluation(0.0, predictions=RIGHT, labels=labels).confusion(),
    "labels_of_planes": lambda labels: labels_of_planes(None, IMAGES, labels, 5),
}


class Untouchable(nn.Dense):
    def forward(self, x, train=True):
        raise AssertionError("the forward pass must not run")


def untouchable():
    """Return a model with five classes, whose forward pass fails, and its optimiser."""
    model = Untouchable(5)
    model.build((3,), rng=0)
    return model, optim.SGD(model, 0.1)


def fit_untouchable(labels):
    model, optimizer = untouchable()
    fit(model, data.Batches(IMAGES, labels, 2), optimizer, epochs=1)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("case", WRONG)
def test_each_function_that_accepts_labels_refuses_invalid_ones(function, case):
    labels, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        FUNCTIONS[function](labels)


@pytest.mark.parametrize("case", WRONG)
def test_invalid_labels_are_refused_by_split_or_when_a_part_is_evaluated(case):
    labels, error, message = WRONG[case]
    with pytest.raises(error, match=message.split(", got")[0]):  # split and parts have other indices than the whole data set
        [evaluate(lambda x: np.ones((len(x), 5)), [part]) for part in data.split(IMAGES, labels, 0.3, rng=1)]


def test_labels_are_converted_without_changing_the_given_array():
    given = np.array([200, 3, 16], np.uint8)
    labels = class_labels(given, 3, 256)
    assert labels.dtype == np.intp
    assert (labels * 256).tolist() == [51200, 768, 4096]
    labels[:] = 0
    assert given.tolist() == [200, 3, 16]
    with pytest.raises(ValueError, match=r"rows must have shape \(4,\), got \(3,\)"):
        class_labels(given, 4, name="rows")
    with pytest.raises(ValueError, match="labels must be from 0 to 199, got 200 at index 0"):
        class_labels(given, classes=200)


@pytest.mark.parametrize("predicted", ["int64", "uint8"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_confusion_of_more_than_sixteen_classes_does_not_depend_on_the_type(dtype, predicted):
    labels, predictions = np.array([16, 1, 19, 16, 0]), np.array([3, 1, 19, 0, 19])
    expected = np.zeros((20, 20), int)
    expected[[16, 1, 19, 16, 0], [3, 1, 19, 0, 19]] = 1
    confusion = Evaluation(0.0, predictions=predictions.astype(predicted), labels=labels.astype(dtype)).confusion()
    assert confusion.tolist() == expected.tolist()


def test_confusion_refuses_predictions_that_are_not_classes():
    with pytest.raises(ValueError, match="predictions must be at least 0, got -1 at index 1"):
        Evaluation(0.0, predictions=np.array([2, -1]), labels=np.array([1, 0])).confusion()
    with pytest.raises(ValueError, match=r"predictions must have shape \(2,\), got \(3,\)"):
        Evaluation(0.0, predictions=np.array([2, 1, 1]), labels=np.array([1, 0])).confusion()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_loss_evaluation_and_batches_do_not_depend_on_the_type_of_labels(dtype):
    labels = RIGHT.astype(dtype)
    assert softmax_cross_entropy(SCORES, labels)[0] == softmax_cross_entropy(SCORES, RIGHT)[0]
    batches = data.Batches(SCORES, labels, 3, shuffle=False)
    metrics = {"accuracy": accuracy, "top2": top_k_accuracy(2)}
    result, expected = (evaluate(lambda x: x, part, metrics=metrics) for part in (batches, [(SCORES, RIGHT)]))
    assert (result.metrics, result.loss) == (expected.metrics, pytest.approx(expected.loss, rel=1e-12))
    assert result.confusion().tolist() == expected.confusion().tolist()
    assert {y.dtype for _, y in batches} == {np.dtype(np.intp)}


@pytest.mark.parametrize("wrong", ["batches", "test", "validation"])
@pytest.mark.parametrize("prefetched", [False, True])
def test_fit_refuses_labels_outside_the_classes_before_the_first_step(tmp_path, wrong, prefetched):
    model = nn.Dense(5)
    model.build((3,), rng=0)
    before = model.parameters["w"].value.copy()
    sets = {
        name: data.Batches(
            IMAGES.astype(np.float32), np.array([0, 1, 2, 3, 4, 0, 5 if name == wrong else 4]), 1, shuffle=False
        )
        for name in ("batches", "test", "validation")
    }
    if prefetched:
        sets = {name: data.Prefetch(batches) for name, batches in sets.items()}
    with pytest.raises(ValueError, match=f"labels of {wrong} must be from 0 to 4, got 5 at index 6"):
        fit(model, sets.pop("batches"), optim.SGD(model, 0.1), epochs=1, **sets)
    np.testing.assert_array_equal(model.parameters["w"].value, before)


def test_fit_accepts_pairs_with_labels_in_lists():
    model = nn.Dense(5)
    model.build((3,), rng=0)
    pairs = [(IMAGES[:4].astype(np.float32), [4, 0, 3, 2]), (IMAGES[4:].astype(np.float32), [1, 0, 4])]
    history = fit(model, pairs, optim.SGD(model, 1e-4), epochs=1, test=pairs)
    right = (model(IMAGES.astype(np.float32)).argmax(-1) == RIGHT).mean()
    assert history.test.accuracy == pytest.approx(right)
