"""Checks of arguments that are not arrays of numbers, and of class labels.

Each function returns a valid argument, converted to the one type that the code of the library uses. For an invalid argument it
raises an :class:`~refconv.ArgumentError`, which is a ``TypeError`` for a wrong type and a ``ValueError`` for a wrong value,
with the message ``<argument> must be <expected>, got <found>``.
"""

from __future__ import annotations  # without it, an annotation would import np.random

import math
import operator
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Array, DataFormat, Shape

__all__ = [
    "LARGEST",
    "are_two_integers",
    "check_ending",
    "choice",
    "class_labels",
    "contiguous",
    "divisor",
    "entries",
    "flag",
    "generator",
    "initializer_or_none",
    "integer",
    "known_format",
    "per_axis",
    "real",
    "real_or_exact",
    "trainable_parameters",
    "updatable",
]

Option = TypeVar("Option")

LARGEST = 2**31 - 1  # limit of all sizes and of the elements of a padded axis, since a product of two must fit in 64 bits


def check_ending(path: str | os.PathLike[str], *endings: str) -> None:
    """Raise ``ValueError`` if the name of a file to write has none of the endings.

    >>> check_ending("net.PTH", ".safetensors", ".pt", ".pth")
    >>> check_ending("net.pth.tar", ".safetensors", ".pt", ".pth")
    Traceback (most recent call last):
        ...
    refconv.ArgumentValueError: path must end in .safetensors, .pt or .pth, got net.pth.tar
    """
    name = Path(path).name
    if not name.lower().endswith(endings):
        *others, last = endings
        expected = f"{', '.join(others)} or {last}" if others else last
        raise ArgumentValueError(f"path must end in {expected}, got {name}")


def integer(name: str, value: object, least: int = 1, most: float = LARGEST) -> int:
    """Check that a value is an integer from ``least`` to ``most``, and return it as an int.

    >>> integer("classes", np.int64(26))
    26
    """
    if type(value) is int and least <= value <= most:
        return value
    return _bounded(name, value, value, least, most)


def per_axis(name: str, value: object, ndim: int, least: int = 1) -> tuple[int, ...]:
    """Return one integer for each of ``ndim`` axes, from a single integer or a sequence.

    >>> per_axis("stride", 2, ndim=2), per_axis("stride", (2, 3), ndim=2)
    ((2, 2), (2, 3))
    """
    if type(value) is int and least <= value <= LARGEST:
        return (value,) * ndim
    if ndim == 2 and are_two_integers(value, least):
        return value
    elements = entries(value)
    values = (value,) * ndim if elements is None else elements
    if len(values) != ndim:
        expected = f"an integer or {ndim} integers, one for each axis" if ndim > 1 else "one integer"
        raise ArgumentValueError(f"{name} must be {expected}, got {value!r}")
    return tuple(_bounded(name, v, value, least, LARGEST) for v in values)


def are_two_integers(value: object, least: int) -> TypeGuard[tuple[int, int]]:
    """Return True if value is a tuple of two ints from ``least`` to LARGEST.

    This is the most frequent case, which needs no other check.
    """
    return (
        type(value) is tuple
        and len(value) == 2
        and type(value[0]) is int
        and type(value[1]) is int
        and least <= value[0] <= LARGEST
        and least <= value[1] <= LARGEST
    )


def entries(value: Any) -> tuple[Any, ...] | None:
    """Return the elements of a sequence as a tuple, or None if the value is not a sequence."""
    if isinstance(value, str | bytes | set | frozenset | dict):  # the elements of the last three have no positions
        return None
    try:
        return tuple(value)
    except TypeError:
        return None


def divisor(name: str, value: object, **counts: float) -> int:
    """Check that a value is a positive integer that divides each of the counts, and return it.

    An example is ``groups``, which must divide the channels.

    >>> divisor("groups", 3, inputs=6, outputs=9)
    3
    """
    number = integer(name, value)
    for unit, count in counts.items():
        if count % number:
            raise ArgumentValueError(f"{name} must divide the {count:g} {unit}, got {number}")
    return number


