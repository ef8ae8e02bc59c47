"""The arguments of optimisers and schedules, checked when they are made."""

import math
from collections.abc import Mapping

from refconv import geometry

__all__ = ["above_zero", "number", "trainable"]


def number(name, value, least=0, below=math.inf):
    """A number from ``least`` up to but not including ``below``, as a float.

    >>> number("momentum", 0, below=1)
    0.0
    """
    if not least <= geometry.number(name, value) < below:
        raise ValueError(f"{name} must be at least {least} and below {below}, but is {value!r}")
    return float(value)


def above_zero(name, value, reason, below=math.inf):
    """The same, but not 0, for a reason that the message gives.

    >>> above_zero("most", 2, "nothing would move any more")
    2.0
    """
    if not number(name, value, below=below):
        raise ValueError(f"{name} must be above 0, but is 0: {reason}")
    return float(value)


def trainable(parameters):
    """Those of ``model.named_parameters()`` that are trained."""
    if not isinstance(parameters, Mapping) or not all(hasattr(p, "trainable") for p in parameters.values()):
        expected = "what model.named_parameters() returns, names with a Parameter each"
        raise TypeError(f"parameters must be {expected}, but are {parameters!r}")
    return {name: p for name, p in parameters.items() if p.trainable}
