"""Network in Network: a small network looks at each pixel (1 × 1 convolutions), and no dense layer ends it.

Each class has a map of its own at the end, and its score is the map's mean. The paper draws three such blocks and leaves
their sizes to its authors' published configurations, which stand here; where dropout goes, it says itself.
"""

from collections.abc import Sequence
from typing import Any

from refconv._arguments import choice, integer
from refconv.models.blocks import conv_relu, scaled
from refconv.nn import AvgPool2D, Dropout, GlobalAvgPool2D, MaxPool2D, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = ["nin"]

# For each block: kernel and its options, the filters of the convolution and of the two 1 × 1 layers; then the pooling.
# The last number is that of the classes, None.
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
    """Network in Network.

    Parameters
    ----------
    size : str
        "imagenet" for 224 × 224 pixels, four blocks; "cifar" for 32 × 32, the paper's three.
    classes : int
        Number of maps and scores at the end.
    width : float
        Factor for the number of filters in all other layers.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

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
        if pool:  # dropout behind all blocks but the last
            layers |= {f"pool{k}": pool(3, stride=2, ceil_mode=True), f"dropout{k}": Dropout(0.5)}
    return Sequential(**layers, scores=GlobalAvgPool2D())


def mlpconv(kernel: Size, filters: Sequence[int], **options: Any) -> Sequential:
    """A convolution, and a network of two layers at each of its pixels: the same one at all, which is a 1 × 1 convolution.

    Source: lecture rows M6 and A8 (SOURCES.md).
    """
    first, second, third = filters
    return Sequential(conv=conv_relu(first, kernel, **options), inner1=conv_relu(second, 1), inner2=conv_relu(third, 1))
