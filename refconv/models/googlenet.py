"""GoogLeNet: nine Inception blocks, each with four branches of different window sizes.

The module contains Table 1 of the paper as printed. Two auxiliary heads, after blocks 4a and 4d, help to train the network;
inference does not use them.

torchvision's version, style="torchvision", differs:

- It has batch normalisation instead of response normalisation and biases.
- It has 3 × 3 convolutions instead of the table's 5 × 5, a mistake that cannot be corrected because its trained weights depend
  on it.
- The last pooling between blocks has windows of 2 × 2 pixels.
- The poolings of the heads adapt to the image size: their output always has 4 × 4 pixels.
- The last dropout has the rate 0.2.
"""

from collections.abc import Callable
from typing import NamedTuple

from refconv._arguments import choice, flag
from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import Block, conv_bn_relu, conv_relu, imagenet_to_unit_range, scaled, score_layer
from refconv.nn import (
    AdaptiveAvgPool2D,
    AvgPool2D,
    Concat,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Heads,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Sequential,
)
from refconv.nn.layer import Layer

__all__ = ["googlenet", "inception"]

# Table 1: #1×1, (#3×3 reduce, #3×3), (#5×5 reduce, #5×5), pool proj; None means a max pooling.
Row = tuple[int, tuple[int, int], tuple[int, int], int]

INCEPTION: dict[str, Row | None] = {
    "inception3a": (64, (96, 128), (16, 32), 32),
    "inception3b": (128, (128, 192), (32, 96), 64),
    "pool3": None,
    "inception4a": (192, (96, 208), (16, 48), 64),
    "inception4b": (160, (112, 224), (24, 64), 64),
    "inception4c": (128, (128, 256), (24, 64), 64),
    "inception4d": (112, (144, 288), (32, 64), 64),
    "inception4e": (256, (160, 320), (32, 128), 128),
    "pool4": None,
    "inception5a": (256, (160, 320), (32, 128), 128),
    "inception5b": (384, (192, 384), (48, 128), 128),
}

HEADS = ("inception4a", "inception4d")


class Style(NamedTuple):
    """Layers that differ between the paper's network and torchvision's."""

    convolution: Block
    response_norm: bool
    large: int  # kernel size of the branch "five"
    pool4: int  # window of the last pooling between blocks
    head_pool: Callable[[], Layer]
    dropout: float  # rate before the scores


STYLES = {
    "paper": Style(conv_relu, True, 5, 3, lambda: AvgPool2D(5, stride=3), 0.4),
    "torchvision": Style(conv_bn_relu, False, 3, 2, lambda: AdaptiveAvgPool2D(4), 0.2),
}


@takes_batch_norm_options
def googlenet(
    style: str = "paper",
    classes: int = 1000,
    width: float = 1,
    *,
    heads: bool = True,
    small_images: bool = False,
    transform_input: bool = False,
) -> Sequential | Heads:
    """Create GoogLeNet for images of 224 × 224 pixels.

    Parameters
    ----------
    style : str
        "paper", or "torchvision" for torchvision's network.
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters and units of all layers but the last.
    heads : bool
        True for a network with the two auxiliary classifiers. Its forward pass in training returns three arrays of scores,
        which :class:`refconv.training.CrossEntropy` accepts.
    small_images : bool
        True for a stem for 32 × 32 pixels: one convolution and one pooling.
    transform_input : bool
        True if images are normalised with ImageNet's mean and standard deviation, but the weights need colours from −1 to 1,
        like torchvision's published weights.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Heads or Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> googlenet(heads=False).count_parameters((224, 224, 3)), googlenet().count_parameters((224, 224, 3))
    (6998552, 13378280)

    Source: lecture rows M7 and A22 (SOURCES.md); Szegedy et al., "Going deeper with convolutions", 2014.
    """
    chosen = STYLES[choice("style", style, STYLES)]
    convolution = chosen.convolution
    blocks = {
        name: inception(*_scaled(row, width), convolution, chosen.large) if row else pool() for name, row in INCEPTION.items()
    }
    blocks["pool4"] = pool(chosen.pool4)
    stem = small_stem if small_images else imagenet_stem
    trunk = Sequential(
        **({"transform": imagenet_to_unit_range()} if flag("transform_input", transform_input) else {}),
        **stem(width, convolution, norm=chosen.response_norm),
        **blocks,
        mean=GlobalAvgPool2D(),
        dropout=Dropout(chosen.dropout),
        scores=score_layer(classes),
    )
    return Heads(trunk, **{name: head(classes, width, chosen) for name in HEADS}) if heads else trunk


def inception(
    one: int, three: tuple[int, int], five: tuple[int, int], proj: int, convolution: Block = conv_relu, large: int = 5
) -> Concat:
    """Create the Inception block of a row of the table.

    It concatenates 1 × 1, 3 × 3 and 5 × 5 convolutions and a pooling. A 1 × 1 convolution comes before the 3 × 3 and the
    5 × 5 convolution, and after the pooling.

    >>> inception(64, (96, 128), (16, 32), 32).output_shape((28, 28, 192))
    (28, 28, 256)

    Source: lecture row M7 (SOURCES.md).
    """
    return Concat(
        one=convolution(one, 1),
        three=Sequential(reduce=convolution(three[0], 1), conv=convolution(three[1], 3, padding="same")),
        five=Sequential(reduce=convolution(five[0], 1), conv=convolution(five[1], large, padding="same")),
        proj=Sequential(pool=MaxPool2D(3, stride=1, padding="same"), conv=convolution(proj, 1)),
    )


def imagenet_stem(width: float, convolution: Block, norm: bool) -> dict[str, Layer]:
    """Return the table's rows above the first Inception block: 224 → 112 → 56 → 28 pixels."""
    one, two = ({f"norm{k}": LocalResponseNorm()} if norm else {} for k in (1, 2))
    return {
        "conv1": convolution(scaled(64, width), 7, stride=2, padding=3),
        "pool1": pool(),
        **one,
        "conv2_reduce": convolution(scaled(64, width), 1),
        "conv2": convolution(scaled(192, width), 3, padding="same"),
        **two,
        "pool2": pool(),
    }


def small_stem(width: float, convolution: Block, norm: bool) -> dict[str, Layer]:
    """Return the stem for 32 × 32 pixels, which halves the size to 16 × 16."""
    return {"conv2": convolution(scaled(192, width), 3, padding="same"), "pool2": pool()}


def head(classes: int, width: float, style: Style) -> Sequential:
    """Create an auxiliary classifier (section 5 of the paper)."""
    return Sequential(
        pool=style.head_pool(),
        conv=style.convolution(scaled(128, width), 1),
        flatten=Flatten(),
        dense=Dense(scaled(1024, width)),
        relu=ReLU(),
        dropout=Dropout(0.7),
        scores=score_layer(classes),
    )


def pool(window: int = 3) -> MaxPool2D:
    """Create a max pooling that halves the size, 112 → 56 as in the table.

    With ``ceil_mode``, the last window extends beyond the image.
    """
    return MaxPool2D(window, stride=2, ceil_mode=True)


def _scaled(row: Row, width: float) -> Row:
    one, (reduce3, three), (reduce5, five), proj = row

    def scale(n: int) -> int:
        return scaled(n, width)

    return scale(one), (scale(reduce3), scale(three)), (scale(reduce5), scale(five)), scale(proj)
