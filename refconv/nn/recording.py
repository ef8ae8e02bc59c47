"""A record of constructor arguments, so that a network can be saved as data without any work for the author of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Arguments", "NotData", "Recorded"]


class NotData(NamedTuple):
    """An argument that cannot be saved and would make the layer impossible to copy: only its text is kept."""

    text: str

    def __repr__(self) -> str:
        return self.text


class Arguments(NamedTuple):
    """The arguments of one call: those by position and those by name."""

    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}  # noqa: RUF012  never modified


class Recorded:
    """Base class that records the arguments of the constructor.

    ``__new__`` gets the arguments of the outermost call only, so the record of a subclass of ``Sequential`` has the arguments
    of the subclass, and not the layers that its ``__init__`` passes on.

    >>> class Scale(Recorded):
    ...     def __init__(self, factor, *, bias=True):
    ...         pass
    >>> Scale(3, bias=False).constructor_arguments()
    Arguments(positional=(3,), named={'bias': False})
    """

    _arguments: Arguments = Arguments()

    def __new__(cls, *positional: Any, **named: Any) -> Any:
        made = super().__new__(cls)
        if positional or named:
            made._arguments = _without(_is_iterator, positional, named)
        return made

    def constructor_arguments(self) -> Arguments:
        """Return the arguments that the layer was constructed with."""
        return self._arguments

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, without functions that pickle could not find by name."""
        state = dict(vars(self))
        if "_arguments" in state:
            state["_arguments"] = _without(_is_nameless, *self._arguments)
        return state


def _without(refused: Callable[[Any], bool], positional: tuple[Any, ...], named: dict[str, Any]) -> Arguments:
    """Return the arguments with the refused ones replaced by their text."""
    if any(map(refused, positional)):
        positional = tuple(NotData(repr(value)) if refused(value) else value for value in positional)
    if any(map(refused, named.values())):
        named = {name: NotData(repr(value)) if refused(value) else value for name, value in named.items()}
    return Arguments(positional, named)


def _is_iterator(value: Any) -> bool:
    """True if the constructor exhausts the value, such as a generator expression."""
    return hasattr(value, "__next__")


def _is_nameless(value: Any) -> bool:
    """True for lambdas and nested functions."""
    return "<" in getattr(value, "__qualname__", "")
