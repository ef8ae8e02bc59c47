"""U-Net: down to see what is there, up again to say where; and at every size the way across, which keeps the detail.

A U-Net is a U-Net inside a U-Net, and so it is built. The paper's convolutions have no padding: 572 × 572 pixels in, 388 × 388
out, and what goes across is cropped to what comes up. With padding="same" nothing is lost and nothing cropped.
"""

from refconv._arguments import choice, integer
from refconv.models.blocks import conv_relu, scaled
from refconv.models.sizes import SizedSequential, SizeRule
from refconv.nn import Concat, Conv2D, ConvTranspose2D, Crop2D, Dropout, Identity, MaxPool2D, Sequential
from refconv.typing import Padding

__all__ = ["double_conv", "unet"]

FILTERS = (64, 128, 256, 512, 1024)  # Figure 1, from the top of the U to its bottom


def unet(classes: int = 2, width: float = 1, *, padding: Padding = "valid", depth: int = 5) -> SizedSequential:
    """U-Net; its output is an image of scores, one a class for each pixel.

    Parameters
    ----------
    classes : int
        Number of scores of a pixel.
    width : float
        Factor for the number of filters.
    padding : str
        "valid" as in the paper: each side loses 92 pixels, and the size at the bottom must come out even all the way, as with
        572. Or "same": the output has the input's size, which must be divisible by 16.
    depth : int
        Sizes at which there are convolutions, 1 to 5; with fewer, less is lost and divided.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid; also if the network is built for or called with an image size that it does not accept.

    Examples
    --------
    >>> unet().output_shape((572, 572, 1)), unet(padding="same").output_shape((144, 160, 1))
    ((388, 388, 2), (144, 160, 2))

    Source: lecture rows M16 and C1 (SOURCES.md); Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical
    image segmentation", 2015.
    """
    choice("padding", padding, ("valid", "same"))
    depth = integer("depth", depth, most=len(FILTERS))
    filters = [scaled(f, width) for f in FILTERS[:depth]]
    network = SizedSequential(u=u(padding, *filters), scores=Conv2D(integer("classes", classes), 1))
    network.rule = size_rule(padding, depth)
    return network


def size_rule(padding: Padding, depth: int) -> SizeRule:
    """Sizes that come out even at each of the depth − 1 halvings; without padding, such that an output is left.

    >>> size_rule("same", 5), size_rule("valid", 5)
    (SizeRule(step=16, remainder=0, least=16), SizeRule(step=16, remainder=12, least=188))
    """
    step = 2 ** (depth - 1)
    if padding == "same":
        return SizeRule(step, 0, step)
    remainder = -4 % step  # two convolutions take 4 pixels before each halving: n = 2·m + 4, and m must fit below
    smallest = lost(depth) + 1
    return SizeRule(step, remainder, smallest + (remainder - smallest) % step)


def u(padding: Padding, filters: int, *deeper: int) -> Sequential:
    """A U of these filters: two convolutions, a U of the deeper ones at half the size, and two more convolutions for both."""
    if not deeper:
        return Sequential(convs=double_conv(padding, filters), dropout=Dropout(0.5))
    below = Sequential(
        pool=MaxPool2D(2),
        u=u(padding, *deeper),
        up=ConvTranspose2D(filters, 2, stride=2),
    )
    across = Crop2D(lost(len(deeper))) if padding == "valid" else Identity()
    return Sequential(
        down=double_conv(padding, filters),
        join=Concat(across=across, below=below),
        up=double_conv(padding, filters),
    )


def double_conv(padding: Padding, filters: int) -> Sequential:
    """Two 3 × 3 convolutions with ReLU."""
    return Sequential(conv1=conv_relu(filters, 3, padding=padding), conv2=conv_relu(filters, 3, padding=padding))


def lost(depth: int) -> int:
    """Pixels that a side loses on the way through a U of so many sizes, seen from the size above it.

    >>> [lost(depth) for depth in (1, 2, 3, 4)]  # 64 → 56, 136 → 104, 280 → 200 and 568 → 392 in Figure 1
    [4, 16, 40, 88]
    """
    return 4 if depth == 1 else 2 * (lost(depth - 1) + 4)
