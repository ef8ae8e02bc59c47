"""Checks and conversions of the arrays that operators get as arguments."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from refconv._arguments import contiguous, known_format, real, real_or_exact
from refconv._config import get_config
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Array, DataFormat, Shape

__all__ = ["as_float", "axes", "channels_last", "floats", "input_channels", "restore", "same_shape", "scalar"]

MaybeArray = TypeVar("MaybeArray", bound=Array | None)  # a bias may be None

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def floats(**arrays: Any) -> list[Array]:
    """Return several arguments as C-contiguous, aligned arrays of one float type.

    They are returned in the order of the arguments.

    The bias b may be None, and is then returned as None. The annotation omits this, since all elements of a list have the same
    type.

    float32 stays float32, float64 stays float64, integers and booleans become float64. Other types and mixtures of types raise
    an error: a silent promotion would double the memory and halve the speed without a warning.

    The loops compute with all numbers that support + − × ÷. So with the engine "reference", object arrays of fractions or
    sympy symbols are accepted and not converted.
    """
    present: list[Any] = [a for name, a in arrays.items() if a is not None or name != "b"]
    if all(map(_is_ready, present)) and len({a.dtype for a in present}) == 1:
        return list(arrays.values())
    converted: dict[str, Any] = {name: None if a is None and name == "b" else as_float(name, a) for name, a in arrays.items()}
    kinds = {name: a.dtype for name, a in converted.items() if a is not None}
    if len(set(kinds.values())) > 1:
        got = ", ".join(f"{_given_type(arrays[name])} for {name}" for name in kinds)
        raise ArgumentTypeError(f"{' and '.join(kinds)} must have the same float type, got {got}; convert with .astype")
    return list(converted.values())


def _is_ready(value: object) -> bool:
    """Return True if the value needs no conversion, as in most calls."""
    if type(value) is not np.ndarray or value.dtype not in FLOATS or not value.ndim:
        return False
    flags = value.flags
    return flags.c_contiguous and flags.aligned


def _given_type(value: Any) -> str:
    """Return the element type of an argument, for error messages."""
    dtype = np.asarray(value).dtype
    return f"{dtype} (as float64)" if dtype.kind in "iub" else f"{dtype}"


def as_float(name: str, value: Any) -> Array:
    """Return an argument as a C-contiguous, aligned array of float32, float64 or objects.

    Objects are fractions or symbols. :func:`floats` describes the conversions.
    """
    if _is_ready(value):
        return value
    if value is None:
        raise ArgumentTypeError(f"{name} must be an array, got None")
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentTypeError(f"{name} must be a plain array, got a masked array, whose mask would be lost")
    try:
        a = np.asarray(value)
    except ValueError:
        raise ArgumentValueError(f"{name} must have rows of equal length, got rows of different lengths") from None
    if a.dtype.kind in "iub":
        return np.ascontiguousarray(a, np.float64)
    if a.dtype == object:
        return _as_exact(name, a)
    native = a.dtype.newbyteorder("=")
    if native not in FLOATS:
        raise ArgumentTypeError(f"{name} must be an array of float32, float64 or integers, got {a.dtype}")
    return contiguous(a, native)


def _as_exact(name: str, a: Array) -> Array:
    if get_config().engine != "reference":
        raise ArgumentTypeError(
            f"{name} must be an array of float32, float64 or integers, got Python objects; fractions and symbols run on the "
            'loops: with refconv.config(engine="reference")'
        )
    for number in a.flat:
        if not hasattr(number, "__truediv__"):
            raise ArgumentTypeError(f"{name} must be an array of numbers, got {number!r}")
    return np.ascontiguousarray(a)


def scalar(name: str, number: Any, like: Array, **bounds: float) -> Any:
    """Check a number that an operator uses together with the array ``like``, and return it.

    The number must be finite and within the bounds of :func:`refconv._arguments.real`. It is returned as a float, or unchanged
    if ``like`` contains fractions or symbols.
    """
    return real_or_exact(name, number, **bounds) if like.dtype == object else real(name, number, **bounds)


def axes(name: str, array: Array, *names: str) -> Array:
    """Check that an array has the named axes and is not empty along any of them but the batch."""
    if array.ndim != len(names):
        raise ArgumentValueError(f"{name} must have {len(names)} axes ({', '.join(names)}), got shape {array.shape}")
    if 0 in array.shape[names[0] == "batch" :]:
        raise ArgumentValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def same_shape(name: str, array: MaybeArray, shape: Shape, why: str) -> MaybeArray:
    """Check that an array has this shape; ``why`` explains the shape in the error message."""
    if array is not None and array.shape != tuple(shape):
        raise ArgumentValueError(f"{name} must have shape {tuple(shape)}, {why}, got shape {array.shape}")
    return array


def channels_last(name: str, array: Array, ndim: int | None, data_format: DataFormat) -> Array:
    """Check a batch and return it with its channels on the last axis.

    ``ndim`` is the number of spatial axes: 2 for images, 1 for signals, 0 for rows, or None for any of these.
    """
    known_format(data_format)
    if ndim is None:
        if array.ndim not in (2, 3, 4):
            raise ArgumentValueError(f"{name} must have 2, 3 or 4 axes (batch, positions, channels), got shape {array.shape}")
        ndim = array.ndim - 2
    space = ("height", "width")[2 - ndim :]
    if data_format == "channels_last":
        return axes(name, array, "batch", *space, "channels")
    axes(name, array, "batch", "channels", *space)
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def input_channels(x: Array, count: int, name: str, w: Array, data_format: DataFormat, groups: int = 1) -> None:
    """Check that x, with its channels last, has the ``count`` channels that the weights expect.

    ``name`` is the name of the weights w. ``data_format`` is the order of the axes in the call. If the other order would fit,
    the error message contains a hint.
    """
    if x.shape[-1] == count:
        return
    weights = f"{name} of shape {w.shape}" + (f" in {groups} groups" if groups > 1 else "")
    last = data_format == "channels_last"
    space = ("H", "W")[-(x.ndim - 2) :] if x.ndim > 2 else ()
    got, other = (x.shape, x.shape[1]) if last else ((len(x), x.shape[-1], *x.shape[1:-1]), x.shape[-2])
    hint = ""
    if other == count and space:
        expected = ("N", *space, str(count)) if last else ("N", str(count), *space)
        hint = f"; {'channels last' if last else 'channels first'}? expected ({', '.join(expected)})"
    raise ArgumentValueError(f"x must have {count} channels for {weights}{hint}, got {'' if hint else 'shape '}{got}")


def restore(array: Array, data_format: DataFormat) -> Array:
    """Move the channels from the last axis to the axis that ``data_format`` requires."""
    return array if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(array, -1, 1))
