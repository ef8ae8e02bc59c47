"""Parts of code that translates networks: functions by class of layer, and names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import takewhile
from typing import Any, TypeVar

from refconv.nn.layer import Layer

__all__ = ["Rules", "Scope", "distinct"]

Function = TypeVar("Function", bound=Callable[..., Any])


class Rules:
    """Table of functions by class of layer.

    A function also applies to subclasses that compute the same: that override only what every layer has, except ``forward``
    and ``__call__``. There is no function for other subclasses, or for a layer whose ``forward`` was replaced.

    Attributes
    ----------
    functions : dict of callable
        The functions by class.

    >>> from refconv import nn
    >>> rules = Rules()
    >>> @rules.register(nn.Sum)
    ... def shown(layer):
    ...     return "+"
    >>> class Named(nn.Sum):
    ...     def caption(self):
    ...         return "sum"
    >>> class Largest(nn.Sum):
    ...     def _join(self, outputs):
    ...         return max(outputs)
    >>> rules.function_for(Named(nn.ReLU()))(None), rules.function_for(Largest(nn.ReLU()))
    ('+', None)
    """

    def __init__(self) -> None:
        self.functions: dict[type[Layer], Callable[..., Any]] = {}

    def register(self, *classes: type[Layer]) -> Callable[[Function], Function]:
        """Decorate the function of these classes."""

        def decorate(function: Function) -> Function:
            for cls in classes:
                self.functions[cls] = function
            return function

        return decorate

    def function_for(self, layer: Layer) -> Callable[..., Any] | None:
        """Return the function of a layer, or None."""
        for cls in type(layer).__mro__:
            if cls in self.functions:
                return self.functions[cls] if _is_computed_by(layer, cls) else None
        return None


class Scope:
    """Names of what is created for the layers of a network.

    Parameters
    ----------
    reserved : iterable of str
        Names that are not used.

    Examples
    --------
    >>> scope = Scope(["input"])
    >>> with scope.inside("block"), scope.inside("conv"):
    ...     scope.unique(scope.path), scope.unique(scope.path), scope.unique("input")
    ('block.conv', 'block.conv_2', 'input_2')
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._used = {*reserved}
        self._path: list[str] = []

    @property
    def path(self) -> str:
        """Dotted name of the layer that is being translated; empty for the network itself."""
        return ".".join(self._path)

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Append the name of a layer in its container to the path; an empty name changes nothing."""
        depth = len(self._path)
        self._path += [name] if name else []
        try:
            yield
        finally:
            del self._path[depth:]

    def unique(self, name: str) -> str:
        """Return the name, or with a number if it was returned before."""
        name = distinct(name, self._used)
        self._used.add(name)
        return name


def distinct(name: str, used: Container[str]) -> str:
    """Return a name that is not used yet: the name itself, or with a number.

    >>> distinct("conv", {"conv", "conv_2"})
    'conv_3'
    """
    number, unique = 2, name
    while unique in used:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _is_computed_by(layer: Layer, cls: type[Layer]) -> bool:
    """Return True if a layer inherits its computation from the class without changes."""
    subclasses = takewhile(lambda kind: kind is not cls, type(layer).__mro__)
    overridden = {name for kind in subclasses for name in vars(kind)}
    special = {name for name in overridden if hasattr(cls, name) and not hasattr(Layer, name)}
    return not special and not overridden & {"forward", "__call__"} and "forward" not in vars(layer)
