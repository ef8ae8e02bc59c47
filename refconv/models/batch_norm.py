"""Options for all batch normalisations of a network, which builders accept as arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from refconv._errors import ArgumentValueError
from refconv.nn import BatchNorm, Layer
from refconv.nn.layer import all_layers

__all__ = ["batch_norm", "takes_batch_norm_options"]

OPTIONS = {"bn_momentum": "momentum", "bn_eps": "eps", "bn_averages": "averages"}
TYPES = {"bn_momentum": float | None, "bn_eps": float | None, "bn_averages": str | None}

# Builders create their layers in nested functions. Passing the options through all of them would obscure the architecture.
_options: ContextVar[Mapping[str, Any]] = ContextVar("options of batch normalisation", default={})  # noqa: B039  never changed

Network = TypeVar("Network", bound=Layer)


def batch_norm() -> BatchNorm:
    """Create a batch normalisation layer with the options of the builder that is running."""
    return BatchNorm(**_options.get())


def takes_batch_norm_options(builder: Callable[..., Network]) -> Callable[..., Network]:
    """Add the arguments ``bn_momentum``, ``bn_eps`` and ``bn_averages`` to a builder.

    They set ``momentum``, ``eps`` and ``averages`` of all its :class:`refconv.nn.BatchNorm`; None means the default.

    >>> @takes_batch_norm_options
    ... def network(depth):
    ...     return Sequential(*(batch_norm() for _ in range(depth)))
    >>> from refconv.nn import Sequential
    >>> network(1, bn_momentum=0.75)[0], inspect.signature(network).parameters.keys()
    (BatchNorm(momentum=0.75), odict_keys(['depth', 'bn_momentum', 'bn_eps', 'bn_averages']))
    """

    @functools.wraps(builder)
    def build(*arguments: Any, **named: Any) -> Network:
        given = {name: named.pop(name) for name in OPTIONS if name in named}
        given = {name: value for name, value in given.items() if value is not None}
        token = _options.set({**_options.get(), **{OPTIONS[name]: value for name, value in given.items()}})
        try:
            network = builder(*arguments, **named)
        finally:
            _options.reset(token)
        if given and not any(isinstance(layer, BatchNorm) for layer in all_layers(network)):
            name, value = next(iter(given.items()))
            raise ArgumentValueError(f"{name} must be None for a network without batch normalisation, got {value!r}")
        return network

    signature = inspect.signature(builder)
    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in TYPES.items()]
    parameters = [*signature.parameters.values(), *added]
    build.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # for help()
    return build
