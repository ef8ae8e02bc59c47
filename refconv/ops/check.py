"""Checks and conversions of arrays, which every operator makes before it computes."""

from typing import Any, TypeVar

import numpy as np

from refconv._arguments import known_format, real, real_or_exact
from refconv._config import get_config
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Array, DataFormat, Shape

__all__ = ["as_float", "axes", "channels_last", "floats", "input_channels", "restore", "same_shape", "scalar"]

MaybeArray = TypeVar("MaybeArray", bound=Array | None)  # a bias may be None

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def floats(**arrays: Any) -> list[Array]:
    """Return several arguments as C-contiguous arrays of one float type, in the order given.

    The bias b may be None, and is returned as None; the annotation leaves this out, since the elements of a list have one
    type.

    float32 stays float32, float64 stays float64, integers and booleans become float64. Any other type, and any mixture, is
    refused: a silent promotion would double memory and halve speed without a word.

    The loops compute with any numbers that know + − × ÷. So on the engine "reference", object arrays of fractions or sympy
    symbols pass as they are.
    """
    present: list[Any] = [a for name, a in arrays.items() if a is not None or name != "b"]
    if all(map(_is_ready, present)) and len({a.dtype for a in present}) == 1:
        return list(arrays.values())
    converted: dict[str, Any] = {name: None if a is None and name == "b" else as_float(name, a) for name, a in arrays.items()}
    kinds = {name: a.dtype for name, a in converted.items() if a is not None}
    if len(set(kinds.values())) > 1:
        got = ", ".join(f"{_given_type(arrays[name])} for {name}" for name in kinds)
        raise ArgumentTypeError(f"{' and '.join(kinds)} must have one float type, got {got}; convert with .astype")
    return list(converted.values())


def _is_ready(value: object) -> bool:
    """Whether nothing must be converted, as in most calls."""
    return type(value) is np.ndarray and value.dtype in FLOATS and value.flags.c_contiguous and value.ndim > 0


def _given_type(value: Any) -> str:
    """The element type of an argument, before integers become float64."""
    dtype = np.asarray(value).dtype
    return f"{dtype} (as float64)" if dtype.kind in "iub" else f"{dtype}"


def as_float(name: str, value: Any) -> Array:
    """Return an argument as a C-contiguous array of float32 or float64, or of exact numbers (:func:`floats`)."""
    if _is_ready(value):
        return value
    if value is None:
        raise ArgumentTypeError(f"{name} must be an array, got None")
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentTypeError(f"{name} must be a plain array, got a masked array, whose mask would be lost")
    try:
        a = np.asarray(value)
    except ValueError:
        raise ArgumentValueError(f"{name} must have rows of one length, got rows of different lengths") from None
    if a.dtype.kind in "iub":
        return np.ascontiguousarray(a, np.float64)
    if a.dtype == object:
        return _as_exact(name, a)
    native = a.dtype.newbyteorder("=")
    if native not in FLOATS:
        raise ArgumentTypeError(f"{name} must be an array of float32, float64 or integers, got {a.dtype}")
    return np.ascontiguousarray(a, native)


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
    """A finite number beside an array: a float, or beside fractions and symbols the number itself, which may be one."""
    return real_or_exact(name, number, **bounds) if like.dtype == object else real(name, number, **bounds)


def axes(name: str, array: Array, *names: str) -> Array:
    """Check that an array has the axes named, and at least one element along all but the batch."""
    if array.ndim != len(names):
        raise ArgumentValueError(f"{name} must have {len(names)} axes ({', '.join(names)}), got shape {array.shape}")
    if 0 in array.shape[names[0] == "batch" :]:
        raise ArgumentValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def same_shape(name: str, array: MaybeArray, shape: Shape, why: str) -> MaybeArray:
    """Check that an array has the one shape that fits; ``why`` says where that shape comes from."""
    if array is not None and array.shape != tuple(shape):
        raise ArgumentValueError(f"{name} must have shape {tuple(shape)}, {why}, got shape {array.shape}")
    return array


def channels_last(name: str, array: Array, ndim: int | None, data_format: DataFormat) -> Array:
    """A batch of images (ndim 2), signals (1), rows (0) or any of these (None), with its channels at the end."""
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
    """Check that x, with its channels last, has as many channels as the weights w of this name take: ``count``.

    ``data_format`` is the order of the axes in the call. If the other order would fit, the error says so.
    """
    if x.shape[-1] == count:
        return
    weights = f"{name} of shape {w.shape}" + (f" in {groups} groups" if groups > 1 else "")
    last, space = data_format == "channels_last", ("H", "W")[-(x.ndim - 2) :] if x.ndim > 2 else ()
    got, other = (x.shape, x.shape[1]) if last else ((len(x), x.shape[-1], *x.shape[1:-1]), x.shape[-2])
    hint = ""
    if other == count and space:
        expected = ("N", *space, str(count)) if last else ("N", str(count), *space)
        hint = f"; {'channels last' if last else 'channels first'}? expected ({', '.join(expected)})"
    raise ArgumentValueError(f"x must have {count} channels, as {weights}{hint}, got {'' if hint else 'shape '}{got}")


def restore(array: Array, data_format: DataFormat) -> Array:
    """Move the channels back to where ``data_format`` has them."""
    return array if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(array, -1, 1))
