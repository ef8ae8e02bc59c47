"""Tests of the plots of training runs and of confusion matrices."""

import io

import numpy as np
import pytest

from refconv import drawing
from refconv.drawing import training as plots
from refconv.drawing.training import training_picture
from refconv.training import Epoch, History

pytest.importorskip("matplotlib")
pillow = pytest.importorskip("PIL.Image")

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8)
LABELS = np.arange(60) % 10


def draw(predictions, epochs=3, tested=True):
    test = {"test_loss": 0.75, "test_accuracy": 0.5} if tested else {}
    records = [
        Epoch(k, 60, 1.0, 0.1, {"train_loss": 1 / k, "train_accuracy": 1 - 1 / (k + 1), **test}) for k in range(1, epochs + 1)
    ]
    content = training_picture(History(records), IMAGES, LABELS, predictions, "a run")
    with pillow.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("L"))


@pytest.mark.slow
@pytest.mark.parametrize("misread", [0, 1, 13, 60])
def test_the_plot_shows_any_number_of_misclassified_images(misread):
    predictions = LABELS.copy()
    predictions[:misread] += 1
    lower_half = draw(predictions)[430:]
    assert (lower_half < 128).sum() > 200  # at least the sentence is drawn
    if misread:
        assert (lower_half < 128).sum() > 1000 + 100 * min(misread, 36)


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "tested"), [(1, True), (2, False), (40, True)])
def test_runs_of_any_length_can_be_drawn_with_and_without_a_test(epochs, tested):
    assert draw(LABELS + 1, epochs, tested).shape == (864, 1200)


def test_the_plot_of_a_run_without_a_test_has_only_curves():
    picture = draw(None, epochs=1, tested=False)
    assert picture.shape == (864, 1200)
    assert (picture[430:] < 128).sum() > 200  # the sentence is drawn


def test_non_finite_numbers_leave_gaps():
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    measured = (2.3, 0.1, np.nan, 0.1), (1e30, 0.1, np.inf, 0.1)
    records = [Epoch(k, 60, 1.0, 0.1, dict(zip(names, values, strict=True))) for k, values in enumerate(measured, 1)]
    assert training_picture(History(records), IMAGES, LABELS, LABELS, "a run")[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("metrics", "labels"),
    [
        ({"train_loss": 2.0, "test_loss": 3.0}, ["loss"]),
        ({"train_loss": 2.0, "train_mean_absolute_error": 0.5}, ["loss", "mean absolute error"]),
        ({"train_loss": 2.0, "train_accuracy": 0.5, "train_top_2_accuracy": 0.75}, ["loss (nats)", "accuracy (%)"]),
    ],
    ids=["no metric", "regression", "classification"],
)
def test_each_measured_metric_has_a_curve(metrics, labels):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    plots._draw_curves(figure, History([Epoch(k, 60, 1.0, 0.1, metrics) for k in (1, 2)]))
    assert [axes.get_ylabel() for axes in figure.axes] == labels
    assert [len(axes.lines[0].get_xdata()) for axes in figure.axes] == [2] * len(labels)


def test_the_shades_of_the_confusion_matrix_follow_its_numbers():
    confusion = np.array([[90, 9, 1], [0, 50, 0], [3, 0, 7]])
    picture = plots.confusion_picture(confusion, ["cat", "dog", "a long name"], "three classes")
    with pillow.open(io.BytesIO(picture)) as opened:
        assert opened.format == "PNG"
        assert opened.size == (540, 540)
    shades = np.array(plots._shades(confusion))
    assert (shades[1, 0] == 1).all()  # white: there are no such examples
    assert shades[0, 1, 2] < shades[0, 2, 2] < 1  # more mistakes are darker
    blue, orange = np.array(shades[1, 1]), np.array(shades[2, 0])
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]
    with pytest.raises(ValueError, match=r"confusion must be a square matrix, got shape \(2, 3\)"):
        plots.confusion_picture(confusion[:2])
    with pytest.raises(ValueError, match="classes must be 3 names, got 2"):
        plots.confusion_picture(confusion, ["cat", "dog"])


def test_validation_and_test_have_separate_curves():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    metrics = {"train_loss": 2.0, "validation_loss": 3.0, "test_loss": 4.0, "train_accuracy": 0.5, "validation_accuracy": 0.25}
    plots._draw_curves(figure, History([Epoch(k, 60, 1.0, 0.1, metrics) for k in (1, 2, 3)]))
    loss, accuracy = figure.axes
    labels = ["training, while learning", "validation, after the epoch", "test, after the epoch"]
    assert [line.get_label() for line in loss.lines] == labels
    assert [line.get_ydata()[0] for line in loss.lines] == [2.0, 3.0, 4.0]
    assert [line.get_ydata()[2] for line in accuracy.lines[:2]] == [50.0, 25.0]


def test_curves_need_no_images():
    history = History([Epoch(k, 60, 1.0, 0.1, {"train_loss": 1 / k, "validation_loss": 2 / k}) for k in (1, 2)])
    with pillow.open(io.BytesIO(drawing.training_picture(history, title="a run"))) as picture:
        assert picture.size == (1200, 456)


def test_names_of_classes_are_drawn_as_they_are():
    names = ["$^$ bills", "$5", "\N{CJK UNIFIED IDEOGRAPH-732B}", "a\udcff"]  # a broken formula, no glyph, no UTF-8
    history = History([Epoch(1, 60, 1.0, 0.1, {"train_loss": 1.0, "train_accuracy": 0.5})])
    content = training_picture(history, IMAGES[:4], LABELS[:4], LABELS[3::-1], names[0], classes=names)
    assert content.startswith(b"\x89PNG")
    assert plots.confusion_picture(np.eye(4, dtype=int), names, names[0]).startswith(b"\x89PNG")


@pytest.mark.slow
def test_grey_photographs_are_not_inverted():
    history = History([Epoch(1, 60, 1.0, 0.1, {"train_loss": 1.0, "train_accuracy": 0.5})])
    black = np.zeros((1, 28, 28, 1), np.uint8)
    darkness = []
    for ink in (True, False):
        content = training_picture(history, black, np.array([0]), np.array([1]), ink=ink)
        with pillow.open(io.BytesIO(content)) as picture:
            darkness.append((np.asarray(picture.convert("L"))[430:] < 10).sum())
    assert darkness[1] > darkness[0] + 1000
