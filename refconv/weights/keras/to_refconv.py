"""Layers of refconv for the layers of Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import refconv.nn as nn
from refconv.nn import Layer
from refconv.nn.joins import Add, Average, Concatenate, Join, Multiply
from refconv.nn.parameter import MANY
from refconv.nn.reshape import Pad, Reshape, Slice, Transpose
from refconv.typing import Shape
from refconv.weights.keras.activations import ACTIVATION_LAYERS, activation
from refconv.weights.keras.options import Options
from refconv.weights.keras.part import FREEZE, Converter, Part, with_bias
from refconv.weights.keras.windows import WINDOWS

__all__ = ["join_of", "part_of"]

MAX_AXES = 8  # of one example; NumPy has a limit
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
    """Return a dense layer, or for signals and images a convolution with kernels of size 1."""
    if not 1 <= len(shape) <= 3:
        raise options.error("an input with one to three axes", shape)
    units, bias = options.integer("units"), options.flag("use_bias", True)
    layer: Layer = nn.Dense(units, bias=bias)
    if len(shape) > 1:
        layer = (nn.Conv1D if len(shape) == 2 else nn.Conv2D)(units, 1, bias=bias)
    return Part((layer, *activation(options)), with_bias("w", bias=bias), file_shapes={"w": (shape[-1], units)})


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
    _last_axis(options, shape)
    stored, fixed = _scale_and_shift(options)
    layer = nn.LayerNorm(eps=options.number("epsilon", 1e-3), each_position=len(shape) > 1)
    return Part((layer,), stored, frozen=fixed)


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


def _pad(ndim: int) -> Converter:
    def convert(options: Options, shape: Shape) -> Part:
        pads, is_last = options.margins("padding", ndim), _is_channels_last(options)
        if len(shape) != ndim + 1:
            raise options.error(f"an input with {ndim + 1} axes", shape)
        widths = (*pads, (0, 0)) if is_last else ((0, 0), *pads)
        if is_last and ndim == 2:
            return Part((nn.Pad2D(pads),))
        if not any(map(any, widths[:-1])) and widths[-1][0] == 0:
            return Part((nn.PadChannels(shape[-1] + widths[-1][1]),))
        return Part((Pad(widths),))

    return convert


def _crop(ndim: int) -> Converter:
    def convert(options: Options, shape: Shape) -> Part:
        pads, is_last = options.margins("cropping", ndim), _is_channels_last(options)
        if len(shape) != ndim + 1:
            raise options.error(f"an input with {ndim + 1} axes", shape)
        if is_last and ndim == 2:
            return Part((nn.Crop2D(pads),))
        margins = (*pads, (0, 0)) if is_last else ((0, 0), *pads)
        return Part((Slice([(before, n - before - after, 1) for n, (before, after) in zip(shape, margins, strict=True)]),))

    return convert


def _is_channels_last(options: Options) -> bool:
    return options.choice("data_format", ("channels_last", "channels_first"), "channels_last") == "channels_last"


def _permute(options: Options, shape: Shape) -> Part:
    axes = options.value("dims")
    if not isinstance(axes, list) or any(type(n) is not int for n in axes) or sorted(axes) != [*range(1, len(shape) + 1)]:
        raise options.error(f"a permutation of 1 to {len(shape)} as dims", axes)
    return Part((Transpose([n - 1 for n in axes]),))


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
    if math.prod(result) != size or not 1 <= len(result) <= MAX_AXES:
        raise options.error(f"a target_shape of {size} elements", target)
    if result == tuple(shape):
        return Part((nn.Identity(),))
    return Part((nn.Flatten() if len(result) == 1 else Reshape(result),))


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
    "ZeroPadding1D": _pad(1),
    "ZeroPadding2D": _pad(2),
    "Cropping1D": _crop(1),
    "Cropping2D": _crop(2),
    "UpSampling2D": _upsample,
    "Flatten": _flatten,
    "Permute": _permute,
    "Reshape": _reshape,
    "Dropout": _dropout,
    "Identity": _identity,
}

REFUSED = {
    "Lambda": "it contains code, and files are data",
    "SpatialDropout1D": "it drops whole channels, and Dropout drops elements",
    "SpatialDropout2D": "it drops whole channels, and Dropout drops elements",
}
