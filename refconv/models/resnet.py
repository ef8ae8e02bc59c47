"""Residual networks for ImageNet: each block adds the output of its layers to its input.

Therefore 152 layers are no harder to train than 18. The module contains the paper's Table 1.

A bottleneck that halves the size has its stride either in the first 1 × 1 convolution, as in the paper (3.8 · 10⁹
multiply-adds for 50 layers), or in the 3 × 3 convolution, as is usual today (4.1 · 10⁹). ``stride_in`` selects one of the two.

The paper has three options for the shortcuts. With A, the shortcut pads new channels with zeros. With B, it is a projection if
the shapes differ. With C, it is always a projection.
"""

from collections.abc import Sequence
from functools import partial

from refconv._arguments import choice, integer, real
from refconv._errors import ArgumentValueError
from refconv.models.batch_norm import batch_norm, takes_batch_norm_options
from refconv.models.blocks import Block, conv_bn_relu, scaled, score_layer, stack
from refconv.nn import (
    Conv2D,
    GlobalAvgPool2D,
    Identity,
    MaxPool2D,
    PadChannels,
    ReLU,
    Sequential,
    StochasticDepth,
    Sum,
)
from refconv.nn.layer import Layer

__all__ = ["basic", "bottleneck", "residual", "resnet", "stages"]

# Table 1: the kind of block, and the numbers of blocks in conv2_x to conv5_x.
DEPTHS = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}

FILTERS = (64, 128, 256, 512)
EXPANSION = {"basic": 1, "bottleneck": 4}
STRIDES = {"1x1": 0, "3x3": 1}  # index of the convolution in a bottleneck that has the stride


@takes_batch_norm_options
def resnet(
    depth: int = 50,
    classes: int = 1000,
    width: float = 1,
    *,
    shortcut: str = "B",
    stride_in: str = "1x1",
    groups: int = 1,
    inner: float = 1,
    survival: float = 1,
    small_images: bool = False,
) -> Sequential:
    """Create a residual network for images of 224 × 224 pixels.

    Parameters
    ----------
    depth : int
        18, 34, 50, 101 or 152 layers.
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters of all layers but the last.
    shortcut : str
        Option for the shortcuts: "A", "B" or "C".
    stride_in : str
        "1x1" or "3x3", the convolution of a bottleneck that has the stride.
    groups, inner : int, float
        Number of groups of the 3 × 3 convolution in each bottleneck, and a factor for the number of its filters (ResNeXt, wide
        networks). Networks with 18 and 34 layers have no bottlenecks, so both must be 1.
    survival : float
        Probability that the last block is used in a training step. The probabilities of the other blocks fall towards it in
        equal steps.
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
    >>> resnet(50).count_parameters((224, 224, 3), trainable_only=True)
    25557032
    >>> [round(resnet(50, stride_in=at).multiply_adds((224, 224, 3)) / 1e9, 2) for at in ("1x1", "3x3")]
    [3.86, 4.09]

    Source: lecture rows M9, M12, A23 and B8 (SOURCES.md); He et al., "Deep residual learning for image recognition", 2015.
    """
    kind, repeats = DEPTHS[choice("depth", depth, DEPTHS)]
    groups, inner = integer("groups", groups), real("inner", inner, above=0)
    if kind == "basic" and (groups, inner) != (1, 1):
        raise ArgumentValueError(f"depth must be 50, 101 or 152 if groups or inner is not 1, got {depth}")
    choice("stride_in", stride_in, STRIDES)  # checked even if the network has no bottlenecks
    block = basic if kind == "basic" else partial(bottleneck, groups=groups, stride_in=stride_in)
    sizes = [(scaled(f * inner, width, groups), scaled(f, width) * EXPANSION[kind]) for f in FILTERS]
    conv_stages = stages(block, sizes, repeats, scaled(64, width), shortcut=shortcut, survival=survival)
    layers = {f"conv{k}_x": stage for k, stage in enumerate(conv_stages, 2)}
    stem = small_stem if small_images else imagenet_stem
    return Sequential(**stem(width), **layers, mean=GlobalAvgPool2D(), scores=score_layer(classes))


