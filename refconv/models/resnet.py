"""Residual networks for ImageNet: each block adds to its input, so 152 layers are no harder to train than 18.

The paper's Table 1 stands here. Where a block halves the size, a bottleneck may take its stride in the first 1 × 1, as in the
paper (3.8 · 10⁹ multiply-adds for 50 layers), or in the 3 × 3, as most do today (4.1 · 10⁹): stride_in says where. Where
shapes differ, the shortcut is one of three options: A, zeros for the new channels; B, a projection there; C, projections
everywhere.
"""

from refconv.models.blocks import choice, conv_bn_relu, scaled, stack
from refconv.nn import (
    BatchNorm,
    Conv2D,
    Dense,
    GlobalAvgPool2D,
    Identity,
    MaxPool2D,
    PadChannels,
    ReLU,
    Sequential,
    StochasticDepth,
    Sum,
)

__all__ = ["basic", "bottleneck", "residual", "resnet"]

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


def resnet(
    depth=50, classes=1000, width=1, *, shortcut="B", stride_in="1x1", groups=1, inner=1, survival=1, small_images=False
):
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
    survival : float
        Probability with which the last block is there in training; that of the others falls towards it in equal steps.
    small_images : bool
        A stem for 32 × 32 pixels, one 3 × 3 convolution.

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

    Source: M9, M12, A23, B8; He et al., "Deep residual learning for image recognition", 2015.
    """
    kind, repeats = choice("depth", depth, DEPTHS)
    layers, before, done = {}, scaled(64, width), 0
    for k, (filters, repeat) in enumerate(zip(FILTERS, repeats, strict=True)):
        outer, blocks = scaled(filters, width) * EXPANSION[kind], []
        for n in range(repeat):
            stride = 2 if k and not n else 1
            if kind == "basic":
                main = basic(outer, stride)
            else:
                main = bottleneck(scaled(filters * inner, width), outer, stride, groups=groups, stride_in=stride_in)
            done += 1
            main = surviving(main, done / sum(repeats), survival)
            blocks.append(residual(main, shortcut_of(shortcut, before, outer, stride)))
            before = outer
        layers[f"conv{k + 2}_x"] = Sequential(**stack("block", blocks))
    stem = small_stem if small_images else imagenet_stem
    return Sequential(**stem(width), **layers, mean=GlobalAvgPool2D(), scores=Dense(classes))


def residual(main, shortcut):
    """The building block, Figure 2: y = ReLU(F(x) + x)."""
    return Sequential(add=Sum(main=main, shortcut=shortcut), relu=ReLU())


def basic(filters, stride=1):
    """Two 3 × 3 convolutions; the last ReLU comes behind the sum."""
    return Sequential(
        first=conv_bn_relu(filters, 3, stride=stride, padding=1),
        second=Conv2D(filters, 3, padding=1, bias=False),
        norm=BatchNorm(),
    )


def bottleneck(inner, outer, stride=1, *, groups=1, stride_in="1x1"):
    """1 × 1 down, 3 × 3, and 1 × 1 up again, Figure 5.

    >>> bottleneck(64, 256).count_parameters((56, 56, 256), trainable_only=True) - 2 * (64 + 64 + 256)  # 69,632: B7
    69632
    """
    at = choice("stride_in", stride_in, {"1x1": (stride, 1), "3x3": (1, stride)})
    return Sequential(
        reduce=conv_bn_relu(inner, 1, stride=at[0]),
        conv=conv_bn_relu(inner, 3, stride=at[1], padding=1, groups=groups),
        expand=Conv2D(outer, 1, bias=False),
        norm=BatchNorm(),
    )


def shortcut_of(option, before, after, stride):
    """The way past a block, options A, B and C of section 4.1."""
    differs = stride > 1 or before != after
    projects = choice("shortcut", option, {"A": False, "B": differs, "C": True})
    if projects:
        return Sequential(conv=Conv2D(after, 1, stride=stride, bias=False), norm=BatchNorm())
    if differs:
        return Sequential(every=MaxPool2D(1, stride=stride), pad=PadChannels(after))  # a window of one pixel: none is changed
    return Identity()


def surviving(main, share, survival):
    """The linear rule of stochastic depth: at this share of the way, main is in with probability 1 − share (1 − survival)."""
    return main if survival == 1 else StochasticDepth(main, 1 - share * (1 - survival))


def imagenet_stem(width):
    """conv1 and the pooling that the table counts to conv2_x: 224 → 112 → 56 pixels."""
    return {
        "conv1": conv_bn_relu(scaled(64, width), 7, stride=2, padding=3),
        "pool1": MaxPool2D(3, stride=2, padding=1),
    }


def small_stem(width):
    """For 32 pixels, all of which reach conv2_x."""
    return {"conv1": conv_bn_relu(scaled(64, width), 3, padding=1)}
