"""Names of layer classes and functions in files, and the classes and functions that these names stand for.

A file never makes the program import or run anything: a name only selects a layer class or a function that exists already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

import refconv.models as models
import refconv.nn as nn
from refconv._errors import ArgumentTypeError
from refconv.nn import Layer

__all__ = ["Known", "class_name", "function_name"]

PUBLIC = (nn, models)  # classes and functions in these are named by their public name, which stays if their module moves
MAIN = "__main__"


def class_name(cls: type[Layer]) -> str:
    """Return the name of a layer class in files.

    >>> class_name(nn.Conv2D)
    'refconv.nn.Conv2D'
    """
    return _public_name(cls) or f"{cls.__module__}.{cls.__qualname__}"


def function_name(function: Callable[..., Any]) -> str:
    """Return the name of a function in files; ``ValueError`` for a lambda, a nested function or a method.

    >>> function_name(nn.he_normal)
    'refconv.nn.he_normal'
    """
    if _attribute(function.__module__, function.__name__) is not function:
        raise ValueError(f"a function at the top of a module, got {function!r}")
    return _public_name(function) or f"{function.__module__}.{function.__name__}"


class Known:
    """The layer classes and functions that names in a file may stand for.

    Parameters
    ----------
    given : iterable of class or function
        Those that the caller of ``refconv.load`` passed: they have precedence, and any module is accepted.
    """

    def __init__(self, given: Iterable[Any] = ()) -> None:
        self.given = list(given)
        self._classes: dict[str, type[Layer]] = {}  # found so far
        for thing in self.given:
            if not (_is_layer_class(thing) or isinstance(thing, FunctionType)):
                raise ArgumentTypeError(f"layers must be classes of layers or functions, got {thing!r}")

    def layer_class(self, name: str) -> type[Layer]:
        """Return the layer class of this name; ``ValueError`` if the program has not defined it."""
        if name not in self._classes:
            self._classes[name] = self._find_class(name)
        return self._classes[name]

    def _find_class(self, name: str) -> type[Layer]:
        candidates = (self._given(name, _is_layer_class), _public(name), _defined(name))
        found: type[Layer] | None = next(filter(_is_layer_class, candidates), None)
        if found is not None:
            return found
        short = name.rpartition(".")[2]
        raise ValueError(
            f"layer class {name} is not defined in this program; define or import it first, or pass it, as in layers=[{short}]"
        )

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function of this name; ``ValueError`` if it is neither given, nor of refconv or the main program."""
        module, _, short = name.rpartition(".")
        found = self._given(name, lambda thing: isinstance(thing, FunctionType)) or _public(name)
        if found is None and module == MAIN:
            found = _attribute(module, short)
        if not isinstance(found, FunctionType):
            raise ValueError(f"function {name} is not one of refconv or of the main program; pass it, as in layers=[{short}]")
        return found

    def _given(self, name: str, is_kind: Callable[[Any], bool]) -> Any:
        """Return what the caller passed under this name: the same name in the same module, or else in any module."""
        same_kind = [thing for thing in self.given if is_kind(thing)]
        full = [thing for thing in same_kind if f"{thing.__module__}.{thing.__qualname__}" == name]
        short = [thing for thing in same_kind if thing.__name__ == name.rpartition(".")[2]]
        return next(iter(full or short), None)


def _public_name(thing: Any) -> str | None:
    homes = (home.__name__ for home in PUBLIC if getattr(home, thing.__name__, None) is thing)
    return next((f"{home}.{thing.__name__}" for home in homes), None)


def _public(name: str) -> Any:
    home, _, short = name.rpartition(".")
    return next((getattr(module, short, None) for module in PUBLIC if module.__name__ == home), None)


def _defined(name: str) -> type[Layer] | None:
    """Return the class of this name that was defined last, such as that of a notebook cell which was run again.

    The main program has another module name in each program, so ``__main__`` in the file or here matches any module.
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
    """Return an attribute of a module that is already imported; None if there is none."""
    return getattr(sys.modules.get(module), name, None)


def _is_layer_class(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Layer)
