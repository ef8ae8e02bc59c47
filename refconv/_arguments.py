"""Checks of arguments that are not arrays of numbers, and of class labels.

Each function returns the argument in the one type that the code behind it uses. Otherwise it raises an
:class:`~refconv.ArgumentError`, which is a ``TypeError`` for a wrong type and a ``ValueError`` for a wrong value, with the
message ``<argument> must be <expected>, got <found>``.
"""

from __future__ import annotations  # without it, an annotation would import np.random

import math
import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard, TypeVar

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.typing import Array, DataFormat, Shape

__all__ = [
    "LARGEST",
    "are_two_integers",
    "choice",
    "class_labels",
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
]

Option = TypeVar("Option")

LARGEST = 2**31 - 1  # of any size, and of the elements along a padded axis: a product of two of them fits in 64 bits


def integer(name: str, value: object, least: int = 1, most: float = LARGEST) -> int:
    """An integer from ``least`` to ``most``, as an int.

    >>> integer("classes", np.int64(26))
    26
    """
    if type(value) is int and least <= value <= most:
        return value
    return _bounded(name, value, value, least, most)


def per_axis(name: str, value: object, ndim: int, least: int = 1) -> tuple[int, ...]:
    """One integer for each of ``ndim`` axes, from a single one for all axes or from a sequence.

    >>> per_axis("stride", 2, ndim=2), per_axis("stride", (2, 3), ndim=2)
    ((2, 2), (2, 3))
    """
    if type(value) is int and least <= value <= LARGEST:
        return (value,) * ndim
    if ndim == 2 and are_two_integers(value, least):
        return value
    listed = entries(value)
    values = (value,) * ndim if listed is None else listed
    if len(values) != ndim:
        several = f"an integer or {ndim} integers, one for each axis" if ndim > 1 else "one integer"
        raise ArgumentValueError(f"{name} must be {several}, got {value!r}")
    return tuple(_bounded(name, v, value, least, LARGEST) for v in values)


def are_two_integers(value: object, least: int) -> TypeGuard[tuple[int, int]]:
    """True if value is a tuple of two ints from ``least`` to LARGEST: the usual case, which needs no other check."""
    return (
        type(value) is tuple
        and len(value) == 2
        and type(value[0]) is int
        and type(value[1]) is int
        and least <= value[0] <= LARGEST
        and least <= value[1] <= LARGEST
    )


def entries(value: Any) -> tuple[Any, ...] | None:
    """The elements of a sequence; None for a single value, and for a string or an array without axes."""
    if isinstance(value, str | bytes | set | frozenset | dict):  # the last three are not ordered by position
        return None
    try:
        return tuple(value)
    except TypeError:
        return None


def divisor(name: str, value: object, **counts: float) -> int:
    """An integer of at least 1 that divides each of the counts, such as ``groups`` the channels.

    >>> divisor("groups", 3, inputs=6, outputs=9)
    3
    """
    number = integer(name, value)
    for counted, count in counts.items():
        if count % number:
            raise ArgumentValueError(f"{name} must divide the {count:g} {counted}, got {number}")
    return number


def real(name: str, value: object, **bounds: float) -> float:
    """A finite number within the bounds ``least``, ``most``, ``above`` and ``below``, as a float.

    The first two may be reached and the last two may not.

    >>> real("momentum", 0, least=0, below=1)
    0.0
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ArgumentTypeError(f"{name} must be a number, got {value!r}")
    return float(_within(name, value, **bounds))


def real_or_exact(name: str, value: Any, **bounds: float) -> Any:
    """The same, unchanged: beside fractions and symbols a number may be one of them.

    Symbols have no known size, so the bounds do not apply to them.

    >>> from fractions import Fraction
    >>> real_or_exact("slope", Fraction(1, 10))
    Fraction(1, 10)
    """
    if isinstance(value, bool | np.bool_ | np.ndarray) or not (isinstance(value, Real) or hasattr(value, "__truediv__")):
        raise ArgumentTypeError(f"{name} must be a number, got {value!r}")
    return _within(name, value, **bounds) if isinstance(value, Real) else value


def flag(name: str, value: object) -> bool:
    """True or False, and no other value that Python would convert: ``bool("False")`` is True."""
    if not isinstance(value, bool | np.bool_):
        raise ArgumentTypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def choice(name: str, value: Option, options: Iterable[object]) -> Option:
    """One of the options, such as the keys of a table.

    >>> choice("style", "paper", {"modern": 1, "paper": 2})
    'paper'
    """
    options = tuple(options)
    if not isinstance(value, Hashable) or value not in options:
        *others, last = map(repr, options)
        raise ArgumentValueError(f"{name} must be {', '.join(others)}{' or ' if others else ''}{last}, got {value!r}")
    return value


def known_format(data_format: DataFormat) -> DataFormat:
    """The order of an array's axes: "channels_last" or "channels_first"."""
    return choice("data_format", data_format, ("channels_last", "channels_first"))


