"""Tests of the experiment with one common recipe."""

import numpy as np
import pytest

from evidence import needs_kernels

pytest.importorskip("experiments", reason="an installed package has no experiments")

from experiments import recipe
from refconv import data, models


def test_every_classifier_takes_part_once():
    found = {}
    for name in models.names():
        model = models.create(f"{name}-small")
        if len(model.output_shape(models.input_shape(f"{name}-small"))) == 1 and name != "neocognitron":
            found.setdefault(repr(model), name)  # several depths have the same small variant
    assert list(found.values()) == recipe.NAMES


@needs_kernels
@pytest.mark.slow
@pytest.mark.parametrize("source", ["cifar10", "mnist"])
def test_a_network_is_trained_tested_and_measured(monkeypatch, source):
    rng = np.random.default_rng(0)
    shape, channels = ((32, 32, 3), 3) if source == "cifar10" else ((28, 28), 1)

    def examples(count):
        labels = np.arange(count) % 10
        images = rng.integers(0, 50, (count, *shape)) + 20 * labels.reshape(-1, *[1] * len(shape))
        return images.astype(np.uint8), labels

    tiny = data.Dataset(source, tuple("abcdefghij"), examples(80), examples(40), ink=source == "mnist")
    monkeypatch.setattr(data, "open_dataset", lambda name: tiny)
    accuracy, seconds, memory = recipe.train_and_test("lenet", source, 70, 12, 30, seed=1)
    assert tiny.channels == channels
    assert accuracy > 20
    assert seconds > 0
    assert memory >= 0
