"""Inception-v3: large windows taken apart, 5 × 5 into two 3 × 3, and 7 × 7 into 1 × 7 and 7 × 1.

The paper's Table 1 and the network that its authors released differ, and everybody's weights are the latter's; it stands
here. The paper's stem has three 3 × 3 convolutions (the last with stride 2 at 71 → 35) where the released one has a 1 × 1, a
3 × 3 and a max pooling, with the same sizes; its Figure 5 replaces all 5 × 5 convolutions, the released blocks keep one each;
and of its five blocks like Figure 6 the first is the one that halves the size.
"""

from typing import Any

from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import Block, conv_bn_relu, scaled, score_layer
from refconv.nn import AvgPool2D, Concat, Dropout, GlobalAvgPool2D, Heads, MaxPool2D, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = ["inception_v3"]

# What differs between the blocks that are drawn in one figure.
FIGURE_5 = (32, 64, 64)  # filters of the projection: 256, 288 and 288 channels at 35 × 35
FIGURE_6 = (128, 160, 160, 192)  # filters between the 1 × 7 and the 7 × 1, at 17 × 17


@takes_batch_norm_options
def inception_v3(
    classes: int = 1000, width: float = 1, *, heads: bool = True, small_images: bool = False
) -> Sequential | Heads:
    """Inception-v3 for images of 299 × 299 pixels.

    Parameters
    ----------
    classes : int
        Number of scores at the end, and of the head.
    width : float
        Factor for the number of filters in all other layers.
    heads : bool
        Whether the auxiliary classifier is there: then the forward pass in training returns twice scores, and the loss is
        :func:`refconv.training.CrossEntropy`.
    small_images : bool
        A stem for 32 × 32 pixels; its 17 × 17 are then 7 × 7, too few for the head.
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
    >>> inception_v3().count_parameters((299, 299, 3), trainable_only=True)
    27161264

    Source: lecture rows M8 and A19 (SOURCES.md); Szegedy et al., "Rethinking the Inception architecture for computer vision",
    2015.
    """

    def conv(filters: int, kernel: Size = 1, **arguments: Any) -> Sequential:
        return conv_bn_relu(scaled(filters, width), kernel, **{"padding": "same", **arguments})

    trunk = Sequential(
        **(small_stem if small_images else imagenet_stem)(conv),
        **{f"figure5_{k}": figure_5(conv, proj) for k, proj in enumerate(FIGURE_5, 1)},
        reduction1=reduction_1(conv),
        **{f"figure6_{k}": figure_6(conv, inner) for k, inner in enumerate(FIGURE_6, 1)},
        reduction2=reduction_2(conv),
        **{f"figure7_{k}": figure_7(conv) for k in (1, 2)},
        mean=GlobalAvgPool2D(),
        dropout=Dropout(0.2),
        scores=score_layer(classes),
    )
    return Heads(trunk, figure6_4=head(conv, classes)) if heads else trunk


def imagenet_stem(conv: Block) -> dict[str, Layer]:
    """299 → 149 → 147 → 147 → 73 → 73 → 71 → 35 pixels."""
    return {
        "conv1": conv(32, 3, stride=2, padding="valid"),
        "conv2": conv(32, 3, padding="valid"),
        "conv3": conv(64, 3),
        "pool1": MaxPool2D(3, stride=2),
        "conv4": conv(80),
        "conv5": conv(192, 3, padding="valid"),
        "pool2": MaxPool2D(3, stride=2),
    }


def small_stem(conv: Block) -> dict[str, Layer]:
    """For 32 pixels, of which 16 reach the first Inception block."""
    return {"conv1": conv(32, 3), "conv2": conv(64, 3), "pool1": MaxPool2D(3, stride=2, padding="same")}


def figure_5(conv: Block, proj: int) -> Concat:
    """1 × 1; 5 × 5; two 3 × 3; a pooling."""
    return Concat(
        one=conv(64),
        five=Sequential(conv(48), conv(64, 5)),
        double=Sequential(conv(64), conv(96, 3), conv(96, 3)),
        proj=pool_and(conv(proj)),
    )


def figure_6(conv: Block, inner: int) -> Concat:
    """1 × 1; 7 × 7 as 1 × 7 and 7 × 1; the same twice; a pooling."""
    return Concat(
        one=conv(192),
        seven=Sequential(conv(inner), conv(inner, (1, 7)), conv(192, (7, 1))),
        double=Sequential(conv(inner), conv(inner, (7, 1)), conv(inner, (1, 7)), conv(inner, (7, 1)), conv(192, (1, 7))),
        proj=pool_and(conv(192)),
    )


def figure_7(conv: Block) -> Concat:
    """1 × 1; 3 × 3 spread out into 1 × 3 and 3 × 1 side by side; a 3 × 3 in front of the same; a pooling."""
    return Concat(
        one=conv(320),
        three=Sequential(conv(384), Concat(conv(384, (1, 3)), conv(384, (3, 1)))),
        double=Sequential(conv(448), conv(384, 3), Concat(conv(384, (1, 3)), conv(384, (3, 1)))),
        proj=pool_and(conv(192)),
    )


def reduction_1(conv: Block) -> Concat:
    """35 → 17 pixels, 288 → 768 channels."""
    return Concat(
        three=conv(384, 3, stride=2, padding="valid"),
        double=Sequential(conv(64), conv(96, 3), conv(96, 3, stride=2, padding="valid")),
        pool=MaxPool2D(3, stride=2),
    )


def reduction_2(conv: Block) -> Concat:
    """17 → 8 pixels, 768 → 1280 channels."""
    return Concat(
        three=Sequential(conv(192), conv(320, 3, stride=2, padding="valid")),
        seven=Sequential(conv(192), conv(192, (1, 7)), conv(192, (7, 1)), conv(192, 3, stride=2, padding="valid")),
        pool=MaxPool2D(3, stride=2),
    )


def pool_and(projection: Layer) -> Sequential:
    """The mean of each pixel's neighbourhood, and a 1 × 1 convolution."""
    return Sequential(pool=AvgPool2D(3, stride=1, padding="same"), conv=projection)


def head(conv: Block, classes: int) -> Sequential:
    """The auxiliary classifier behind the last 17 × 17 block."""
    return Sequential(
        pool=AvgPool2D(5, stride=3),
        conv1=conv(128),
        conv2=conv(768, 5, padding="valid"),
        mean=GlobalAvgPool2D(),
        scores=score_layer(classes),
    )
