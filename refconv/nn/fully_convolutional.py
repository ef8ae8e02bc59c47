"""Dense layers as convolutions, so that a classifier accepts larger images."""

from __future__ import annotations

from refconv._arguments import flag
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.activation import ELU, LeakyReLU, ReLU, ReLU6, Sigmoid, Tanh
from refconv.nn.avg_pool import GlobalAvgPool2D
from refconv.nn.combinators import Identity, Sequential
from refconv.nn.conv import Conv2D
from refconv.nn.dense import Dense, Flatten
from refconv.nn.description import built_shape, short_repr
from refconv.nn.dropout import Dropout
from refconv.nn.layer import Layer, is_channels_first
from refconv.typing import Shape, Size

__all__ = ["fully_convolutional"]

# The same for a row of units and for a map of them.
ELEMENTWISE = (Dropout, ELU, Identity, LeakyReLU, ReLU, ReLU6, Sigmoid, Tanh)


def fully_convolutional(model: Sequential, *, average: bool = True) -> Sequential:
    r"""Return the network with its dense layers as convolutions, for larger images.

    The first dense layer after ``Flatten`` becomes a convolution whose kernel covers the feature maps it was built for,
    H × W. Each later dense layer becomes a 1 × 1 convolution:

    .. math:: y_{i,j,o} = \mathrm{bias}_o + \sum_{m<H, \, n<W, \, c} x_{i+m,\, j+n,\, c} \; w_{(m W + n) C + c,\; o}

    On images of the size of the training, the result computes the same scores. Larger images give a map with the scores of
    several windows, and the scores are averaged over the map. Without padding in the convolutions before, each position of
    the map has exactly the scores of the network on one crop of the image; with padding, a crop has zeros at its edges where
    the larger image has pixels.

    All parameters are shared with ``model``: the kernels are views of the matrices of the dense layers.

    Parameters
    ----------
    model : Sequential
        A built network with ``Flatten`` and then dense layers, activations and dropout, as AlexNet and VGG. A network with
        global pooling in place of ``Flatten`` accepts images of any size; it is returned as it is.
    average : bool
        If False, the map of scores is returned, (N, H′, W′, K), instead of its mean, (N, K).

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If the model is not such a network.
    RuntimeError
        If the model is not built.

    Examples
    --------
    >>> from refconv import nn
    >>> model = nn.Sequential(conv=nn.Conv2D(2, 3), flatten=nn.Flatten(), scores=nn.Dense(10))
    >>> _ = model.build((5, 4, 1), rng=0)
    >>> nn.fully_convolutional(model, average=False)
    Sequential(conv=Conv2D(2, 3×3), scores=Conv2D(10, 3×2))
    >>> nn.fully_convolutional(model, average=False).output_shape((8, 9, 1))
    (4, 6, 10)

    Source: lecture rows D1 and M5 (SOURCES.md); Simonyan and Zisserman, "Very deep convolutional networks for large-scale
    image recognition", 2014, section 3.2.
    """
    average = flag("average", average)
    shape = _checked_shape(model)
    layers: dict[str, Layer] = {}
    kernel: Size | None = None  # of the next dense layer; None before Flatten
    for name, layer, reaching in model.children(shape):
        if isinstance(layer, Flatten) and kernel is None and len(reaching) == 3:
            kernel = reaching[:2]
        elif kernel is None or isinstance(layer, ELEMENTWISE):
            layers[name] = layer
        elif isinstance(layer, Dense):
            layers[name] = _as_convolution(layer, kernel, reaching)
            kernel = (1, 1)
        else:
            raise ArgumentTypeError(f"model must have only dense layers, activations and dropout after Flatten, got {layer!r}")
    _check_classifier(model, shape, flattened=kernel is not None)
    if kernel is None:
        return model
    if average:
        mean = GlobalAvgPool2D()
        mean.build(Sequential(layers).output_shape(shape))
        layers[_free("average", layers)] = mean
    result = Sequential(layers)
    result.input_shape = shape
    return result


def _checked_shape(model: Sequential) -> Shape:
    """Return the input shape that the model was built for."""
    if not isinstance(model, Sequential):
        raise ArgumentTypeError(f"model must be a Sequential, got {short_repr(model)}")
    shape = built_shape(model)
    if shape is None:
        raise RuntimeError(f"{short_repr(model)} is not built: call build(input_shape) first")
    if is_channels_first(model):
        raise ArgumentValueError('model must have data_format="channels_last" in all layers, got "channels_first"')
    return shape


def _check_classifier(model: Sequential, shape: Shape, flattened: bool) -> None:
    """Raise an error if the result would be wrong or accept only one size of images.

    ``flattened`` is True if the model itself has ``Flatten``. An inner container with ``Flatten`` would not be converted.
    """
    if flattened:
        if not any(isinstance(layer, Dense) for _, layer, _ in model.children(shape)):
            raise ArgumentTypeError("model must have a dense layer after Flatten, got none")
        return
    for name, layer, reaching in model.distinct_layers(shape):
        if isinstance(layer, Flatten) and len(reaching) > 1:
            expected = "Flatten only on images (H, W, C), and not in an inner layer"
            raise ArgumentTypeError(f"model must have {expected}, got {name!r} with input shape {reaching}")


def _as_convolution(dense: Dense, kernel: Size, reaching: Shape) -> Conv2D:
    """Return a convolution with the parameters of a dense layer, in views of another shape."""
    conv = Conv2D(dense.units, kernel, bias=dense.bias, initializer=dense.initializer)
    height, width = conv.window.kernel
    inputs = reaching[0] // (height * width)
    conv.parameters = {
        name: parameter.viewed((height, width, inputs, dense.units) if name == "w" else (dense.units,))
        for name, parameter in dense.parameters.items()
    }
    conv.frozen, conv.input_shape = dense.frozen, (height, width, inputs)
    return conv


def _free(name: str, layers: dict[str, Layer]) -> str:
    """Return the name, with underscores appended until no layer has it."""
    return name if name not in layers else _free(f"{name}_", layers)
