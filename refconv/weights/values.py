"""Conversion of constructor arguments to JSON and back.

Arguments may be numbers, strings, collections, arrays, layers and named functions. A file contains names, never code. None,
booleans, integers, floats, strings and lists are valid JSON. Every other value becomes an object whose first key is its kind,
such as ``{"tuple": [3, 5]}``. Arrays are stored as tensors of the file, and ``{"array": "arrays/0", …}`` refers to one.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import FunctionType
from typing import Any

import numpy as np

from refconv._errors import ArgumentTypeError
from refconv.geometry import Window
from refconv.models.sizes import SizeRule
from refconv.nn import Layer
from refconv.typing import Array
from refconv.weights.names import Known, class_name, function_name

__all__ = ["Decoder", "Encoder", "as_data"]

RECORDS = {"window": Window, "size_rule": SizeRule}  # dataclasses whose fields are all constructor arguments
LONGEST_RANGE = 2**20  # numbers, such as channels to select
EXPECTED = (
    "numbers, strings, None, functions with a name, layers, Windows and arrays of numbers, or tuples, lists and dicts of these"
)

Json = Any


class NotDataError(ArgumentTypeError):
    """Error for an argument that cannot be saved; the message names the argument and its layer."""


class Encoder:
    """Encoder of values as JSON, which collects the arrays.

    A layer that occurs several times is written once.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.named: list[Any] = []  # classes and functions that are saved by name
        self._layers: dict[int, dict[str, Json]] = {}
        self._shared = 0

    def layer(self, layer: Layer) -> Json:
        """Return the class name and constructor arguments of a layer.

        A layer that was encoded before becomes a reference. Raises ``TypeError`` if an argument is not data; the message
        names the layer and the argument.
        """
        if id(layer) in self._layers:
            return {"shared": self._number(self._layers[id(layer)])}
        positional, named = layer.constructor_arguments()
        entry: dict[str, Json] = {"layer": self._class(type(layer))["class"]}
        self._layers[id(layer)] = entry
        if positional:
            entry["arguments"] = [self._argument(layer, f"argument {k}", value) for k, value in enumerate(positional, 1)]
        if named:
            entry["named"] = {name: self._argument(layer, f"argument {name}", value) for name, value in named.items()}
        return entry

    def value(self, value: Any) -> Json:
        """Return a value as JSON data; raise ``TypeError`` if it cannot be saved."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, Layer):
            return self.layer(value)
        for kind, encode in _ENCODERS:
            if isinstance(value, kind):
                return encode(self, value)
        if isinstance(value, FunctionType):
            self.named.append(value)
            return {"function": function_name(value)}
        raise TypeError(f"{EXPECTED}, got {value!r}")

    def _argument(self, layer: Layer, name: str, value: Any) -> Json:
        try:
            return self.value(value)
        except NotDataError:
            raise
        except (TypeError, ValueError) as error:
            raise NotDataError(f"{name} of {type(layer).__name__} must be {error}") from error

    def _number(self, entry: dict[str, Json]) -> int:
        if "id" not in entry:
            entry["id"] = self._shared
            self._shared += 1
        number: int = entry["id"]
        return number

    def _dict(self, value: dict[Any, Any]) -> Json:
        if all(type(key) is str for key in value):
            return {"dict": {key: self.value(inner) for key, inner in value.items()}}
        return {"pairs": [[self.value(key), self.value(inner)] for key, inner in value.items()]}

    def _array(self, value: Array) -> Json:
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise TypeError(f"{EXPECTED}, got an array of {value.dtype}")
        name = f"arrays/{len(self.arrays)}"
        self.arrays[name] = value
        return {"array": name, "dtype": value.dtype.name}

    def _scalar(self, value: np.generic) -> Json:
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise TypeError(f"{EXPECTED}, got {value!r}")
        return {"scalar": value.item(), "dtype": value.dtype.name}

    def _partial(self, value: functools.partial[Any]) -> Json:
        return {
            "partial": self.value(value.func),
            "arguments": self.value(list(value.args)),
            "named": self.value(value.keywords),
        }

    def _record(self, value: Window | SizeRule) -> Json:
        (name,) = (name for name, kind in RECORDS.items() if type(value) is kind)
        arguments = [field.name for field in dataclasses.fields(value) if field.init]
        return {name: {argument: self.value(getattr(value, argument)) for argument in arguments}}

    def _class(self, value: type) -> Json:
        if not issubclass(value, Layer):
            raise TypeError(f"{EXPECTED}, got {value!r}")
        self.named.append(value)
        return {"class": class_name(value)}


def as_data(value: Any) -> tuple[Json, list[tuple[str, tuple[int, ...], bytes]]] | None:
    r"""Return a value as JSON data and arrays in a form that can be compared.

    Returns None if the value is not data or contains layers.

    >>> as_data((3, np.array([2], "i1")))
    ({'tuple': [3, {'array': 'arrays/0', 'dtype': 'int8'}]}, [('int8', (1,), b'\x02')])
    >>> as_data(print) is None
    True
    """
    encoder = _WithoutLayers()
    try:
        json = encoder.value(value)
    except (TypeError, ValueError, RecursionError):
        return None
    return json, [(a.dtype.name, a.shape, a.tobytes()) for a in encoder.arrays.values()]


class _WithoutLayers(Encoder):
    def layer(self, layer: Layer) -> Json:
        raise TypeError("data must not contain layers")


def _exactly(kind: type, encode: Callable[[Encoder, Any], Json]) -> tuple[type, Callable[[Encoder, Any], Json]]:
    """Return a class and its encoder, which rejects instances of subclasses.

    The file would not contain the attributes that a subclass adds.
    """

    def checked(encoder: Encoder, value: Any) -> Json:
        if type(value) is not kind:
            raise TypeError(f"{EXPECTED}, got {value!r}")
        return encode(encoder, value)

    return kind, checked


_ENCODERS: tuple[tuple[type, Callable[[Encoder, Any], Json]], ...] = (
    _exactly(list, lambda encoder, value: [encoder.value(inner) for inner in value]),
    _exactly(tuple, lambda encoder, value: {"tuple": [encoder.value(inner) for inner in value]}),
    _exactly(dict, Encoder._dict),
    _exactly(range, lambda encoder, value: {"range": [value.start, value.stop, value.step]}),
    _exactly(Fraction, lambda encoder, value: {"fraction": [value.numerator, value.denominator]}),
    _exactly(np.ndarray, Encoder._array),
    _exactly(functools.partial, Encoder._partial),
    _exactly(Window, Encoder._record),
    _exactly(SizeRule, Encoder._record),
    (np.generic, Encoder._scalar),
    (type, Encoder._class),
)


class Decoder:
    """Decoder of the JSON data that an :class:`Encoder` writes.

    Raises ``ValueError`` for data that no encoder writes.
    """

    def __init__(self, known: Known, arrays: Mapping[str, Array]) -> None:
        self._known, self._arrays = known, arrays
        self._layers: dict[int, Layer] = {}

    def value(self, entry: Json) -> Any:
        """Return the value that an entry encodes."""
        if isinstance(entry, list):
            return [self.value(inner) for inner in entry]
        if not isinstance(entry, dict):
            return entry
        kind = next(iter(entry), None)
        if kind not in _DECODERS:
            raise ValueError(f"an entry of a known kind, got {entry!r}")
        return _DECODERS[kind](self, entry)

    def named(self, entries: Mapping[str, Json]) -> dict[str, Any]:
        """Return the values of named entries."""
        return {name: self.value(entry) for name, entry in entries.items()}

    def layer(self, entry: Json) -> Layer:
        """Construct the layer that an entry describes."""
        layer = self.value(entry)
        if not isinstance(layer, Layer):
            raise ValueError(f"a layer, got {entry!r}")
        return layer

    def _construct(self, entry: dict[str, Json]) -> Layer:
        cls = self._known.layer_class(entry["layer"])
        positional = self.value(entry.get("arguments", []))
        layer = cls(*positional, **self.named(entry.get("named", {})))
        if "id" in entry:
            self._layers[entry["id"]] = layer
        return layer

    def _array(self, entry: dict[str, Json]) -> Array:
        return self._arrays[entry["array"]].astype(_number_type(entry["dtype"]))

    def _scalar(self, entry: dict[str, Json]) -> Any:
        return _number_type(entry["dtype"]).type(entry["scalar"])

    def _record(self, entry: dict[str, Json]) -> Any:
        ((name, fields),) = entry.items()
        return RECORDS[name](**self.named(fields))

    def _partial(self, entry: dict[str, Json]) -> Any:
        function, arguments, named = (self.value(entry[key]) for key in ("partial", "arguments", "named"))
        return functools.partial(function, *arguments, **named)


def _checked_range(*bounds: int) -> range:
    """Return a range; raise ``ValueError`` if a list of its numbers would take much memory."""
    numbers = range(*bounds)
    if numbers[LONGEST_RANGE:]:
        raise ValueError(f"a range of at most {LONGEST_RANGE} numbers, got {numbers}")
    return numbers


def _number_type(name: Json) -> np.dtype[Any]:
    """Return the dtype of this name.

    Raises ``ValueError`` for types that no encoder writes, such as strings of any length.
    """
    dtype = np.dtype(name)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise ValueError(f"a type of numbers, got {name!r}")
    return dtype


_DECODERS: dict[str, Callable[[Decoder, dict[str, Json]], Any]] = {
    "layer": Decoder._construct,
    "shared": lambda decoder, entry: decoder._layers[entry["shared"]],
    "tuple": lambda decoder, entry: tuple(map(decoder.value, entry["tuple"])),
    "dict": lambda decoder, entry: decoder.named(entry["dict"]),
    "pairs": lambda decoder, entry: {decoder.value(key): decoder.value(inner) for key, inner in entry["pairs"]},
    "range": lambda decoder, entry: _checked_range(*entry["range"]),
    "fraction": lambda decoder, entry: Fraction(*entry["fraction"]),
    "array": Decoder._array,
    "scalar": Decoder._scalar,
    "function": lambda decoder, entry: decoder._known.function(entry["function"]),
    "class": lambda decoder, entry: decoder._known.layer_class(entry["class"]),
    "partial": Decoder._partial,
    **dict.fromkeys(RECORDS, Decoder._record),
}
