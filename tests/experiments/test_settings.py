"""Tests of the experiment with the papers' settings: rules of the scaling, short runs."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, training
from refconv.models import published

pytest.importorskip("experiments", reason="an installed package has no experiments")

from experiments import Settings, settings

VARIANTS = settings.EXPERIMENT.variants


@pytest.fixture
def photographs(monkeypatch):
    """Replace CIFAR-10 by random images."""

    def load(split):
        rng = np.random.default_rng(split == "test")
        return rng.integers(0, 256, (200, 32, 32, 3), np.uint8), rng.integers(0, 10, 200).astype(np.uint8)

    monkeypatch.setattr("refconv.data.load_cifar10", load)


def test_every_paper_has_a_variant_of_at_most_ten_minutes():
    assert set(VARIANTS) == set(published.TRAINING)
    assert all(5 <= settings.EPOCHS[name] <= 600 / settings.SECONDS[name] for name in VARIANTS)


@pytest.mark.parametrize(
    ("name", "lr"),
    [("alexnet", 0.01 / 4), ("vgg", 0.01 / 8), ("resnet", 0.1 / 8), ("densenet", 0.1 / 8), ("inception-v3", 0.045)],
)
def test_the_learning_rate_is_proportional_to_the_batch_size(name, lr):
    paper = published.settings(name)
    model = models.create(f"{paper.network}-small")
    model.build((32, 32, 3), rng=0)
    optimizer = settings.optimizer(model, paper)
    assert optimizer.lr == pytest.approx(lr)
    assert optimizer.weight_decay == paper.weight_decay.value
    assert all(getattr(optimizer, key) == value for key, value in paper.optimizer.value.arguments.items())


def test_depthwise_filters_of_mobilenet_have_no_weight_decay():
    model = models.create("mobilenet-small")
    model.build((32, 32, 3), rng=0)
    optimizer = settings.optimizer(model, published.settings("mobilenet"))
    before = {name: p.value.copy() for name, p in optimizer.parameters.items()}
    model.zero_grad()
    optimizer.step()  # without gradients, only the weight decay changes parameters
    unchanged = {name for name, p in optimizer.parameters.items() if (p.value == before[name]).all() and p.value.ndim > 1}
    assert unchanged == {f"conv{k}.depthwise.w" for k in range(2, 15)}


@pytest.mark.parametrize(("name", "least", "most"), [("alexnet", 37, 37), ("vgg", 37, 73), ("resnet", 37, 69)])
def test_lengths_of_the_augmentation_are_those_for_32_pixels(name, least, most, monkeypatch):
    received = {}
    monkeypatch.setattr("refconv.data.augment.scale", lambda **lengths: received.update(lengths))
    settings.augmentation(published.settings(name))
    assert received == {"size": 32, "least": least, "most": most}


@pytest.mark.parametrize("name", VARIANTS)
def test_augmented_images_keep_their_shape_and_type(name):
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
    augmented = settings.augmentation(published.settings(name))(images, np.random.default_rng(1))
    assert augmented.shape == images.shape
    assert augmented.dtype == np.uint8
    assert (augmented != images).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(("name", "count"), [("alexnet", 10), ("vgg", 30), ("googlenet", 40), ("resnet", 10), ("densenet", 1)])
def test_a_test_image_has_the_views_of_the_paper(name, count):
    x = np.random.default_rng(2).normal(size=(3, 32, 32, 3)).astype(np.float32)
    views = list(settings.views(published.settings(name))(x))
    assert len(views) == count
    assert {view.shape for view in views} == {(3, 32, 32, 3)}


@pytest.mark.usefixtures("photographs")
def test_the_expected_minutes_are_printed_before_the_training(monkeypatch, capsys):
    printed = []

    def train(model, batches, validation, paper, epochs):
        printed.append((capsys.readouterr().err, len(batches.images), len(validation.images), epochs))
        raise training.Diverged("the loss is inf", None)

    monkeypatch.setattr(settings, "train", train)
    monkeypatch.setattr(settings, "ALL_IMAGES", 200)
    results = VARIANTS["resnet"](Settings(epochs=6))
    assert printed == [("settings, resnet: 6 epochs, about 6 minutes on two idle cores\n", 180, 20, 6)]
    accuracy, paper = results.values()
    assert np.isnan(accuracy)
    assert paper == 79.26


@needs_kernels
@pytest.mark.usefixtures("photographs")
@pytest.mark.filterwarnings("ignore:model outputs differ between inference and training")  # after one epoch of two steps
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "alexnet" else pytest.mark.slow) for name in VARIANTS]
)
def test_a_short_run_trains_with_the_settings_of_the_paper(name):
    results = VARIANTS[name](Settings(images=60, epochs=1, quick=True))
    assert list(results) == ["test accuracy after 1 epoch of 54 images, %", "the paper's top-1 accuracy on ImageNet, %"]
    accuracy, _ = results.values()
    assert 0 <= accuracy <= 100
