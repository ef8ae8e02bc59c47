"""Symbolic evidence: sympy proves the derivative for all values.

The loop runs on symbols, so y is the formula. sympy differentiates the number ⟨dy, y⟩ with respect to each element of each
array. The difference from the result of the derivative's loop on the same symbols must be zero for all values.

If an operator has a definition, its output and its derivatives on symbols must equal the definition for all values.

A piecewise function is proved on the pieces that its located symbols select, and checked with numbers at the kink between
them.
"""

from __future__ import annotations

import numpy as np
import sympy

from refconv._config import AVAILABLE_ENGINES, config
from refconv.verify.case import Arguments, fill
from refconv.verify.evidence.symbols import symbols, vanishes
from refconv.verify.operator import Operator, Refuted

__all__ = ["pinned", "symbolic"]


def symbolic(operator: Operator, case) -> float | None:
    """Prove the derivatives and the definition of an operator in one case; return the error 0.

    Returns None for an operator without derivatives and definition. Raises :class:`Refuted` for the first wrong element.
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
        for name, expected in (operator.definition(a) if operator.definition else {}).items():
            _compare(operator.name, name, claims[name], np.asarray(expected, object))
    return 0.0


def _terms_by_symbol(dy, y):
    """Return the terms of ⟨dy, y⟩ that contain each symbol.

    Only these terms are differentiated, because sympy needs long to find that the other terms are constants.
    """
    terms = {}
    for index in np.ndindex(y.shape):
        for part in sympy.Add.make_args(y[index]):
            for symbol in part.free_symbols:
                terms.setdefault(symbol, []).append(dy[index] * part)
    return terms


def _prove(function, terms, array, claimed):
    for index in np.ndindex(array.shape):
        symbol = array[index]
        expected = sympy.Add(*(sympy.diff(term, symbol) for term in terms.get(symbol, ())))
        if not vanishes(expected - claimed[index]):
            raise Refuted(f"∂e/∂{symbol} is {expected}, but {function} returns {claimed[index]}")


def _compare(function, name, claimed, expected):
    """Compare each element of a result with the definition."""
    result_name = name if name == "y" else f"∂e/∂{name}"
    if claimed.shape != expected.shape:
        raise Refuted(f"{result_name} of {function} has shape {claimed.shape}, and the definition gives {expected.shape}")
    for index in np.ndindex(expected.shape):
        if not vanishes(expected[index] - claimed[index]):
            raise Refuted(
                f"{result_name} at {index} is {expected[index]} by the definition, but {function} returns {claimed[index]}"
            )


def pinned(operator: Operator, pin) -> float:
    """Check the conventional derivative at a kink on every engine; return the error 0.

    Raises :class:`Refuted` if it differs.
    """
    arrays = {name: np.array(numbers, np.float64) for name, numbers in pin.arrays.items()}
    a = Arguments(arrays, pin.options, pin.given)
    for name in AVAILABLE_ENGINES:
        with config(engine=name):
            for derivative in operator.derivatives:
                for array, claimed in derivative(a).items():
                    if claimed.tolist() != np.array(pin.expected[array], np.float64).tolist():
                        raise Refuted(f"{pin.words}: {derivative.name} returns {claimed.tolist()} on the engine {name!r}")
    return 0.0


def symbols_like(name, y):
    """Return an array of symbols with the shape of y, which may be a scalar."""
    array = np.empty(y.shape, object)
    for index in np.ndindex(y.shape):
        array[index] = sympy.Symbol(f"{name}{'_'.join(map(str, index))}", real=True)
    return array
