"""Wide residual networks: residual networks with fewer layers and more filters.

WRN-d-k has d layers and k times the filters of the CIFAR residual network. Normalisation and ReLU come before each
convolution. If a block changes the shape, its main branch and its shortcut share the first normalisation and ReLU.
"""

from refconv._arguments import integer
from refconv._errors import ArgumentValueError
from refconv.models.batch_norm import batch_norm, takes_batch_norm_options
from refconv.models.blocks import scaled, score_layer, stack
from refconv.models.resnet import resnet
from refconv.nn import Conv2D, Dropout, GlobalAvgPool2D, Identity, ReLU, Sequential, Sum
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = ["wide_resnet", "wide_resnet50"]

FILTERS = (16, 32, 64)


@takes_batch_norm_options
def wide_resnet(depth: int = 28, factor: int = 10, classes: int = 10, width: float = 1, *, dropout: float = 0.0) -> Sequential:
    """Create WRN-depth-factor for images of 32 × 32 pixels.

    Parameters
    ----------
    depth : int
        Number of layers, 6n + 4: 16, 22, 28, 40 in the paper.
    factor : int
        k, the widening factor.
    classes : int
        Number of classes.
    width : float
        Additional factor for the number of filters, including the first layer.
    dropout : float
        Rate of the dropout between the two convolutions of a block; 0.3 in the paper's networks with dropout.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> wide_resnet(28, 10).count_parameters((32, 32, 3), trainable_only=True)
    36479194

    Source: lecture row M11 (SOURCES.md); Zagoruyko and Komodakis, "Wide residual networks", 2016.
    """
    depth, factor = integer("depth", depth), integer("factor", factor)
    if depth < 10 or depth % 6 != 4:
        raise ArgumentValueError(f"depth must be 6n + 4 with n at least 1, such as 28, got {depth}")
    n = (depth - 4) // 6
    layers = {}
    before = scaled(16, width)
    for k, filters in enumerate(scaled(factor * f, width) for f in FILTERS):
        blocks = []
        for j in range(n):
            blocks.append(pre_activated(before, filters, 2 if k and not j else 1, dropout))
            before = filters
        layers[f"conv{k + 2}"] = Sequential(**stack("block", blocks))
    return Sequential(
        conv1=Conv2D(scaled(16, width), 3, padding=1, bias=False),
        **layers,
        norm=batch_norm(),
        relu=ReLU(),
        mean=GlobalAvgPool2D(),
        scores=score_layer(classes),
    )


def pre_activated(before: int, filters: int, stride: Size, dropout: float) -> Layer:
    """Create a block whose main branch is BN, ReLU and a 3 × 3 convolution, twice.

    If the shape stays the same, the shortcut is the input. If it changes, the shortcut is a 1 × 1 convolution of the output of
    the first BN and ReLU.
    """
    first = {"norm": batch_norm(), "relu": ReLU()}
    rest = Sequential(
        conv1=Conv2D(filters, 3, stride=stride, padding=1, bias=False),
        norm=batch_norm(),
        relu=ReLU(),
        **({"dropout": Dropout(dropout)} if dropout else {}),
        conv2=Conv2D(filters, 3, padding=1, bias=False),
    )
    if before == filters and stride == 1:
        return Sum(main=Sequential(**first, rest=rest), shortcut=Identity())
    return Sequential(**first, add=Sum(main=rest, shortcut=Conv2D(filters, 1, stride=stride, bias=False)))


@takes_batch_norm_options
def wide_resnet50(factor: int = 2, classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """Create WRN-50-factor-bottleneck for ImageNet, which is torchvision's wide_resnet50_2.

    It is :func:`resnet` with depth 50 and ``factor`` times as wide 3 × 3 convolutions in the bottlenecks. The other arguments
    are the same as in :func:`resnet`.

    >>> wide_resnet50().count_parameters((224, 224, 3), trainable_only=True)
    68883240

    Source: lecture row M11 (SOURCES.md); Zagoruyko and Komodakis, "Wide residual networks", 2016, section 3.
    """
    return resnet(50, classes, width, inner=integer("factor", factor), stride_in="3x3", small_images=small_images)
