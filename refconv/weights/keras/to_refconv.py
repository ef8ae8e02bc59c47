"""Layers of refconv for the layers of Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import refconv.nn as nn
from refconv.nn import Layer
from refconv.nn.joins import Add, Average, Concatenate, Join, Multiply
from refconv.nn.parameter import MANY
from refconv.typing import Shape
from refconv.weights.keras.activations import ACTIVATION_LAYERS, activation
from refconv.weights.keras.options import Options
from refconv.weights.keras.part import FREEZE, Converter, Part, with_bias
from refconv.weights.keras.windows import WINDOWS

__all__ = ["join_of", "part_of"]

MAX_RESCALED_CHANNELS = 1024  # a small file must not cause large arrays


def part_of(name: str, kind: str, values: Mapping[str, Any], shape: Shape) -> Part:
    """Return the layers for a layer of Keras.

    Parameters
    ----------
    name, kind : str
        The layer's name and its class in Keras.
    values : dict
        Its options.
    shape : tuple of int
        The shape of its input, without the batch.

    Raises
    ------
    ValueError
        If refconv has no layer that computes the same. The message names the layer.
    """
    options = Options(name, kind, values)
    if kind not in LAYERS:
        reason = REFUSED.get(kind, "refconv has no layer that computes the same")
        raise ValueError(f"layer {name} ({kind}) cannot be loaded: {reason}")
    try:
        part = LAYERS[kind](options, shape)
        options.finish()
    except (ArithmeticError, TypeError, ValueError) as error:
        if f"layer {name} " in str(error):
            raise
        raise ValueError(f"layer {name} ({kind}): {error}") from error
    return part


def join_of(name: str, kind: str, values: Mapping[str, Any], axes: int) -> Join | None:
    """Return the join for a layer of Keras, or None if the layer has one input.

    ``axes`` is the number of axes of one example.
    """
    if kind not in JOINS:
        return None
    options = Options(name, kind, values)
    if kind != "Concatenate":
        options.finish()
        return JOINS[kind]()
    axis = options.integer("axis", -1, least=-axes)
    options.finish()
    if axis == 0 or axis > axes:
        raise options.error("an axis of the examples", axis)
    return Concatenate(axis - 1 if axis > 0 else axis)


def _dense(options: Options, shape: Shape) -> Part:
    if len(shape) != 1:
        raise options.error("an input with one axis; with more, Keras applies it to each position", shape)
    bias = options.flag("use_bias", True)
    return Part((nn.Dense(options.integer("units"), bias=bias), *activation(options)), with_bias("w", bias=bias))


def _scale_and_shift(options: Options) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which of γ and β are in the file, and which are not: these keep the values 1 and 0."""
    flags = {"gamma": options.flag("scale", True), "beta": options.flag("center", True)}
    return tuple(name for name in flags if flags[name]), tuple(name for name in flags if not flags[name])


def _last_axis(options: Options, shape: Shape) -> None:
    """Check that a normalisation has its parameters along the channels."""
    axis = options.value("axis", -1)
    if axis not in (-1, len(shape), [-1], [len(shape)]):
        raise options.error("the channels as its axis", axis)


def _batch_norm(options: Options, shape: Shape) -> Part:
    _last_axis(options, shape)
    options.value("synchronized")
    options.value("renorm_momentum")
    options.value("renorm_clipping")
    stored, fixed = _scale_and_shift(options)
    momentum, eps = options.number("momentum", 0.99), options.number("epsilon", 1e-3)
    layer = nn.BatchNorm(momentum=momentum, eps=eps, averages="lecture")
    return Part((layer,), (*stored, "mean", "var"), {"updates": MANY}, fixed)


def _layer_norm(options: Options, shape: Shape) -> Part:
    if len(shape) != 1:
        raise options.error("an input with one axis; Keras normalises each position, or has weights for each of them", shape)
    _last_axis(options, shape)
    stored, fixed = _scale_and_shift(options)
    return Part((nn.LayerNorm(eps=options.number("epsilon", 1e-3)),), stored, frozen=fixed)


