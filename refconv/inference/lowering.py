"""Translation of a network to a graph of operations.

A function for each class of layers adds its nodes to the graph. Layers without a function, such as sigmoid, become nodes that
call the layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import refconv.nn as nn
from refconv.geometry import Window
from refconv.inference.folding import batch_norm_as_affine
from refconv.inference.graph import (
    INPUT,
    Affine,
    Concatenation,
    Convolution,
    Crop,
    Graph,
    Limits,
    Pooling,
    Product,
    Reshape,
    Run,
    Total,
    TransposedConvolution,
)
from refconv.models.sizes import SizedSequential
from refconv.nn import reshape
from refconv.nn.channels import ChannelAffine
from refconv.nn.joins import Add, Average, Concatenate, Join
from refconv.nn.rules import Rules, Scope
from refconv.typing import Array, Shape

__all__ = ["Lowering", "lower"]

RULES = Rules()


def lower(model: nn.Layer, shape: Shape, images: int = 1, itemsize: int = 4) -> Graph:
    """Return the graph of a built network for inputs of this shape.

    ``images`` and ``itemsize`` are the number of inputs in a batch and the bytes of an element, for the choice of algorithms.

    >>> import refconv.nn as nn
    >>> model = nn.Sequential(conv=nn.Conv2D(6, 5), norm=nn.BatchNorm(), relu=nn.ReLU())
    >>> model.build((28, 28, 1))
    (24, 24, 6)
    >>> [(name, type(node).__name__) for name, node in lower(model, (28, 28, 1)).nodes.items()]
    [('conv', 'Convolution'), ('norm', 'Affine'), ('relu', 'Affine')]
    """
    lowering = Lowering(Graph(shape, images, itemsize))
    lowering.graph.output = lowering.layer(model, INPUT)
    return lowering.graph


class Lowering(Scope):
    """Graph under construction.

    Parameters
    ----------
    graph : Graph
        A graph without nodes.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__([INPUT])
        self.graph = graph

    def layer(self, layer: nn.Layer, x: str, name: str = "") -> str:
        """Add the nodes of a layer with this name in its container; return the name of its output."""
        with self.inside(name):
            if layer.inference_layer is not layer:
                return self.layer(layer.inference_layer, x)
            return (RULES.function_for(layer) or _run)(self, layer, x)

    def join(self, layer: Join, inputs: list[str]) -> str:
        """Add the node of a layer that joins several outputs."""
        shapes = tuple(self.shape(x) for x in inputs)
        kind, shape = type(layer), tuple(layer.output_shape(shapes))
        if len(inputs) == 1 and kind in (Add, Average, Concatenate):
            return inputs[0]
        if type(layer) is Concatenate and layer.axis in (-1, len(shape) - 1):
            return self.add(Concatenation, inputs, shape)
        if kind not in (Add, Average) or len({*shapes}) > 1:
            return self.add(Run, inputs, shape, layer=layer)
        total = self.add(Total, inputs, shape)
        return total if kind is Add else self.scale(total, 1 / len(inputs))

    def scale(self, x: str, factor: float) -> str:
        """Add the product of an output and a number."""
        shape = self.shape(x)
        return self.add(Affine, [x], shape, ".scale", scale=np.full(shape[-1:], factor), shift=np.zeros(shape[-1:]))

    def add(self, kind: type[Any], inputs: list[str], shape: Shape, suffix: str = "", **attributes: Any) -> str:
        """Append a node for the current layer and return its name."""
        layer = self.path or "model"
        return self.graph.add(kind(self.unique(layer + suffix), inputs, tuple(shape), [layer], **attributes))

    def shape(self, name: str) -> Shape:
        """Return the shape of an output, without the batch."""
        return self.graph.shape(name)


def _run(graph: Lowering, layer: nn.Layer, x: str) -> str:
    return graph.add(Run, [x], layer.output_shape(graph.shape(x)), layer=layer)


def _value(layer: nn.Layer, name: str) -> Array | None:
    return layer.parameters[name].value if name in layer.parameters else None


