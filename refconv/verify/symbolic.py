"""Symbolic evidence: the derivative is proved, not sampled.

The loop runs on symbols, so that y is the formula itself. sympy differentiates the number ⟨dy, y⟩ with respect to each
element of each array, and the difference from the derivative's own loop, on the same symbols, is zero for all values.

A piecewise function is proved on the pieces on which its located symbols stand, and pinned on the kink between them.
"""

from __future__ import annotations

import numpy as np
import sympy

from refconv import _core
from refconv.ops.engine import engine
from refconv.verify.case import Arguments, fill, symbols
from refconv.verify.operator import Operator, Refuted
from refconv.verify.symbols import vanishes

__all__ = ["pinned", "symbolic"]

ENGINES = ("reference", "kernels")


def symbolic(operator: Operator, case) -> float | None:
    """Prove the derivatives of an operator in one case; returns the largest error, which is 0.

    None for an operator without derivatives. Raises :class:`Refuted` for the first element that is wrong.
    """
    with engine("reference"):
        a = fill(case, symbols)
        y = np.asarray(operator(a), object)
        dy = symbols_like("dy", y)
        e = sympy.Add(*np.ravel(dy * y))
        for derivative in operator.derivatives:
            for name, claimed in derivative(a.with_arrays(dy=dy)).items():
                _prove(derivative.name, e, a.arrays[name], claimed)
    return 0.0 if operator.derivatives else None


def _prove(function, e, array, claimed):
    for index in np.ndindex(array.shape):
        true = sympy.diff(e, array[index])
        if not vanishes(true - claimed[index]):
            raise Refuted(f"∂e/∂{array[index]} is {true}, but {function} says {claimed[index]}")


def pinned(operator: Operator, pin) -> float:
    """At a kink, where there is no derivative, the derivative's function says what was agreed; on every engine.

    Returns 0; raises :class:`Refuted`.
    """
    arrays = {name: np.array(numbers, np.float64) for name, numbers in pin.arrays.items()}
    a = Arguments(arrays, pin.options, pin.given)
    for name in ENGINES if _core.ISA else ENGINES[:1]:
        with engine(name):
            for derivative in operator.derivatives:
                for array, claimed in derivative(a).items():
                    if claimed.tolist() != np.array(pin.expected[array], np.float64).tolist():
                        raise Refuted(f"{pin.words}: {derivative.name} says {claimed.tolist()} on the engine {name!r}")
    return 0.0


def symbols_like(name, y):
    """A symbol for each element of y, which may be a single number."""
    made = np.empty(y.shape, object)
    for index in np.ndindex(y.shape):
        made[index] = sympy.Symbol(f"{name}{'_'.join(map(str, index))}", real=True)
    return made
