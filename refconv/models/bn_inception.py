"""BN-Inception: GoogLeNet with batch normalisation and without 5 × 5 convolutions.

Two 3 × 3 convolutions replace each 5 × 5 convolution. The module contains the table of the paper's appendix, with one error
corrected: the table gives 128 filters for the projections of 4c and 4d, but their outputs have 576 channels only with 96
filters. The table determines which poolings in the blocks compute the mean. The two blocks that halve the size concatenate the
pooled input without a projection. The first convolution is depthwise separable.
"""

from collections.abc import Callable, Sequence

from refconv.models.batch_norm import batch_norm, takes_batch_norm_options
from refconv.models.blocks import conv_bn_relu, scaled, score_layer
from refconv.nn import (
    AvgPool2D,
    Concat,
    GlobalAvgPool2D,
    MaxPool2D,
    ReLU,
    SeparableConv2D,
    Sequential,
)
from refconv.nn.layer import Layer

__all__ = ["bn_inception"]

# Figure 5: #1×1, (#3×3 reduce, #3×3), (double #3×3 reduce, double #3×3), pool and its projection. In rows without a 1 × 1
# convolution, the stride is 2 and the pooled input has no projection.
Row = tuple[int, Sequence[int], Sequence[int], tuple[str, int]]

INCEPTION: dict[str, Row] = {
    "inception3a": (64, (64, 64), (64, 96), ("avg", 32)),
    "inception3b": (64, (64, 96), (64, 96), ("avg", 64)),
    "inception3c": (0, (128, 160), (64, 96), ("max", 0)),
    "inception4a": (224, (64, 96), (96, 128), ("avg", 128)),
    "inception4b": (192, (96, 128), (96, 128), ("avg", 128)),
    "inception4c": (160, (128, 160), (128, 160), ("avg", 96)),
    "inception4d": (96, (128, 192), (160, 192), ("avg", 96)),
    "inception4e": (0, (128, 192), (192, 256), ("max", 0)),
    "inception5a": (352, (192, 320), (160, 224), ("avg", 128)),
    "inception5b": (352, (192, 320), (192, 224), ("max", 128)),
}

POOLS: dict[str, Callable[..., Layer]] = {"avg": AvgPool2D, "max": MaxPool2D}


@takes_batch_norm_options
def bn_inception(classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """Create BN-Inception for images of 224 × 224 pixels.

    Parameters
    ----------
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters of all layers but the last.
    small_images : bool
        True for a stem for 32 × 32 pixels: one convolution and one pooling.
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
    >>> stages = {name: layer.output_shape(shape) for name, layer, shape in bn_inception().children((224, 224, 3))}
    >>> stages["inception3c"], stages["inception4e"], stages["inception5b"]
    ((14, 14, 576), (7, 7, 1024), (7, 7, 1024))

    Source: lecture rows M8 and A13–A17 (SOURCES.md); Ioffe and Szegedy, "Batch normalization", 2015, Figure 5.
    """
    stem = small_stem if small_images else imagenet_stem
    blocks = {name: inception(*_scaled(row, width)) for name, row in INCEPTION.items()}
    return Sequential(**stem(width), **blocks, mean=GlobalAvgPool2D(), scores=score_layer(classes))


def inception(one: int, three: Sequence[int], double: Sequence[int], pool: tuple[str, int]) -> Concat:
    """Create the Inception block of a row of the table.

    >>> inception(0, (128, 160), (64, 96), ("max", 0)).output_shape((28, 28, 320))
    (14, 14, 576)
    """
    kind, proj = pool
    stride = 1 if one else 2
    branches: dict[str, Layer] = {"one": conv_bn_relu(one, 1)} if one else {}
    branches["three"] = Sequential(
        reduce=conv_bn_relu(three[0], 1),
        conv=conv_bn_relu(three[1], 3, stride=stride, padding="same"),
    )
    branches["double"] = Sequential(
        reduce=conv_bn_relu(double[0], 1),
        conv1=conv_bn_relu(double[1], 3, padding="same"),
        conv2=conv_bn_relu(double[1], 3, stride=stride, padding="same"),
    )
    project = {"conv": conv_bn_relu(proj, 1)} if proj else {}
    branches["pool"] = Sequential(pool=POOLS[kind](3, stride=stride, padding="same"), **project)
    return Concat(branches)


def imagenet_stem(width: float) -> dict[str, Layer]:
    """Return the stem, the table's rows above the first Inception block.

    The depthwise part of the first convolution has eight filters for each colour.
    """
    return {
        "conv1": SeparableConv2D(scaled(64, width), 7, multiplier=8, stride=2, padding="same", bias=False),
        "norm1": batch_norm(),
        "relu1": ReLU(),
        "pool1": MaxPool2D(3, stride=2, padding="same"),
        "conv2_reduce": conv_bn_relu(scaled(64, width), 1),
        "conv2": conv_bn_relu(scaled(192, width), 3, padding="same"),
        "pool2": MaxPool2D(3, stride=2, padding="same"),
    }


def small_stem(width: float) -> dict[str, Layer]:
    """Return the stem for 32 × 32 pixels, which halves the size to 16 × 16."""
    return {
        "conv2": conv_bn_relu(scaled(192, width), 3, padding="same"),
        "pool2": MaxPool2D(3, stride=2, padding="same"),
    }


def _scaled(row: Row, width: float) -> Row:
    """Return the row with all numbers scaled by the width, except 0, which means no such branch."""

    def scale(n: int) -> int:
        return scaled(n, width) if n else 0

    one, three, double, (kind, proj) = row
    return scale(one), [*map(scale, three)], [*map(scale, double)], (kind, scale(proj))
