"""Examples worked by hand: the results are literal numbers, so this oracle needs only NumPy."""

from __future__ import annotations

import numpy as np

from refconv.verify.case import Arguments
from refconv.verify.operator import Operator, Pin, Refuted

__all__ = ["worked"]

ROUNDING = 1e-14  # rounding error of float64 sums of a dozen products, relative to the largest element


def worked(operator: Operator, pin: Pin) -> float:
    """Compare an operator and its definition with one worked example; return the largest error.

    The error is relative to the largest element. Raises :class:`Refuted` if a result is wrong.
    """
    a = Arguments({name: np.array(numbers, np.float64) for name, numbers in pin.arrays.items()}, pin.options, pin.given)
    if pin.refused:
        return _refused(operator, pin, a)
    results = operator.results(a) if "dy" in a.arrays else {"y": np.asarray(operator(a))}
    errors = [_difference(pin, operator.name, results)]
    if operator.definition:
        errors.append(_difference(pin, f"the definition of {operator.name}", operator.definition(a)))
    return max(errors)


def _difference(pin, source, results):
    """Return the largest relative error of the results that the example gives."""
    errors = [0.0]
    for name, numbers in pin.expected.items():
        expected, result = np.array(numbers, np.float64), np.asarray(results[name])
        if result.shape != expected.shape:
            raise Refuted(f"{pin.words}: {name} of {source} must have shape {expected.shape}, got {result.shape}")
        errors.append(np.max(np.abs(result - expected), initial=0.0) / max(1.0, np.max(np.abs(expected), initial=0.0)))
        if not errors[-1] <= ROUNDING:
            raise Refuted(f"{pin.words}: {name} of {source} must be {expected.tolist()}, got {result.tolist()}")
    return float(max(errors))


def _refused(operator, pin, a):
    """Check that the arguments raise the ValueError that the example gives."""
    try:
        y = operator(a)
    except ValueError as error:
        if str(error).startswith(pin.refused):
            return 0.0
        raise Refuted(
            f"{pin.words}: the error of {operator.name} must begin with {pin.refused!r}, got {str(error)!r}"
        ) from None
    raise Refuted(f"{pin.words}: {operator.name} must raise a ValueError, got {np.asarray(y).tolist()}")
