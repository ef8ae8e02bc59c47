"""Network in Network: 1 × 1 convolutions apply a small network at each pixel.

There are no dense layers. The last layer has one map for each class, and the score of the class is the mean of its map. The
paper shows three such blocks without their sizes, which are taken from the configurations that the authors published. The
positions of dropout are given in the paper.
"""

from collections.abc import Sequence
from typing import Any

from refconv._arguments import choice, integer
from refconv.models.blocks import conv_relu, scaled
from refconv.nn import AvgPool2D, Dropout, GlobalAvgPool2D, MaxPool2D, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = ["nin"]

# For each block: kernel size and options of the convolution; filters of the convolution and of the two 1 × 1 layers; pooling.
# None is replaced by the number of classes.
SIZES = {
    "cifar": (
        ((5, {"padding": 2}), (192, 160, 96), MaxPool2D),
        ((5, {"padding": 2}), (192, 192, 192), AvgPool2D),
        ((3, {"padding": 1}), (192, 192, None), None),
    ),
    "imagenet": (
        ((11, {"stride": 4}), (96, 96, 96), MaxPool2D),
        ((5, {"padding": 2}), (256, 256, 256), MaxPool2D),
        ((3, {"padding": 1}), (384, 384, 384), MaxPool2D),
        ((3, {"padding": 1}), (1024, 1024, None), None),
    ),
}


def nin(size: str = "imagenet", classes: int = 1000, width: float = 1) -> Sequential:
    """Create a Network in Network.

    Parameters
    ----------
    size : str
        "imagenet" for four blocks and images of 224 × 224 pixels; "cifar" for the paper's three blocks and images of 32 × 32
        pixels.
    classes : int
        Number of classes, and of maps in the last layer.
    width : float
        Factor for the numbers of filters of all layers but the last.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> nin("cifar", classes=10).output_shape((32, 32, 3)), nin("cifar", classes=10).count_parameters((32, 32, 3))
    ((10,), 966986)

    Source: lecture rows M6 and A8 (SOURCES.md); Lin, Chen and Yan, "Network in network", 2014.
    """
    layers: dict[str, Layer] = {}
    classes = integer("classes", classes)
    for k, ((kernel, options), filters, pool) in enumerate(SIZES[choice("size", size, SIZES)], 1):
        numbers = [classes if f is None else scaled(f, width) for f in filters]
        layers[f"mlpconv{k}"] = mlpconv(kernel, numbers, **options)
        if pool:  # all blocks but the last are followed by pooling and dropout
            layers |= {f"pool{k}": pool(3, stride=2, ceil_mode=True), f"dropout{k}": Dropout(0.5)}
    return Sequential(**layers, scores=GlobalAvgPool2D())


def mlpconv(kernel: Size, filters: Sequence[int], **options: Any) -> Sequential:
    """Create a convolution and two 1 × 1 convolutions.

    The 1 × 1 convolutions are a network of two layers that is applied at each pixel.

    Source: lecture rows M6 and A8 (SOURCES.md).
    """
    first, second, third = filters
    return Sequential(conv=conv_relu(first, kernel, **options), inner1=conv_relu(second, 1), inner2=conv_relu(third, 1))
