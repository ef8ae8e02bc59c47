r"""Residual networks as collections of paths.

Each block adds the output of its main branch f to its input: y = x + f(x). In each block, a path from input to output goes
either through f or along the shortcut, so a network of n blocks has 2ⁿ paths. If all f are linear, the network *is* the sum of
its paths:

.. math:: (1 + f_3)(1 + f_2)(1 + f_1) = 1 + f_1 + f_2 + f_3 + f_2 f_1 + f_3 f_1 + f_3 f_2 + f_3 f_2 f_1

With ReLUs and batch normalisation this is not exact, but the network behaves similarly: removing a block from a trained
residual network removes half of the paths, and the other half still works. A network without shortcuts has a single path, so
removing a block makes it useless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn import Identity, Layer, Sequential, Sum
from refconv.typing import Shape

__all__ = ["count_paths", "deletable", "path_lengths", "paths", "without"]


def paths(network: Layer) -> Iterator[Sequential]:
    r"""Return an iterator over all paths through a network of chains and sums.

    Each path is a chain of layers, which it shares with the network. Paths that use more shortcuts come later. The path along
    all shortcuts is a chain of a single ``Identity``.

    Parameters
    ----------
    network : Layer
        The network. Chains and sums are expanded; any other layer is one step of a path, even if it contains layers.

    Returns
    -------
    iterator of Sequential
        One path at a time, because all paths together may not fit into memory.

    Examples
    --------
    >>> from refconv import nn
    >>> block = lambda: nn.Sum(nn.Conv2D(4, 3, padding="same", bias=False), nn.Identity())
    >>> [len(path.layers) for path in paths(nn.Sequential(block(), block(), block()))]
    [3, 2, 2, 1, 2, 1, 1, 1]

    Source: lecture row B9 (SOURCES.md); Veit, Wilber and Belongie, "Residual networks behave like ensembles of relatively
    shallow networks", 2016.
    """
    return (Sequential(*steps) if steps else Sequential(Identity()) for steps in _layer_lists(network))


def _layer_lists(layer: Layer) -> Iterator[Any]:
    """Yield all paths as lists of layers."""
    if isinstance(layer, Identity):
        yield []
    elif isinstance(layer, Sum):
        for branch in layer.layers.values():
            yield from _layer_lists(branch)
    elif isinstance(layer, Sequential):
        for choice in product(*(list(_layer_lists(inner)) for inner in layer.layers.values())):
            yield [step for steps in choice for step in steps]
    else:
        yield [layer]


def count_paths(network: Layer) -> int:
    """Return the number of paths through a network, without enumerating them.

    >>> from refconv import models
    >>> count_paths(models.cifar_resnet(110)) == 2**54, count_paths(models.cifar_resnet(20, plain=True))
    (True, 1)

    Source: lecture row B9 (SOURCES.md).
    """
    return sum(path_lengths(network).values())


def path_lengths(network: Layer) -> Counter[int]:
    """Return the number of paths of each length; for n residual blocks, binomial coefficients.

    The length of a path is the number of blocks whose main branch it uses.

    Parameters
    ----------
    network : Layer
        As for :func:`paths`. Each sum is a block, and its first branch is the main branch.

    Returns
    -------
    Counter
        Length -> number of paths.

    Examples
    --------
    >>> from refconv import models
    >>> sorted(path_lengths(models.cifar_resnet(20)).items())
    [(0, 1), (1, 9), (2, 36), (3, 84), (4, 126), (5, 126), (6, 84), (7, 36), (8, 9), (9, 1)]

    Source: lecture row B9 (SOURCES.md).
    """
    if isinstance(network, Sum):
        main, *shortcuts = (path_lengths(branch) for branch in network.layers.values())
        return sum(shortcuts, Counter({length + 1: count for length, count in main.items()}))
    lengths = Counter({0: 1})
    if isinstance(network, Sequential):
        for inner in network.layers.values():
            lengths = _convolved(lengths, path_lengths(inner))
    return lengths


def _convolved(a: Counter[int], b: Counter[int]) -> Counter[int]:
    """Return the number of concatenated paths of each length."""
    lengths: Counter[int] = Counter()
    for (m, count), (n, times) in product(a.items(), b.items()):
        lengths[m + n] += count * times
    return lengths


def deletable(network: Sequential, shape: Shape) -> list[str]:
    """Return the dotted names of the blocks that can be removed, one at a time.

    These are the blocks that do not change the shape.

    >>> from refconv import models
    >>> deletable(models.cifar_resnet(20), (32, 32, 3))[:4]
    ['stage1.block1', 'stage1.block2', 'stage1.block3', 'stage2.block2']

    Source: lecture row B9 (SOURCES.md).
    """
    return [
        name
        for name, layer, at in network.distinct_layers(shape)
        if name.rpartition(".")[2].startswith("block") and layer.output_shape(at) == tuple(at)
    ]


def without(network: Layer, name: str) -> Sequential:
    """Return a network without one of its blocks.

    A residual block is replaced by its shortcut, and a block without shortcut by an ``Identity``.

    Parameters
    ----------
    network : Sequential
        The network, built or not. It shares all other layers with the result.
    name : str
        Dotted name of the block, such as ``"stage2.block3"``.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If name is not a string, or if the network has no layer of this name in its nested chains.

    Examples
    --------
    >>> from refconv import models
    >>> whole = models.cifar_resnet(20)
    >>> part = without(whole, "stage2.block3")
    >>> count_paths(part) / count_paths(whole)
    0.5

    Source: lecture row B9 (SOURCES.md); Veit, Wilber and Belongie, 2016, section 4.1.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"name must be a block's dotted name, got {name!r}")
    head, _, rest = name.partition(".")
    if not isinstance(network, Sequential) or head not in network.layers:
        raise ArgumentValueError(f"name must be the dotted name of a block in {type(network).__name__}, got {name!r}")
    inner = network.layers[head]
    replacement = without(inner, rest) if rest else _shortcut_of(inner)
    return Sequential(**{key: replacement if key == head else layer for key, layer in network.layers.items()})


def _shortcut_of(block: Layer) -> Layer:
    """Return the shortcut of a residual block, or an ``Identity`` for a block without shortcut."""
    sums = [layer for layer in (block, *(layer for _, layer in block.named_layers())) if isinstance(layer, Sum)]
    if sums:
        return sums[0].layers["shortcut"]
    identity = Identity()
    if block.is_built:
        identity.parameters = {}
    return identity
