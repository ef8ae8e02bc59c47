"""Inception-v3: GoogLeNet with factorised kernels.

Two 3 × 3 convolutions replace a 5 × 5, and a 1 × 7 and a 7 × 1 convolution replace a 7 × 7.

The network that the authors released differs from the paper's Table 1, and all published weights belong to the released
network. Both are styles of the builder:

- After the first pooling, the table has three 3 × 3 convolutions, 73 → 71 → 35 → 35 pixels. The released network has a 1 × 1,
  a 3 × 3 and a max pooling.
- The table's blocks follow Figure 5, which replaces all 5 × 5 convolutions. Each released block keeps one.
- The table has five blocks like Figure 6, the released network four.

torchvision's network, style="torchvision", is the released one with two changes: its average poolings in the blocks count the
zeros of the padding, and its last dropout has the rate 0.5.

The paper does not print the numbers of filters inside the blocks, only their sums. style="paper" takes them from the released
network. They fit: each block has the number of channels in the table. The table does not mark the convolution from 192 to 288
channels as padded. It is padded here, because its output in the table has the size of its input, 35 × 35 pixels.

Inception-v2 of the paper's Table 3 begins with a 7 × 7 convolution. The row "factorised 7 × 7" replaces it with three 3 × 3
convolutions, as in Table 1. In other libraries, and as an alias in refconv, "inception-v2" means BN-Inception.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from refconv._arguments import choice, flag
from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.blocks import Block, conv_bn_relu, imagenet_to_unit_range, scaled, score_layer
from refconv.nn import AvgPool2D, Concat, Dropout, GlobalAvgPool2D, Heads, MaxPool2D, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = ["inception_v3"]


class Style(NamedTuple):
    """Stem and blocks of a style; each tuple has a number of filters for each block."""

    stem: Callable[[Block], dict[str, Layer]]
    largest: int  # largest kernel in the blocks of Figure 5
    figure_5: tuple[int, ...]  # filters of the projection: 256 or 288 channels at 35 × 35
    figure_6: tuple[int, ...]  # filters between the 1 × 7 and the 7 × 1, at 17 × 17
    count_padding: bool = False  # in the average poolings of the blocks
    dropout: float = 0.2  # rate before the scores


@takes_batch_norm_options
def inception_v3(
    classes: int = 1000,
    width: float = 1,
    *,
    style: str = "released",
    heads: bool = True,
    small_images: bool = False,
    transform_input: bool = False,
) -> Sequential | Heads:
    """Create Inception-v3 for images of 299 × 299 pixels.

    Parameters
    ----------
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters of all layers but the last.
    style : str
        "released" for the network of the authors' weights, or "torchvision" for torchvision's. "paper" for the network of the
        paper's Table 1, and "paper-v2" for the same network with a 7 × 7 convolution in place of the first three convolutions.
    heads : bool
        True for a network with the auxiliary classifier. Its forward pass in training returns two arrays of scores, which
        :class:`refconv.training.CrossEntropy` accepts.
    small_images : bool
        True for a stem for 32 × 32 pixels, the same for all styles. The 17 × 17 pixels are then 7 × 7, too few for the
        auxiliary classifier.
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
    >>> inception_v3().count_parameters((299, 299, 3), trainable_only=True)
    27161264
    >>> inception_v3(style="paper", heads=False).layers["figure6_1"].output_shape((17, 17, 768))
    (17, 17, 768)

    Source: lecture rows M8, A19 and D7 (SOURCES.md); Szegedy et al., "Rethinking the Inception architecture for computer
    vision", 2015.
    """
    chosen = STYLES[choice("style", style, STYLES)]

    def conv(filters: int, kernel: Size = 1, **arguments: Any) -> Sequential:
        return conv_bn_relu(scaled(filters, width), kernel, **{"padding": "same", **arguments})

    def pooled(filters: int) -> Sequential:
        return pool_and(conv(filters), chosen.count_padding)

    trunk = Sequential(
        **({"transform": imagenet_to_unit_range()} if flag("transform_input", transform_input) else {}),
        **(small_stem if small_images else chosen.stem)(conv),
        **{f"figure5_{k}": figure_5(conv, pooled(proj), chosen.largest) for k, proj in enumerate(chosen.figure_5, 1)},
        reduction1=reduction_1(conv),
        **{f"figure6_{k}": figure_6(conv, pooled(192), inner) for k, inner in enumerate(chosen.figure_6, 1)},
        reduction2=reduction_2(conv),
        **{f"figure7_{k}": figure_7(conv, pooled(192)) for k in (1, 2)},
        mean=GlobalAvgPool2D(),
        dropout=Dropout(chosen.dropout),
        scores=score_layer(classes),
    )
    return Heads(trunk, **{f"figure6_{len(chosen.figure_6)}": head(conv, classes)}) if heads else trunk


def factorised_7x7(conv: Block) -> dict[str, Layer]:
    """Return three 3 × 3 convolutions in place of a 7 × 7: 299 → 149 → 147 → 147 pixels."""
    return {
        "conv1": conv(32, 3, stride=2, padding="valid"),
        "conv2": conv(32, 3, padding="valid"),
        "conv3": conv(64, 3),
    }


def released_stem(conv: Block) -> dict[str, Layer]:
    """Return the stem of the released network: 299 → 149 → 147 → 147 → 73 → 73 → 71 → 35 pixels."""
    return {
        **factorised_7x7(conv),
        "pool1": MaxPool2D(3, stride=2),
        "conv4": conv(80),
        "conv5": conv(192, 3, padding="valid"),
        "pool2": MaxPool2D(3, stride=2),
    }


def paper_stem(conv: Block) -> dict[str, Layer]:
    """Return the stem of Table 1: 299 → 149 → 147 → 147 → 73 → 71 → 35 → 35 pixels."""
    return {**factorised_7x7(conv), **paper_stem_end(conv)}


def paper_v2_stem(conv: Block) -> dict[str, Layer]:
    """Return the stem of Inception-v2: 299 → 147 → 73 → 71 → 35 → 35 pixels."""
    return {"conv1": conv(64, 7, stride=2, padding="valid"), **paper_stem_end(conv)}


def paper_stem_end(conv: Block) -> dict[str, Layer]:
    """Return the rest of the stem of Table 1: 147 → 73 → 71 → 35 → 35 pixels."""
    return {
        "pool1": MaxPool2D(3, stride=2),
        "conv4": conv(80, 3, padding="valid"),
        "conv5": conv(192, 3, stride=2, padding="valid"),
        "conv6": conv(288, 3),
    }


RELEASED = Style(released_stem, 5, (32, 64, 64), (128, 160, 160, 192))
STYLES = {
    "released": RELEASED,
    "torchvision": RELEASED._replace(count_padding=True, dropout=0.5),
    "paper": Style(paper_stem, 3, (64, 64, 64), (128, 160, 160, 192, 192)),
    "paper-v2": Style(paper_v2_stem, 3, (64, 64, 64), (128, 160, 160, 192, 192)),
}


def small_stem(conv: Block) -> dict[str, Layer]:
    """Return the stem for 32 × 32 pixels, which halves the size to 16 × 16."""
    return {"conv1": conv(32, 3), "conv2": conv(64, 3), "pool1": MaxPool2D(3, stride=2, padding="same")}


def figure_5(conv: Block, proj: Layer, largest: int) -> Concat:
    """Create a block with four branches: 1 × 1; 5 × 5; two 3 × 3; a pooling.

    In the paper, the largest kernel is 3 × 3.
    """
    return Concat(
        one=conv(64),
        five=Sequential(conv(48), conv(64, largest)),
        double=Sequential(conv(64), conv(96, 3), conv(96, 3)),
        proj=proj,
    )


def figure_6(conv: Block, proj: Layer, inner: int) -> Concat:
    """Create a block with four branches: 1 × 1; 1 × 7 and 7 × 1; the same twice; a pooling."""
    return Concat(
        one=conv(192),
        seven=Sequential(conv(inner), conv(inner, (1, 7)), conv(192, (7, 1))),
        double=Sequential(conv(inner), conv(inner, (7, 1)), conv(inner, (1, 7)), conv(inner, (7, 1)), conv(192, (1, 7))),
        proj=proj,
    )


def figure_7(conv: Block, proj: Layer) -> Concat:
    """Create a block with four branches, with parallel 1 × 3 and 3 × 1 convolutions in two.

    The branches are: 1 × 1; 1 × 3 parallel to 3 × 1; the same after a 3 × 3; a pooling.
    """
    return Concat(
        one=conv(320),
        three=Sequential(conv(384), Concat(conv(384, (1, 3)), conv(384, (3, 1)))),
        double=Sequential(conv(448), conv(384, 3), Concat(conv(384, (1, 3)), conv(384, (3, 1)))),
        proj=proj,
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


def pool_and(projection: Layer, count_padding: bool) -> Sequential:
    """Create the branch of a 3 × 3 average pooling and a 1 × 1 convolution."""
    return Sequential(pool=AvgPool2D(3, stride=1, padding="same", count_include_pad=count_padding), conv=projection)


def head(conv: Block, classes: int) -> Sequential:
    """Create the auxiliary classifier after the last 17 × 17 block."""
    return Sequential(
        pool=AvgPool2D(5, stride=3),
        conv1=conv(128),
        conv2=conv(768, 5, padding="valid"),
        mean=GlobalAvgPool2D(),
        scores=score_layer(classes),
    )