def real(name: str, value: object, **bounds: float) -> float:
    """Check that a value is a finite number within the bounds, and return it as a float.

    The bounds are ``least`` and ``most``, which are allowed values, and ``above`` and ``below``, which are not.

    >>> real("momentum", 0, least=0, below=1)
    0.0
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ArgumentTypeError(f"{name} must be a number, got {value!r}")
    return float(_within(name, value, **bounds))


def real_or_exact(name: str, value: Any, **bounds: float) -> Any:
    """Check a number as :func:`real` does, and return it unchanged.

    It may be a fraction or a symbol. The bounds do not apply to symbols, since their values are unknown.

    >>> from fractions import Fraction
    >>> real_or_exact("slope", Fraction(1, 10))
    Fraction(1, 10)
    """
    if isinstance(value, bool | np.bool_ | np.ndarray) or not (isinstance(value, Real) or hasattr(value, "__truediv__")):
        raise ArgumentTypeError(f"{name} must be a number, got {value!r}")
    return _within(name, value, **bounds) if isinstance(value, Real) else value


def flag(name: str, value: object) -> bool:
    """Check that a value is True or False, and return it as a bool.

    Other values are not converted, since ``bool("False")`` is True.
    """
    if not isinstance(value, bool | np.bool_):
        raise ArgumentTypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def choice(name: str, value: Option, options: Iterable[object]) -> Option:
    """Check that a value is one of the options, such as the keys of a dict, and return it.

    >>> choice("style", "paper", {"modern": 1, "paper": 2})
    'paper'
    """
    options = tuple(options)
    if not isinstance(value, Hashable) or value not in options:
        *others, last = map(repr, options)
        raise ArgumentValueError(f"{name} must be {', '.join(others)}{' or ' if others else ''}{last}, got {value!r}")
    return value


def known_format(data_format: DataFormat) -> DataFormat:
    """Check that a data format is "channels_last" or "channels_first", and return it."""
    return choice("data_format", data_format, ("channels_last", "channels_first"))


def initializer_or_none(initializer: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Check that an initializer is a function or None, and return it.

    The function draws the initial weights; None selects the default of the layer.
    """
    if initializer is not None and not callable(initializer):
        raise ArgumentTypeError(f"initializer must be a function of rng and shape, got {initializer!r}")
    return initializer


