"""Arguments of a refconv function that a student's function accepts, and the call with them."""

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

# Arguments that a derivative may omit if it accepts the arguments of the forward pass from which they follow. The mode may
# always be omitted: the function then implements one of the modes.
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
    """Raised if a function cannot be called with the arguments of the operator."""


@dataclass(frozen=True)
class Signature:
    """Arguments of a refconv function that a student's function accepts.

    Parameters
    ----------
    order : tuple of str
        refconv's names of the arguments that the function accepts by position only.
    names : mapping of str to str
        The function's name for each argument that it accepts by keyword, by refconv's names.
    options : tuple of str
        refconv's optional arguments that the function accepts, in refconv's order.
    demanded : mapping of str to anything
        refconv's defaults of the options that the function requires.
    without : tuple of str
        refconv's optional arguments that the function does not accept.
    missing : tuple of str
        refconv's required arguments that the function does not accept because they follow from others.
    unknown : tuple of str
        Optional parameters of the function that refconv does not have; they keep their defaults.
    differing : mapping of str to pair
        The function's default and refconv's default of each option for which they differ.
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
        """Names, as in refconv, of all arguments that the function accepts."""
        return {*self.order, *self.names}

    def call(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call the function with the arguments that it accepts, given by refconv's names."""
        arguments = {**self.demanded, **arguments}
        by_name = {self.names[name]: value for name, value in arguments.items() if name in self.names}
        return function(*(arguments[name] for name in self.order if name in arguments), **by_name)


@cache
def parameters(name: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of ``refconv.name`` by their names."""
    return inspect.signature(getattr(refconv, name)).parameters


def read(function: Callable[..., Any], name: str, operator: Operator) -> Signature:
    """Match the parameters of a function with the parameters of ``refconv.name``.

    They are matched by name; required parameters with other names are matched by order. Raises :class:`Unusable` if the
    function requires an argument that refconv does not have, or does not accept an argument that it needs.

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
    own_parameters = _own_parameters(function, required)
    names, positional = _match(own_parameters, known, required, public)
    unknown_required = [
        p.name for p in own_parameters if p.default is p.empty and p.name not in names and p.kind not in VARIADIC
    ]
    if unknown_required:
        raise Unusable(
            f"function must accept the arguments of refconv.{name} ({', '.join(known)}), "
            f"got one that also requires {', '.join(unknown_required)}"
        )
    takes = {*positional, *names.values()}
    demanded = {names[p.name] for p in own_parameters if p.default is p.empty and p.name in names}
    missing = _missing(name, operator, required, takes, [p.name for p in own_parameters])
    # Further options of the forward pass matter to a derivative only if it has to repeat a part of the forward pass.
    options = [n for n, p in known.items() if p.default is not p.empty and (n in public or (missing and n != "b"))]
    return Signature(
        order=tuple(positional),
        names={refconv_name: own_name for own_name, refconv_name in names.items() if refconv_name not in positional},
        options=tuple(n for n in options if n in takes),
        demanded={n: known[n].default for n in options if n in demanded},
        without=tuple(n for n in options if n not in takes),
        missing=missing,
        unknown=tuple(p.name for p in own_parameters if p.name not in names and p.kind not in VARIADIC),
        differing=_differing_defaults([p for p in own_parameters if names.get(p.name) in options], names, known),
    )


VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _own_parameters(function: Callable[..., Any], required: Sequence[str]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions have no signature: pass the required arguments in order
        return [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in required]


def _differing_defaults(
    own: Sequence[inspect.Parameter], names: Mapping[str, str], known: Mapping[str, inspect.Parameter]
) -> dict[str, tuple[Any, Any]]:
    """Return the options with another default than in refconv, each with both defaults."""
    pairs = {names[p.name]: (p.default, known[names[p.name]].default) for p in own if p.default is not p.empty}
    return {
        name: (own_default, refconv_default)
        for name, (own_default, refconv_default) in pairs.items()
        if str(own_default) != str(refconv_default)
    }


def _match(
    own: Sequence[inspect.Parameter],
    known: Mapping[str, inspect.Parameter],
    required: Sequence[str],
    public: Mapping[str, inspect.Parameter],
) -> tuple[dict[str, str], list[str]]:
    """Return refconv's name of each matched parameter, and the names of positional arguments.

    A parameter is matched by its own name first, then by an alias. A required parameter that matches neither is taken as
    refconv's next required argument.
    """
    plain = [p for p in own if p.kind not in VARIADIC]
    names = {p.name: p.name for p in plain if p.name in known}
    names |= {p.name: ALIASES[p.name] for p in plain if ALIASES.get(p.name) in known.keys() - names.keys()}
    unmatched = [p.name for p in plain if p.default is p.empty and p.name not in names]
    names |= dict(zip(unmatched, [n for n in required if n not in names.values()], strict=False))
    positional = [names[p.name] for p in plain if p.kind is p.POSITIONAL_ONLY and p.name in names]
    kinds = {p.kind for p in own}
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        positional += [n for n in required if n not in names.values()]
    if inspect.Parameter.VAR_KEYWORD in kinds:
        names |= {n: n for n in public if n not in positional and n not in names.values()}
    return names, positional


def _missing(name: str, operator: Operator, required: Sequence[str], takes: set[str], own: Sequence[str]) -> tuple[str, ...]:
    missing = tuple(n for n in required if n not in takes)
    for n in missing:
        case = operator.fixed[0]
        follows = (name != operator.name or n == "mode") and n not in case.shapes and FOLLOWS.get(n, {"?"}) <= takes
        if n == "kernel_size" and n in case.given:  # pooling: the size of the window does not follow from any array
            follows = False
        if not follows:
            accepted = f"only {', '.join(own)}" if own else "no argument"
            raise Unusable(f"function must accept {n} as refconv.{name} does, got one that accepts {accepted}")
    return missing
