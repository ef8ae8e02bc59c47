"""Tests of the names of models, their small variants, and their forward and backward passes."""

import math

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn
from refconv.models.aliases import ALIASES, ELSEWHERE, plain
from refconv.nn.layer import all_layers

NAMES = models.names()
CLASSIFIERS = [name for name in NAMES if name not in ("neocognitron", "deep-image-prior")]


def test_an_unknown_name_is_refused_with_suggestions():
    with pytest.raises(
        ValueError, match=r"name must be one of the \d\d names .*, got 'lenet6'; did you mean lenet\?$"
    ) as refusal:
        models.create("lenet6")
    with pytest.raises(
        ValueError, match=r"got 'vgg61'; did you mean vgg1\d, vgg1\d or vgg1\d\?$"
    ):  # suggests the spelling of the user, not the canonical name vgg-d
        models.create("vgg61")
    with pytest.raises(ValueError, match=r"got 'fractal'; did you mean fractalnet20 or fractalnet40\?$"):
        models.create("fractal")
    assert len(str(refusal.value)) < 200  # does not list all names
    with pytest.raises(ValueError, match=r"name must be one of .*, got 'wavelets'$"):
        models.create("wavelets")
    for unnamed in (5, None, "", "-small"):
        with pytest.raises(ValueError, match=f"name must be one of .*got {unnamed!r}" if unnamed != "-small" else "got ''"):
            models.input_shape(unnamed)
    assert models.create("lenet", classes=26).output_shape(models.input_shape("lenet")) == (26,)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("VGG16", "vgg-d"),
        ("vgg-16", "vgg-d"),
        ("vgg_a_lrn", "vgg-a-lrn"),
        ("ResNet50", "resnet50"),
        ("resnet-50-small", "resnet50-small"),
        ("InceptionV3", "inception-v3"),
        ("wide_resnet50_2", "wrn-50-2"),
        ("wide_resnet50_2_SMALL", "wrn-50-2-small"),
        ("WRN_28_10", "wrn-28-10"),
        ("DenseNet121", "densenet121"),
        ("MobileNet_v1", "mobilenet"),
        ("U-Net", "unet"),
    ],
)
def test_names_of_other_libraries_and_other_spellings_are_accepted(spelling, name):
    assert models.canonical_name(spelling) == name
    assert models.input_shape(spelling) == models.input_shape(name)
    assert repr(models.create(spelling)) == repr(models.create(name))


# Numbers of trainable parameters of torchvision's networks with these names, from its documentation ("num_params").
TORCHVISION = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_with_names_of_torchvision_have_its_number_of_parameters(name):
    assert models.create(name).count_parameters((224, 224, 3), trainable_only=True) == TORCHVISION[name]


def test_a_network_that_the_lectures_do_not_cover_is_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"got 'mobilenet_v2': the lectures do not cover this architecture"):
        models.create("mobilenet_v2")


def test_each_alias_has_one_meaning():
    spellings = [plain(name) for name in (*models.names(), *ALIASES, *ELSEWHERE)]
    assert len(spellings) == len(set(spellings)), [name for name in spellings if spellings.count(name) > 1]
    assert set(ALIASES.values()) <= set(models.names())


def test_the_error_about_an_unknown_argument_lists_the_accepted_ones():
    with pytest.raises(TypeError, match="arguments of unet-small must be among classes, width, padding, depth, got clases"):
        models.create("unet-small", clases=3)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize(("classes", "error"), [("ten", TypeError), (2.5, TypeError), (0, ValueError), (-3, ValueError)])
def test_an_invalid_number_of_classes_is_refused_by_name(name, classes, error):
    with pytest.raises(error, match=f"classes must be .*got {classes!r}"):
        models.create(name, classes=classes)


