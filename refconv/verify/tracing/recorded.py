"""Recording numbers: each result stores the operation that computed it.

A recording number stores its value and its origin: the name of an array element, such as x[0,1,4,0], or the two operands
from which it was computed. When a loop runs on such numbers, its outputs contain the products and sums of the loop, so the
code that prints them needs no index arithmetic.
"""

from __future__ import annotations

import numbers
import operator
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["Recorded", "name_of", "recorded_array", "terms", "value_of"]

OPERATIONS = {"+": operator.add, "−": operator.sub, "×": operator.mul, "÷": operator.truediv}


class Recorded(numbers.Number):
    """Number that records the operation that computed it and compares by its value.

    >>> x, w = Recorded(3, "x[0]"), Recorded(2, "w[1]")
    >>> 0 + x * w
    (0 + (x[0] × w[1]))
    >>> (0 + x * w).value, x > w
    (6, True)

    Parameters
    ----------
    value : number
    name : str
        Name of the array element; "" for a computed number.
    operation : str
        "+", "−", "×" or "÷"; "" for an array element.
    operands : tuple
        The two operands: recording numbers, or plain numbers such as constants of the loop.
    """

    __slots__ = ("name", "operands", "operation", "value")
    __hash__ = None  # type: ignore[assignment]  # not hashable

    def __init__(self, value, name="", operation="", operands=()):
        self.value, self.name, self.operation, self.operands = value, name, operation, operands

    def __add__(self, other):
        return _record("+", self, other)

    def __radd__(self, other):
        return _record("+", other, self)

    def __sub__(self, other):
        return _record("−", self, other)

    def __rsub__(self, other):
        return _record("−", other, self)

    def __mul__(self, other):
        return _record("×", self, other)

    def __rmul__(self, other):
        return _record("×", other, self)

    def __truediv__(self, other):
        return _record("÷", self, other)

    def __rtruediv__(self, other):
        return _record("÷", other, self)

    def __lt__(self, other):
        return self.value < value_of(other)

    def __gt__(self, other):
        return self.value > value_of(other)

    def __le__(self, other):
        return self.value <= value_of(other)

    def __ge__(self, other):
        return self.value >= value_of(other)

    def __eq__(self, other):
        return self.value == value_of(other)

    def __repr__(self):
        return self.name or f" {self.operation} ".join(map(str, self.operands)).join("()")


def _record(operation, left, right):
    return Recorded(OPERATIONS[operation](value_of(left), value_of(right)), "", operation, (left, right))


def value_of(number):
    """Return the value of a recording number, or a plain number unchanged."""
    return number.value if isinstance(number, Recorded) else number


def name_of(name, index):
    """Return the name of an array element in the notation of the lecture.

    >>> name_of("x", (0, 1, 4))
    'x[0,1,4]'
    """
    return f"{name}[{','.join(map(str, index))}]"


def recorded_array(name, values):
    """Return an object array of recording numbers with the names of their elements.

    Whole numbers become fractions, so that all results are exact.

    >>> recorded_array("x", np.array([[5, 7]]))
    array([[x[0,0], x[0,1]]], dtype=object)
    """
    values = np.asarray(values)
    array = np.empty(values.shape, object)
    for index in np.ndindex(values.shape):
        value = values[index].item()
        exact = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        array[index] = Recorded(Fraction(value) if exact else value, name_of(name, index))
    return array


def terms(number) -> list[Any]:
    """Return the terms of a sum in the order of addition, as pairs (term, sum so far).

    The initial 0 of a loop is left out.

    >>> a, b = Recorded(3, "a"), Recorded(2, "b")
    >>> terms(0 + a * b + 7 * b), terms(a), terms(0)
    ([((a × b), 6), ((7 × b), 20)], [(a, 3)], [])
    """
    pairs = []
    while isinstance(number, Recorded) and number.operation == "+":
        rest, last = number.operands
        pairs.append((last, number.value))
        number = rest
    if isinstance(number, Recorded):
        pairs.append((number, number.value))
    return pairs[::-1]
