"""Which arguments of a refconv function a student's function accepts, and how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import refconv
from refconv.verify.operator import Operator

__all__ = ["Signature", "Unusable", "parameters", "read"]

ALIASES = {"bias": "b", "window": "kernel_size"}

# A derivative may leave out what follows from the arguments of the forward pass, if it takes those instead. A mode may be
# left out always: then one of them is meant.
FOLLOWS: dict[str, set[str]] = {
    "argmax": {"x", "kernel_size"},
    "input_size": set(),
    "kernel_size": set(),
    "mode": set(),
    "mean": {"x"},
    "var": {"x"},
    "y": {"x"},
}


class Unusable(Exception):  # noqa: N818 - a finding about the student's function, not an error of the check
    """The function cannot be called with the arguments of the operator."""


@dataclass(frozen=True)
class Signature:
    """Which of our arguments a student's function accepts.

    Parameters
    ----------
    order : tuple of str
        Our names of the arguments that it accepts by position only.
    names : mapping of str to str
        Its name for each of our arguments that it accepts by keyword.
    options : tuple of str
        Our optional arguments that it accepts, in our order.
    demanded : mapping of str to anything
        Our defaults of those options that it requires.
    without : tuple of str
        Our optional arguments that it does not accept.
    missing : tuple of str
        Our required arguments that it does not accept, and that follow from others.
    unknown : tuple of str
        Its optional parameters that we do not have; they keep their defaults.
    differing : mapping of str to pair
        Its default and ours of each option for which they differ.
    """

    order: tuple[str, ...]
    names: dict[str, str]
    options: tuple[str, ...]
    demanded: dict[str, Any]
    without: tuple[str, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    differing: dict[str, tuple[Any, Any]]

    @property
    def takes(self) -> set[str]:
        """Our names of all that it takes."""
        return {*self.order, *self.names}

    def call(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call the function with those of our arguments that it takes."""
        arguments = {**self.demanded, **arguments}
        by_name = {self.names[name]: value for name, value in arguments.items() if name in self.names}
        return function(*(arguments[name] for name in self.order if name in arguments), **by_name)


@cache
def parameters(name: str) -> Mapping[str, inspect.Parameter]:
    """The parameters of ``refconv.name``, by their names."""
    return inspect.signature(getattr(refconv, name)).parameters


def read(function: Callable[..., Any], name: str, operator: Operator) -> Signature:
    """Match the parameters of a function with those of ``refconv.name``: by name, and the required ones else by order.

    Raises :class:`Unusable` if the function requires more than there is, or does not take what it needs.

    >>> from refconv.verify.catalogue import find
    >>> signature = read(lambda image, kernel, stride=1: ..., "conv2d", find("conv2d"))
    >>> signature.names["w"], signature.options, signature.without
    ('kernel', ('stride',), ('b', 'padding', 'dilation', 'groups', 'data_format'))
    """
    if not callable(function):
        raise Unusable(f"function must be callable, got {function!r}")
    public = parameters(name)
    known = {**public, **{n: p for n, p in parameters(operator.name).items() if n not in public}}
    required = [n for n, p in public.items() if p.default is p.empty]
    own = _own_parameters(function, required)
    names, order = _match(own, known, required, public)
    strangers = [p.name for p in own if p.default is p.empty and p.name not in names and p.kind not in VARIADIC]
    if strangers:
        raise Unusable(
            f"function must accept the arguments of refconv.{name} ({', '.join(known)}), "
            f"got one that also requires {', '.join(strangers)}"
        )
    takes = {*order, *names.values()}
    demanded = {names[p.name] for p in own if p.default is p.empty and p.name in names}
    missing = _missing(name, operator, required, takes, [p.name for p in own])
    # What else the forward pass takes matters to a derivative only if it has to repeat some of the forward pass.
    options = [n for n, p in known.items() if p.default is not p.empty and (n in public or (missing and n != "b"))]
    return Signature(
        order=tuple(order),
        names={ours: theirs for theirs, ours in names.items() if ours not in order},
        options=tuple(n for n in options if n in takes),
        demanded={n: known[n].default for n in options if n in demanded},
        without=tuple(n for n in options if n not in takes),
        missing=missing,
        unknown=tuple(p.name for p in own if p.name not in names and p.kind not in VARIADIC),
        differing=_differing_defaults([p for p in own if names.get(p.name) in options], names, known),
    )


VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _own_parameters(function: Callable[..., Any], required: Sequence[str]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions do not say: they get what is required, in our order
        return [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in required]


def _differing_defaults(
    own: Sequence[inspect.Parameter], names: Mapping[str, str], known: Mapping[str, inspect.Parameter]
) -> dict[str, tuple[Any, Any]]:
    """Return, by our names, the function's default and ours where they differ."""
    pairs = {names[p.name]: (p.default, known[names[p.name]].default) for p in own if p.default is not p.empty}
    return {name: (theirs, ours) for name, (theirs, ours) in pairs.items() if str(theirs) != str(ours)}


def _match(
    own: Sequence[inspect.Parameter],
    known: Mapping[str, inspect.Parameter],
    required: Sequence[str],
    public: Mapping[str, inspect.Parameter],
) -> tuple[dict[str, str], list[str]]:
    """Our name of each parameter that has one, and our names of what goes by position.

    A parameter's own name counts first, then an alias; what is required and bears neither is our next required argument.
    """
    plain = [p for p in own if p.kind not in VARIADIC]
    names = {p.name: p.name for p in plain if p.name in known}
    names |= {p.name: ALIASES[p.name] for p in plain if ALIASES.get(p.name) in known.keys() - names.keys()}
    others = [p.name for p in plain if p.default is p.empty and p.name not in names]
    names |= dict(zip(others, [n for n in required if n not in names.values()], strict=False))
    order = [names[p.name] for p in plain if p.kind is p.POSITIONAL_ONLY and p.name in names]
    kinds = {p.kind for p in own}
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        order += [n for n in required if n not in names.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        names |= {n: n for n in public if n not in order and n not in names.values()}
    return names, order


def _missing(name: str, operator: Operator, required: Sequence[str], takes: set[str], own: Sequence[str]) -> tuple[str, ...]:
    missing = tuple(n for n in required if n not in takes)
    for n in missing:
        case = operator.fixed[0]
        follows = (name != operator.name or n == "mode") and n not in case.shapes and FOLLOWS.get(n, {"?"}) <= takes
        if n == "kernel_size" and n in case.given:  # a pool's, which no array has
            follows = False
        if not follows:
            accepted = f"only {', '.join(own)}" if own else "no argument"
            raise Unusable(f"function must accept {n} as refconv.{name} does, got one that accepts {accepted}")
    return missing
