"""MobileNet: all convolutions but the first are depthwise separable.

Each of them is a depthwise convolution followed by a 1 × 1 convolution. The module contains the paper's Table 1. The table's
last "Conv dw / s2", at 7 × 7 pixels, also has an output of 7 × 7, so its stride is 1.
"""

from refconv.models.batch_norm import batch_norm, takes_batch_norm_options
from refconv.models.blocks import conv_bn_relu, scaled, score_layer
from refconv.nn import DepthwiseConv2D, GlobalAvgPool2D, ReLU, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Size

__all__ = ["mobilenet", "separable"]

# Table 1. Each line here is two rows of the table: the stride of "Conv dw" and the filters of "Conv".
BODY = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *((1, 512),) * 5,
    (2, 1024),
    (1, 1024),
)


@takes_batch_norm_options
def mobilenet(classes: int = 1000, width: float = 1, *, small_images: bool = False) -> Sequential:
    """Create MobileNet for images of 224 × 224 pixels, or of 192, 160 or 128 as in the paper.

    Parameters
    ----------
    classes : int
        Number of classes.
    width : float
        α, the width multiplier: 1, 0.75, 0.5 and 0.25 in the paper.
    small_images : bool
        True for images of 32 × 32 pixels; the first two strides are then 1.
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
    >>> mobilenet().count_parameters((224, 224, 3)), mobilenet().count_parameters((224, 224, 3), trainable_only=True)
    (4253864, 4231976)

    Source: lecture rows M15 and C7 (SOURCES.md); Howard et al., "MobileNets: efficient convolutional neural networks for
    mobile vision applications", 2017.
    """
    layers: dict[str, Layer] = {}
    for k, (stride, filters) in enumerate(BODY, 2):
        layers[f"conv{k}"] = separable(scaled(filters, width), 1 if small_images and k == 3 else stride)
    conv1 = conv_bn_relu(scaled(32, width), 3, stride=1 if small_images else 2, padding="same")
    return Sequential(conv1=conv1, **layers, mean=GlobalAvgPool2D(), scores=score_layer(classes))


def separable(filters: int, stride: Size = 1) -> Sequential:
    """Create a depthwise and a 1 × 1 convolution, each with BN and ReLU (Figure 3, right).

    >>> separable(64).multiply_adds((112, 112, 32)) == 112 * 112 * (9 * 32 + 32 * 64)
    True

    Source: lecture rows M15 and C7 (SOURCES.md).
    """
    return Sequential(
        depthwise=DepthwiseConv2D(3, stride=stride, padding="same", bias=False),
        norm=batch_norm(),
        relu=ReLU(),
        pointwise=conv_bn_relu(filters, 1),
    )