def stages(
    block: Block,
    sizes: Sequence[tuple[int, int]],
    repeats: Sequence[int],
    before: int,
    *,
    shortcut: str,
    survival: float,
    plain: bool = False,
) -> list[Sequential]:
    """Return stages of blocks for an input of ``before`` channels.

    ``block(inner, outer, stride)`` creates the main branch of a block. ``sizes`` are the numbers of inner and outer filters of
    each stage, and ``repeats`` is its number of blocks. The first block of each stage except the first halves the size.
    """
    result = []
    block_number = 0
    for k, ((inner, outer), repeat) in enumerate(zip(sizes, repeats, strict=True)):
        blocks = []
        for n in range(repeat):
            stride = 2 if k and not n else 1
            block_number += 1
            main = surviving(block(inner, outer, stride), block_number / sum(repeats), survival)
            shortcut_layer = shortcut_of(shortcut, before, outer, stride)
            blocks.append(Sequential(main=main, relu=ReLU()) if plain else residual(main, shortcut_layer))
            before = outer
        result.append(Sequential(**stack("block", blocks)))
    return result


def residual(main: Layer, shortcut: Layer) -> Sequential:
    """Create the building block of Figure 2: y = ReLU(F(x) + x)."""
    return Sequential(add=Sum(main=main, shortcut=shortcut), relu=ReLU())


def basic(inner: int, outer: int, stride: int = 1) -> Sequential:
    """Create a main branch of two 3 × 3 convolutions; the last ReLU follows the sum."""
    return Sequential(
        first=conv_bn_relu(inner, 3, stride=stride, padding=1),
        second=Conv2D(outer, 3, padding=1, bias=False),
        norm=batch_norm(),
    )


def bottleneck(inner: int, outer: int, stride: int = 1, *, groups: int = 1, stride_in: str = "1x1") -> Sequential:
    """Create a main branch of 1 × 1, 3 × 3 and 1 × 1 convolutions (Figure 5).

    The first convolution reduces the number of channels, and the last one increases it again.

    >>> bottleneck(64, 256).count_parameters((56, 56, 256), trainable_only=True) - 2 * (64 + 64 + 256)  # 69,632: B7
    69632
    """
    strides = [1, 1]
    strides[STRIDES[choice("stride_in", stride_in, STRIDES)]] = stride
    return Sequential(
        reduce=conv_bn_relu(inner, 1, stride=strides[0]),
        conv=conv_bn_relu(inner, 3, stride=strides[1], padding=1, groups=groups),
        expand=Conv2D(outer, 1, bias=False),
        norm=batch_norm(),
    )


def shortcut_of(option: str, before: int, after: int, stride: int) -> Layer:
    """Create the shortcut of a block according to option A, B or C of section 4.1."""
    differs = stride > 1 or before != after
    needs_projection = {"A": False, "B": differs, "C": True}[choice("shortcut", option, "ABC")]
    if needs_projection:
        return Sequential(conv=Conv2D(after, 1, stride=stride, bias=False), norm=batch_norm())
    if differs:
        return Sequential(every=MaxPool2D(1, stride=stride), pad=PadChannels(after))  # pooling of 1 × 1 only subsamples
    return Identity()


def surviving(main: Layer, share: float, survival: float) -> Layer:
    """Apply the linear rule of stochastic depth to the main branch of a block.

    ``share`` is the position of the block in the network, from 0 to 1. In training, the branch is used with probability
    1 − share (1 − survival).
    """
    survival = real("survival", survival, least=0, most=1)
    return main if survival == 1 else StochasticDepth(main, 1 - share * (1 - survival))


def imagenet_stem(width: float) -> dict[str, Layer]:
    """Return conv1 and the first pooling, which the table counts as part of conv2_x.

    The size changes from 224 to 112 to 56 pixels.
    """
    return {
        "conv1": conv_bn_relu(scaled(64, width), 7, stride=2, padding=3),
        "pool1": MaxPool2D(3, stride=2, padding=1),
    }


def small_stem(width: float) -> dict[str, Layer]:
    """Return the stem for 32 × 32 pixels, which keeps the size."""
    return {"conv1": conv_bn_relu(scaled(64, width), 3, padding=1)}