def _group_norm(options: Options, shape: Shape) -> Part:
    _last_axis(options, shape)
    groups, eps = options.integer("groups", 32, least=-1), options.number("epsilon", 1e-3)
    stored, fixed = _scale_and_shift(options)
    if groups == 0:
        raise options.error("groups that are positive, or -1 for one in each channel,", groups)
    layer: Layer = nn.GroupNorm(groups, eps=eps) if groups > 1 else nn.LayerNorm(eps=eps)
    if groups == -1:
        layer = nn.InstanceNorm(eps=eps)
    return Part((layer,), stored, frozen=fixed)


def _rescaling(options: Options, shape: Shape) -> Part:
    """Return a frozen batch normalisation that computes scale·x + offset."""
    channels = shape[-1]
    if channels > MAX_RESCALED_CHANNELS:
        raise options.error(f"at most {MAX_RESCALED_CHANNELS} channels", channels)
    constants: dict[str, Any] = {"updates": MANY}
    for key, parameter, default in (("scale", "gamma", 1.0), ("offset", "beta", 0.0)):
        value = options.value(key, default)
        numbers = value if isinstance(value, list) else [value] * channels
        if len(numbers) != channels or any(type(n) not in (int, float) or not abs(n) < 2**60 for n in numbers):
            raise options.error(f"one finite number, or {channels} of them, as {key}", value)
        constants[parameter] = [float(n) for n in numbers]
    return Part((nn.BatchNorm(eps=0, averages="lecture"),), (), constants, FREEZE)


def _pad(options: Options, shape: Shape) -> Part:
    options.only("data_format", "channels_last")
    return Part((nn.Pad2D(options.margins("padding")),))


def _crop(options: Options, shape: Shape) -> Part:
    options.only("data_format", "channels_last")
    return Part((nn.Crop2D(options.margins("cropping")),))


def _upsample(options: Options, shape: Shape) -> Part:
    options.only("data_format", "channels_last")
    mode = options.choice("interpolation", ("nearest", "bilinear"), "nearest")
    return Part((nn.Upsample2D(options.sizes("size", 2, default=2), mode=mode),))


def _flatten(options: Options, shape: Shape) -> Part:
    options.only("data_format", "channels_last")
    return Part((nn.Flatten(),))


def _reshape(options: Options, shape: Shape) -> Part:
    target, size = options.value("target_shape"), math.prod(shape)
    if not isinstance(target, list) or any(type(n) is not int or n < -1 for n in target) or target.count(-1) > 1:
        raise options.error("integers as target_shape", target)
    known = math.prod(n for n in target if n != -1)
    result = tuple(size // max(known, 1) if n == -1 else n for n in target)
    if math.prod(result) != size:
        raise options.error(f"a target_shape of {size} elements", target)
    if result == tuple(shape):
        return Part((nn.Identity(),))
    if len(result) != 1:
        raise options.error("one axis, or the shape of its input, as target_shape", target)
    return Part((nn.Flatten(),))


def _dropout(options: Options, shape: Shape) -> Part:
    return Part((nn.Dropout(options.number("rate", 0.5)),))


def _identity(options: Options, shape: Shape) -> Part:
    return Part((nn.Identity(),))


JOINS: dict[str, type[Join]] = {"Add": Add, "Average": Average, "Multiply": Multiply, "Concatenate": Concatenate}

LAYERS: dict[str, Converter] = {
    **WINDOWS,
    **ACTIVATION_LAYERS,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "Rescaling": _rescaling,
    "ZeroPadding2D": _pad,
    "Cropping2D": _crop,
    "UpSampling2D": _upsample,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Dropout": _dropout,
    "Identity": _identity,
}

REFUSED = {
    "Lambda": "it contains code, and files are data",
    "SpatialDropout1D": "it drops whole channels, and Dropout drops elements",
    "SpatialDropout2D": "it drops whole channels, and Dropout drops elements",
}
