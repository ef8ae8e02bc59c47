"""Inception-v3: GoogLeNet with factorised kernels.

Two 3 × 3 convolutions replace a 5 × 5, and a 1 × 7 and a 7 × 1 convolution replace a 7 × 7.

The network that the authors released differs from the paper's Table 1. All published weights belong to the released network,
so it is implemented here. In the stem, the paper has three 3 × 3 convolutions (the last with stride 2 at 71 → 35). The
released network has a 1 × 1, a 3 × 3 and a max pooling, with the same sizes. The paper's Figure 5 replaces all 5 × 5
convolutions, while each released block keeps one. Of the paper's five blocks like Figure 6, the first is the block that halves
the size.
"""

from typing import Any

from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import Block, conv_bn_relu, scaled, score_layer
from refconv.nn import AvgPool2D, Concat, Dropout, GlobalAvgPool2D, Heads, MaxPool2D, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = ["inception_v3"]

# Numbers of filters that differ between the blocks of one figure.
FIGURE_5 = (32, 64, 64)  # filters of the projection: 256, 288 and 288 channels at 35 × 35
FIGURE_6 = (128, 160, 160, 192)  # filters between the 1 × 7 and the 7 × 1, at 17 × 17


@takes_batch_norm_options
def inception_v3(
    classes: int = 1000, width: float = 1, *, heads: bool = True, small_images: bool = False
) -> Sequential | Heads:
    """Create Inception-v3 for images of 299 × 299 pixels.

    Parameters
    ----------
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters of all layers but the last.
    heads : bool
        True for a network with the auxiliary classifier. Its forward pass in training returns two arrays of scores, which
        :class:`refconv.training.CrossEntropy` accepts.
    small_images : bool
        True for a stem for 32 × 32 pixels. The 17 × 17 pixels are then 7 × 7, too few for the auxiliary classifier.
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
    """Return the stem: 299 → 149 → 147 → 147 → 73 → 73 → 71 → 35 pixels."""
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
    """Return the stem for 32 × 32 pixels, which halves the size to 16 × 16."""
    return {"conv1": conv(32, 3), "conv2": conv(64, 3), "pool1": MaxPool2D(3, stride=2, padding="same")}


def figure_5(conv: Block, proj: int) -> Concat:
    """Create a block with four branches: 1 × 1; 5 × 5; two 3 × 3; a pooling."""
    return Concat(
        one=conv(64),
        five=Sequential(conv(48), conv(64, 5)),
        double=Sequential(conv(64), conv(96, 3), conv(96, 3)),
        proj=pool_and(conv(proj)),
    )


def figure_6(conv: Block, inner: int) -> Concat:
    """Create a block with four branches: 1 × 1; 1 × 7 and 7 × 1; the same twice; a pooling."""
    return Concat(
        one=conv(192),
        seven=Sequential(conv(inner), conv(inner, (1, 7)), conv(192, (7, 1))),
        double=Sequential(conv(inner), conv(inner, (7, 1)), conv(inner, (1, 7)), conv(inner, (7, 1)), conv(192, (1, 7))),
        proj=pool_and(conv(192)),
    )


def figure_7(conv: Block) -> Concat:
    """Create a block with four branches, with parallel 1 × 3 and 3 × 1 convolutions in two.

    The branches are: 1 × 1; 1 × 3 parallel to 3 × 1; the same after a 3 × 3; a pooling.
    """
    return Concat(
        one=conv(320),
        three=Sequential(conv(384), Concat(conv(384, (1, 3)), conv(384, (3, 1)))),
        double=Sequential(conv(448), conv(384, 3), Concat(conv(384, (1, 3)), conv(384, (3, 1)))),
        proj=pool_and(conv(192)),
    )


def reduction_1(conv: Block) -> Concat:
    """Create the block for 35 → 17 pixels and 288 → 768 channels."""
    return Concat(
        three=conv(384, 3, stride=2, padding="valid"),
        double=Sequential(conv(64), conv(96, 3), conv(96, 3, stride=2, padding="valid")),
        pool=MaxPool2D(3, stride=2),
    )


def reduction_2(conv: Block) -> Concat:
    """Create the block for 17 → 8 pixels and 768 → 1280 channels."""
    return Concat(
        three=Sequential(conv(192), conv(320, 3, stride=2, padding="valid")),
        seven=Sequential(conv(192), conv(192, (1, 7)), conv(192, (7, 1)), conv(192, 3, stride=2, padding="valid")),
        pool=MaxPool2D(3, stride=2),
    )


def pool_and(projection: Layer) -> Sequential:
    """Create the branch of a 3 × 3 average pooling and a 1 × 1 convolution."""
    return Sequential(pool=AvgPool2D(3, stride=1, padding="same"), conv=projection)


def head(conv: Block, classes: int) -> Sequential:
    """Create the auxiliary classifier after the last 17 × 17 block."""
    return Sequential(
        pool=AvgPool2D(5, stride=3),
        conv1=conv(128),
        conv2=conv(768, 5, padding="valid"),
        mean=GlobalAvgPool2D(),
        scores=score_layer(classes),
    )
