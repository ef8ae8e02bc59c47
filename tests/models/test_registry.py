"""Names, small variants, and that every one of them runs forwards and backwards."""

import math

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn

NAMES = models.list()
CLASSIFIERS = [name for name in NAMES if name not in ("neocognitron", "deep-image-prior")]


def test_names_are_checked():
    with pytest.raises(ValueError, match=r"name must be one of neocognitron, lenet, .*, got 'lenet6'"):
        models.build("lenet6")
    with pytest.raises(ValueError, match="name must be one of"):
        models.input_shape(5)
    assert models.build("lenet", classes=26).output_shape(models.input_shape("lenet")) == (26,)


def test_an_argument_that_the_builder_does_not_take_is_named_beside_those_that_it_takes():
    with pytest.raises(TypeError, match="unet-small takes classes, width, padding, depth, got clases"):
        models.build("unet-small", clases=3)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize(("classes", "error"), [("ten", TypeError), (2.5, TypeError), (0, ValueError), (-3, ValueError)])
def test_classes_that_are_none_are_refused_by_name(name, classes, error):
    with pytest.raises(error, match=f"classes must be .*got {classes!r}"):
        models.build(name, classes=classes)


def test_small_images_keep_the_towers_and_what_follows_the_first_layers():
    shape = models.input_shape("alexnet-small")
    sizes = {}
    for name in ("alexnet", "alexnet-single", "zfnet"):
        convs = {n: layer for n, layer, _ in models.build(f"{name}-small").children(shape) if isinstance(layer, nn.Conv2D)}
        sizes[name] = [(conv.filters, conv.window.kernel[0], conv.groups) for conv in convs.values()]
        assert {conv.window.stride for conv in convs.values()} == {(1, 1)}
    assert sizes["alexnet"] == [(24, 5, 1), (64, 5, 2), (96, 3, 1), (96, 3, 2), (64, 3, 2)]
    assert sizes["alexnet-single"] == [(16, 5, 1), (48, 5, 1), (96, 3, 1), (64, 3, 1), (64, 3, 1)]
    assert sizes["zfnet"] == [(24, 5, 1), (64, 5, 1), (96, 3, 1), (96, 3, 1), (64, 3, 1)]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classes_and_width_reach_every_classifier(name):
    shape = models.input_shape(name)
    for variant in (name, f"{name}-small"):
        shape = models.input_shape(variant)
        assert models.build(variant, classes=26).output_shape(shape)[-1] == 26
    whole, half = (models.build(name, width=width).count_parameters(shape := models.input_shape(name)) for width in (1, 0.5))
    assert 0.2 < half / whole < 0.6


@pytest.mark.parametrize("width", [0, -1, "wide", math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_a_width_that_is_none_is_refused(name, width):
    with pytest.raises((TypeError, ValueError), match="width must be"):
        models.build(name, width=width)


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("name", NAMES)
def test_each_small_variant_runs_forwards_and_backwards(name):
    """One batch of two: finite values and gradients everywhere, a score a class, and weights that all take part."""
    model, shape = models.build(f"{name}-small"), models.input_shape(f"{name}-small")
    expected = model.build(shape, rng=1)
    x = np.random.default_rng(2).uniform(0, 1, (2, *shape)).astype(np.float32)
    assert model(x).shape == (2, *expected)
    outputs, backward = model.forward(x, train=True)
    several = isinstance(outputs, tuple)
    for y in outputs if several else [outputs]:
        assert np.isfinite(y).all()
        assert y.dtype == np.float32
    model.zero_grad()
    dy = tuple(np.ones_like(y) for y in outputs) if several else np.random.default_rng(3).normal(size=outputs.shape)
    dx = backward(dy if several else dy.astype(np.float32))
    assert dx.shape == x.shape
    assert np.isfinite(dx).all()
    trained = {n: p for n, p in model.named_parameters().items() if p.trainable}
    assert all(np.isfinite(p.grad).all() for p in trained.values())
    if not has_chance(model):
        assert all(p.grad.any() for n, p in trained.items()), [n for n, p in trained.items() if not p.grad.any()]


def has_chance(layer):
    """Whether something in it may leave layers out in a pass."""
    chance = isinstance(layer, nn.StochasticDepth | nn.DropPath)
    return chance or any(has_chance(inner) for _, inner in layer.named_layers())