@RULES.register(nn.Sequential, SizedSequential)
def _sequential(graph: Lowering, layer: nn.Sequential, x: str) -> str:
    for name, inner in layer.named_layers():
        x = graph.layer(inner, x, name)
    return x


@RULES.register(nn.Identity, nn.Dropout)
def _identity(graph: Lowering, layer: nn.Layer, x: str) -> str:
    return x


@RULES.register(nn.Sum)
def _sum(graph: Lowering, layer: nn.Sum, x: str) -> str:
    return graph.join(Add(), _branches(graph, layer, x))


@RULES.register(nn.Mean)
def _mean(graph: Lowering, layer: nn.Mean, x: str) -> str:
    return graph.join(Average(), _branches(graph, layer, x))


@RULES.register(nn.Concat)
def _concat(graph: Lowering, layer: nn.Concat, x: str) -> str:
    return graph.join(Concatenate(layer.axis), _branches(graph, layer, x))


@RULES.register(nn.Graph)
def _graph(graph: Lowering, layer: nn.Graph, x: str) -> str:
    if layer.inputs != [INPUT]:
        return _run(graph, layer, x)
    outputs = {INPUT: x}
    for name, inner in layer.layers.items():
        inputs = [outputs[source] for source in layer.sources[name]]
        if isinstance(inner, Join):
            with graph.inside(name):
                outputs[name] = graph.join(inner, inputs)
        else:
            outputs[name] = graph.layer(inner, inputs[0], name)
    return outputs[name]


@RULES.register(nn.Fractal)
def _fractal(graph: Lowering, layer: nn.Fractal, x: str) -> str:
    return _graph(graph, layer.as_graph(), x)


@RULES.register(nn.StochasticDepth)
def _stochastic_depth(graph: Lowering, layer: nn.StochasticDepth, x: str) -> str:
    return graph.scale(graph.layer(layer.layer, x, next(iter(layer.layers))), layer.survival)


@RULES.register(nn.Conv2D, nn.DepthwiseConv2D)
def _conv(graph: Lowering, layer: nn.Conv2D, x: str) -> str:
    if layer.data_format != "channels_last":
        return _run(graph, layer, x)
    groups = graph.shape(x)[-1] if isinstance(layer, nn.DepthwiseConv2D) else layer.groups
    return _convolution(graph, x, layer.parameters["w"].value, _value(layer, "b"), layer.window, groups)


@RULES.register(nn.SeparableConv2D)
def _separable(graph: Lowering, layer: nn.SeparableConv2D, x: str) -> str:
    if layer.data_format != "channels_last":
        return _run(graph, layer, x)
    depthwise, pointwise = (layer.parameters[name].value for name in ("depthwise", "pointwise"))
    x = _convolution(graph, x, depthwise, None, layer.window, graph.shape(x)[-1], ".depthwise")
    return _convolution(graph, x, pointwise, _value(layer, "b"), Window((1, 1)), 1)


