"""Tests of the unravelled view: a linear residual network is the sum of its 2ⁿ paths."""

import math

import numpy as np
import pytest

from evidence import assert_within, needs_kernels
from layer_evidence import built, random_input
from refconv import models, nn
from refconv.analysis.paths import count_paths, deletable, path_lengths, paths, without


def linear_network():
    """Return a linear network of three residual blocks without biases.

    The second block has a projection.
    """

    def conv(filters, kernel=3):
        return nn.Conv2D(filters, kernel, padding="same", bias=False)

    return nn.Sequential(
        stem=conv(2),
        block1=nn.Sum(main=nn.Sequential(conv(5), conv(2)), shortcut=nn.Identity()),
        block2=nn.Sum(main=conv(3), shortcut=conv(3, 1)),
        block3=nn.Sum(main=conv(3, (1, 3)), shortcut=nn.Identity()),
        mean=nn.GlobalAvgPool2D(),
        scores=nn.Dense(4, bias=False),
    )


def magnitudes(network):
    """Replace the weights by their magnitudes; return the network.

    For the magnitudes of an input, it computes the sums of magnitudes of a linear network.
    """
    for parameter in network.named_parameters().values():
        parameter.value = np.abs(parameter.value)
    return network


def bound(network, sums):
    """Return a bound on the difference between two orders of adding the products.

    ``sums`` are the sums of the magnitudes of the products. A path has at most six layers, and the numbers of terms of their
    sums add up to fewer than the number of weights.
    """
    weights = sum(parameter.value.size for parameter in network.named_parameters().values())
    return 2 * weights * np.finfo(sums.dtype).eps * sums


def test_a_linear_residual_network_is_the_sum_of_its_paths():
    """B9: three blocks have 2³ paths, whose sum is the network."""
    network = built(linear_network(), (6, 5, 2))
    x = random_input((6, 5, 2))
    branches = list(paths(network))
    assert len(branches) == count_paths(network) == 8
    sums = magnitudes(built(linear_network(), (6, 5, 2)))(np.abs(x))
    assert_within(sum(path(x) for path in branches), network(x), bound(network, sums))
    # Each path contributes to the sum.
    for path in branches:
        assert abs(path(x)).max() > 1e-3


def test_a_network_with_a_relu_is_not_the_sum_of_its_paths():
    """B9: the statement requires a linear network."""
    network = built(nn.Sequential(nn.Sum(nn.Dense(3, bias=False), nn.Identity()), nn.ReLU()), (3,))
    x = random_input((3,))
    assert abs(sum(path(x) for path in paths(network)) - network(x)).max() > 0.1


def test_the_gradient_is_the_sum_of_the_gradients_of_the_paths():
    network = built(linear_network(), (6, 5, 2))
    x = random_input((6, 5, 2))
    y, backward = network.forward(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    expected = backward(dy)
    _, backward = magnitudes(built(linear_network(), (6, 5, 2))).forward(np.abs(x))
    sums = backward(np.abs(dy))
    assert_within(sum(path.forward(x)[1](dy) for path in paths(network)), expected, bound(network, sums))


@pytest.mark.parametrize(("depth", "blocks"), [(8, 3), (20, 9), (56, 27)])
def test_the_numbers_of_paths_of_each_length_are_binomial_coefficients(depth, blocks):
    """B9: there are 2ⁿ paths, and most of them have about half the depth."""
    lengths = path_lengths(models.cifar_resnet(depth))
    assert lengths == {k: math.comb(blocks, k) for k in range(blocks + 1)}
    assert count_paths(models.cifar_resnet(depth, plain=True)) == 1


def test_a_path_of_only_shortcuts_is_the_identity():
    network = nn.Sequential(nn.Sum(nn.Dense(3), nn.Identity()))
    *_, last = paths(network)
    x = random_input((3,))
    np.testing.assert_array_equal(last(x), x)


@needs_kernels
@pytest.mark.parametrize("plain", [False, True])
def test_a_removed_block_is_replaced_by_its_shortcut_or_nothing(plain):
    shape = (8, 8, 3)
    network = built(models.cifar_resnet(14, width=0.25, plain=plain), shape)
    x = random_input(shape)
    names = deletable(network, shape)
    assert names == [f"stage{k}.block{j}" for k in (1, 2, 3) for j in (1, 2) if (k, j) not in ((2, 1), (3, 1))]
    part = without(network, "stage2.block2")
    value = x
    for name, layer in network.layers.items():
        if name == "stage2":
            first, second = layer.layers.values()
            value = first(value)
            expected = value if plain else np.maximum(value, 0)
            assert (expected == value).all()  # the value is the output of a ReLU
            assert not np.array_equal(second(value), value)
        else:
            value = layer(value)
    np.testing.assert_array_equal(part(x), value)
    assert set(part.named_parameters()) < set(network.named_parameters())


def test_a_name_that_is_not_a_block_is_refused():
    for name in ("stage9.block1", "stage1.block9", "conv1.conv.w"):
        with pytest.raises(ValueError, match="name must be the dotted name of a block in"):
            without(models.cifar_resnet(8), name)
    with pytest.raises(TypeError, match="name must be a block's dotted name, got 3"):
        without(models.cifar_resnet(8), 3)
