"""Symbolic evidence: the derivative is proved, not sampled.

The loop runs on symbols, so that y is the formula itself. sympy differentiates the number ⟨dy, y⟩ with respect to each
element of each array, and the difference from the derivative's own loop, on the same symbols, is zero for all values.
"""

from __future__ import annotations

import numpy as np
import sympy

from refconv.ops.engine import engine
from refconv.verify.case import fill, symbols
from refconv.verify.operator import Operator, Refuted
from refconv.verify.symbols import vanishes

__all__ = ["symbolic"]


def symbolic(operator: Operator, case) -> float:
    """Prove the derivatives of an operator in one case; returns the largest error, which is 0.

    Raises :class:`Refuted` for the first element that is wrong.
    """
    with engine("reference"):
        a = fill(case, symbols)
        y = np.asarray(operator(a), object)
        dy = symbols_like("dy", y)
        e = sympy.Add(*(dy * y).ravel())
        for derivative in operator.derivatives:
            for name, claimed in derivative(a.with_arrays(dy=dy)).items():
                _prove(derivative.name, name, e, a.arrays[name], claimed)
    return 0.0


def _prove(function, name, e, array, claimed):
    if np.shape(claimed) != array.shape:
        raise Refuted(f"{function} has shape {np.shape(claimed)}, and {name} has {array.shape}")
    for index in np.ndindex(array.shape):
        true = sympy.diff(e, array[index])
        if not vanishes(true - claimed[index]):
            raise Refuted(f"∂e/∂{array[index]} is {true}, but {function} says {claimed[index]}")


def symbols_like(name, y):
    """A symbol for each element of y, which may be a single number."""
    made = np.empty(y.shape, object)
    for index in np.ndindex(y.shape):
        made[index] = sympy.Symbol(f"{name}{''.join(map(str, index))}", real=True)
    return made
