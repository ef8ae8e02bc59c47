"""AlexNet, winner of the ImageNet competition of 2012.

It has five convolutions and three dense layers.

The paper's figure shows two towers, one for each graphics card. Except in the third layer, a convolution in a tower sees only
this tower's half of the maps, so the layer is a convolution in two groups (C5). The single-tower variant was published two
years later, without response normalisation. Most libraries mean this variant by "alexnet".

According to the paper, the input has 224 × 224 pixels and the output of the first layer 55 × 55. Both are right with two
pixels of padding, which the paper does not mention. The paper counts 253,440 neurons in the first layer. This is an error:
55 · 55 · 96 = 290,400.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from refconv._arguments import choice, flag
from refconv.models.blocks import scaled, score_layer
from refconv.nn import (
    AdaptiveAvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Sequential,
)
from refconv.nn.layer import Layer

__all__ = ["Convolution", "alexnet", "convolutions", "dense_head", "for_small_images"]


class Convolution(NamedTuple):
    """Row of an architecture table: a convolution with its ReLU, and the layers that follow."""

    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    then: tuple[str, ...] = ()


# Section 3.5 and Figure 2; Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
STYLES = {
    "two-tower": (
        Convolution(96, 11, stride=4, padding=2, then=("norm", "pool")),
        Convolution(256, 5, padding=2, groups=2, then=("norm", "pool")),
        Convolution(384, 3, padding=1),
        Convolution(384, 3, padding=1, groups=2),
        Convolution(256, 3, padding=1, groups=2, then=("pool",)),
    ),
    "single-tower": (
        Convolution(64, 11, stride=4, padding=2, then=("pool",)),
        Convolution(192, 5, padding=2, then=("pool",)),
        Convolution(384, 3, padding=1),
        Convolution(256, 3, padding=1),
        Convolution(256, 3, padding=1, then=("pool",)),
    ),
}

FOLLOWING_LAYERS: dict[str, Callable[[bool], Layer]] = {
    "norm": lambda ceil_mode: LocalResponseNorm(),
    "pool": lambda ceil_mode: MaxPool2D(3, stride=2, ceil_mode=ceil_mode),  # at 224 pixels all windows are inside the image
}


def alexnet(
    style: str = "two-tower",
    classes: int = 1000,
    width: float = 1,
    *,
    small_images: bool = False,
    adaptive_pool: bool = False,
) -> Sequential:
    """Create AlexNet for images of 224 × 224 pixels.

    Parameters
    ----------
    style : str
        "two-tower" for the paper's network, with 60,965,224 parameters. "single-tower" for the network of 2014, which
        torchvision also has, with 61,100,840 parameters.
    classes : int
        Number of classes.
    width : float
        Factor for the numbers of filters and units of all layers but the last.
    small_images : bool
        True for a first layer that suits images of 32 × 32 pixels; the other layers do not change.
    adaptive_pool : bool
        True for torchvision's poolings: an adaptive average pooling to 6 × 6 pixels before the dense layers, and max poolings
        without ``ceil_mode``. Images may then have any size of at least 63 pixels; at 224 pixels, it changes nothing.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> alexnet().count_parameters((224, 224, 3)), alexnet("single-tower").count_parameters((224, 224, 3))
    (60965224, 61100840)

    Source: lecture row M3 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012.
    """
    table: Sequence[Convolution] = STYLES[choice("style", style, STYLES)]
    table = for_small_images(table) if small_images else table
    pooling = {"adaptive_pool": AdaptiveAvgPool2D(6)} if flag("adaptive_pool", adaptive_pool) else {}
    return Sequential(**convolutions(table, width, not adaptive_pool), **pooling, **dense_head(len(table), classes, width))


def for_small_images(table: Sequence[Convolution]) -> tuple[Convolution, ...]:
    """Return the table for images of 32 × 32 pixels.

    Convolutions with a stride are replaced by 5 × 5 convolutions with stride 1.
    """
    return tuple(row._replace(kernel=5, stride=1, padding=2) if row.stride > 1 else row for row in table)


def convolutions(table: Sequence[Convolution], width: float, ceil_mode: bool = True) -> dict[str, Layer]:
    """Return the layers of a table by name: conv1, relu1, the layers after it, conv2 and so on."""
    layers: dict[str, Layer] = {}
    towers = max(row.groups for row in table)
    for k, row in enumerate(table, 1):
        filters = scaled(row.filters, width, towers)
        conv = Conv2D(filters, row.kernel, stride=row.stride, padding=row.padding, groups=row.groups)
        layers |= {f"conv{k}": conv, f"relu{k}": ReLU()}
        layers |= {f"{name}{k}": FOLLOWING_LAYERS[name](ceil_mode) for name in row.then}
    return layers


def dense_head(before: int, classes: int, width: float) -> dict[str, Layer]:
    """Return two dense layers of 4096 units, each after dropout, and the layer of scores.

    Their names continue the numbers of the ``before`` convolutions.
    """
    layers: dict[str, Layer] = {"flatten": Flatten()}
    for k in (before + 1, before + 2):
        layers |= {f"dropout{k}": Dropout(0.5), f"dense{k}": Dense(scaled(4096, width)), f"relu{k}": ReLU()}
    return layers | {"scores": score_layer(classes)}
