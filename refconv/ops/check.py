"""What every operator does with its arguments before it computes: convert, check, and say what is wrong."""

import math
from numbers import Real

import numpy as np

from refconv.geometry import per_axis
from refconv.ops.engine import current_engine

__all__ = ["axes", "channels_last", "floats", "group_count", "known_format", "restore", "same_shape", "scalar"]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def floats(**arrays):
    """The arguments as C-contiguous arrays of one float type, in the order given; b, the bias, may be None.

    float32 stays float32, float64 stays float64, integers and booleans become float64. Any other type, and any mixture, is
    refused: a silent promotion would double memory and halve speed without a word.

    The loops compute with any numbers that know + − × ÷. So on the engine "reference", object arrays of fractions or sympy
    symbols pass as they are.
    """
    present = [a for name, a in arrays.items() if a is not None or name != "b"]
    if all(map(_is_ready, present)) and len({a.dtype for a in present}) == 1:
        return present[0] if len(arrays) == 1 else list(arrays.values())
    converted = {name: None if a is None and name == "b" else _as_float(name, a) for name, a in arrays.items()}
    kinds = {name: a.dtype for name, a in converted.items() if a is not None}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{name} is {dtype}" for name, dtype in kinds.items())
        raise TypeError(f"{' and '.join(kinds)} must have one float type, but {found}; convert with .astype")
    result = list(converted.values())
    return result[0] if len(result) == 1 else result


def _is_ready(value):
    """Whether nothing must be converted, as in most calls."""
    return type(value) is np.ndarray and value.dtype in FLOATS and value.flags.c_contiguous and value.ndim > 0


def _as_float(name, value):
    if _is_ready(value):
        return value
    if value is None:
        raise TypeError(f"{name} must be an array, but is None")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, but is a masked one, whose mask would be lost")
    try:
        a = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must have rows of one length, but is ragged") from None
    if a.dtype.kind in "iub":
        return np.ascontiguousarray(a, np.float64)
    if a.dtype == object:
        return _as_exact(name, a)
    native = a.dtype.newbyteorder("=")
    if native not in FLOATS:
        raise TypeError(f"{name} must hold float32, float64 or integers, but holds {a.dtype}")
    return np.ascontiguousarray(a, native)


def _as_exact(name, a):
    if current_engine() != "reference":
        raise TypeError(
            f"{name} must hold float32, float64 or integers, but holds Python objects; fractions and symbols run on the "
            'loops: with refconv.engine("reference")'
        )
    for number in a.flat:
        if not hasattr(number, "__truediv__"):
            raise TypeError(f"{name} must hold numbers, but holds {number!r}")
    return np.ascontiguousarray(a)


def scalar(name, number, like, least=-math.inf, most=math.inf):
    """A finite number beside an array: a float; beside fractions and symbols the number itself, which may be one of them."""
    if isinstance(number, bool | np.bool_) or not (isinstance(number, Real) or _is_exact(number, like)):
        raise TypeError(f"{name} must be a number, but is {number!r}")
    if not isinstance(number, Real):
        return number  # a symbol: who knows how large it is
    if not -math.inf < number < math.inf:
        raise ValueError(f"{name} must be finite, but is {number!r}")
    if not least <= number <= most:
        bounds = f"from {least} to {most}" if most < math.inf else f"at least {least}"
        raise ValueError(f"{name} must be {bounds}, but is {number!r}")
    return number if like.dtype == object else float(number)


def _is_exact(number, like):
    return like.dtype == object and hasattr(number, "__truediv__") and not isinstance(number, np.ndarray)


def axes(name, array, *names):
    """Check that an array has the axes named, and at least one element along all but the batch."""
    if array.ndim != len(names):
        raise ValueError(f"{name} must have {len(names)} axes ({', '.join(names)}), but has shape {array.shape}")
    if 0 in array.shape[names[0] == "batch" :]:
        raise ValueError(f"{name} must not be empty, but has shape {array.shape}")
    return array


def same_shape(name, array, shape, why):
    """Check that an array has the one shape that fits; ``why`` says where that shape comes from."""
    if array is not None and array.shape != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, {why}, but has shape {array.shape}")
    return array


def known_format(data_format):
    """Check the name of a layout."""
    if not isinstance(data_format, str) or data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', but is {data_format!r}")
    return data_format


def channels_last(name, array, ndim, data_format):
    """A batch of images (ndim 2), signals (1), rows (0) or any of these (None), with its channels at the end."""
    known_format(data_format)
    if ndim is None:
        if array.ndim not in (2, 3, 4):
            raise ValueError(f"{name} must have 2, 3 or 4 axes (batch, positions, channels), but has shape {array.shape}")
        ndim = array.ndim - 2
    space = ("height", "width")[2 - ndim :]
    if data_format == "channels_last":
        return axes(name, array, "batch", *space, "channels")
    axes(name, array, "batch", "channels", *space)
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def restore(array, data_format):
    """The way back: channels where data_format has them."""
    return array if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(array, -1, 1))


def group_count(groups, **channels):
    """``groups`` as an int that divides each of the channel counts."""
    (groups,) = per_axis("groups", groups, 1)
    for name, count in channels.items():
        if count % groups:
            raise ValueError(f"groups must divide the {name}, but is {groups} with {count} {name}")
    return groups
