"""Tests of errors in training: each names the argument and the expected form."""

import numpy as np
import pytest

import refconv
from refconv import data, nn, optim, training

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
        ({"metrics": {"loss": training.accuracy}}, "^metrics must not contain the name 'loss'"),
        ({"metrics": {"hits": lambda scores, targets: targets == 1}}, r"^metrics\['hits'\] must .* array of shape \(12,\)$"),
        ({"metrics": {"none": lambda scores, targets: None}}, r"^metrics\['none'\] must return a number, got None$"),
        (
            {"schedule": lambda progress: float("nan")},
            "^schedule must return a finite factor of at least 0, got nan at progress 0$",
        ),
        (
            {"metrics": {"top": training.top_k_accuracy}},
            r"^metrics\['top'\] must be a function .* as in top_k_accuracy\(…\)\?$",
        ),
        ({"loss": lambda scores: (1.0, scores)}, "^loss must be a function of scores and targets, got the function <lambda>"),
        ({"schedule": lambda progress: -0.5}, "^schedule must return a finite factor of at least 0, got -0.5 at progress 0$"),
        ({"validation": [X, LABELS]}, r"^validation must be .* shape \(12, 8, 10, 2\) and an array of shape \(12,\)$"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_by_name(changed, message):
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


@pytest.mark.parametrize("name", ["flip", "crop", "chain", "distort"])
def test_an_augmentation_that_was_not_called_is_refused(name):
    factory = getattr(data.augment, name)
    with pytest.raises(refconv.ArgumentError, match=rf"^augment must be .* {name}: call it, as in augment.{name}\(…\)$"):
        data.Batches(X, LABELS, 4, augment=factory)
    data.Batches(X, LABELS, 4, augment=data.augment.flip())


@pytest.mark.parametrize("views", [training.centre_crop, training.ten_crops, training.scales, training.crops_144])
def test_views_that_were_not_called_are_refused(views):
    with pytest.raises(refconv.ArgumentError, match=rf"^views must be .*: call it, as in {views.__name__}\(…\)$"):
        training.Ensemble(lambda x: x, views=views)


def test_the_error_about_an_optimizer_without_parameters_names_the_alternative():
    model = nn.Sequential(nn.Dense(3))
    model.build((5,), rng=0)
    with pytest.raises(refconv.ArgumentError, match="got none in Parameters: pass the model itself, as in SGD"):
        optim.SGD(model.parameters, lr=0.01)
    with pytest.raises(refconv.ArgumentError, match=r"got none in Sequential: are all parameters frozen\?$"):
        optim.Adam(model.freeze())


def test_the_confusion_of_a_regression_is_refused():
    evaluation = training.evaluate(lambda x: x, (X, X), loss=training.MeanSquaredError())
    with pytest.raises(
        refconv.ArgumentError, match=r"^labels must be integers, got None: the evaluation has no class labels$"
    ):
        evaluation.confusion()


@pytest.mark.parametrize("load", [data.load_mnist, data.load_cifar10, data.load_kmnist])
def test_an_unknown_split_of_a_data_set_is_refused_by_name(load):
    with pytest.raises(refconv.ArgumentError, match=r"^split must be 'train' or 'test' of .*, got 'validation'$"):
        load("validation")


def test_a_callback_with_an_unknown_method_is_refused():
    class Logger(training.Callback):
        def on_batch_end(self, run):
            pass

    with pytest.raises(refconv.ArgumentError, match=r"hooks on_epoch_end, .*, got Logger.on_batch_end$"):
        call_fit(callbacks=[Logger()])


@pytest.mark.parametrize("function", [training.predict, training.predict_proba])
def test_predictions_from_a_single_score_are_refused(function):
    with pytest.raises(
        refconv.ArgumentError, match=r"at least two classes, got shape \(12, 1\): .* refconv.sigmoid\(model\(x\)\)"
    ):
        function(lambda x: x, X[:, 0, 0, :1])


def test_classes_instead_of_scores_are_refused_by_metrics():
    with pytest.raises(
        refconv.ArgumentError, match=r"^scores must have one score for each class, \(N, …, K\), got shape \(12,\)$"
    ):
        training.accuracy(LABELS, LABELS)


def test_a_metric_that_returns_one_number_per_example_is_refused_by_name():
    metrics = {"right": lambda scores, targets: scores.argmax(-1) == targets}
    message = r"^metrics\['right'\] must return a number, got an array of shape \(12,\)$"
    with pytest.raises(refconv.ArgumentError, match=message):
        call_fit(metrics=metrics)
    with pytest.raises(refconv.ArgumentError, match=message):
        training.evaluate(lambda x: x[:, 0, 0], (X, LABELS % 2), metrics=metrics)


def test_reprs_of_training_objects_show_their_settings():
    model = nn.Dense(3)
    model.build((5,), rng=0)
    assert repr(optim.SGD(model, lr=0.25)) == "SGD(lr=0.25)"
    assert repr(optim.SGD(model, 0.25, momentum=0.9, weight_decay=1e-4)) == "SGD(lr=0.25, weight_decay=0.0001, momentum=0.9)"
    assert repr(optim.Adam(model, lr=0.5, groups={"b": {"lr": 0.1}})) == "Adam(lr=0.5, groups=1)"
    assert repr(data.Batches(X, LABELS, 5)) == "Batches(12 examples of float32 (8, 10, 2), batch_size=5)"
    assert repr(training.EarlyStopping(3)) == "EarlyStopping(patience=3)"
    assert repr(training.Callback()) == "Callback()"
    assert repr(training.Ensemble(model, model)) == "Ensemble(2 models)"


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(X, LABELS, LABELS)], r"^batches must yield pairs of arrays \(x, targets\), got a tuple of 3 elements$"),
        ([{"x": X, "y": LABELS}], r"^batches must yield pairs of arrays \(x, targets\), got {'x': "),
        ([(X.tolist(), LABELS)], "^x in batches must be an array, got list$"),
    ],
)
def test_batches_that_are_not_pairs_of_arrays_are_refused(batches, message):
    with pytest.raises(refconv.ArgumentError, match=message):
        call_fit(batches=batches)
    with pytest.raises(refconv.ArgumentError, match=message):
        training.evaluate(lambda x: x, batches)


