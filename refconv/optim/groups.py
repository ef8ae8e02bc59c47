"""Groups of parameters, chosen by name patterns, with another learning rate or weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from refconv._arguments import real
from refconv._errors import ArgumentTypeError, ArgumentValueError

__all__ = ["COMMON", "Group", "assigned", "groups_of"]


class Group(NamedTuple):
    """Learning rate and weight decay of a group; None selects the value of the optimiser."""

    lr: float | None = None
    weight_decay: float | None = None

    def settings(self) -> dict[str, float]:
        """Return the values that the group sets itself."""
        return {name: value for name, value in self._asdict().items() if value is not None}


COMMON = Group()


def groups_of(groups: Any, lr: float) -> dict[str, Group]:
    """Check the groups and return them by pattern; ``lr`` is the common learning rate.

    >>> groups_of({"*.b": {"weight_decay": 0}, "scores.*": {"lr": 1.0}}, lr=0.1)
    {'*.b': Group(lr=None, weight_decay=0.0), 'scores.*': Group(lr=1.0, weight_decay=None)}
    """
    if not isinstance(groups, Mapping):
        raise ArgumentTypeError(f"groups must be a dict from patterns of names to dicts of options, got {groups!r}")
    checked = {}
    for pattern, options in groups.items():
        if not isinstance(pattern, str) or not isinstance(options, Mapping):
            raise ArgumentTypeError(f"groups must be a dict from patterns of names to dicts of options, got {groups!r}")
        if not options or unknown_options(options):
            raise ArgumentValueError(f"groups[{pattern!r}] must set {' or '.join(Group._fields)}, got {dict(options)!r}")
        checked[pattern] = Group(**{name: real(f"{name} of {pattern!r}", v, least=0) for name, v in options.items()})
        if checked[pattern].lr is not None and lr == 0:
            raise ArgumentValueError("lr must be above 0 if a group has its own learning rate, got 0")
    return checked


def unknown_options(options: Mapping[str, Any]) -> set[str]:
    """Return the names that are not options of a group."""
    return set(options) - set(Group._fields)


def assigned(groups: Mapping[str, Group], names: Iterable[str]) -> dict[str, Group]:
    """Return the group of each name, which is the group of the first pattern that matches.

    The result does not contain names without a group.

    >>> groups = {"conv1.*": Group(lr=0.5), "*.b": Group(weight_decay=0.0)}
    >>> assigned(groups, ["conv1.w", "conv1.b", "conv2.w", "conv2.b"])["conv1.b"]
    Group(lr=0.5, weight_decay=None)
    """
    names = list(names)
    first = {name: next((pattern for pattern in groups if fnmatchcase(name, pattern)), None) for name in names}
    unused = [pattern for pattern in groups if pattern not in first.values()]
    if unused:
        raise ArgumentValueError(
            "each pattern in groups must match a trainable parameter that no earlier pattern matches, "
            f"got {unused[0]!r} for the names {', '.join(names)}"
        )
    return {name: groups[pattern] for name, pattern in first.items() if pattern is not None}
