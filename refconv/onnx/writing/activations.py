"""Activations and dropout."""

from __future__ import annotations

from typing import Any

from refconv.nn import ELU, Dropout, Identity, LeakyReLU, ReLU, ReLU6, Sigmoid, Softmax, Tanh
from refconv.onnx.writing.writer import Value, Writer, register

__all__: list[str] = []


@register(ReLU)
def write_relu(graph: Writer, layer: ReLU, x: Value) -> Value:
    return graph.elementwise("Relu", x)


@register(Sigmoid)
def write_sigmoid(graph: Writer, layer: Sigmoid, x: Value) -> Value:
    return graph.elementwise("Sigmoid", x)


@register(Tanh)
def write_tanh(graph: Writer, layer: Tanh, x: Value) -> Value:
    return graph.elementwise("Tanh", x)


@register(ReLU6)
def write_relu6(graph: Writer, layer: ReLU6, x: Value) -> Value:
    return graph.elementwise("Clip", x, 0.0, 6.0)


@register(LeakyReLU)
def write_leaky_relu(graph: Writer, layer: LeakyReLU, x: Value) -> Value:
    return graph.elementwise("LeakyRelu", x, alpha=float(layer.slope))


@register(ELU)
def write_elu(graph: Writer, layer: ELU, x: Value) -> Value:
    return graph.elementwise("Elu", x, alpha=float(layer.alpha))


@register(Softmax)
def write_softmax(graph: Writer, layer: Softmax, x: Value) -> Value:
    return graph.elementwise("Softmax", x, axis=1 + x.order.index(len(x.shape) - 1))


@register(Dropout, Identity)
def write_nothing(graph: Writer, layer: Any, x: Value) -> Value:
    """Return the input: these layers do nothing in inference."""
    return x
