"""Tests of the numbers of parameters and multiply-adds, by the formulas of the lectures."""

from fractions import Fraction
from math import prod

import pytest

from refconv import nn
from refconv.analysis.summary import rows
from refconv.geometry import Window, receptive_field


def parameters(layer, shape):
    return layer.count_parameters(shape)


def multiply_adds(layer, shape):
    """Return the multiply-adds of a layer, or of all layers of a sequence."""
    return sum(row.multiply_adds for row in rows(layer, shape))


COSTS = [parameters, multiply_adds]

# Layer, input shape, output shape computed by hand, number of parameters, products for each element of the output.
KINDS = [
    (nn.Conv2D(7, (3, 2)), (9, 8, 5), (7, 7, 7), 3 * 2 * 5 * 7 + 7, 3 * 2 * 5),
    (nn.Conv2D(7, (3, 2), stride=2, padding="same", bias=False), (9, 8, 5), (5, 4, 7), 3 * 2 * 5 * 7, 3 * 2 * 5),
    (nn.Conv2D(6, 3, groups=2, dilation=2), (9, 8, 4), (5, 4, 6), 9 * 2 * 6 + 6, 9 * 2),
    (nn.Conv1D(7, 3, data_format="channels_first"), (5, 9), (7, 7), 3 * 5 * 7 + 7, 3 * 5),
    (nn.DepthwiseConv2D((3, 2), 4), (9, 8, 5), (7, 7, 20), 3 * 2 * 20 + 20, 3 * 2),
    (nn.Dense(7), (5,), (7,), 5 * 7 + 7, 5),
    (nn.BatchNorm(), (9, 8, 5), (9, 8, 5), 4 * 5, 0),
    (nn.MaxPool2D(2), (8, 6, 5), (4, 3, 5), 0, 0),
    (nn.AvgPool1D(3), (9, 5), (3, 5), 0, 0),
    (nn.ReLU(), (9, 8, 5), (9, 8, 5), 0, 0),
    (nn.Softmax(), (5,), (5,), 0, 0),
    (nn.Flatten(), (9, 8, 5), (360,), 0, 0),
    (nn.Dropout(0.5), (9, 8, 5), (9, 8, 5), 0, 0),
    (nn.Pad2D((1, 2)), (9, 8, 5), (11, 12, 5), 0, 0),
    (nn.Upsample2D((2, 3), mode="bilinear"), (9, 8, 5), (18, 24, 5), 0, 0),
]


@pytest.mark.parametrize(("layer", "shape", "output", "weights", "products"), KINDS, ids=[repr(kind[0]) for kind in KINDS])
def test_counts_of_each_kind_of_layer(layer, shape, output, weights, products):
    assert layer.output_shape(shape) == output
    assert layer.count_parameters(shape) == weights
    assert layer.multiply_adds(shape) == prod(output) * products


def test_multiply_adds_of_a_transposed_convolution_depend_on_its_input_size():
    layer = nn.ConvTranspose2D(7, (3, 2), stride=2)
    assert layer.output_shape((4, 3, 5)) == (9, 6, 7)
    assert layer.count_parameters((4, 3, 5)) == 3 * 2 * 7 * 5 + 7
    assert layer.multiply_adds((4, 3, 5)) == 4 * 3 * 5 * (3 * 2 * 7)


@pytest.mark.parametrize("K", [1, 16, 61])
def test_three_small_kernels_have_the_receptive_field_of_a_large_one_with_fewer_weights(K):
    """B7: 27 K² weights instead of 49 K²."""
    large = nn.Conv2D(K, 7, padding="same", bias=False)
    small = nn.Sequential(*(nn.Conv2D(K, 3, padding="same", bias=False) for _ in range(3)))
    assert parameters(large, (14, 15, K)) == 49 * K**2
    assert parameters(small, (14, 15, K)) == 27 * K**2
    assert multiply_adds(large, (14, 15, K)) == 14 * 15 * 49 * K**2
    assert multiply_adds(small, (14, 15, K)) == 14 * 15 * 27 * K**2
    assert receptive_field([Window((3, 3))] * 3) == receptive_field([Window((7, 7))]) == (7, 7)


def test_a_bottleneck_reduces_600_thousand_operations_per_pixel_to_70_thousand():
    """B7: a bottleneck has 69 632 weights instead of 589 824."""
    shape = (14, 15, 256)
    plain = nn.Conv2D(256, 3, padding="same", bias=False)
    bottleneck = nn.Sequential(
        nn.Conv2D(64, 1, bias=False), nn.Conv2D(64, 3, padding="same", bias=False), nn.Conv2D(256, 1, bias=False)
    )
    assert plain.output_shape(shape) == bottleneck.output_shape(shape) == shape
    assert multiply_adds(plain, shape) == 14 * 15 * 589_824
    assert multiply_adds(bottleneck, shape) == 14 * 15 * (16_384 + 36_864 + 16_384) == 14 * 15 * 69_632
    assert (parameters(plain, shape), parameters(bottleneck, shape)) == (589_824, 69_632)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("groups", [2, 3, 6])
def test_groups_divide_the_cost(groups, cost):
    shape = (7, 8, 12)
    ungrouped, grouped = (nn.Conv2D(18, (3, 2), groups=g, bias=False) for g in (1, groups))
    assert cost(ungrouped, shape) == groups * cost(grouped, shape)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(("kernel", "O"), [((3, 3), 64), ((5, 3), 7), ((1, 2), 1)])
def test_a_separable_convolution_costs_1_over_outputs_plus_1_over_kernel_of_a_full_one(kernel, O, cost):
    shape = (14, 15, 11)
    full = nn.Conv2D(O, kernel, stride=2, padding="same", bias=False)
    separable = nn.SeparableConv2D(O, kernel, stride=2, padding="same", bias=False)
    assert Fraction(cost(separable, shape), cost(full, shape)) == Fraction(1, O) + Fraction(1, prod(kernel))
    # A depthwise and a 1×1 layer together have the same cost.
    two = nn.Sequential(nn.DepthwiseConv2D(kernel, stride=2, padding="same", bias=False), nn.Conv2D(O, 1, bias=False))
    assert cost(two, shape) == cost(separable, shape)
