"""Reading of activations, arithmetic, normalisation and joins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refconv.nn import (
    ELU,
    BatchNorm,
    Dense,
    Dropout,
    Identity,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    LocalResponseNorm,
    P4BatchNorm,
    ReLU,
    ReLU6,
    Sigmoid,
    Softmax,
    Tanh,
)
from refconv.nn.joins import Add, Average, Concatenate, Multiply
from refconv.nn.parameter import MANY
from refconv.onnx.layers import Clip, Power, Scale, Shift
from refconv.onnx.reading.convolutions import spatial_input
from refconv.onnx.reading.errors import require
from refconv.onnx.reading.node import Node
from refconv.onnx.reading.reader import P4_ORDER, Reader, Step, Value, channels_last, identity, is_on_p4, reads
from refconv.onnx.reading.tensors import type_name
from refconv.typing import Array

__all__: list[str] = []

PLAIN: dict[str, Any] = {"Relu": ReLU, "Sigmoid": Sigmoid, "Tanh": Tanh}


@reads("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu")
def read_activation(reader: Reader, node: Node) -> Value:
    if node.op in PLAIN:
        layer = PLAIN[node.op]()
    elif node.op == "LeakyRelu":
        layer = LeakyReLU(node.real("alpha", 0.01))
    else:
        layer = ELU(node.real("alpha", 1.0))
    return reader.elementwise(layer, node.value(), node)


@reads("Clip")
def read_clip(reader: Reader, node: Node) -> Value:
    least, most = node.number("min", 1, -math.inf), node.number("max", 2, math.inf)
    require(not (math.isnan(least) or math.isnan(most)), "must have limits that are numbers")
    layer: Any = {(0.0, math.inf): ReLU, (0.0, 6.0): ReLU6}.get((least, most))
    if layer is None:
        return reader.elementwise(Clip(*(None if math.isinf(n) else n for n in (least, most))), node.value(), node)
    return reader.elementwise(layer(), node.value(), node)


@reads("Softmax")
def read_softmax(reader: Reader, node: Node) -> Value:
    x = node.value()
    rank = len(x.shape) + 1
    axis = node.axis("axis", -1 if reader.opset >= 13 else 1, rank) - 1
    require(axis >= 0, "must not normalise over the batch")
    if reader.opset < 13:  # all axes from this one on are combined
        longer = [k for k in range(axis, len(x.shape)) if x.shape[k] > 1] or [axis]
        require(len(longer) == 1, "must normalise over one axis")
        axis = longer[0]
    return reader.elementwise(Softmax(), _axis_last(reader, x, axis), node)


def _axis_last(reader: Reader, x: Value, axis: int) -> Value:
    """Return the same array with this axis last in the network; the others keep their order."""
    order = tuple(k for k in (x.order if axis in x.order else identity(len(x.shape))) if k != axis)
    return reader.ordered(x, (*order, axis))


@reads("Sqrt", "Reciprocal", "Pow")
def read_power(reader: Reader, node: Node) -> Value:
    exponent = {"Sqrt": 0.5, "Reciprocal": -1.0}.get(node.op)
    if exponent is None:
        c = node.weights(1)
        require(c.size == 1 and np.isfinite(c).all(), "must have one finite number as its exponent")
        exponent = float(c.reshape(()))
    return reader.elementwise(Power(exponent), node.value(), node)


@reads("Dropout")
def read_dropout(reader: Reader, node: Node) -> Value:
    training = node.constant(2)
    require(training is None or not training.any(), "must not be in training mode")
    rate = node.number("ratio", 1, 0.5)
    return reader.elementwise(Dropout(rate) if 0 <= rate < 1 else Identity(), node.value(), node)


@reads("Identity")
def read_identity(reader: Reader, node: Node) -> Value:
    x: Value = node.value()
    return x


@reads("Cast")
def read_cast(reader: Reader, node: Node) -> Value:
    kind, expected = type_name(node.integer("to", 0)), reader.model.inputs[0].type
    require(kind == expected, f"must keep the type {expected} of the input, got {kind}")
    x: Value = node.value()
    return x


@reads("BatchNormalization")
def read_batch_norm(reader: Reader, node: Node) -> Value:
    x = node.value()
    is_inference = node.flag("is_test") if reader.opset < 7 else not node.flag("training_mode")
    require(is_inference, "must be in inference mode")
    require(node.integer("spatial", 1) == 1, "must normalise over all positions")
    require(1 <= len(x.shape) <= 3 or is_on_p4(x), f"must have at most two spatial axes, got {len(x.shape) - 1}")
    momentum = node.real("momentum", 0.9)
    cls, order = (P4BatchNorm, P4_ORDER) if is_on_p4(x) else (BatchNorm, channels_last(len(x.shape)))
    layer = cls(momentum=momentum if 0 <= momentum <= 1 else None, eps=node.real("epsilon", 1e-5))
    weights = dict(zip(("gamma", "beta", "mean", "var"), map(node.weights, range(1, 5)), strict=True))
    require(not (weights["var"] < 0).any(), "must have variances of at least 0")
    return reader.elementwise(layer, reader.ordered(x, order), node, {**weights, "updates": np.array(MANY)})


@reads("InstanceNormalization")
def read_instance_norm(reader: Reader, node: Node) -> Value:
    layer = InstanceNorm(eps=node.real("epsilon", 1e-5))
    return reader.elementwise(layer, spatial_input(reader, node), node, {"gamma": node.weights(1), "beta": node.weights(2)})


@reads("LayerNormalization")
def read_layer_norm(reader: Reader, node: Node) -> Value:
    x, gamma = node.value(), node.weights(1)
    rank = len(x.shape)
    axis = node.axis("axis", -1, rank + 1) - 1
    require(axis == rank - 1, "must normalise over the last axis alone")
    require(gamma.shape == x.shape[axis:], f"must have a scale of shape {x.shape[axis:]}, got {gamma.shape}")
    beta = node.weights(2) if node.has_input(2) else np.zeros_like(gamma)
    layer = LayerNorm(eps=node.real("epsilon", 1e-5), each_position=rank > 1)
    return reader.elementwise(layer, _axis_last(reader, x, axis), node, {"gamma": gamma, "beta": beta})


@reads("LRN")
def read_lrn(reader: Reader, node: Node) -> Value:
    size = node.integer("size", 0)
    require(size % 2 == 1, f"must have an odd size, got {size}: refconv's additional channel is at the other side")
    numbers = node.real("alpha", 1e-4), node.real("beta", 0.75), node.real("bias", 1.0)
    layer = LocalResponseNorm(size, *numbers, divide_by_size=True)
    return reader.elementwise(layer, spatial_input(reader, node), node)


@reads("Add", "Sum")
def read_add(reader: Reader, node: Node) -> Value:
    _check_operands(node)
    constant = _constant_operand(node)
    if constant is None:
        return _join(reader, node, Add())
    x, c = constant
    product = _product_without_bias(reader, node, x, c)
    if product is not None:
        product.layer, product.weights["b"] = Dense(c.size), c.reshape(-1)
        product.constants += reader.origins(node)
        return x
    return _with_constant(reader, node, x, c, Shift, "shift")


@reads("Sub")
def read_sub(reader: Reader, node: Node) -> Value:
    _check_operands(node)
    if node.is_constant(1):
        return _with_constant(reader, node, node.value(), -node.weights(1), Shift, "shift")
    negative = reader.elementwise(Scale((), trainable=False), node.value(1), "scale", {"scale": np.array(-1.0)})
    if node.is_constant(0):
        return _with_constant(reader, node, negative, node.weights(0), Shift, "shift")
    return _join_values(reader, node, [node.value(0), negative], Add())


@reads("Mul")
def read_mul(reader: Reader, node: Node) -> Value:
    _check_operands(node)
    constant = _constant_operand(node)
    if constant is None and node.inputs[0] == node.inputs[1]:
        return reader.elementwise(Power(2), node.value(), node)
    if constant is None:
        return _join(reader, node, Multiply())
    return _with_constant(reader, node, *constant, Scale, "scale")


@reads("Div")
def read_div(reader: Reader, node: Node) -> Value:
    _check_operands(node)
    if node.is_constant(1):
        c = node.weights(1)
        require((c != 0).all(), "must not divide by zero")
        return _with_constant(reader, node, node.value(), 1 / c, Scale, "scale")
    inverse = reader.elementwise(Power(-1), node.value(1), "power")
    if node.is_constant(0):
        return _with_constant(reader, node, inverse, node.weights(0), Scale, "scale")
    return _join_values(reader, node, [node.value(0), inverse], Multiply())


@reads("Mean")
def read_mean(reader: Reader, node: Node) -> Value:
    return _join(reader, node, Average())


@reads("Concat")
def read_concat(reader: Reader, node: Node) -> Value:
    require(node.inputs, "must have an input")
    values = [node.value(k) for k in range(len(node.inputs))]
    rank = len(values[0].shape)
    axis = node.axis("axis", 1, rank + 1) - 1
    require(axis >= 0, "must not concatenate batches")
    require(all(len(x.shape) == rank for x in values), "must have inputs with the same number of axes")
    order = _common_order(values)
    values = [reader.ordered(x, order) for x in values]
    if len(values) == 1:
        return values[0]
    shape = tuple(sum(x.shape[axis] for x in values) if k == axis else n for k, n in enumerate(values[0].shape))
    return reader.apply(Concatenate(order.index(axis)), values, shape, order, node)


def _product_without_bias(reader: Reader, node: Node, x: Value, c: Array) -> Step | None:
    """Return the matrix product whose bias is the constant c; None if there is none.

    It must not be used without c.
    """
    step = reader.steps.get(x.key)
    if step is None or not isinstance(step.layer, Dense) or step.layer.bias or x.shape != (c.size,) or c.shape[-1] != c.size:
        return None
    # The product may have several names, since Identity and Cast have no layers.
    names = [*filter(reader.values.__contains__, node.inputs), *reader.aliases.get(x.key, ())]
    return step if all(reader.uses.get(name) == 1 for name in names) else None


def _constant_operand(node: Node) -> tuple[Value, Array] | None:
    """Return the computed and the constant input of a node; None if none is constant."""
    if len(node.inputs) != 2 or not (node.is_constant(0) or node.is_constant(1)):
        return None
    return (node.value(1), node.weights(0)) if node.is_constant(0) else (node.value(0), node.weights(1))


def _with_constant(reader: Reader, node: Node, x: Value, c: Array, cls: Any, name: str) -> Value:
    """Append a layer with a constant array, which is trainable unless it is a single number."""
    rank = len(x.shape)
    if c.ndim > rank:
        require(c.ndim == rank + 1 and len(c) == 1, "must have a constant that is the same for each example")
        c = c[0]
    aligned = c.reshape(*[1] * (rank - c.ndim), *c.shape)
    require(
        all(n in (1, size) for n, size in zip(aligned.shape, x.shape, strict=True)), "must have a constant that fits its input"
    )
    stored = aligned.transpose(*x.order, *(axis for axis in range(rank) if axis not in x.order))
    array = stored.reshape(stored.shape[: len(x.order)])
    array = array.reshape(()) if array.size == 1 else array
    return reader.elementwise(cls(array.shape, trainable=array.size > 1), x, node, {name: array})


def _check_operands(node: Node) -> None:
    """Check the number of inputs, and refuse the broadcasting of old versions at other axes."""
    require(node.op == "Sum" or len(node.inputs) == 2, f"must have two inputs, got {len(node.inputs)}")
    require(not node.has("axis"), "must align arrays at their last axes")


def _join(reader: Reader, node: Node, layer: Any) -> Value:
    return _join_values(reader, node, [node.value(k) for k in range(len(node.inputs))], layer)


def _join_values(reader: Reader, node: Node, values: list[Value], layer: Any) -> Value:
    if len(values) == 1:
        return values[0]
    require(len({len(x.shape) for x in values}) == 1, "must have inputs with the same number of axes")
    order = _common_order(values)
    values = [reader.ordered(x, order) for x in values]
    shape = tuple(max(sizes) for sizes in zip(*(x.shape for x in values), strict=True))
    return reader.apply(layer, values, shape, order, node)


def _common_order(values: list[Value]) -> tuple[int, ...]:
    """Return the order in which most inputs already are, or channels last if none has all axes."""
    rank = len(values[0].shape)
    complete = [x.order for x in values if len(x.order) == rank]
    return max(complete, key=complete.count) if complete else channels_last(rank)
