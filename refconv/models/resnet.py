"""Residual networks for ImageNet: each block adds to its input, so 152 layers are no harder to train than 18.

The paper's Table 1 stands here. Where a block halves the size, a bottleneck may take its stride in the first 1 × 1, as in the
paper (3.8 · 10⁹ multiply-adds for 50 layers), or in the 3 × 3, as most do today (4.1 · 10⁹): stride_in says where. Where
shapes differ, the shortcut is one of three options: A, zeros for the new channels; B, a projection there; C, projections
everywhere.
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

# Table 1: the kind of block, and how many there are in conv2_x to conv5_x.
DEPTHS = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}

FILTERS = (64, 128, 256, 512)
EXPANSION = {"basic": 1, "bottleneck": 4}
STRIDES = {"1x1": 0, "3x3": 1}  # the layer of a bottleneck that takes its stride


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
    """A residual network for images of 224 × 224 pixels.

    Parameters
    ----------
    depth : int
        18, 34, 50, 101 or 152 layers.
    classes : int
        Number of scores at the end.
    width : float
        Factor for the number of filters in all other layers.
    shortcut : str
        "A", "B" or "C".
    stride_in : str
        "1x1" or "3x3": where a bottleneck takes its stride.
    groups, inner : int, float
        Of the bottlenecks: groups of their 3 × 3 convolution, and a factor for its filters (ResNeXt, wide networks).
        18 and 34 layers have none, and take nothing but 1.
    survival : float
        Probability with which the last block is there in training; that of the others falls towards it in equal steps.
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
    >>> resnet(50).count_parameters((224, 224, 3), trainable_only=True)
    25557032
    >>> [round(resnet(50, stride_in=at).multiply_adds((224, 224, 3)) / 1e9, 2) for at in ("1x1", "3x3")]
    [3.86, 4.09]

    Source: lecture rows M9, M12, A23 and B8 (SOURCES.md); He et al., "Deep residual learning for image recognition", 2015.
    """
    kind, repeats = DEPTHS[choice("depth", depth, DEPTHS)]
    groups, inner = integer("groups", groups), real("inner", inner, above=0)
    if kind == "basic" and (groups, inner) != (1, 1):
        raise ArgumentValueError(f"depth must be 50 or more, with bottlenecks, for groups and inner other than 1, got {depth}")
    choice("stride_in", stride_in, STRIDES)  # checked even if no block is a bottleneck
    block = basic if kind == "basic" else partial(bottleneck, groups=groups, stride_in=stride_in)
    sizes = [(scaled(f * inner, width, groups), scaled(f, width) * EXPANSION[kind]) for f in FILTERS]
    found = stages(block, sizes, repeats, scaled(64, width), shortcut=shortcut, survival=survival)
    layers = {f"conv{k}_x": stage for k, stage in enumerate(found, 2)}
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
    """Stages of blocks, for an input of ``before`` channels; the first block of each but the first stage halves the size.

    ``block(inner, outer, stride)`` makes the main branch; ``sizes`` are each stage's inner and outer filters, ``repeats`` how
    many blocks it has.
    """
    made, done = [], 0
    for k, ((inner, outer), repeat) in enumerate(zip(sizes, repeats, strict=True)):
        blocks = []
        for n in range(repeat):
            stride, done = 2 if k and not n else 1, done + 1
            main = surviving(block(inner, outer, stride), done / sum(repeats), survival)
            past = shortcut_of(shortcut, before, outer, stride)
            blocks.append(Sequential(main=main, relu=ReLU()) if plain else residual(main, past))
            before = outer
        made.append(Sequential(**stack("block", blocks)))
    return made


def residual(main: Layer, shortcut: Layer) -> Sequential:
    """The building block, Figure 2: y = ReLU(F(x) + x)."""
    return Sequential(add=Sum(main=main, shortcut=shortcut), relu=ReLU())


def basic(inner: int, outer: int, stride: int = 1) -> Sequential:
    """Two 3 × 3 convolutions; the last ReLU comes behind the sum."""
    return Sequential(
        first=conv_bn_relu(inner, 3, stride=stride, padding=1),
        second=Conv2D(outer, 3, padding=1, bias=False),
        norm=batch_norm(),
    )


def bottleneck(inner: int, outer: int, stride: int = 1, *, groups: int = 1, stride_in: str = "1x1") -> Sequential:
    """1 × 1 down, 3 × 3, and 1 × 1 up again, Figure 5.

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
    """The way past a block, options A, B and C of section 4.1."""
    differs = stride > 1 or before != after
    projects = {"A": False, "B": differs, "C": True}[choice("shortcut", option, "ABC")]
    if projects:
        return Sequential(conv=Conv2D(after, 1, stride=stride, bias=False), norm=batch_norm())
    if differs:
        return Sequential(every=MaxPool2D(1, stride=stride), pad=PadChannels(after))  # a window of one pixel: none is changed
    return Identity()


def surviving(main: Layer, share: float, survival: float) -> Layer:
    """The linear rule of stochastic depth: at this share of the way, main is in with probability 1 − share (1 − survival)."""
    survival = real("survival", survival, least=0, most=1)
    return main if survival == 1 else StochasticDepth(main, 1 - share * (1 - survival))


def imagenet_stem(width: float) -> dict[str, Layer]:
    """conv1 and the pooling that the table counts to conv2_x: 224 → 112 → 56 pixels."""
    return {
        "conv1": conv_bn_relu(scaled(64, width), 7, stride=2, padding=3),
        "pool1": MaxPool2D(3, stride=2, padding=1),
    }


def small_stem(width: float) -> dict[str, Layer]:
    """For 32 pixels, all of which reach conv2_x."""
    return {"conv1": conv_bn_relu(scaled(64, width), 3, padding=1)}
