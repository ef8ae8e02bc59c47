"""Symbolic evidence: sympy proves the derivative for all values.

The loop runs on symbols, so y is the formula. sympy differentiates the number ⟨dy, y⟩ with respect to each
element of each array, and the difference from the derivative's own loop, on the same symbols, is zero for all values.

Where an operator has a definition, its output and its derivatives on symbols are those of the definition, for all values.

A piecewise function is proved on the pieces on which its located symbols stand, and pinned on the kink between them.
"""

from __future__ import annotations

import numpy as np
import sympy

from refconv import _core
from refconv._config import Engine, config
from refconv.verify.case import Arguments, fill
from refconv.verify.evidence.symbols import symbols, vanishes
from refconv.verify.operator import Operator, Refuted

__all__ = ["pinned", "symbolic"]

ENGINES: tuple[Engine, ...] = ("reference", "kernels")


def symbolic(operator: Operator, case) -> float | None:
    """Prove the derivatives and the definition of an operator in one case; returns the largest error, which is 0.

    None for an operator without derivatives and definition. Raises :class:`Refuted` for the first element that is wrong.
    """
    if not operator.derivatives and not operator.definition:
        return None
    with config(engine="reference"):
        a = fill(case, symbols)
        y = np.asarray(operator(a), object)
        a = a.with_arrays(dy=symbols_like("dy", y))
        terms = _terms_by_symbol(a.dy, y)
        claims = {"y": y}
        for derivative in operator.derivatives:
            claimed = derivative(a)
            for name in claimed:
                _prove(derivative.name, terms, a.arrays[name], claimed[name])
            claims |= claimed
        for name, true in (operator.definition(a) if operator.definition else {}).items():
            _compare(operator.name, name, claims[name], np.asarray(true, object))
    return 0.0


def _terms_by_symbol(dy, y):
    """The terms of ⟨dy, y⟩ in which each symbol occurs: the others are constants, which sympy would take long to see."""
    terms = {}
    for index in np.ndindex(y.shape):
        for part in sympy.Add.make_args(y[index]):
            for symbol in part.free_symbols:
                terms.setdefault(symbol, []).append(dy[index] * part)
    return terms


def _prove(function, terms, array, claimed):
    for index in np.ndindex(array.shape):
        symbol = array[index]
        true = sympy.Add(*(sympy.diff(term, symbol) for term in terms.get(symbol, ())))
        if not vanishes(true - claimed[index]):
            raise Refuted(f"∂e/∂{symbol} is {true}, but {function} says {claimed[index]}")


def _compare(function, name, claimed, true):
    """Compare each element of a result with the definition."""
    what = name if name == "y" else f"∂e/∂{name}"
    if claimed.shape != true.shape:
        raise Refuted(f"{what} of {function} has shape {claimed.shape}, and by the definition {true.shape}")
    for index in np.ndindex(true.shape):
        if not vanishes(true[index] - claimed[index]):
            raise Refuted(f"{what} at {index} is {true[index]} by the definition, but {function} says {claimed[index]}")


def pinned(operator: Operator, pin) -> float:
    """Check the value that was chosen for the derivative at a kink, on every engine.

    Returns 0; raises :class:`Refuted`.
    """
    arrays = {name: np.array(numbers, np.float64) for name, numbers in pin.arrays.items()}
    a = Arguments(arrays, pin.options, pin.given)
    for name in ENGINES if _core.ISA else ENGINES[:1]:
        with config(engine=name):
            for derivative in operator.derivatives:
                for array, claimed in derivative(a).items():
                    if claimed.tolist() != np.array(pin.expected[array], np.float64).tolist():
                        raise Refuted(f"{pin.words}: {derivative.name} says {claimed.tolist()} on the engine {name!r}")
    return 0.0


def symbols_like(name, y):
    """Return an array of symbols with the shape of y, which may be a single number."""
    made = np.empty(y.shape, object)
    for index in np.ndindex(y.shape):
        made[index] = sympy.Symbol(f"{name}{'_'.join(map(str, index))}", real=True)
    return made
