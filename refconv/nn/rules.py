"""Functions chosen by the class of a layer, for code that translates networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from refconv.nn.layer import Layer

__all__ = ["Rules"]

Function = TypeVar("Function", bound=Callable[..., Any])


class Rules:
    """Table of functions by class of layer.

    A function also applies to subclasses that inherit ``forward`` and ``__call__``. A subclass with its own ``forward``, or a
    layer whose ``forward`` was replaced, computes something else than the class of the table, so it has no function.

    Attributes
    ----------
    functions : dict of callable
        The functions by class.

    >>> from refconv import nn
    >>> rules = Rules()
    >>> @rules.register(nn.ReLU)
    ... def shown(layer):
    ...     return "max(x, 0)"
    >>> class Named(nn.ReLU):
    ...     pass
    >>> class Leaky(nn.ReLU):
    ...     def forward(self, x, train=True):
    ...         return x, lambda dy: dy
    >>> rules.function_for(Named())(Named()), rules.function_for(Leaky())
    ('max(x, 0)', None)
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


def _is_computed_by(layer: Layer, cls: type[Layer]) -> bool:
    """Return True if a layer inherits its computation from the class without changes."""
    kind = type(layer)
    return kind.forward is cls.forward and kind.__call__ is cls.__call__ and "forward" not in vars(layer)
