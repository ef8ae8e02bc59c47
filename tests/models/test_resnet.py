"""Tests of residual networks: shortcut options, strides and stochastic depth."""

import numpy as np
import pytest

from layer_evidence import built, random_input
from refconv import models, nn
from refconv.models.resnet import bottleneck, shortcut_of


def layers(model, kind, shape):
    return [layer for _, layer, _ in model.distinct_layers(shape) if isinstance(layer, kind)]


def test_option_a_takes_every_second_pixel_and_adds_channels_of_zeros():
    shortcut = built(shortcut_of("A", before=3, after=5, stride=2), (6, 5, 3))
    x = random_input((6, 5, 3))
    y = shortcut(x)
    np.testing.assert_array_equal(y[..., :3], x[:, ::2, ::2])
    assert not y[..., 3:].any()
    assert not shortcut.named_parameters()


@pytest.mark.parametrize("option", "ABC")
def test_a_shortcut_that_keeps_the_shape_is_the_identity_except_with_option_c(option):
    shortcut = shortcut_of(option, before=4, after=4, stride=1)
    assert isinstance(shortcut, nn.Identity) == (option != "C")


def test_options_differ_by_their_projections():
    shape = (224, 224, 3)
    a, b, c = (models.resnet(34, shortcut=option).count_parameters(shape, True) for option in "ABC")

    def projections(sizes):
        return sum(before * after + 2 * after for before, after in sizes)  # kernel, γ and β

    widening = [(64, 128), (128, 256), (256, 512)]
    staying = [(n, n) for n, blocks in ((64, 3), (128, 3), (256, 5), (512, 2)) for _ in range(blocks)]
    assert b - a == projections(widening)
    assert c - b == projections(staying)


def test_stride_in_selects_the_convolution_with_the_stride():
    for at, strides in (("1x1", [2, 1, 1]), ("3x3", [1, 2, 1])):
        convolutions = layers(bottleneck(4, 16, stride=2, stride_in=at), nn.Conv2D, (8, 8, 6))
        assert [conv.window.stride[0] for conv in convolutions] == strides
    with pytest.raises(ValueError, match="stride_in must be '1x1' or '3x3', got '5x5'"):
        models.resnet(50, stride_in="5x5")


def test_survival_probabilities_of_blocks_follow_the_linear_rule():
    """B8: p_l = 1 − l/L (1 − p_L)."""
    cifar = layers(models.cifar_resnet(20, survival=0.5), nn.StochasticDepth, (32, 32, 3))
    assert [depth.survival for depth in cifar] == pytest.approx([1 - k / 9 * 0.5 for k in range(1, 10)])
    imagenet = layers(models.resnet(18, survival=0.8), nn.StochasticDepth, (224, 224, 3))
    assert [depth.survival for depth in imagenet] == pytest.approx([1 - k / 8 * 0.2 for k in range(1, 9)])


def test_plain_networks_have_the_same_number_of_parameters_and_no_sum():
    shape = (32, 32, 3)
    residual, plain = models.cifar_resnet(32), models.cifar_resnet(32, plain=True)
    assert residual.count_parameters(shape) == plain.count_parameters(shape)
    assert len(layers(residual, nn.Sum, shape)) == 15
    assert not layers(plain, nn.Sum, shape)


def test_cardinality_is_the_number_of_groups():
    convolutions = layers(models.resnext(50, cardinality=8), nn.Conv2D, (224, 224, 3))
    grouped = [conv for conv in convolutions if conv.groups > 1]
    assert len(grouped) == 16
    assert {conv.groups for conv in grouped} == {8}
    assert [conv.filters for conv in grouped[:1] + grouped[-1:]] == [8 * 14, 8 * 8 * 14]
    odd = models.resnext(50, cardinality=16, group_width=5)
    assert odd.output_shape((224, 224, 3)) == (1000,)


@pytest.mark.parametrize("width", [0.1, 0.3, 0.77])
def test_groups_have_equal_numbers_of_filters_at_any_width(width):
    for model in (models.resnext(50, width=width), models.alexnet(width=width)):
        grouped = [conv for conv in layers(model, nn.Conv2D, (224, 224, 3)) if conv.groups > 1]
        assert grouped
        assert all(conv.filters % conv.groups == 0 for conv in grouped)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.resnet(51), "depth must be 18, 34, 50, 101 or 152, got 51"),
        (lambda: models.resnet(50, shortcut="D"), "shortcut must be 'A', 'B' or 'C', got 'D'"),
        (lambda: models.cifar_resnet(21), r"depth must be 6n \+ 2 with n at least 1, such as 20, got 21"),
        (lambda: models.wide_resnet(20), r"depth must be 6n \+ 4"),
        (lambda: models.densenet(160), "depth must be 121, 161, 169, 201 or 264, got 160"),
        (lambda: models.cifar_densenet(41), r"depth must be 6n \+ 4"),
        (lambda: models.cifar_densenet(40, bottleneck=False, compression=0), "compression must be above 0"),
        (lambda: models.resnext(50, cardinality=7), r"group_width must be given .* \[1, 2, 4, 8, 32\], got None and 7"),
        (lambda: models.vgg("F"), "configuration must be 'A', 'A-LRN', .*, got 'F'"),
        (lambda: models.alexnet("triple"), "style must be 'two-tower' or 'single-tower', got 'triple'"),
        (lambda: models.unet(padding="full"), "padding must be 'valid' or 'same', got 'full'"),
        (lambda: models.unet(depth=6), "depth must be from 1 to 5, got 6"),
        (lambda: models.resnet([50]), r"depth must be 18, .*, got \[50\]"),
        (lambda: models.resnet(50, inner=-2), "inner must be above 0, got -2"),
        (lambda: models.resnet(50, groups=3), "groups must divide the 64 filters, got 3"),
        (lambda: models.resnet(34, groups=2), "depth must be 50, 101 or 152 if .* got 34"),
        (lambda: models.resnext(18), "depth must be 50, 101 or 152 if .* got 18"),
        (lambda: models.resnet(18, stride_in="5x5"), "stride_in must be '1x1' or '3x3', got '5x5'"),
        (lambda: models.resnet(50, survival=1.5), "survival must be from 0 to 1, got 1.5"),
        (lambda: models.cifar_resnet(20, plain=True, survival=0.5), "survival must be 1 in a plain network, got 0.5"),
        (lambda: models.wide_resnet50(0), "factor must be at least 1, got 0"),
        (lambda: models.resnext(50, cardinality=3, group_width=-4), "group_width must be at least 1, got -4"),
        (lambda: models.neocognitron(selectivity=(4.0, 1.5)), r"selectivity must be 3 numbers, .* got \(4.0, 1.5\)"),
        (
            lambda: models.unet().output_shape((570, 572, 1)),
            r"height and width must be 188 plus a multiple of 16, such as 556 or 572",
        ),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
