"""Examples worked by hand: the results are literal numbers, so this oracle needs NumPy alone."""

from __future__ import annotations

import numpy as np

from refconv.verify.case import Arguments
from refconv.verify.operator import Operator, Pin, Refuted

__all__ = ["worked"]

ROUNDING = 1e-14  # relative to the largest element, of float64 sums of a dozen products


def worked(operator: Operator, pin: Pin) -> float:
    """Compare an operator, and its definition, with one worked example; returns the largest error.

    The error is relative to the largest element. Raises :class:`Refuted`.
    """
    a = Arguments({name: np.array(numbers, np.float64) for name, numbers in pin.arrays.items()}, pin.options, pin.given)
    if pin.refused:
        return _refused(operator, pin, a)
    found = operator.results(a) if "dy" in a.arrays else {"y": np.asarray(operator(a))}
    errors = [_difference(pin, operator.name, found)]
    if operator.definition:
        errors.append(_difference(pin, f"the definition of {operator.name}", operator.definition(a)))
    return max(errors)


def _difference(pin, who, found):
    """Return the largest relative error of the results that the example states."""
    errors = [0.0]
    for name, numbers in pin.expected.items():
        expected, ours = np.array(numbers, np.float64), np.asarray(found[name])
        if ours.shape != expected.shape:
            raise Refuted(f"{pin.words}: {name} of {who} has shape {ours.shape}, expected {expected.shape}")
        errors.append(np.max(np.abs(ours - expected), initial=0.0) / max(1.0, np.max(np.abs(expected), initial=0.0)))
        if not errors[-1] <= ROUNDING:
            raise Refuted(f"{pin.words}: {name} of {who} is {ours.tolist()}, expected {expected.tolist()}")
    return float(max(errors))


def _refused(operator, pin, a):
    """Check that the arguments raise the ValueError that the example states."""
    try:
        y = operator(a)
    except ValueError as error:
        if str(error).startswith(pin.refused):
            return 0.0
        raise Refuted(f"{pin.words}: {operator.name} says {str(error)!r}, expected {pin.refused!r}") from None
    raise Refuted(f"{pin.words}: {operator.name} must raise a ValueError, but returns {np.asarray(y).tolist()}")
