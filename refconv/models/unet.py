"""U-Net: an encoder, a decoder, and skip connections between them at every size.

The encoder reduces the size to recognise objects, and the decoder increases it again to locate them. The skip connections keep
the details. The implementation is recursive: a U-Net contains a smaller U-Net. The paper's convolutions have no padding, so an
input of 572 × 572 pixels has an output of 388 × 388, and the skip connections crop their input to the size of the decoder.
With padding="same", nothing is cropped and the output has the size of the input.
"""

from refconv._arguments import choice, integer
from refconv.models.blocks import conv_relu, scaled
from refconv.models.sizes import SizedSequential, SizeRule
from refconv.nn import Concat, Conv2D, ConvTranspose2D, Crop2D, Dropout, Identity, MaxPool2D, Sequential
from refconv.typing import Padding

__all__ = ["double_conv", "unet"]

FILTERS = (64, 128, 256, 512, 1024)  # Figure 1, from the top of the U to its bottom


def unet(classes: int = 2, width: float = 1, *, padding: Padding = "valid", depth: int = 5) -> SizedSequential:
    """Create a U-Net, whose output has a score for each class and pixel.

    Parameters
    ----------
    classes : int
        Number of classes.
    width : float
        Factor for the number of filters.
    padding : str
        "valid" as in the paper, or "same". With "valid", each side loses 92 pixels, and the size before each halving must be
        even, as it is for an input of 572 pixels. With "same", the output has the size of the input, which must be divisible
        by 16.
    depth : int
        Number of sizes at which there are convolutions, from 1 to 5. With fewer sizes, fewer pixels are lost, and the input
        size is halved less often.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid. ``build`` and a call also raise ``ValueError`` for an image size that is not accepted.

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
    """Return the rule for image sizes that can be halved depth − 1 times and leave an output.

    >>> size_rule("same", 5), size_rule("valid", 5)
    (SizeRule(step=16, remainder=0, least=16), SizeRule(step=16, remainder=12, least=188))
    """
    step = 2 ** (depth - 1)
    if padding == "same":
        return SizeRule(step, 0, step)
    remainder = -4 % step  # two convolutions remove 4 pixels before each halving: n = 2·m + 4, where m fits the inner U-Net
    smallest = lost(depth) + 1
    return SizeRule(step, remainder, smallest + (remainder - smallest) % step)


def u(padding: Padding, filters: int, *deeper: int) -> Sequential:
    """Create a U-Net with these numbers of filters.

    It consists of two convolutions, an inner U-Net at half the size, and two convolutions that combine the output of the inner
    U-Net with the skip connection.
    """
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
    """Create two 3 × 3 convolutions, each with ReLU."""
    return Sequential(conv1=conv_relu(filters, 3, padding=padding), conv2=conv_relu(filters, 3, padding=padding))


def lost(depth: int) -> int:
    """Return the number of pixels that a side loses in an inner U-Net.

    The pixels are counted at the size of the outer U-Net. ``depth`` is the number of sizes of the inner U-Net.

    >>> [lost(depth) for depth in (1, 2, 3, 4)]  # 64 → 56, 136 → 104, 280 → 200 and 568 → 392 in Figure 1
    [4, 16, 40, 88]
    """
    return 4 if depth == 1 else 2 * (lost(depth - 1) + 4)
