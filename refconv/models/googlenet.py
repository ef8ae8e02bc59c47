"""GoogLeNet: nine Inception blocks, each of which looks at its input through four windows at once.

Its Table 1 stands here as the paper prints it. Two heads of their own, behind 4a and 4d, help to train it and go afterwards.
torchvision's version differs: it has batch normalisation instead of response normalisation and biases, and 3 × 3 where the
table says 5 × 5, a slip that its trained weights have made permanent; style="torchvision" has as many parameters, layer by
layer, but keeps the paper's pools: torchvision's last between blocks is 2 × 2, and those of its heads adapt to the size.
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

# Table 1: #1×1, (#3×3 reduce, #3×3), (#5×5 reduce, #5×5), pool proj; None is a max pooling.
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
STYLES = {"paper": (conv_relu, 5), "torchvision": (conv_bn_relu, 3)}  # what a convolution is, and how large the large one


@takes_batch_norm_options
def googlenet(
    style: str = "paper", classes: int = 1000, width: float = 1, *, heads: bool = True, small_images: bool = False
) -> Sequential | Heads:
    """GoogLeNet for images of 224 × 224 pixels.

    Parameters
    ----------
    style : str
        "paper", or "torchvision" for the parameters of its variant.
    classes : int
        Number of scores at the end, and of each head.
    width : float
        Factor for the number of filters and units in all other layers.
    heads : bool
        Whether the two auxiliary classifiers are there: then the forward pass in training returns three times scores, and
        the loss is :func:`refconv.training.CrossEntropy`.
    small_images : bool
        A stem for 32 × 32 pixels, one convolution and one pooling.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Heads or Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

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
    """A row of the table: 1 × 1, 3 × 3 and 5 × 5 convolutions and a pooling side by side, the last three over a 1 × 1.

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
    """The table's rows above the first Inception block: 224 → 112 → 56 → 28 pixels."""
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
    """For 32 pixels, of which 16 reach the first Inception block."""
    return {"conv2": convolution(scaled(192, width), 3, padding="same"), "pool2": pool()}


def head(classes: int, width: float, convolution: Block) -> Sequential:
    """An auxiliary classifier, section 5 of the paper."""
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
    """Half the size, 112 → 56 as in the table: the last window hangs over the end."""
    return MaxPool2D(3, stride=2, ceil_mode=True)


def _scaled(row: Row, width: float) -> Row:
    one, (reduce3, three), (reduce5, five), proj = row

    def some(n: int) -> int:
        return scaled(n, width)

    return some(one), (some(reduce3), some(three)), (some(reduce5), some(five)), some(proj)
