"""Helpful errors for unknown arguments of the constructors of layers and optimisers.

The errors suggest a replacement for argument names of PyTorch and Keras.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from abc import ABCMeta
from collections.abc import Callable
from typing import Any

from refconv._errors import ArgumentTypeError
from refconv.nn.description import short_repr

__all__ = ["CheckedCall"]

# Argument names of other libraries, and refconv's names; a layer has at most one of the names on the right.
ALIASES = {
    "strides": ("stride",),
    "kernel": ("kernel_size",),
    "pool_size": ("kernel_size",),
    "window": ("kernel_size",),
    "size": ("kernel_size", "scale"),
    "scale_factor": ("scale",),
    "out_channels": ("filters",),
    "units": ("filters",),
    "out_features": ("units",),
    "filters": ("units", "multiplier"),
    "depth_multiplier": ("multiplier",),
    "dilation_rate": ("dilation",),
    "use_bias": ("bias",),
    "kernel_initializer": ("initializer",),
    "epsilon": ("eps",),
    "p": ("rate",),
    "negative_slope": ("slope",),
    "alpha": ("slope", "rho"),
    "learning_rate": ("lr",),
    "beta_1": ("beta1",),
    "beta_2": ("beta2",),
    "decay": ("weight_decay",),
    "l2": ("weight_decay",),
}
FROM_THE_INPUT = "leave it out: it is taken from the input"
ADVICE = {
    "in_channels": FROM_THE_INPUT,
    "in_features": FROM_THE_INPUT,
    "input_dim": FROM_THE_INPUT,
    "num_features": FROM_THE_INPUT,
    "input_shape": "pass it to build, as in model.build((28, 28, 1))",
    "dtype": "pass it to build, as in model.build((28, 28, 1), dtype=np.float64)",
    "activation": "add a layer such as nn.ReLU() after it",
    "padding_mode": "add nn.Pad2D before it",
    "inplace": "leave it out: layers never modify their input",
    "dim": "leave it out: the axis is the last one",
    "axis": "leave it out: the layer uses the axis of the channels",
    "name": "name the layer in its container, as in nn.Sequential(conv1=…)",
    "betas": "use beta1=… and beta2=…",
    "kernel_regularizer": "use the optimizer's weight_decay",
}
ACTIVATIONS = {name.lower(): name for name in ("ReLU", "ReLU6", "ELU", "Sigmoid", "Tanh", "Softmax")}
ACTIVATIONS["leaky_relu"] = "LeakyReLU"


class CheckedCall(ABCMeta):
    """Metaclass of layers and optimisers that raises helpful errors for wrong arguments.

    A call that does not match the signature of ``__init__`` raises ``TypeError``.

    >>> from refconv import nn
    >>> nn.Conv2D(16, 3, strides=2)
    Traceback (most recent call last):
    refconv.ArgumentTypeError: Conv2D has no argument strides=2: use stride=2
    """

    @property
    def __signature__(cls) -> inspect.Signature | None:
        """Signature of ``__init__``; without it, tools would show the signature of ``__call__``."""
        signature = _signature(cls.__init__)  # type: ignore[misc]  # cls is a class, and this is its own __init__
        return signature and signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls, *positional: Any, **named: Any) -> Any:
        signature = _signature(cls.__init__)  # type: ignore[misc]  # see above
        if signature is not None:
            try:
                signature.bind(None, *positional, **named)
            except TypeError as error:
                raise ArgumentTypeError(_message(cls, signature, positional, named, str(error))) from None
        return super().__call__(*positional, **named)


@functools.cache
def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        return None


def _message(cls: type, signature: inspect.Signature, positional: tuple[Any, ...], named: dict[str, Any], error: str) -> str:
    """Return the error message for a call that does not match the signature."""
    layer = cls.__name__
    arguments = list(signature.parameters.values())[1:]
    names = [p.name for p in arguments]
    for name, value in named.items():
        if name not in names:
            return f"{layer} has no argument {name}={value!r}: {_advice(name, value, names)}"
    allowed = [p.name for p in arguments if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(positional) > len(allowed):
        count = "no argument" if not allowed else f"at most {len(allowed)} argument{'s' if len(allowed) > 1 else ''}"
        listed = f" ({', '.join(allowed)})" if allowed else ""
        by_name = [p.name for p in arguments if p.kind is p.KEYWORD_ONLY]
        advice = [f"pass other arguments by name, as in {by_name[0]}=…"] if by_name else []
        is_layer = hasattr(cls, "output_shape")  # not an optimiser
        if is_layer and not {*allowed} - {"filters", "units", "kernel_size"} and allowed != ["kernel_size"]:
            advice.insert(0, "the number of input channels is taken from the input")
        got = f"{layer} must have {count} without a name{listed}, got {', '.join(map(short_repr, positional))}"
        return ": ".join([got, ", and ".join(advice)] if advice else [got])
    return f"{layer}: {error}"


def _advice(name: str, value: Any, names: list[str]) -> str:
    for alias in ALIASES.get(name, ()):
        if alias in names:
            return f"use {alias}={value!r}"
    if name == "activation" and isinstance(value, str) and value.lower() in ACTIVATIONS:
        return f"add nn.{ACTIVATIONS[value.lower()]}() after it"
    if name in ADVICE:
        return ADVICE[name]
    if similar := difflib.get_close_matches(name, names, 1):
        return f"did you mean {similar[0]}?"
    return f"its arguments are {', '.join(names)}" if names else "it has none"
