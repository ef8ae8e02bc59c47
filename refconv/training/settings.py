"""Settings of a run, which checkpoints store and a resumed run compares with its own."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

__all__ = ["describe", "differences", "digest_of", "entries"]

PLAIN = (bool, int, float, str, type(None))
LARGEST_HASHED = 2**16  # elements; larger arrays are compared only by their shape and dtype
MAX_DEPTH = 5  # nested functions; a recursive function contains itself, so its description would not end


def describe(value: Any, depth: int = 0) -> Any:
    """Describe a setting as JSON-serialisable data.

    An object with ``settings()`` is described by its settings and its type, which a "name" in the settings replaces. Any other
    object is described by its type and its public attributes, and a method by its name and its object. A function is described
    by its name, its default arguments and the variables of its closure: ``augment.shift(2)`` differs from
    ``augment.shift(3)``. The code of a function is not compared. Lists and dicts in variables and attributes are not compared,
    because they may change during the run.

    >>> def scaled(factor):
    ...     return lambda x: factor * x
    >>> describe(scaled(3))
    {'type': 'scaled.<locals>.<lambda>', 'factor': 3}
    >>> describe((1, None, np.float32(0.5)))
    [1, None, 0.5]
    """
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        digest = digest_of([value]) if value.size <= LARGEST_HASHED else None
        return {"type": "array", "shape": list(value.shape), "dtype": str(value.dtype), "sha256": digest}
    if isinstance(value, Mapping):
        return {str(name): describe(part, depth) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [describe(part, depth) for part in value]
    if isinstance(value, functools.partial):
        return {"type": describe(value.func, depth), "arguments": describe([value.args, value.keywords], depth)}
    if not isinstance(value, type) and callable(getattr(value, "settings", None)):
        settings = describe(value.settings(), depth)
        return {"type": settings.pop("name", type(value).__name__), **settings}
    if inspect.ismethod(value):
        return {"type": value.__qualname__, "object": describe(value.__self__, depth)}
    if callable(value) and hasattr(value, "__qualname__"):
        variables = _variables(value, depth)
        return {"type": value.__qualname__, **variables} if variables else value.__qualname__
    attributes = _attributes(value, depth)
    return {"type": type(value).__name__, **attributes} if attributes else type(value).__name__


def _attributes(value: Any, depth: int) -> dict[str, Any]:
    """Describe the public attributes of an object, except lists and dicts, which may grow."""
    if depth == MAX_DEPTH:
        return {}
    public = {name: part for name, part in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
    return {name: describe(part, depth + 1) for name, part in public.items() if not isinstance(part, list | dict)}


def _variables(function: Any, depth: int) -> dict[str, Any]:
    """Describe the closure variables and the default arguments of a function, by name."""
    if not inspect.isfunction(function) or depth == MAX_DEPTH:
        return {}
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }
    variables = {**defaults, **inspect.getclosurevars(function).nonlocals}
    return {name: describe(value, depth + 1) for name, value in variables.items() if not isinstance(value, list | dict)}


def digest_of(values: Iterable[Any]) -> str:
    """Return a digest of arrays and of objects whose representation shows all of them."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()[:16]


def entries(name: str, value: Any) -> dict[str, Any]:
    """Return the entries of a description, each with its own name.

    >>> entries("optimizer", {"type": "SGD", "momentum": 0.9})
    {'optimizer': 'SGD', 'optimizer.momentum': '0.9'}
    """
    if not isinstance(value, Mapping):
        return {name: as_text(value)}
    found: dict[str, Any] = {}
    for key, part in value.items():
        found |= entries(name if key == "type" else f"{name}.{key}", part)
    return found


def differences(saved: Any, current: Any, name: str = "") -> list[str]:
    """List the settings that differ, each with its current and its saved value.

    >>> differences({"lr": 0.1, "optimizer": {"type": "SGD", "momentum": 0.9}}, {"lr": 0.1, "optimizer": {"type": "SGD"}})
    ['optimizer.momentum: not set, was 0.9']
    >>> differences({"at": [0.25, 0.5]}, {"at": [0.25, 0.75]})
    ['at[1]: 0.75, was 0.5']
    """
    changes = []
    if isinstance(saved, list) and isinstance(current, list) and len(saved) == len(current):
        for index, pair in enumerate(zip(saved, current, strict=True)):
            changes += differences(*pair, f"{name}[{index}]")
        return changes
    if isinstance(saved, Mapping) and isinstance(current, Mapping) and _kind(saved) == _kind(current):
        for key in dict.fromkeys([*saved, *current]):
            changes += differences(saved.get(key, MISSING), current.get(key, MISSING), f"{name}.{key}" if name else key)
        return changes
    return [] if saved == current else [f"{name}: {as_text(current)}, was {as_text(saved)}"]


def _kind(settings: Mapping[str, Any]) -> Any:
    """Return the type of an object or the class of a layer.

    Only objects of the same kind are compared setting by setting.
    """
    return settings.get("type"), settings.get("layer")


class _Missing:
    """Placeholder for a setting that one of two runs does not have."""


MISSING = _Missing()


def as_text(value: Any) -> str:
    """Return a described setting as short text.

    >>> as_text({"type": "StepDown", "at": [0.25, 0.5], "factor": 0.1})
    'StepDown(at=[0.25, 0.5], factor=0.1)'
    """
    if value is MISSING:
        return "not set"
    if isinstance(value, Mapping):
        arguments = ", ".join(f"{name}={as_text(part)}" for name, part in value.items() if name not in ("type", "layer"))
        return f"{value.get('type', value.get('layer', ''))}({arguments})"
    return value if isinstance(value, str) else repr(value)
