"""Options of a layer in a description that Keras wrote, read with checks of their types."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Options", "shown"]

# Options that only affect training in Keras: initial values, penalties and constraints of weights, seeds.
TRAINING = ("_initializer", "_regularizer", "_constraint", "seed")
COMMON = ("name", "trainable", "dtype", "quantization_config", "autocast")
LARGEST = 2**31 - 1

Json = Any


class Options:
    """Options of one layer; :meth:`finish` refuses options that were not read.

    So an option of a later version of Keras that changes the result is never ignored.

    Parameters
    ----------
    name : str
        The layer's name.
    kind : str
        The name of its class.
    values : dict
        The options by name.

    Examples
    --------
    >>> options = Options("conv1", "Conv2D", {"filters": 8, "strides": [2, 1], "padding": "reflect"})
    >>> options.integer("filters"), options.sizes("strides", 2)
    (8, (2, 1))
    >>> options.choice("padding", ("valid", "same"))
    Traceback (most recent call last):
    ValueError: layer conv1 (Conv2D) must have padding "valid" or "same", got 'reflect'
    """

    def __init__(self, name: str, kind: str, values: Mapping[str, Json]) -> None:
        self.name, self.kind = name, kind
        self._values = dict(values)
        self._unread = set(self._values)

    def error(self, expected: str, found: object) -> ValueError:
        """Return the error for this layer."""
        return ValueError(f"layer {self.name} ({self.kind}) must have {expected}, got {shown(found)}")

    def value(self, key: str, default: Json = None) -> Json:
        """Return an option of any type, or the default if it does not exist."""
        self._unread.discard(key)
        return self._values.get(key, default)

    def integer(self, key: str, default: int | None = None, least: int = 1) -> int:
        """Return an integer."""
        value = self.value(key, default)
        if type(value) is not int or not least <= value <= LARGEST:
            raise self.error(f"an integer of at least {least} as {key}", value)
        return value

    def number(self, key: str, default: float) -> float:
        """Return a finite number."""
        value = self.value(key, default)
        if type(value) not in (int, float) or not abs(value) < float("inf"):
            raise self.error(f"a finite number as {key}", value)
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return True or False."""
        value = self.value(key, default)
        if type(value) is not bool:
            raise self.error(f"true or false as {key}", value)
        return value

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        """Return one of the allowed words."""
        value = self.value(key, default)
        allowed = tuple(allowed)
        if not isinstance(value, str) or value not in allowed:
            raise self.error(f"{key} " + " or ".join(f'"{word}"' for word in allowed), value)
        return value

    def only(self, key: str, allowed: Json, default: Json = None) -> None:
        """Check an option that refconv supports with one value only."""
        value = self.value(key, allowed if default is None else default)
        if value != allowed or type(value) is not type(allowed):
            raise self.error(f"{key} {allowed!r}", value)

    def sizes(self, key: str, ndim: int, default: int | None = 1, least: int = 1) -> tuple[int, ...]:
        """Return an integer for each spatial axis; a single integer stands for all of them."""
        value = self.value(key)
        value = default if value is None else value
        values = value if isinstance(value, list) else [value] * ndim
        if len(values) != ndim or any(type(n) is not int or not least <= n <= LARGEST for n in values):
            raise self.error(f"{ndim} integers of at least {least} as {key}", value)
        return tuple(values)

    def margins(self, key: str, ndim: int) -> tuple[tuple[int, int], ...]:
        """Return a pair of margins for each axis.

        For images, the option may also be one or two integers; for signals, one integer or one pair.
        """
        value = self.value(key)
        values = value if isinstance(value, list) and ndim > 1 else [value] * ndim
        pairs = [pair if isinstance(pair, list) else [pair, pair] for pair in values]
        if [len(pair) for pair in pairs] != [2] * ndim or any(
            type(n) is not int or not 0 <= n <= LARGEST for p in pairs for n in p
        ):
            raise self.error(f"margins of at least 0 as {key}", value)
        return tuple((before, after) for before, after in pairs)

    def finish(self) -> None:
        """Refuse options that were not read and are in use."""
        for key in sorted(self._unread):
            if key in COMMON or key.endswith(TRAINING) or self._values[key] in (None, False):
                continue
            option = f"{key}={shown(self._values[key])}"
            raise ValueError(f"layer {self.name} ({self.kind}) has an option that refconv does not support: {option}")


def shown(value: object) -> str:
    """Return a value as text of limited length, for error messages."""
    return reprlib.repr(value)
