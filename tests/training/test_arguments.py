"""What users of other libraries pass to fit first: each error names the argument and what to write."""

import numpy as np
import pytest

import refconv
from refconv import nn, optim, training

X = np.random.default_rng(0).normal(size=(12, 8, 10, 2)).astype(np.float32)
LABELS = np.arange(12) % 3


def call_fit(**changed):
    model = nn.Sequential(conv=nn.Conv2D(4, 3), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((8, 10, 2), rng=0)
    arguments = {"batches": (X, LABELS), "optimizer": optim.SGD(model, lr=0.01), "epochs": 1}
    return training.fit(model, **arguments | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"optimizer": "adam"}, r"^optimizer must be an optimizer, as in optim.SGD\(model, lr=0.01\), got 'adam'$"),
        ({"optimizer": optim.SGD}, "^optimizer must be an optimizer, .* got the class SGD$"),
        ({"optimizer": LABELS}, r"^optimizer must be .* got an array of shape \(12,\): pass the data as one pair, \(x, y\)$"),
        ({"loss": "cross_entropy"}, "^loss must be a function of scores and targets, .* got 'cross_entropy'$"),
        ({"loss": training.CrossEntropy}, "^loss must be a function .* got the class CrossEntropy$"),
        ({"schedule": "cosine"}, "^schedule must be a function of the progress from 0 to 1, .* got 'cosine'$"),
        ({"schedule": optim.step_down}, r"^schedule must .* got the function step_down: .* as in step_down\(…\)\?$"),
        ({"schedule": optim.warm_up}, r"^schedule must .* got the function warm_up: .* as in warm_up\(…\)\?$"),
        ({"schedule": optim.Plateau, "validation": (X, LABELS)}, "^schedule must .* got the class Plateau"),
        ({"batches": X}, r"^batches must be Batches, .* got an array of shape \(12, 8, 10, 2\)$"),
        ({"batches": (X, LABELS.tolist())}, r"^batches must be .* got an array of shape \(12, 8, 10, 2\) and \[0, 1, 2, 0"),
        ({"batches": (X.tolist(), LABELS.tolist())}, "^batches must yield pairs .* got a list of 12 elements$"),
        (
            {"batches": [(X, LABELS, LABELS)]},
            r"^batches must yield pairs of arrays \(x, targets\), got a tuple of 3 elements$",
        ),
        ({"batches": [(X.tolist(), LABELS)]}, "^x in batches must be an array, got list$"),
        ({"metrics": {"loss": training.accuracy}}, "^metrics must have other names than 'loss'"),
        ({"metrics": {"hits": lambda scores, targets: targets == 1}}, r"^metrics\['hits'\] must .* array of shape \(12,\)$"),
        ({"metrics": {"none": lambda scores, targets: None}}, r"^metrics\['none'\] must return a number, got None$"),
        (
            {"schedule": lambda progress: float("nan")},
            "^schedule must return finite factors from 0 on, got nan at progress 0$",
        ),
        (
            {"metrics": {"top": training.top_k_accuracy}},
            r"^metrics\['top'\] must be a function .* as in top_k_accuracy\(…\)\?$",
        ),
        ({"loss": lambda scores: (1.0, scores)}, "^loss must be a function of scores and targets, got the function <lambda>"),
        ({"schedule": lambda progress: -0.5}, "^schedule must return finite factors from 0 on, got -0.5 at progress 0$"),
        ({"validation": [X, LABELS]}, r"^validation must be .* shape \(12, 8, 10, 2\) and an array of shape \(12,\)$"),
    ],
)
def test_a_wrong_kind_of_argument_is_named(changed, message):
    with pytest.raises(refconv.ArgumentError, match=message):
        call_fit(**changed)


def test_evaluate_refuses_the_class_of_a_loss():
    with pytest.raises(refconv.ArgumentError, match=r"^loss must be a function .* got the class MeanSquaredError$"):
        training.evaluate(lambda x: x, (X, LABELS), loss=training.MeanSquaredError)


def test_channels_first_data_are_recognised_before_the_first_step():
    with pytest.raises(ValueError, match=r"in layer conv, .* channels last\? use x.transpose\(0, 2, 3, 1\)$"):
        call_fit(batches=(X.transpose(0, 3, 1, 2), LABELS))


def test_train_step_recognises_a_single_example():
    model = nn.Sequential(nn.Conv2D(4, 3), nn.Flatten(), nn.Dense(3))
    model.build((8, 10, 2), rng=0)
    with pytest.raises(ValueError, match=r"a single example needs the axis of the batch, x\[np.newaxis\]$"):
        training.train_step(model, optim.SGD(model, lr=0.01), X[0], LABELS[:1])


def test_train_step_and_the_range_test_refuse_the_name_of_an_optimizer():
    model = nn.Dense(3)
    model.build((5,), rng=0)
    x = X[:, 0, 0, :1] * np.ones(5, np.float32)
    with pytest.raises(refconv.ArgumentError, match=r"^optimizer must be an optimizer, .* got 'sgd'$"):
        training.train_step(model, "sgd", x, LABELS)
    with pytest.raises(refconv.ArgumentError, match=r"^optimizer must be an optimizer, .* got 'sgd'$"):
        training.lr_range_test(model, [(x, LABELS)], "sgd")


@pytest.mark.parametrize(
    "x", [(X, LABELS), X.tolist(), [(X, LABELS)], np.float32(3)], ids=["pair", "list", "batches", "number"]
)
def test_predict_refuses_what_is_not_an_array_of_examples(x):
    with pytest.raises(refconv.ArgumentError, match=r"^x must be an array of examples \(N, …\), got "):
        training.predict(lambda x: x, x)


def test_a_warm_up_before_a_plateau_is_refused():
    """Nothing would call the plateau's ``watch``, and the learning rate would never fall."""
    with pytest.raises(refconv.ArgumentError, match=r"^schedule must depend on the progress alone .* got Plateau\(patience=2"):
        optim.warm_up(0.25, optim.Plateau(patience=2))
