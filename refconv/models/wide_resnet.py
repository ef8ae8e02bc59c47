"""Wide residual networks: few layers with many filters in place of many layers with few.

WRN-d-k has d layers and k times the filters of the CIFAR residual network. Normalisation and ReLU come before each convolution
here; where the shape changes, both ways share the first pair.
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
    """WRN-depth-factor for images of 32 × 32 pixels.

    Parameters
    ----------
    depth : int
        6n + 4 layers: 16, 22, 28, 40 in the paper.
    factor : int
        k, the widening factor.
    classes : int
        Number of scores at the end.
    width : float
        A further factor for the number of filters, that of the first layer too.
    dropout : float
        Rate of the dropout between a block's two convolutions; 0.3 in the paper where there is any.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> wide_resnet(28, 10).count_parameters((32, 32, 3), trainable_only=True)
    36479194

    Source: lecture row M11 (SOURCES.md); Zagoruyko and Komodakis, "Wide residual networks", 2016.
    """
    depth, factor = integer("depth", depth), integer("factor", factor)
    if depth < 10 or depth % 6 != 4:
        raise ArgumentValueError(f"depth must be 6n + 4 with n from 1 on, such as 28, got {depth}")
    n, layers, before = (depth - 4) // 6, {}, scaled(16, width)
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
    """BN, ReLU, 3 × 3, twice, past which goes the input, or a 1 × 1 of the first BN and ReLU's output where shapes differ."""
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
    """WRN-50-factor-bottleneck for ImageNet: ResNet-50 with wider 3 × 3 convolutions; torchvision's wide_resnet50_2.

    The parameters are those of :func:`resnet` with depth 50; ``factor`` times the filters inside of each bottleneck.

    >>> wide_resnet50().count_parameters((224, 224, 3), trainable_only=True)
    68883240

    Source: lecture row M11 (SOURCES.md); Zagoruyko and Komodakis, "Wide residual networks", 2016, section 3.
    """
    return resnet(50, classes, width, inner=integer("factor", factor), stride_in="3x3", small_images=small_images)
