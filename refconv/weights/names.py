"""Names of layer classes and functions in model files, and the lookup of these names.

Loading a file never runs anything in it: a name only selects a layer class or a function that exists already. Nothing is
imported except refconv's own layers for networks from ONNX files.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

import refconv.models as models
import refconv.nn as nn
import refconv.nn.joins as joins
import refconv.nn.reshape as reshape
from refconv._errors import ArgumentTypeError
from refconv.nn import Layer

__all__ = ["Known", "class_name", "function_name"]

# Their classes and functions are saved under public names, which stay valid if a module moves.
PUBLIC = (nn, models, joins, reshape)
# Packages of layers that are imported when a file names one of their classes.
ON_DEMAND = ("refconv.onnx.layers",)
MAIN = "__main__"
# Names of classes in older files, and their present names.
RENAMED = {
    "refconv.onnx.layers.graph.Graph": "refconv.nn.Graph",
    **{
        f"refconv.onnx.layers.arithmetic.{name}": f"refconv.nn.joins.{name}"
        for name in ("Add", "Average", "Concatenate", "Multiply")
    },
    **{
        f"refconv.onnx.layers.shape.{name}": f"refconv.nn.reshape.{name}"
        for name in ("Pad", "ReduceMean", "Reshape", "Slice", "Transpose")
    },
}


def class_name(cls: type[Layer]) -> str:
    """Return the name under which a layer class is saved.

    >>> class_name(nn.Conv2D)
    'refconv.nn.Conv2D'
    """
    return _public_name(cls) or f"{cls.__module__}.{cls.__qualname__}"


def function_name(function: Callable[..., Any]) -> str:
    """Return the name under which a function is saved.

    Raises ``ValueError`` for a lambda, a nested function or a method.

    >>> function_name(nn.he_normal)
    'refconv.nn.he_normal'
    """
    if _attribute(function.__module__, function.__name__) is not function:
        raise ValueError(f"a function at the top of a module, got {function!r}")
    return _public_name(function) or f"{function.__module__}.{function.__name__}"


class Known:
    """Layer classes and functions that a file may refer to by name.

    Parameters
    ----------
    given : iterable of class or function
        Classes and functions passed to ``refconv.load``. They take precedence and may come from any module.
    """

    def __init__(self, given: Iterable[Any] = ()) -> None:
        self.given = list(given)
        self._classes: dict[str, type[Layer]] = {}  # cache of lookups by name
        for item in self.given:
            if not (_is_layer_class(item) or isinstance(item, FunctionType)):
                raise ArgumentTypeError(f"layers must contain layer classes or functions, got {item!r}")

    def layer_class(self, name: str) -> type[Layer]:
        """Return the layer class of this name; raise ``ValueError`` if it is not defined."""
        if name not in self._classes:
            self._classes[name] = self._find_class(RENAMED.get(name, name))
        return self._classes[name]

    def _find_class(self, name: str) -> type[Layer]:
        for package in ON_DEMAND:
            if name.startswith(f"{package}."):
                importlib.import_module(package)
        candidates = (self._given(name, _is_layer_class), _public(name), _defined(name))
        cls: type[Layer] | None = next(filter(_is_layer_class, candidates), None)
        if cls is not None:
            return cls
        short = name.rpartition(".")[2]
        raise ValueError(
            f"layer class {name} is not defined in this program; define or import it first, or pass it, as in layers=[{short}]"
        )

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function of this name.

        Raises ``ValueError`` if it was not passed to ``load`` and is not part of refconv or the main program.
        """
        module, _, short = name.rpartition(".")
        function = self._given(name, lambda item: isinstance(item, FunctionType)) or _public(name)
        if function is None and module == MAIN:
            function = _attribute(module, short)
        if not isinstance(function, FunctionType):
            raise ValueError(f"function {name} is not in refconv or in the main program; pass it, as in layers=[{short}]")
        return function

    def _given(self, name: str, is_kind: Callable[[Any], bool]) -> Any:
        """Return the class or function of this name that the caller passed; None if there is none.

        A match of module and name takes precedence over a match of the name alone.
        """
        same_kind = [item for item in self.given if is_kind(item)]
        full = [item for item in same_kind if f"{item.__module__}.{item.__qualname__}" == name]
        short = [item for item in same_kind if item.__name__ == name.rpartition(".")[2]]
        return next(iter(full or short), None)


def _public_name(item: Any) -> str | None:
    modules = (module.__name__ for module in PUBLIC if getattr(module, item.__name__, None) is item)
    return next((f"{module}.{item.__name__}" for module in modules), None)


def _public(name: str) -> Any:
    module_name, _, short = name.rpartition(".")
    return next((getattr(module, short, None) for module in PUBLIC if module.__name__ == module_name), None)


def _defined(name: str) -> type[Layer] | None:
    """Return the most recently defined layer class of this name; None if there is none.

    A class is defined several times if its notebook cell is run again. A module is called ``__main__`` when it runs as the
    main program, so ``__main__`` in the file or in this program matches any module outside refconv.
    """
    classes = list(dict.fromkeys(_subclasses(Layer)))  # type: ignore[type-abstract]  # nothing is constructed
    full = [cls for cls in classes if f"{cls.__module__}.{cls.__qualname__}" == name]
    moved = [
        cls
        for cls in classes
        if name.endswith(f".{cls.__qualname__}")
        and MAIN in (cls.__module__, name.removesuffix(f".{cls.__qualname__}"))
        and not cls.__module__.startswith("refconv.")
    ]
    candidates = full or moved
    return candidates[-1] if candidates else None


def _subclasses(cls: type[Layer]) -> Iterator[type[Layer]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _attribute(module: str, name: str) -> Any:
    """Return an attribute of an already imported module; None if there is none."""
    return getattr(sys.modules.get(module), name, None)


def _is_layer_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Layer)