def initializer_or_none(initializer: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """A function that draws the first weights, or None for the layer's own choice."""
    if initializer is not None and not callable(initializer):
        raise ArgumentTypeError(f"initializer must be a function of rng and shape, got {initializer!r}")
    return initializer


def generator(name: str, rng: object) -> np.random.Generator:
    """Return ``rng`` itself if it is a Generator, else ``np.random.default_rng(rng)`` for an integer."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, Integral):
        raise ArgumentTypeError(f"{name} must be a numpy.random.Generator or an integer, got {rng!r}")
    return np.random.default_rng(integer(name, int(rng), least=0, most=math.inf))


def fresh_or_seeded(name: str, rng: Any) -> np.random.Generator:
    """Return ``rng`` itself if it is a Generator, else ``np.random.default_rng(rng)``: for None with fresh entropy.

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
    """Return the parameters of a built layer, or of a dict of named parameters, that are trained, by name."""
    parameters = model if isinstance(model, Mapping) or not hasattr(model, "named_parameters") else model.named_parameters()
    if not isinstance(parameters, Mapping) or not all(hasattr(p, "trainable") for p in parameters.values()):
        raise ArgumentTypeError(f"model must be a built layer or a dict of named parameters, got {model!r}")
    names: dict[int, str] = {}
    for name, p in parameters.items():
        if (first := names.setdefault(id(p), name)) != name:
            raise ArgumentValueError(f"model must contain each parameter once, got one as {first} and as {name}")
    return {name: p for name, p in parameters.items() if p.trainable}


def class_labels(
    labels: object,
    count: int | Shape | None = None,
    classes: int | None = None,
    *,
    name: str = "labels",
    why: str = "",
) -> Array:
    """Return labels as a contiguous array of intp, or raise an error that says what is wrong with them.

    Arithmetic in a small type wraps around: in uint8 the product 16 · 17 is 16. So labels are converted once, here, and no
    code that computes with them needs to consider their type. The labels that are given are never modified.

    Parameters
    ----------
    labels : integer array (N,) or (…)
        Classes, from 0 to K − 1, of any integer type. Booleans are refused.
    count : int or tuple of int, optional
        The number N of labels that is expected, or their shape, such as (N, H, W) for a label of each pixel.
    classes : int, optional
        K; if it is not known, labels must only be non-negative.
    name : str
        What error messages call the labels.
    why : str
        Where the expected shape comes from, for the message.

    Returns
    -------
    array (N,) or (…), intp

    Raises
    ------
    TypeError
        If labels are not integers, or are a masked array.
    ValueError
        If their shape is not the expected one, or one of them is not a class; the message names the first such label.

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
    return np.ascontiguousarray(labels, np.intp)


def _bounded(name: str, number: Any, value: object, least: int, most: float) -> int:
    """The number as an int within the bounds; ``value`` is the whole argument, for the message."""
    try:
        index = None if isinstance(number, bool) else operator.index(number)  # stride=True is a mistake
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
    """The bounds in words."""
    if least > -math.inf and most < math.inf:
        return f"from {least} to {most}"
    words = {"at least": least, "above": above, "at most": most, "below": below}
    return " and ".join(f"{word} {bound}" for word, bound in words.items() if -math.inf < bound < math.inf)
