"""GoogLeNet: nine Inception blocks, each with four branches of different window sizes.

The module contains Table 1 of the paper as printed. Two auxiliary heads, after blocks 4a and 4d, help to train the network;
inference does not use them.

torchvision's version differs. It has batch normalisation instead of response normalisation and biases. It also has 3 × 3
convolutions instead of the table's 5 × 5, a mistake that cannot be corrected because its trained weights depend on it.
style="torchvision" has the same number of parameters in each layer, but keeps the paper's poolings: in torchvision, the last
pooling between blocks is 2 × 2, and the poolings of the heads adapt to the image size.
"""

from refconv._arguments import choice
from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import Block, conv_bn_relu, conv_relu, scaled, score_layer
from refconv.nn import (
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
STYLES = {"paper": (conv_relu, 5), "torchvision": (conv_bn_relu, 3)}  # block of a convolution, and the largest kernel size


@takes_batch_norm_options
def googlenet(
    style: str = "paper", classes: int = 1000, width: float = 1, *, heads: bool = True, small_images: bool = False
) -> Sequential | Heads:
    """Create GoogLeNet for images of 224 × 224 pixels.

    Parameters
    ----------
    style : str
        "paper", or "torchvision" for a network with the parameters of torchvision's variant.
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters and units of all layers but the last.
    heads : bool
        True for a network with the two auxiliary classifiers. Its forward pass in training returns three arrays of scores,
        which :class:`refconv.training.CrossEntropy` accepts.
    small_images : bool
        True for a stem for 32 × 32 pixels: one convolution and one pooling.
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
    convolution, large = STYLES[choice("style", style, STYLES)]
    blocks = {name: inception(*_scaled(row, width), convolution, large) if row else pool() for name, row in INCEPTION.items()}
    stem = small_stem if small_images else imagenet_stem
    trunk = Sequential(
        **stem(width, convolution, norm=style == "paper"),
        **blocks,
        mean=GlobalAvgPool2D(),
        dropout=Dropout(0.4),
        scores=score_layer(classes),
    )
    return Heads(trunk, **{name: head(classes, width, convolution) for name in HEADS}) if heads else trunk


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


def head(classes: int, width: float, convolution: Block) -> Sequential:
    """Create an auxiliary classifier (section 5 of the paper)."""
    return Sequential(
        pool=AvgPool2D(5, stride=3),
        conv=convolution(scaled(128, width), 1),
        flatten=Flatten(),
        dense=Dense(scaled(1024, width)),
        relu=ReLU(),
        dropout=Dropout(0.7),
        scores=score_layer(classes),
    )


def pool() -> MaxPool2D:
    """Create a max pooling that halves the size, 112 → 56 as in the table.

    With ``ceil_mode``, the last window extends beyond the image.
    """
    return MaxPool2D(3, stride=2, ceil_mode=True)


def _scaled(row: Row, width: float) -> Row:
    one, (reduce3, three), (reduce5, five), proj = row

    def scale(n: int) -> int:
        return scaled(n, width)

    return scale(one), (scale(reduce3), scale(three)), (scale(reduce5), scale(five)), scale(proj)
