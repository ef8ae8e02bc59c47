"""DenseNet: each layer receives the outputs of all previous layers of its block.

It concatenates ``growth`` new channels to them. A dense block is a sequence of ``Concat(Identity(), layer)``.
"""

from collections.abc import Sequence

from refconv._arguments import choice, integer, real
from refconv._errors import ArgumentValueError
from refconv.models.batch_norm import batch_norm, takes_batch_norm_options
from refconv.models.blocks import scaled, score_layer, stack
from refconv.nn import (
    AvgPool2D,
    Concat,
    Conv2D,
    GlobalAvgPool2D,
    Identity,
    MaxPool2D,
    ReLU,
    Sequential,
)
from refconv.nn.layer import Layer

__all__ = ["cifar_densenet", "dense_block", "densenet"]

# Table 1: growth rate k, and layers in each of the four dense blocks, each layer a 1 × 1 and a 3 × 3 convolution. The sizes of
# DenseNet-161 are from torchvision.
CONFIGURATIONS = {
    121: (32, (6, 12, 24, 16)),
    161: (48, (6, 12, 36, 24)),
    169: (32, (6, 12, 32, 32)),
    201: (32, (6, 12, 48, 32)),
    264: (32, (6, 12, 64, 48)),
}

COMPRESSION = 0.5  # θ, the fraction of the channels that a transition keeps


@takes_batch_norm_options
def densenet(depth: int = 121, classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """Create a DenseNet-BC for images of 224 × 224 pixels.

    Parameters
    ----------
    depth : int
        121, 161, 169, 201 or 264 layers. The growth rate k is 48 with 161 layers, else 32.
    classes : int
        Number of classes.
    width : float
        Factor for the growth rate, and so for all numbers of channels.
    small_images : bool
        True for a stem for 32 × 32 pixels: one 3 × 3 convolution.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> densenet(121).count_parameters((224, 224, 3), trainable_only=True)
    7978856

    Source: lecture row M14 (SOURCES.md); Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional
    networks", 2017, Table 1; with 161 layers as in torchvision.
    """
    growth, blocks = CONFIGURATIONS[choice("depth", depth, CONFIGURATIONS)]
    growth = scaled(growth, width)
    first = (
        Conv2D(2 * growth, 3, padding=1, bias=False)
        if small_images
        else Conv2D(2 * growth, 7, stride=2, padding=3, bias=False)
    )
    halve = {} if small_images else {"pool1": MaxPool2D(3, stride=2, padding=1)}
    stem = {"conv1": first, "norm1": batch_norm(), "relu1": ReLU(), **halve}
    return Sequential(**stem, **body(blocks, 2 * growth, growth, COMPRESSION), **head(classes))


@takes_batch_norm_options
def cifar_densenet(
    depth: int = 100,
    growth: int = 12,
    classes: int = 10,
    width: float = 1,
    *,
    bottleneck: bool = True,
    compression: float = COMPRESSION,
) -> Sequential:
    """Create a DenseNet for images of 32 × 32 pixels, with three dense blocks of the same depth.

    Parameters
    ----------
    depth : int
        Number of layers: 3n + 4, or 6n + 4 with bottlenecks, which have two layers each; 100, 190, 250 in the paper.
    growth : int
        k, number of channels that each layer adds.
    classes, width
        As for :func:`densenet`.
    bottleneck : bool
        True for a 1 × 1 convolution before each 3 × 3 convolution, the B of DenseNet-BC.
    compression : float
        θ, the fraction of the channels that a transition keeps, above 0 and at most 1. It is the C of DenseNet-BC, with 0.5.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> round(cifar_densenet(100, 12).count_parameters((32, 32, 3), trainable_only=True) / 1e6, 2)
    0.77

    Source: lecture row M14 (SOURCES.md); Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional
    networks", 2016, section 4.
    """
    depth = integer("depth", depth)
    convolutions = 2 if bottleneck else 1  # in each dense layer
    if depth < 4 + 3 * convolutions or (depth - 4) % (3 * convolutions):
        raise ArgumentValueError(f"depth must be {3 * convolutions}n + 4 with n at least 1, got {depth}")
    real("compression", compression, above=0, most=1)
    growth = scaled(integer("growth", growth), width)
    channels = 2 * growth if bottleneck and compression < 1 else scaled(16, width)
    conv1 = Conv2D(channels, 3, padding=1, bias=False)
    blocks = ((depth - 4) // (3 * convolutions),) * 3
    return Sequential(conv1=conv1, **body(blocks, channels, growth, compression, bottleneck), **head(classes))


def body(blocks: Sequence[int], channels: int, growth: int, compression: float, bottleneck: bool = True) -> dict[str, Layer]:
    """Return dense blocks with transitions between them, for an input of ``channels`` channels."""
    layers: dict[str, Layer] = {}
    for k, depth in enumerate(blocks, 1):
        layers[f"dense{k}"] = dense_block(depth, growth, bottleneck)
        channels += depth * growth
        if k < len(blocks):
            channels = int(channels * compression)
            layers[f"transition{k}"] = transition(channels)
    return layers


def dense_block(depth: int, growth: int, bottleneck: bool = True) -> Sequential:
    """Create a block of layers, each of which adds ``growth`` channels to its input.

    >>> dense_block(6, 32).output_shape((56, 56, 64))
    (56, 56, 256)

    Source: lecture row M14 (SOURCES.md).
    """
    return Sequential(**stack("layer", [Concat(past=Identity(), new=dense_layer(growth, bottleneck)) for _ in range(depth)]))


def dense_layer(growth: int, bottleneck: bool) -> Sequential:
    """Create a layer of a dense block: BN, ReLU and a 3 × 3 convolution.

    With a bottleneck, BN, ReLU and a 1 × 1 convolution with 4 · growth filters come before.
    """
    squeeze = {"norm1": batch_norm(), "relu1": ReLU(), "squeeze": Conv2D(4 * growth, 1, bias=False)} if bottleneck else {}
    return Sequential(**squeeze, norm=batch_norm(), relu=ReLU(), conv=Conv2D(growth, 3, padding=1, bias=False))


def transition(channels: int) -> Sequential:
    """Create a transition: BN, ReLU, a 1 × 1 convolution and the mean of 2 × 2 pixels."""
    return Sequential(norm=batch_norm(), relu=ReLU(), conv=Conv2D(channels, 1, bias=False), pool=AvgPool2D(2))


def head(classes: int) -> dict[str, Layer]:
    """Return the layers after the last dense block."""
    return {"norm": batch_norm(), "relu": ReLU(), "mean": GlobalAvgPool2D(), "scores": score_layer(classes)}
