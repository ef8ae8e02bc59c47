"""Entries of a network's description in a ``.keras`` file, read with checks of their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from refconv.typing import Shape
from refconv.weights.keras.options import LARGEST, shown

__all__ = ["Call", "Entry", "batch_shape", "calls_of", "entry_of", "only_tensor", "policy_of", "with_sizes"]

MODULES = ("keras", "keras.layers", "keras.models")
INNER_MODULES = ("keras.src.layers.", "keras.src.models.")  # as Keras writes them for some classes
MAX_NAME = 200  # characters
NETWORKS = ("Sequential", "Functional")

Json = Any


class Entry(NamedTuple):
    """Layer or network in a description: its name, its class, its options, and its calls."""

    name: str
    kind: str
    options: Mapping[str, Json]
    calls: tuple[Json, ...]

    @property
    def is_network(self) -> bool:
        """True for an inner network."""
        return self.kind in NETWORKS


class Call(NamedTuple):
    """One use of a layer: the calls that it reads, by name and number, and ``training``."""

    inputs: tuple[tuple[str, int], ...]
    training: bool | None


def entry_of(value: Json) -> Entry:
    """Return the entry of a layer; raise ``ValueError`` if it is not a built-in layer."""
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("config"), dict)
        or not isinstance(value.get("class_name"), str)
    ):
        raise ValueError(f"a layer must have a class_name and a config, got {shown(value)}")
    kind, module, options = value["class_name"], value.get("module", "keras"), value["config"]
    name = options.get("name", value.get("name"))
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or "/" in name:
        raise ValueError(f"a layer must have a name of at most {MAX_NAME} characters without '/', got {shown(name)}")
    if value.get("name", name) != name:
        raise ValueError(f"layer {name} must have one name, got {shown(value['name'])} too")
    if not isinstance(module, str) or not (module in MODULES or module.startswith(INNER_MODULES)):
        raise ValueError(f"layer {name} must be a layer of Keras, got {shown(kind)} from {shown(module)}")
    if value.get("registered_name") not in (None, kind):
        raise ValueError(f"layer {name} must be a built-in layer, got {shown(value['registered_name'])}")
    calls = value.get("inbound_nodes", [])
    if not isinstance(calls, list):
        raise ValueError(f"layer {name} must have a list of calls, got {shown(calls)}")
    return Entry(name, kind, options, tuple(calls))


def policy_of(entry: Entry) -> str | None:
    """Return the name of a layer's type, such as "float32"; None if it has none."""
    value = entry.options.get("dtype")
    if isinstance(value, dict):
        config = value.get("config")
        value = config.get("name") if isinstance(config, dict) else value
    if value is not None and value not in ("float32", "float64"):
        raise ValueError(f"layer {entry.name} must be of type float32 or float64, got {shown(value)}")
    return value


def batch_shape(entry: Entry) -> list[int | None]:
    """Return the shape in the entry of an input; None stands for a size that may vary."""
    value = entry.options.get("batch_shape")
    sizes = value[1:] if isinstance(value, list) and value else None
    if not sizes or any(n is not None and (type(n) is not int or not 1 <= n <= LARGEST) for n in sizes):
        raise ValueError(f"layer {entry.name} must have the shape of a batch of inputs, got {shown(value)}")
    return sizes


def with_sizes(name: str, sizes: list[int | None], shape: Shape | None) -> Shape:
    """Return the sizes in the file, with sizes that may vary taken from ``shape``."""
    if shape is None:
        if None in sizes:
            raise ValueError(f"input_shape must be given, because the file has the shape {sizes}")
        return tuple(n for n in sizes if n is not None)
    if len(shape) != len(sizes) or any(expected not in (None, n) for expected, n in zip(sizes, shape, strict=True)):
        raise ValueError(f"the input of {name} must have shape {sizes}, got {tuple(shape)}")
    return tuple(shape)


def calls_of(entry: Entry) -> Iterator[Call]:
    """Yield the calls of a layer in a functional network."""
    for call in entry.calls:
        if not isinstance(call, dict) or not isinstance(call.get("args"), list) or not isinstance(call.get("kwargs"), dict):
            raise ValueError(f"layer {entry.name} must be called with args and kwargs, got {shown(call)}")
        training = call["kwargs"].get("training")
        others = {key: value for key, value in call["kwargs"].items() if key != "training" and value is not None}
        if others or training not in (None, False) or type(training) is int:
            raise ValueError(f"layer {entry.name} must be called without other arguments, got {shown(call['kwargs'])}")
        if len(call["args"]) != 1:
            raise ValueError(f"layer {entry.name} must be called with one argument, got {len(call['args'])}")
        (argument,) = call["args"]
        tensors = argument if isinstance(argument, list) else [argument]
        yield Call(tuple(_history(entry.name, tensor) for tensor in tensors), training)


def only_tensor(value: Json, what: str) -> tuple[str, int]:
    """Return the only tensor in the list of a network's inputs or outputs."""
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, list | dict) and value and not _is_reference(value):
        raise ValueError(f"the network must have one {what}, got {len(value)}")
    return _reference(value, f"the {what} of the network")


def _history(name: str, tensor: Json) -> tuple[str, int]:
    config = tensor.get("config") if isinstance(tensor, dict) and tensor.get("class_name") == "__keras_tensor__" else None
    if not isinstance(config, dict):
        raise ValueError(f"the inputs of layer {name} must be outputs of layers, got {shown(tensor)}")
    return _reference(config.get("keras_history"), f"an input of layer {name}")


def _reference(value: Json, what: str) -> tuple[str, int]:
    if not _is_reference(value):
        raise ValueError(f"{what} must be the first output of a layer, got {shown(value)}")
    return value[0], value[1]


def _is_reference(value: Json) -> bool:
    """Return True for the name of a layer, the number of its call, and 0 for its first output."""
    return (
        isinstance(value, list)
        and [type(part) for part in value] == [str, int, int]
        and 0 <= value[1] <= LARGEST
        and value[2] == 0
    )
