"""DenseNet: each layer sees the outputs of all before it in its block, and adds ``growth`` channels of its own.

A dense block is nothing but ``Concat(Identity(), layer)``, again and again.
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

# Table 1: layers in each of the four dense blocks, each layer a 1 × 1 and a 3 × 3 convolution.
BLOCKS = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}

GROWTH = 32  # k
COMPRESSION = 0.5  # θ, what a transition keeps of the channels


@takes_batch_norm_options
def densenet(depth: int = 121, classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """A DenseNet-BC for images of 224 × 224 pixels.

    Parameters
    ----------
    depth : int
        121, 169, 201 or 264 layers.
    classes : int
        Number of scores at the end.
    width : float
        Factor for the growth rate and with it for all channels.
    small_images : bool
        A stem for 32 × 32 pixels, one 3 × 3 convolution.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> densenet(121).count_parameters((224, 224, 3), trainable_only=True)
    7978856

    Source: lecture row M14 (SOURCES.md); Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional
    networks", 2016.
    """
    growth = scaled(GROWTH, width)
    first = (
        Conv2D(2 * growth, 3, padding=1, bias=False)
        if small_images
        else Conv2D(2 * growth, 7, stride=2, padding=3, bias=False)
    )
    halve = {} if small_images else {"pool1": MaxPool2D(3, stride=2, padding=1)}
    stem = {"conv1": first, "norm1": batch_norm(), "relu1": ReLU(), **halve}
    blocks = BLOCKS[choice("depth", depth, BLOCKS)]
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
    """A DenseNet for images of 32 × 32 pixels, three dense blocks of equally many layers.

    Parameters
    ----------
    depth : int
        3n + 4 layers; with bottlenecks, which are two layers each, 6n + 4: 100, 190, 250 in the paper.
    growth : int
        k, channels that a layer adds.
    classes, width
        As for :func:`densenet`.
    bottleneck : bool
        Whether there is a 1 × 1 convolution in front of each 3 × 3: the B of DenseNet-BC.
    compression : float
        θ, what a transition keeps of the channels, above 0 and up to 1: the C of DenseNet-BC, where it is 0.5.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> round(cifar_densenet(100, 12).count_parameters((32, 32, 3), trainable_only=True) / 1e6, 2)
    0.77

    Source: lecture row M14 (SOURCES.md); Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional
    networks", 2016, section 4.
    """
    depth, each = integer("depth", depth), 2 if bottleneck else 1
    if depth < 4 + 3 * each or (depth - 4) % (3 * each):
        raise ArgumentValueError(f"depth must be {3 * each}n + 4 with n from 1 on, got {depth}")
    real("compression", compression, above=0, most=1)
    growth = scaled(integer("growth", growth), width)
    channels = 2 * growth if bottleneck and compression < 1 else scaled(16, width)
    conv1 = Conv2D(channels, 3, padding=1, bias=False)
    blocks = ((depth - 4) // (3 * each),) * 3
    return Sequential(conv1=conv1, **body(blocks, channels, growth, compression, bottleneck), **head(classes))


def body(blocks: Sequence[int], channels: int, growth: int, compression: float, bottleneck: bool = True) -> dict[str, Layer]:
    """Dense blocks with a transition between each two, for an input of so many channels."""
    layers: dict[str, Layer] = {}
    for k, depth in enumerate(blocks, 1):
        layers[f"dense{k}"] = dense_block(depth, growth, bottleneck)
        channels += depth * growth
        if k < len(blocks):
            channels = int(channels * compression)
            layers[f"transition{k}"] = transition(channels)
    return layers


def dense_block(depth: int, growth: int, bottleneck: bool = True) -> Sequential:
    """Layers that each add ``growth`` channels to all that came before.

    >>> dense_block(6, 32).output_shape((56, 56, 64))
    (56, 56, 256)

    Source: lecture row M14 (SOURCES.md).
    """
    return Sequential(**stack("layer", [Concat(past=Identity(), new=dense_layer(growth, bottleneck)) for _ in range(depth)]))


def dense_layer(growth: int, bottleneck: bool) -> Sequential:
    """BN, ReLU, 3 × 3; or BN, ReLU, 1 × 1 to four times the growth in front of it."""
    squeeze = {"norm1": batch_norm(), "relu1": ReLU(), "squeeze": Conv2D(4 * growth, 1, bias=False)} if bottleneck else {}
    return Sequential(**squeeze, norm=batch_norm(), relu=ReLU(), conv=Conv2D(growth, 3, padding=1, bias=False))


def transition(channels: int) -> Sequential:
    """BN, ReLU, 1 × 1 to fewer channels, and the mean of 2 × 2 pixels."""
    return Sequential(norm=batch_norm(), relu=ReLU(), conv=Conv2D(channels, 1, bias=False), pool=AvgPool2D(2))


def head(classes: int) -> dict[str, Layer]:
    """What comes behind the last dense block."""
    return {"norm": batch_norm(), "relu": ReLU(), "mean": GlobalAvgPool2D(), "scores": score_layer(classes)}
