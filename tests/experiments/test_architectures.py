"""Tests of short runs of the experiments on architectures: learning and measurements."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn

pytest.importorskip("experiments", reason="an installed package has no experiments")

from experiments import Settings, classifiers, layer_removal, neocognitron
from experiments.classifiers import digits, small
from experiments.neocognitron import retina
from experiments.segmentation import draw_cells, mask_overlap, segment

pytestmark = [needs_kernels, pytest.mark.slow]


@pytest.mark.parametrize("name", classifiers.EXPERIMENT.variants)
def test_every_classifier_has_a_small_variant_that_accepts_digits(name):
    assert small(name).output_shape((32, 32, 1)) == (10,)


def test_a_classifier_learns_digits():
    results = classifiers.EXPERIMENT.variants["lenet"](Settings(images=1500, epochs=3))
    assert list(results) == ["test accuracy after 3 epochs of 1,500 drawn digits, %"]
    assert min(results.values()) > 35


def test_the_running_averages_of_classifiers_follow_short_runs():
    model = models.create("resnet20-small")
    momenta = {layer.momentum for _, layer, _ in model.distinct_layers((32, 32, 1)) if isinstance(layer, nn.BatchNorm)}
    assert momenta == {0.9}


def test_the_neocognitron_learns_digits_by_self_organisation():
    results = neocognitron.EXPERIMENT.variants["self-organised"](Settings(images=600))
    assert list(results) == ["test accuracy after one pass per layer over 600 digits, %"]
    assert min(results.values()) > 25  # random guesses reach 10 %


@pytest.mark.parametrize("variant", layer_removal.EXPERIMENT.variants.values(), ids=layer_removal.EXPERIMENT.variants)
def test_layer_removal_measures_the_network_without_each_block(monkeypatch, variant):
    monkeypatch.setattr(classifiers, "TEST_IMAGES", 100)
    complete, *removed = variant(Settings(images=160, epochs=1))
    assert complete == "test accuracy after 1 epoch of 160 drawn digits, %"
    assert len(removed) == 7
    assert all(name.startswith("… without ") for name in removed)


def test_drawn_cells_are_brighter_inside_and_depend_on_the_seed_only():
    images, inside = draw_cells(5, seed=4, size=48)
    assert images.shape == (5, 48, 48, 1)
    assert images.dtype == np.float32
    assert set(np.unique(inside)) == {0, 1}
    assert 0.03 < inside.mean() < 0.5
    assert images[inside == 1].mean() > images[inside == 0].mean() + 0.3
    np.testing.assert_array_equal(draw_cells(5, seed=4, size=48)[0], images)
    assert (draw_cells(5, seed=5, size=48)[0] != images).any()


def test_the_u_net_learns_to_segment_cells():
    results = segment(Settings(images=80, epochs=20), size=32)
    assert list(results) == ["IoU after 20 epochs of 80 images", "IoU of the pixels brighter than the mean"]
    overlap, naive = results.values()
    assert overlap > naive + 0.05


def test_mask_overlap_matches_the_value_by_hand():
    predicted, truth = np.array([[1, 1, 0], [0, 1, 0]]), np.array([[1, 0, 0], [1, 1, 0]])
    assert mask_overlap(predicted, truth) == 2 / 4


def test_retina_scales_a_digit_to_16_by_16_pixels():
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 0, 0:2] = 255, 51
    x = retina(images)
    assert x.shape == (1, 16, 16, 1)
    assert x[0, 1, 1, 0] == pytest.approx((1 + 0.2) / 4)
    assert x.sum() == pytest.approx(1.2 / 4)


def test_training_and_test_digits_differ():
    (images, _), (test, _) = digits(Settings(images=20))
    assert len(images) == 20
    assert (images != test[:20]).any()
