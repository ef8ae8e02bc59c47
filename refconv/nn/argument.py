"""What layers are given beside arrays, checked when the layer is made and not when it first runs."""

import numpy as np

from refconv.ops.check import scalar

__all__ = ["real", "scalar_of_any_kind", "starting_values"]


def real(name, value, **bounds):
    """A finite number, as a float.

    >>> real("momentum", 1, least=0, most=1)
    1.0
    """
    return scalar(name, value, np.empty(0), **bounds)


def scalar_of_any_kind(name, value, **bounds):
    """A finite number as it is: beside fractions and symbols it may be one of them, and what it meets is not known yet.

    >>> from fractions import Fraction
    >>> scalar_of_any_kind("slope", Fraction(1, 10))
    Fraction(1, 10)
    """
    return scalar(name, value, np.empty(0, object), **bounds)


def starting_values(initializer):
    """Something to call for the first weights, or None for the layer's own choice."""
    if initializer is not None and not callable(initializer):
        raise TypeError(f"initializer must be a function of rng and shape, but is {initializer!r}")
    return initializer
