"""MobileNet: all convolutions but the first are depthwise separable.

Each of them is a depthwise convolution followed by a 1 × 1 convolution. The module contains the paper's Table 1. The table's
last "Conv dw / s2", at 7 × 7 pixels, also has an output of 7 × 7, so its stride is 1.

The network in Keras has the same convolutions, but ReLU6, other padding at stride 2 and a dropout. ``style="keras"`` is that
network, so :func:`refconv.weights.load_keras_weights` can load weights that Keras saved.
"""

from collections.abc import Callable
from typing import NamedTuple

from refconv._arguments import choice
from refconv.models.batch_norm import batch_norm, takes_batch_norm_options
from refconv.models.blocks import scaled, score_layer
from refconv.nn import Conv2D, DepthwiseConv2D, Dropout, GlobalAvgPool2D, Pad2D, ReLU, ReLU6, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Padding, Size

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


def rounded_down(channels: int, width: float) -> int:
    """Multiply a number of channels by the width and round it down, as Keras does.

    >>> rounded_down(32, 0.3), scaled(32, 0.3)
    (9, 10)
    """
    scaled(channels, width)  # checks the width
    return max(1, int(channels * width))


class Style(NamedTuple):
    """Difference between the paper's network and Keras's."""

    activation: Callable[[], Layer]
    channels: Callable[[int, float], int]
    pads_before_stride: bool  # a zero after the last row and column, whatever the size; "same" depends on the size
    dropout: float


STYLES = {"paper": Style(ReLU, scaled, False, 0.0), "keras": Style(ReLU6, rounded_down, True, 0.001)}


@takes_batch_norm_options
def mobilenet(classes: int = 1000, width: float = 1, *, style: str = "paper", small_images: bool = False) -> Sequential:
    """Create MobileNet for images of 224 × 224 pixels, or of 192, 160 or 128 as in the paper.

    Parameters
    ----------
    classes : int
        Number of classes.
    width : float
        α, the width multiplier: 1, 0.75, 0.5 and 0.25 in the paper.
    style : str
        "paper", or "keras" for the network of ``keras.applications``: ReLU6, a padding of ((0, 1), (0, 1)) before each
        depthwise convolution of stride 2, numbers of channels rounded down, and a dropout of 0.001 before the scores. Its
        scores are the input of Keras's softmax.
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
    chosen = STYLES[choice("style", style, STYLES)]
    layers: dict[str, Layer] = {}
    for k, (stride, filters) in enumerate(BODY, 2):
        layers[f"conv{k}"] = separable(chosen.channels(filters, width), 1 if small_images and k == 3 else stride, style)
    conv1 = _convolution(chosen, chosen.channels(32, width), 3, stride=1 if small_images else 2, padding="same")
    dropout = {"dropout": Dropout(chosen.dropout)} if chosen.dropout else {}
    return Sequential(conv1=conv1, **layers, mean=GlobalAvgPool2D(), **dropout, scores=score_layer(classes))


def separable(filters: int, stride: Size = 1, style: str = "paper") -> Sequential:
    """Create a depthwise and a 1 × 1 convolution, each with BN and ReLU (Figure 3, right).

    >>> separable(64).multiply_adds((112, 112, 32)) == 112 * 112 * (9 * 32 + 32 * 64)
    True

    Source: lecture rows M15 and C7 (SOURCES.md).
    """
    chosen = STYLES[style]
    pads = chosen.pads_before_stride and stride != 1
    padding: Padding = "valid" if pads else "same"
    return Sequential(
        **({"pad": Pad2D(((0, 1), (0, 1)))} if pads else {}),
        depthwise=DepthwiseConv2D(3, stride=stride, padding=padding, bias=False),
        norm=batch_norm(),
        relu=chosen.activation(),
        pointwise=_convolution(chosen, filters, 1),
    )


def _convolution(style: Style, filters: int, kernel_size: int, *, stride: int = 1, padding: str = "valid") -> Sequential:
    """Create a convolution, a batch normalisation and the style's activation."""
    conv = Conv2D(filters, kernel_size, stride=stride, padding=padding, bias=False)
    return Sequential(conv=conv, norm=batch_norm(), relu=style.activation())