def generator(name: str, rng: object) -> np.random.Generator:
    """Return ``rng`` itself if it is a Generator; for an integer ``np.random.default_rng(rng)``."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, Integral):
        raise ArgumentTypeError(f"{name} must be a numpy.random.Generator or an integer, got {rng!r}")
    return np.random.default_rng(integer(name, int(rng), least=0, most=math.inf))


def fresh_or_seeded(name: str, rng: Any) -> np.random.Generator:
    """Return ``rng`` itself if it is a Generator, else ``np.random.default_rng(rng)``.

    For None, the new generator is seeded with fresh entropy.

    >>> fresh_or_seeded("rng", "seed 3")
    Traceback (most recent call last):
    refconv.ArgumentTypeError: rng must be a numpy.random.Generator, an integer or None, got 'seed 3'
    """
    expected = f"{name} must be a numpy.random.Generator, an integer or None, got {rng!r}"
    if isinstance(rng, bool):
        raise ArgumentTypeError(expected)
    try:
        return np.random.default_rng(rng)
    except TypeError:
        raise ArgumentTypeError(expected) from None
    except ValueError:  # a negative integer
        raise ArgumentValueError(f"{name} must be at least 0, got {rng!r}") from None


def trainable_parameters(model: Any) -> dict[str, Any]:
    """Return the trainable parameters of a built layer or a dict of named parameters, by name."""
    parameters = model if isinstance(model, Mapping) or not hasattr(model, "named_parameters") else model.named_parameters()
    if not isinstance(parameters, Mapping) or not all(hasattr(p, "trainable") for p in parameters.values()):
        raise ArgumentTypeError(f"model must be a built layer or a dict of named parameters, got {model!r}")
    names: dict[int, str] = {}
    for name, p in parameters.items():
        if (first := names.setdefault(id(p), name)) != name:
            raise ArgumentValueError(f"model must contain each parameter once, got one as {first} and as {name}")
    return {name: p for name, p in parameters.items() if p.trainable}


def updatable(name: str, array: Array) -> None:
    """Raise ``ValueError`` unless kernels can update the elements of an array in place."""
    flags = array.flags
    if not array.dtype.isnative:
        raise ArgumentValueError(f"{name} must be in this computer's byte order, got dtype {array.dtype.str!r}")
    if not flags.writeable:
        raise ArgumentValueError(f"{name} must be writeable, got a read-only array")
    if not flags.aligned:
        raise ArgumentValueError(
            f"{name} must be aligned in memory, got an address that is no multiple of its type's alignment"
        )
    if not flags.c_contiguous:  # the kernels update the elements in memory order
        raise ArgumentValueError(f"{name} must be C-contiguous, got strides {array.strides}")


def contiguous(a: Array, dtype: DTypeLike) -> Array:
    """Return an array as a C-contiguous, aligned array of this dtype with at least one axis.

    The kernels read elements through C pointers, and C requires the address of a number to be a multiple of its alignment.
    """
    return np.require(np.ascontiguousarray(a, dtype), requirements="A")


def class_labels(
    labels: object,
    count: int | Shape | None = None,
    classes: int | None = None,
    *,
    name: str = "labels",
    why: str = "",
) -> Array:
    """Check class labels and return them as a contiguous array of intp.

    Arithmetic in a small type wraps around: in uint8 the product 16 · 17 is 16. So labels are converted once, here, and other
    code does not need to consider their type. The argument itself is never modified.

    Parameters
    ----------
    labels : integer array (N,) or (…)
        Classes, from 0 to K − 1, of any integer type. Booleans are not accepted.
    count : int or tuple of int, optional
        The expected number N of labels, or their expected shape, such as (N, H, W) for a label of each pixel.
    classes : int, optional
        K. Without it, labels must only be non-negative.
    name : str
        Name of the labels in error messages.
    why : str
        Explanation of the expected shape for the error message.

    Returns
    -------
    array (N,) or (…), intp

    Raises
    ------
    TypeError
        If labels are not integers, or are a masked array.
    ValueError
        If the shape is not the expected one, or a label is not a class. The message names the first such label.

    Examples
    --------
    >>> class_labels(np.array([16, 3], np.uint8), classes=17) * 17
    array([272,  51])
    >>> class_labels([[2, 0], [1, 5]], (2, 2), classes=5)
    Traceback (most recent call last):
        ...
    refconv.ArgumentValueError: labels must be from 0 to 4, got 5 at index (1, 1)

    Source: lecture row A19 (SOURCES.md).
    """
    shape = count if isinstance(count, tuple) else ("N" if count is None else count,)
    expected = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    if isinstance(labels, np.ma.MaskedArray):
        raise ArgumentTypeError(f"{name} must be a plain array, got a masked array, whose mask would be lost")
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise ArgumentValueError(f"{name} must have shape {expected}, got rows of different lengths") from None
    if labels.size and labels.dtype.kind not in "iu":  # an empty list becomes float64
        raise ArgumentTypeError(f"{name} must be integers, got {labels.dtype}")
    if labels.ndim != len(shape) or (count is not None and labels.shape != shape):
        raise ArgumentValueError(f"{name} must have shape {expected}{why and ', '}{why}, got {labels.shape}")
    most = np.iinfo(np.intp).max if classes is None else classes - 1
    wrong = np.flatnonzero((labels < 0) | (labels > most))
    if wrong.size:
        label = labels.flat[wrong[0]]
        bounds = "at least 0" if classes is None and label < 0 else f"from 0 to {most}"
        index = wrong[0] if labels.ndim == 1 else tuple(map(int, np.unravel_index(wrong[0], labels.shape)))
        raise ArgumentValueError(f"{name} must be {bounds}, got {label} at index {index}")
    return contiguous(labels, np.intp)


def _bounded(name: str, number: Any, value: object, least: int, most: float) -> int:
    """Check that a number is an integer within the bounds, and return it as an int.

    ``value`` is the complete argument, for the error message.
    """
    try:
        # stride=True is a mistake; NumPy 1.24 still accepts np.True_ as an index.
        index = None if isinstance(number, bool | np.bool_) else operator.index(number)
    except TypeError:
        index = None
    if index is None:
        raise ArgumentTypeError(f"{name} must be {'an integer' if number is value else 'integers'}, got {value!r}")
    if not least <= index <= most:
        shown = math.inf if most == LARGEST and index < least else most
        raise ArgumentValueError(f"{name} must be {_range(least, shown)}, got {value!r}")
    return index


def _within(name: str, value: Any, **bounds: float) -> Any:
    if not -math.inf < value < math.inf:
        raise ArgumentValueError(f"{name} must be finite, got {value!r}")
    if not _satisfies(value, **bounds):
        raise ArgumentValueError(f"{name} must be {_range(**bounds)}, got {value!r}")
    return value


def _satisfies(
    value: float,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> bool:
    return least <= value <= most and above < value < below


def _range(least: float = -math.inf, most: float = math.inf, above: float = -math.inf, below: float = math.inf) -> str:
    """Return a description of the bounds, such as "from 0 to 1"."""
    if least > -math.inf and most < math.inf:
        return f"from {least} to {most}"
    bounds = {"at least": least, "above": above, "at most": most, "below": below}
    return " and ".join(f"{relation} {bound}" for relation, bound in bounds.items() if -math.inf < bound < math.inf)
