"""AlexNet, which won ImageNet's competition of 2012: five convolutions, three dense layers.

The paper's figure shows two towers, one for each graphics card. Inside a tower a convolution sees only its own half of the
maps, except in the third layer: that is a convolution in two groups (C5). The single tower came two years later; everybody's
"alexnet" today is that one, without response normalisation.

The paper says 224 × 224 pixels for the input, and 55 × 55 behind the first layer. Both are right with two pixels of padding,
which it does not mention. It counts 253,440 numbers in the first layer, a slip: 55 · 55 · 96 = 290,400.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from refconv._arguments import choice
from refconv.models.blocks import scaled, score_layer
from refconv.nn import Conv2D, Dense, Dropout, Flatten, LocalResponseNorm, MaxPool2D, ReLU, Sequential
from refconv.nn.layer import Layer

__all__ = ["Convolution", "alexnet", "convolutions", "dense_head", "for_small_images"]


class Convolution(NamedTuple):
    """A line of the table: a convolution with its ReLU, and what follows it."""

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

THEN: dict[str, Callable[[], Layer]] = {
    "norm": LocalResponseNorm,
    "pool": lambda: MaxPool2D(3, stride=2, ceil_mode=True),  # overlapping; at 224 pixels nothing hangs over the end
}


def alexnet(style: str = "two-tower", classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """AlexNet for images of 224 × 224 pixels.

    Parameters
    ----------
    style : str
        "two-tower": the paper's, 60,965,224 parameters. "single-tower": that of 2014 and of torchvision, 61,100,840.
    classes : int
        Number of scores at the end.
    width : float
        Factor for the number of filters and units in all other layers.
    small_images : bool
        A first layer for 32 × 32 pixels; all else stays.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> alexnet().count_parameters((224, 224, 3)), alexnet("single-tower").count_parameters((224, 224, 3))
    (60965224, 61100840)

    Source: lecture row M3 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012.
    """
    table: Sequence[Convolution] = STYLES[choice("style", style, STYLES)]
    table = for_small_images(table) if small_images else table
    return Sequential(**convolutions(table, width), **dense_head(len(table), classes, width))


def for_small_images(table: Sequence[Convolution]) -> tuple[Convolution, ...]:
    """The table for images of 32 pixels: 5 × 5 windows that take every pixel wherever it has a stride."""
    return tuple(line._replace(kernel=5, stride=1, padding=2) if line.stride > 1 else line for line in table)


def convolutions(table: Sequence[Convolution], width: float) -> dict[str, Layer]:
    """The lines of a table as layers: conv1, relu1, what follows it, conv2, …"""
    layers: dict[str, Layer] = {}
    towers = max(line.groups for line in table)
    for k, line in enumerate(table, 1):
        filters = scaled(line.filters, width, towers)
        conv = Conv2D(filters, line.kernel, stride=line.stride, padding=line.padding, groups=line.groups)
        layers |= {f"conv{k}": conv, f"relu{k}": ReLU()}
        layers |= {f"{name}{k}": THEN[name]() for name in line.then}
    return layers


def dense_head(before: int, classes: int, width: float) -> dict[str, Layer]:
    """Two dense layers of 4096 units with dropout in front of each, and the scores; numbered on from the convolutions."""
    layers: dict[str, Layer] = {"flatten": Flatten()}
    for k in (before + 1, before + 2):
        layers |= {f"dropout{k}": Dropout(0.5), f"dense{k}": Dense(scaled(4096, width)), f"relu{k}": ReLU()}
    return layers | {"scores": score_layer(classes)}
