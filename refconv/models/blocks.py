"""Blocks that many architectures share, and the width multiplier of their channel counts."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from refconv._arguments import divisor, integer, real
from refconv.models.batch_norm import batch_norm
from refconv.nn import ChannelAffine, Conv2D, Dense, ReLU, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = [
    "CIFAR",
    "IMAGENET",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Block",
    "conv_bn_relu",
    "conv_relu",
    "imagenet_to_unit_range",
    "scaled",
    "score_layer",
    "stack",
]

Block: TypeAlias = Callable[..., Sequential]  # block(filters, kernel_size, …) creates a convolution and the layers after it

IMAGENET = (224, 224, 3)
CIFAR = (32, 32, 3)

# Mean and standard deviation of red, green and blue in ImageNet's training images, as fractions of 255, in torchvision.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def scaled(channels: float, width: float, groups: int = 1) -> int:
    """Multiply a number of channels by the width and round it to an integer of at least 1.

    With groups, the number of channels in each group is scaled, so all groups still have the same number.

    >>> scaled(96, 0.25), scaled(3, 0.1), scaled(256, 0.3, groups=2)
    (24, 1, 76)

    Source: lecture row M15 (SOURCES.md); Howard et al., 2017, section 3.3, where width is α.
    """
    real("width", width, above=0)
    if groups > 1:
        divisor("groups", groups, filters=channels)
    return groups * max(1, round(channels / groups * width))


def score_layer(classes: int, **arguments: Any) -> Dense:
    """Create the last layer of most networks: a dense layer with a score for each class."""
    return Dense(integer("classes", classes), **arguments)


def conv_relu(filters: int, kernel_size: Size, **arguments: Any) -> Sequential:
    """Create a convolution followed by a ReLU."""
    return Sequential(conv=Conv2D(filters, kernel_size, **arguments), relu=ReLU())


def conv_bn_relu(filters: int, kernel_size: Size, **arguments: Any) -> Sequential:
    """Create a convolution, a batch normalisation and a ReLU.

    The convolution has no bias, because batch normalisation would cancel it (A17).
    """
    return Sequential(conv=Conv2D(filters, kernel_size, bias=False, **arguments), norm=batch_norm(), relu=ReLU())


def imagenet_to_unit_range() -> ChannelAffine:
    """Create a layer that converts normalised images of ImageNet to colours from −1 to 1.

    A colour p from 0 to 1 is normalised to x = (p − μ) / σ. The layer computes (p − ½) / ½ = x σ / ½ + (μ − ½) / ½. It is
    torchvision's ``transform_input``: the published weights of GoogLeNet and Inception-v3 were trained with these colours.

    >>> import numpy as np
    >>> [round(y, 12) for y in imagenet_to_unit_range()(np.array([[(1 - 0.485) / 0.229, 0.0, -0.406 / 0.225]]))[0].tolist()]
    [1.0, -0.088, -1.0]
    """
    pairs = list(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
    return ChannelAffine([std / 0.5 for _, std in pairs], [(mean - 0.5) / 0.5 for mean, _ in pairs])


def stack(name: str, layers: Iterable[Layer]) -> dict[str, Layer]:
    """Return layers as a dict with numbered names, the keyword arguments of a Sequential.

    >>> list(stack("block", [ReLU(), ReLU()]))
    ['block1', 'block2']
    """
    return {f"{name}{k}": layer for k, layer in enumerate(layers, 1)}