def test_the_error_about_non_finite_data_recommends_cleaning_them():
    x = X.copy()
    x[5, 1, 2, 0] = np.nan
    with pytest.raises(training.Diverged, match=r"a batch that contains non-finite numbers; clean the data$"):
        call_fit(batches=[(x, LABELS)])


@pytest.mark.parametrize(
    "x", [(X, LABELS), X.tolist(), [(X, LABELS)], np.float32(3)], ids=["pair", "list", "batches", "number"]
)
def test_predict_refuses_anything_but_an_array_of_examples(x):
    with pytest.raises(refconv.ArgumentError, match=r"^x must be an array of examples \(N, …\), got "):
        training.predict(lambda x: x, x)


def test_a_warm_up_before_a_plateau_is_refused():
    """Check the refusal: nothing would call ``Plateau.watch``, and the rate would never fall."""
    with pytest.raises(
        refconv.ArgumentError, match=r"^schedule of warm_up must depend only on the progress, got Plateau\(patience=2"
    ):
        optim.warm_up(0.25, optim.Plateau(patience=2))


def test_train_step_refuses_an_invalid_clip_norm_before_anything_changes():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm(), nn.Dense(3))
    model.build((8, 10, 2), rng=0)
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    with pytest.raises(refconv.ArgumentError, match=r"^clip_norm must be above 0, got -1$"):
        training.train_step(model, optim.SGD(model, lr=0.01), X, LABELS, clip_norm=-1)
    for name, parameter in model.named_parameters().items():
        np.testing.assert_array_equal(parameter.value, before[name])


def test_swapped_batches_and_optimizer_are_named_without_printing_the_data():
    message = r"^optimizer must be .* got \(an array of shape \(12, 8, 10, 2\), an array of shape \(12,\)\)$"
    with pytest.raises(refconv.ArgumentError, match=message):
        call_fit(optimizer=(X, LABELS))