def test_small_variants_of_alexnet_keep_their_groups_and_later_layers():
    shape = models.input_shape("alexnet-small")
    sizes = {}
    for name in ("alexnet", "alexnet-single", "zfnet"):
        convs = {n: layer for n, layer, _ in models.create(f"{name}-small").children(shape) if isinstance(layer, nn.Conv2D)}
        sizes[name] = [(conv.filters, conv.window.kernel[0], conv.groups) for conv in convs.values()]
        assert {conv.window.stride for conv in convs.values()} == {(1, 1)}
    assert sizes["alexnet"] == [(24, 5, 1), (64, 5, 2), (96, 3, 1), (96, 3, 2), (64, 3, 2)]
    assert sizes["alexnet-single"] == [(16, 5, 1), (48, 5, 1), (96, 3, 1), (64, 3, 1), (64, 3, 1)]
    assert sizes["zfnet"] == [(24, 5, 1), (64, 5, 1), (96, 3, 1), (96, 3, 1), (64, 3, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_supports_classes_and_width(name):
    shape = models.input_shape(name)
    for variant in (name, f"{name}-small"):
        shape = models.input_shape(variant)
        assert models.create(variant, classes=26).output_shape(shape)[-1] == 26
    full, half = (models.create(name, width=width).count_parameters(shape := models.input_shape(name)) for width in (1, 0.5))
    assert 0.2 < half / full < 0.6


@pytest.mark.parametrize("width", [0, -1, "wide", math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_an_invalid_width_is_refused(name, width):
    with pytest.raises((TypeError, ValueError), match="width must be"):
        models.create(name, width=width)


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("name", NAMES)
def test_the_forward_and_backward_pass_of_each_small_variant_work(name):
    """Check that outputs and gradients are finite and that no gradient of a weight is zero."""
    model, shape = models.create(f"{name}-small"), models.input_shape(f"{name}-small")
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
    if not is_random(model):
        assert all(p.grad.any() for n, p in trained.items()), [n for n, p in trained.items() if not p.grad.any()]


def is_random(layer):
    """Return True if a layer in it drops layers at random."""
    drops_layers = isinstance(layer, nn.StochasticDepth | nn.DropPath)
    return drops_layers or any(is_random(inner) for _, inner in layer.named_layers())


NORMALISED = [name for name in NAMES if name not in ("neocognitron", "lenet", "nin", "nin-cifar", "googlenet", "zfnet")]
NORMALISED = [name for name in NORMALISED if not name.startswith(("alexnet", "vgg", "unet"))]


@pytest.mark.parametrize("name", [f"{name}-small" for name in NORMALISED])
def test_batch_norm_options_apply_to_every_batch_normalisation(name):
    default, changed = models.create(name), models.create(name, bn_momentum=0.75, bn_eps=1e-5, bn_averages="lecture")
    assert batch_norms(default)
    assert all((n.momentum, n.eps, n.averages) == (0.9, 1e-3, "corrected") for n in batch_norms(default))
    assert len(batch_norms(changed)) == len(batch_norms(default))
    assert all((n.momentum, n.eps, n.averages) == (0.75, 1e-5, "lecture") for n in batch_norms(changed))


def test_batch_norm_options_are_checked_and_apply_to_one_call_only():
    with pytest.raises(ValueError, match=r"momentum must be from 0 to 1, got 1.5"):
        models.resnet(18, bn_momentum=1.5)
    assert {n.momentum for n in batch_norms(models.resnet(18))} == {0.9}
    for network in (models.googlenet, models.lenet):
        with pytest.raises((TypeError, ValueError), match="bn_eps"):
            network(bn_eps=0.01)
    assert {n.eps for n in batch_norms(models.googlenet("torchvision", bn_eps=0.01))} == {0.01}
    with pytest.raises(TypeError, match=r"arguments of lenet must be among .*, got bn_eps"):
        models.create("lenet", bn_eps=0.01)


def batch_norms(model):
    return [layer for layer in all_layers(model) if isinstance(layer, nn.BatchNorm)]
