"""Activation layers of refconv for layers of Keras."""

from __future__ import annotations

from collections.abc import Callable

import refconv.nn as nn
from refconv.nn import Layer
from refconv.typing import Shape
from refconv.weights.keras.options import Options
from refconv.weights.keras.part import Converter, Part

__all__ = ["ACTIVATION_LAYERS", "activation"]


def activation(options: Options) -> tuple[Layer, ...]:
    """Return the layer for the option "activation", or nothing for the identity."""
    value = options.value("activation")
    if isinstance(value, dict):  # an activation layer with options
        kind, inner = value.get("class_name"), value.get("config")
        if isinstance(kind, str) and kind in WITH_OPTIONS and isinstance(inner, dict):
            inner_options = Options(options.name, kind, inner)
            part = WITH_OPTIONS[kind](inner_options, (1,))
            inner_options.finish()
            return part.layers
    if value is None or value == "linear":
        return ()
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise options.error(f"an activation from {', '.join(ACTIVATIONS)}", value)
    return (ACTIVATIONS[value](),)


def _relu(options: Options, shape: Shape) -> Part:
    highest, slope = options.value("max_value"), options.number("negative_slope", 0.0)
    if (threshold := options.number("threshold", 0.0)) != 0:
        raise options.error("threshold 0", threshold)
    if highest is None:
        return Part((nn.LeakyReLU(slope) if slope else nn.ReLU(),))
    if highest != 6 or slope:
        raise options.error("max_value 6 and negative_slope 0, or no max_value", (highest, slope))
    return Part((nn.ReLU6(),))


def _leaky_relu(options: Options, shape: Shape) -> Part:
    return Part((nn.LeakyReLU(options.number("negative_slope", 0.3)),))


def _elu(options: Options, shape: Shape) -> Part:
    return Part((nn.ELU(options.number("alpha", 1.0)),))


def _softmax(options: Options, shape: Shape) -> Part:
    axis = options.value("axis", -1)
    if axis not in (-1, len(shape)):
        raise options.error("the last axis as its axis", axis)
    return Part((nn.Softmax(),))


def _activation(options: Options, shape: Shape) -> Part:
    return Part(activation(options) or (nn.Identity(),))


ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),  # the slope of Keras's function, not of its layer
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": nn.Softmax,
}

WITH_OPTIONS: dict[str, Converter] = {"ReLU": _relu, "LeakyReLU": _leaky_relu, "ELU": _elu, "Softmax": _softmax}
ACTIVATION_LAYERS: dict[str, Converter] = {"Activation": _activation, **WITH_OPTIONS}
