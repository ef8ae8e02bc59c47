"""Recording numbers: each result keeps the operation that made it.

A recording number knows its value and where it comes from: the array element that it is, such as x[0,1,4,0], or the two
numbers that it was made of. Put through a loop, such numbers come out as the loop's own products and sums, so whoever
prints them needs no index arithmetic of their own.
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
    """A number with the operation that made it; it compares by its value.

    >>> x, w = Recorded(3, "x[0]"), Recorded(2, "w[1]")
    >>> 0 + x * w
    (0 + (x[0] × w[1]))
    >>> (0 + x * w).value, x > w
    (6, True)

    Parameters
    ----------
    value : number
    name : str
        The array element that it is; "" for what was computed.
    operation : str
        "+", "−", "×" or "÷"; "" for an array element.
    operands : tuple
        The two numbers it was made of, recording ones or, where the loop had one at hand, plain ones.
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
    """Return the value of a recording number; a plain number unchanged."""
    return number.value if isinstance(number, Recorded) else number


def name_of(name, index):
    """What the lecture calls an element of an array.

    >>> name_of("x", (0, 1, 4))
    'x[0,1,4]'
    """
    return f"{name}[{','.join(map(str, index))}]"


def recorded_array(name, values):
    """An object array of recording numbers that know their places; whole numbers become fractions, so that all is exact.

    >>> recorded_array("x", np.array([[5, 7]]))
    array([[x[0,0], x[0,1]]], dtype=object)
    """
    values = np.asarray(values)
    made = np.empty(values.shape, object)
    for index in np.ndindex(values.shape):
        value = values[index].item()
        exact = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        made[index] = Recorded(Fraction(value) if exact else value, name_of(name, index))
    return made


def terms(number) -> list[Any]:
    """What was added up to make a number, in the order in which it was added: pairs (term, value of the sum so far).

    The 0 with which a loop begins is left out.

    >>> a, b = Recorded(3, "a"), Recorded(2, "b")
    >>> terms(0 + a * b + 7 * b), terms(a), terms(0)
    ([((a × b), 6), ((7 × b), 20)], [(a, 3)], [])
    """
    found = []
    while isinstance(number, Recorded) and number.operation == "+":
        before, last = number.operands
        found.append((last, number.value))
        number = before
    if isinstance(number, Recorded):
        found.append((number, number.value))
    return found[::-1]
