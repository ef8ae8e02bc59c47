"""Tests that evaluation and prediction compile networks where this is worth it."""

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from refconv import nn
from refconv.inference import automatic, compile_model
from refconv.inference.automatic import LEAST_IMAGES, for_inference
from refconv.training import Ensemble, evaluate, predict, predict_proba

pytestmark = needs_kernels

LABELS = np.arange(40) % 3


@pytest.fixture
def model():
    model = nn.Sequential(conv=nn.Conv2D(5, 3), norm=nn.BatchNorm(), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((6, 7, 2), rng=0)
    model["norm"].parameters["var"].value = np.array([0.5, 2, 3, 1, 0.2])
    return model


@pytest.fixture
def images():
    return np.random.default_rng(1).standard_normal((40, 6, 7, 2)).astype(np.float32)


@pytest.fixture
def compiled(monkeypatch):
    """Return the list of the batch sizes for which plans are compiled."""
    sizes = []

    def counted(model, input_shape, *, batch_size, watch):
        sizes.append(batch_size)
        return compile_model(model, input_shape, batch_size=batch_size, watch=watch)

    monkeypatch.setattr(automatic, "compile_model", counted)
    return sizes


def test_evaluation_and_prediction_compile_the_network_once(model, images, compiled):
    expected = model(images)
    evaluation = evaluate(model, [(images[k : k + 10], LABELS[k : k + 10]) for k in range(0, 40, 10)])
    assert compiled == [10]  # the second batch of ten images
    assert np.array_equal(evaluation.predictions, expected.argmax(-1))
    assert np.array_equal(predict(model, images, batch_size=20), expected.argmax(-1))
    assert compiled == [10, 20]
    probabilities = predict_proba(Ensemble(model, model), images)
    assert compiled == [10, 20, 40, 40]
    np.testing.assert_allclose(probabilities, refconv.softmax(expected), rtol=1e-4)


def test_few_images_are_computed_without_a_plan(model, images, compiled):
    predict(model, images[: LEAST_IMAGES - 1])
    assert compiled == []


def test_the_network_is_called_where_a_plan_does_not_apply(model, images, compiled):
    with refconv.config(engine="reference"):
        predict(model, images[:2], batch_size=1)
    with refconv.config(fusion=False):
        predict(model, images)
    assert compiled == []
    run = for_inference(model)
    run(images)
    assert compiled == [40]
    with pytest.raises(ValueError, match="conv"):  # the error of the network names its layer
        run(images[..., :1])
    assert for_inference(np.tanh) is np.tanh
