"""Tests of the self-organisation of the neocognitron."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import data, models
from refconv.models.neocognitron import labels_of_planes, organise

pytestmark = needs_kernels  # thousands of small convolutions would be slow on the loops


def patterns(count, seed):
    """Return drawn digits in 16 × 16 pixels, and their labels."""
    images, labels = data.draw_digits(count, seed)
    x = np.zeros((count, 32, 32, 1), np.float32)
    x[:, 2:30, 2:30, 0] = images / 255
    return x.reshape(count, 16, 2, 16, 2, 1).mean((2, 4)), labels.astype(int)


def organised(x, planes=24, **options):
    model = models.neocognitron(planes, **options)
    model.build((16, 16, 1), rng=0)
    organise(model, x)
    return model


def test_five_patterns_activate_five_planes_also_when_shifted():
    x, labels = patterns(200, seed=3)
    x = x[[int(np.argmax(labels == digit)) for digit in range(5)]]
    model = organised(x, selectivity=(4.0, 1.5, 1.5))  # the values of the paper for its five patterns
    winners = model(x).argmax(-1)
    assert len(set(winners)) == 5
    shifts = ((0, 1), (1, 0), (-1, 0), (0, -1))
    assert np.mean([model(np.roll(x, shift, (1, 2))).argmax(-1) == winners for shift in shifts]) >= 0.8


def test_digits_are_classified_better_than_by_chance_without_labels_in_training():
    x, labels = patterns(300, seed=0)
    test, test_labels = patterns(200, seed=1)
    model = organised(x[:200], planes=(8, 24, 150))
    names = labels_of_planes(model, x, labels)
    assert names.shape == (150,)
    assert (names[model(test).argmax(-1)] == test_labels).mean() > 0.3


def test_learning_a_pattern_changes_the_weights_of_one_plane():
    layer = models.SCells(2, (3, 2))
    layer.build((5, 4, 1), rng=0, dtype=np.float64)
    x = np.zeros((1, 5, 4, 1))
    x[0, 1:4, 1:3, 0] = [[1, 0], [2, 1], [0, 3]]
    before = layer.parameters["a"].value.copy()
    layer.learn(x, rate=100.0, apart=4)
    grown = layer.parameters["a"].value - before
    (k,) = {int(plane) for plane in np.nonzero(grown)[-1]}  # a single representative, because all other cells are close to it
    assert (grown[..., 1 - k] == 0).all()
    assert layer.parameters["b"].value[k] > 0 == layer.parameters["b"].value[1 - k]
    # The response is largest for the learnt pattern, and it would be exactly 1 for an infinite rate.
    assert layer(x)[..., k].max() == pytest.approx(1, abs=0.1)


def test_planes_that_never_win_have_no_label():
    model = models.neocognitron(3)
    model.build((16, 16, 1), rng=0)
    x, labels = patterns(4, seed=5)
    organise(model, x[:1])
    names = labels_of_planes(model, x[:1], labels[:1])
    assert sorted(names)[:2] == [-1, -1]
    assert names.max() == labels[0]