def _convolution(graph: Lowering, x: str, w: Array, b: Array | None, window: Window, groups: int, suffix: str = "") -> str:
    input_shape = graph.shape(x)
    w = w.reshape(*w.shape[:2], input_shape[-1] // groups, -1)  # a depthwise kernel is (kh, kw, C, multiplier)
    shape = (*window.output_size(input_shape[:2]), w.shape[3])
    return graph.add(Convolution, [x], shape, suffix, w=w, b=b, window=window, groups=groups, input_shape=input_shape)


@RULES.register(nn.ConvTranspose2D)
def _conv_transpose(graph: Lowering, layer: nn.ConvTranspose2D, x: str) -> str:
    input_shape = graph.shape(x)
    w, b, window, shape = layer.parameters["w"].value, _value(layer, "b"), layer.window, tuple(layer.output_shape(input_shape))
    if layer.data_format != "channels_last" or not np.isfinite(w).all():
        return _run(graph, layer, x)
    padding = turned_padding(window, input_shape[:2], shape[:2])
    if layer.groups == 1 and padding is not None:
        turned = Window(window.kernel, (1, 1), padding, window.dilation)
        return _convolution(graph, x, w[::-1, ::-1].swapaxes(2, 3), b, turned, 1)
    if window.output_size(shape[:2]) != input_shape[:2]:  # an output padding of the stride or more
        return _run(graph, layer, x)
    options: dict[str, Any] = {"window": window, "groups": layer.groups, "input_shape": input_shape}
    return graph.add(TransposedConvolution, [x], shape, w=w, b=b, **options)


def turned_padding(window: Window, input_size: Shape, output_size: Shape) -> Any:
    """Return the padding of the convolution that is the transposed convolution with this window.

    The kernel of the convolution is turned. The padding is None if there is none: if the stride is not 1, or if the padding of
    the window is wider than the kernel.

    >>> turned_padding(Window((3, 5), padding=((1, 0), (2, 2))), (7, 9), (8, 9))
    ((1, 2), (2, 2))
    """
    padding = []
    for k, S, D, (before, _), n, m in zip(
        window.kernel, window.stride, window.dilation, window.pads(output_size), input_size, output_size, strict=True
    ):
        reach = (k - 1) * D
        padding.append((reach - before, m - n + before))
        if S != 1 or min(padding[-1]) < 0:
            return None
    return tuple(padding)


@RULES.register(nn.MaxPool2D, nn.AvgPool2D, nn.GlobalMaxPool2D, nn.GlobalAvgPool2D)
def _pooling(graph: Lowering, layer: Any, x: str) -> str:
    if layer.data_format != "channels_last":
        return _run(graph, layer, x)
    input_shape = graph.shape(x)
    shape = layer.output_shape(input_shape)
    if isinstance(layer, nn.GlobalMaxPool2D | nn.GlobalAvgPool2D):
        return graph.add(Pooling, [x], shape, statistic=layer.statistic, window=Window(input_shape[:2]))
    counts = layer.arguments.get("count_include_pad", False)
    return graph.add(Pooling, [x], shape, statistic=layer.statistic, window=layer.window, count_include_pad=counts)


@RULES.register(nn.Crop2D)
def _crop(graph: Lowering, layer: nn.Crop2D, x: str) -> str:
    if layer.data_format != "channels_last":
        return _run(graph, layer, x)
    return graph.add(Crop, [x], layer.output_shape(graph.shape(x)), margins=layer.margin)


@RULES.register(nn.Dense)
def _dense(graph: Lowering, layer: nn.Dense, x: str) -> str:
    w, b = layer.parameters["w"].value, _value(layer, "b")
    return graph.add(Product, [x], (layer.units,), w=w, b=b, input_shape=graph.shape(x))


@RULES.register(nn.BatchNorm)
def _batch_norm(graph: Lowering, layer: nn.BatchNorm, x: str) -> str:
    if layer.data_format != "channels_last":
        return _run(graph, layer, x)
    gamma, beta, mean, var = (layer.parameters[name].value for name in ("gamma", "beta", "mean", "var"))
    scale, shift = batch_norm_as_affine(gamma, beta, mean, var, layer.eps)
    return graph.add(Affine, [x], graph.shape(x), scale=scale, shift=shift)


@RULES.register(ChannelAffine)
def _channel_affine(graph: Lowering, layer: ChannelAffine, x: str) -> str:
    return graph.add(Affine, [x], graph.shape(x), scale=np.array(layer.scale), shift=np.array(layer.shift))


@RULES.register(nn.ReLU)
def _relu(graph: Lowering, layer: nn.ReLU, x: str) -> str:
    return graph.add(Affine, [x], graph.shape(x), limits=Limits(low=0))


@RULES.register(nn.ReLU6)
def _relu6(graph: Lowering, layer: nn.ReLU6, x: str) -> str:
    return graph.add(Affine, [x], graph.shape(x), limits=Limits(low=0, high=6))


@RULES.register(nn.Flatten, reshape.Reshape)
def _reshape(graph: Lowering, layer: nn.Layer, x: str) -> str:
    shape = layer.output_shape(graph.shape(x))
    return x if shape == graph.shape(x) else graph.add(Reshape, [x], shape)


def _branches(graph: Lowering, layer: Any, x: str) -> list[str]:
    return [graph.layer(inner, x, name) for name, inner in layer.named_layers()]
