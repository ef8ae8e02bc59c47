"""Recording of constructor arguments, so that every layer can be saved as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Arguments", "NotData", "Recorded"]


class NotData(NamedTuple):
    """Text that replaces an argument which can be neither saved nor copied."""

    text: str

    def __repr__(self) -> str:
        return self.text


class Arguments(NamedTuple):
    """Positional and named arguments of one call."""

    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}  # noqa: RUF012  never modified


class Recorded:
    """Base class that records the arguments of the constructor.

    ``__new__`` receives only the arguments of the outermost call. So for a subclass of ``Sequential``, the arguments of the
    subclass are recorded, and not the layers that its ``__init__`` passes on.

    >>> class Scale(Recorded):
    ...     def __init__(self, factor, *, bias=True):
    ...         pass
    >>> Scale(3, bias=False).constructor_arguments()
    Arguments(positional=(3,), named={'bias': False})
    """

    _arguments: Arguments = Arguments()

    def __new__(cls, *positional: Any, **named: Any) -> Any:
        layer = super().__new__(cls)
        if positional or named:
            layer._arguments = _without(_is_iterator, positional, named)
        return layer

    def constructor_arguments(self) -> Arguments:
        """Return the arguments that the layer was constructed with."""
        return self._arguments

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without functions that pickle cannot find by name."""
        state = dict(vars(self))
        if "_arguments" in state:
            state["_arguments"] = _without(_is_nameless, *self._arguments)
        return state


def _without(refused: Callable[[Any], bool], positional: tuple[Any, ...], named: dict[str, Any]) -> Arguments:
    """Return the arguments, with each refused one replaced by a text."""
    if any(map(refused, positional)):
        positional = tuple(NotData(repr(value)) if refused(value) else value for value in positional)
    if any(map(refused, named.values())):
        named = {name: NotData(repr(value)) if refused(value) else value for name, value in named.items()}
    return Arguments(positional, named)


def _is_iterator(value: Any) -> bool:
    """Return True if the constructor exhausts the value, such as a generator expression."""
    return hasattr(value, "__next__")


def _is_nameless(value: Any) -> bool:
    """Return True for lambdas and nested functions."""
    return "<" in getattr(value, "__qualname__", "")
