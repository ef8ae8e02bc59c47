"""The unravelled view: a residual network that does not bend is the sum of its 2ⁿ paths; and blocks can be taken out."""

import math

import numpy as np
import pytest

from evidence import assert_within, needs_kernels
from layer_evidence import built, random_input
from refconv import models, nn
from refconv.analysis.paths import count_paths, deletable, path_lengths, paths, without


def linear_network():
    """Three residual blocks between two convolutions, the second with a projection; nothing in it bends or has a bias."""

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
    """The network with the magnitudes of its weights: on magnitudes it computes the sums of magnitudes of a linear one."""
    for parameter in network.named_parameters().values():
        parameter.value = np.abs(parameter.value)
    return network


def bound(network, sums):
    """Bound on the difference between two ways to add the products, whose magnitudes have these sums.

    A path leads through six layers at most; the terms of their sums add up to fewer than there are weights.
    """
    weights = sum(parameter.value.size for parameter in network.named_parameters().values())
    return 2 * weights * np.finfo(sums.dtype).eps * sums


def test_a_linear_residual_network_is_the_sum_of_its_paths():
    """B9: 2³ paths."""
    network = built(linear_network(), (6, 5, 2))
    x = random_input((6, 5, 2))
    ways = list(paths(network))
    assert len(ways) == count_paths(network) == 8
    sums = magnitudes(built(linear_network(), (6, 5, 2)))(np.abs(x))
    assert_within(sum(way(x) for way in ways), network(x), bound(network, sums))
    # Each path counts: without any of them the sum is another.
    for way in ways:
        assert abs(way(x)).max() > 1e-3


def test_with_a_relu_it_is_not_the_sum():
    """B9, which needs the linear case."""
    network = built(nn.Sequential(nn.Sum(nn.Dense(3, bias=False), nn.Identity()), nn.ReLU()), (3,))
    x = random_input((3,))
    assert abs(sum(way(x) for way in paths(network)) - network(x)).max() > 0.1


def test_the_gradients_are_the_sum_of_the_paths_gradients_too():
    network = built(linear_network(), (6, 5, 2))
    x = random_input((6, 5, 2))
    y, backward = network.forward(x)
    dy = np.random.default_rng(0).standard_normal(y.shape)
    expected = backward(dy)
    _, backward = magnitudes(built(linear_network(), (6, 5, 2))).forward(np.abs(x))
    sums = backward(np.abs(dy))
    assert_within(sum(way.forward(x)[1](dy) for way in paths(network)), expected, bound(network, sums))


@pytest.mark.parametrize(("depth", "blocks"), [(8, 3), (20, 9), (56, 27)])
def test_lengths_are_binomial(depth, blocks):
    """B9: O(2ⁿ) paths, most of them of half the depth."""
    lengths = path_lengths(models.cifar_resnet(depth))
    assert lengths == {k: math.comb(blocks, k) for k in range(blocks + 1)}
    assert count_paths(models.cifar_resnet(depth, plain=True)) == 1


def test_a_path_of_shortcuts_alone_is_the_identity():
    network = nn.Sequential(nn.Sum(nn.Dense(3), nn.Identity()))
    *_, last = paths(network)
    x = random_input((3,))
    np.testing.assert_array_equal(last(x), x)


@needs_kernels
@pytest.mark.parametrize("plain", [False, True])
def test_a_block_taken_out_leaves_its_shortcut_or_nothing(plain):
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
            assert (expected == value).all()  # a ReLU came before
            assert not np.array_equal(second(value), value)
        else:
            value = layer(value)
    np.testing.assert_array_equal(part(x), value)
    assert set(part.named_parameters()) < set(network.named_parameters())


def test_a_name_that_is_none_is_refused():
    for name in ("stage9.block1", "stage1.block9", "conv1.conv.w"):
        with pytest.raises(ValueError, match="name must be the dotted name of a block in"):
            without(models.cifar_resnet(8), name)
    with pytest.raises(TypeError, match="name must be a block's dotted name, got 3"):
        without(models.cifar_resnet(8), 3)
