"""Deep Image Prior: an untrained hourglass network whose structure favours natural images.

The network is fitted to a single corrupted image, with fixed noise as its input. It reproduces the image long before it
reproduces the noise. The network is the paper's default: it halves the size five times, with 128 channels at each size and
skip connections of 4 channels. Padding is by reflection, and upsampling is bilinear.
"""

from refconv._arguments import integer
from refconv.models.batch_norm import batch_norm, takes_batch_norm_options
from refconv.models.blocks import scaled
from refconv.models.sizes import SizedSequential, SizeRule
from refconv.nn import Concat, Conv2D, LeakyReLU, Pad2D, Sequential, Sigmoid, Upsample2D

__all__ = ["deep_image_prior"]


@takes_batch_norm_options
def deep_image_prior(channels: int = 3, width: float = 1, *, depth: int = 5, skip: int = 4) -> SizedSequential:
    """Create the hourglass network of Deep Image Prior.

    Its input is noise from U[0, 1/10] with 32 channels, or for inpainting large holes the coordinates of each pixel. Its
    output is an image with values from 0 to 1.

    Parameters
    ----------
    channels : int
        Number of channels of the image.
    width : float
        Factor for the 128 filters at each size.
    depth : int
        Number of times the size is halved. Height and width must be divisible by 2^depth and at least 2^(depth + 1).
    skip : int
        Number of channels of the skip connection at each size; 0 for none, as for inpainting large holes.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid. ``build`` and a call also raise ``ValueError`` for an image size that is not accepted.

    Examples
    --------
    >>> model = deep_image_prior()
    >>> model.output_shape((512, 384, 32)), round(model.count_parameters((512, 384, 32), trainable_only=True) / 1e6, 1)
    ((512, 384, 3), 2.2)

    Source: lecture rows M17 and D2 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2017, supplementary
    material.
    """
    inner_network = hourglass(integer("depth", depth), scaled(128, width), integer("skip", skip, least=0))
    network = SizedSequential(hourglass=inner_network, colours=Conv2D(integer("channels", channels), 1), squash=Sigmoid())
    network.rule = SizeRule(2**depth, 0, 2 ** (depth + 1))  # reflection needs at least two pixels at the smallest size
    return network


def hourglass(depth: int, filters: int, skip: int) -> Sequential:
    """Create an hourglass, which contains a smaller hourglass at half the size.

    With ``skip`` channels, a skip connection is parallel to it.
    """
    inside = {"inner": hourglass(depth - 1, filters, skip)} if depth > 1 else {}
    through = Sequential(
        down=normalised(filters, 3, stride=2),
        conv=normalised(filters, 3),
        **inside,
        up=Upsample2D(2, mode="bilinear"),
    )
    join = Concat(across=normalised(skip, 1), through=through) if skip else through
    return Sequential(join=join, norm=batch_norm(), conv=normalised(filters, 3), mix=normalised(filters, 1))


def normalised(filters: int, kernel: int, stride: int = 1) -> Sequential:
    """Create a convolution with reflection padding, batch normalisation and leaky ReLU."""
    border = {"border": Pad2D(kernel // 2, mode="reflect")} if kernel > 1 else {}
    return Sequential(**border, conv=Conv2D(filters, kernel, stride=stride), norm=batch_norm(), relu=LeakyReLU(0.2))
