r"""Residual networks as collections of paths.

Each block passes its input on, and adds something to it: y = x + f(x). Whoever goes from input to output chooses at each block
to go through f or past it, so n blocks hold 2ⁿ paths. If nothing in them bends, the network *is* the sum of its paths:

.. math:: (1 + f_3)(1 + f_2)(1 + f_1) = 1 + f_1 + f_2 + f_3 + f_2 f_1 + f_3 f_1 + f_3 f_2 + f_3 f_2 f_1

With ReLUs and batch normalisation it is not, and yet it behaves much like one: a block that is taken out of a trained residual
network takes half of the paths with it, and the other half still works. A plain network has one path, which breaks.
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
    r"""Every way through a network of chains and sums, as a chain; the layers are the network's own.

    Paths that take the shortcut more often come later. One that passes everything is a chain of a single ``Identity``.

    Parameters
    ----------
    network : Layer
        Chains and sums are taken apart; everything else is a step of a path, also if it is a network in itself.

    Returns
    -------
    iterator of Sequential
        One path at a time: there may be more than any memory holds.

    Examples
    --------
    >>> from refconv import nn
    >>> block = lambda: nn.Sum(nn.Conv2D(4, 3, padding="same", bias=False), nn.Identity())
    >>> [len(path.layers) for path in paths(nn.Sequential(block(), block(), block()))]
    [3, 2, 2, 1, 2, 1, 1, 1]

    Source: lecture row B9 (SOURCES.md); Veit, Wilber and Belongie, "Residual networks behave like ensembles of relatively
    shallow networks", 2016.
    """
    return (Sequential(*steps) if steps else Sequential(Identity()) for steps in _ways(network))


def _ways(layer: Layer) -> Iterator[Any]:
    """Paths as lists of layers."""
    if isinstance(layer, Identity):
        yield []
    elif isinstance(layer, Sum):
        for branch in layer.layers.values():
            yield from _ways(branch)
    elif isinstance(layer, Sequential):
        for choice in product(*(list(_ways(inner)) for inner in layer.layers.values())):
            yield [step for steps in choice for step in steps]
    else:
        yield [layer]


def count_paths(network: Layer) -> int:
    """How many ways there are through a network, without walking any.

    >>> from refconv import models
    >>> count_paths(models.cifar_resnet(110)) == 2**54, count_paths(models.cifar_resnet(20, plain=True))
    (True, 1)

    Source: lecture row B9 (SOURCES.md).
    """
    return sum(path_lengths(network).values())


def path_lengths(network: Layer) -> Counter[int]:
    """How many paths go through how many of the blocks: a binomial distribution.

    Parameters
    ----------
    network : Layer
        As for :func:`paths`. A block is a sum; a path goes through it, and not past it, by its first branch.

    Returns
    -------
    Counter
        Number of blocks gone through -> number of paths.

    Examples
    --------
    >>> from refconv import models
    >>> sorted(path_lengths(models.cifar_resnet(20)).items())
    [(0, 1), (1, 9), (2, 36), (3, 84), (4, 126), (5, 126), (6, 84), (7, 36), (8, 9), (9, 1)]

    Source: lecture row B9 (SOURCES.md).
    """
    if isinstance(network, Sum):
        through, *past = (path_lengths(branch) for branch in network.layers.values())
        return sum(past, Counter({length + 1: count for length, count in through.items()}))
    lengths = Counter({0: 1})
    if isinstance(network, Sequential):
        for inner in network.layers.values():
            lengths = _convolved(lengths, path_lengths(inner))
    return lengths


def _convolved(a: Counter[int], b: Counter[int]) -> Counter[int]:
    """Lengths of paths that follow each other."""
    together: Counter[int] = Counter()
    for (m, count), (n, times) in product(a.items(), b.items()):
        together[m + n] += count * times
    return together


def deletable(network: Sequential, shape: Shape) -> list[str]:
    """Dotted names of the blocks that can be taken out one at a time: all that keep the shape of what they get.

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
    """The network without one of its blocks: a residual block leaves its shortcut, a plain one nothing.

    Parameters
    ----------
    network : Sequential
        Built or not; all other layers are shared with the result.
    name : str
        The block's dotted name, such as ``"stage2.block3"``.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If name is no string; if there is no layer of this name in a chain of chains.

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
        raise ArgumentValueError(f"name must be that of a block in a chain of {type(network).__name__}, got {name!r}")
    inner = network.layers[head]
    instead = without(inner, rest) if rest else _past(inner)
    return Sequential(**{key: instead if key == head else layer for key, layer in network.layers.items()})


def _past(block: Layer) -> Layer:
    """What is left of a block whose main branch goes."""
    sums = [layer for layer in (block, *(layer for _, layer in block.named_layers())) if isinstance(layer, Sum)]
    if sums:
        return sums[0].layers["shortcut"]
    nothing = Identity()
    if block.is_built:
        nothing.parameters = {}
    return nothing
