"""Dual numbers: exact derivatives by running the forward loop.

A dual number a + a′ε with ε² = 0 consists of a value and its rate of change along one direction. The loop of a function f on
the numbers x + vε returns f(x) + (J v)ε: the exact forward derivative. The code of the derivative of f is not used, so this
is an independent check of that derivative.
"""

from __future__ import annotations

import numbers

import numpy as np

from refconv.reference import functions

__all__ = ["Dual", "dual_array", "rates"]


class Dual(numbers.Number):
    """Number with a value and its rate of change.

    >>> x = Dual(3, 1)
    >>> x * x + 5 * x
    24 + 11ε

    Parameters
    ----------
    value, rate : number
        Numbers of any type that the loops accept; fractions stay exact.

    Source: lecture rows B3 and B4 (SOURCES.md); the chain rule.
    """

    __slots__ = ("rate", "value")
    __hash__ = None  # type: ignore[assignment]  # not hashable

    def __init__(self, value, rate=0):
        self.value, self.rate = value, rate

    def __add__(self, other):
        other = _dual(other)
        return Dual(self.value + other.value, self.rate + other.rate)

    def __sub__(self, other):
        other = _dual(other)
        return Dual(self.value - other.value, self.rate - other.rate)

    def __mul__(self, other):
        other = _dual(other)
        return Dual(self.value * other.value, self.rate * other.value + self.value * other.rate)

    def __truediv__(self, other):
        other = _dual(other)
        quotient = self.value / other.value
        return Dual(quotient, (self.rate - quotient * other.rate) / other.value)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other):
        return _dual(other) - self

    def __rtruediv__(self, other):
        return _dual(other) / self

    def __neg__(self):
        return Dual(-self.value, -self.rate)

    def __abs__(self):
        return -self if self.value < 0 else self

    def __pow__(self, power):
        return Dual(self.value**power, power * self.value ** (power - 1) * self.rate)

    def __lt__(self, other):
        return self.value < _dual(other).value

    def __gt__(self, other):
        return self.value > _dual(other).value

    def __le__(self, other):
        return self.value <= _dual(other).value

    def __ge__(self, other):
        return self.value >= _dual(other).value

    def __eq__(self, other):
        return self.value == _dual(other).value

    # The functions of reference/functions.py. NumPy calls them as methods on the elements of object arrays.

    def exp(self):
        value = functions.exp(self.value)
        return Dual(value, value * self.rate)

    def expm1(self):
        return Dual(functions.expm1(self.value), functions.exp(self.value) * self.rate)

    def log(self):
        return Dual(functions.log(self.value), self.rate / self.value)

    def log1p(self):
        return Dual(functions.log1p(self.value), self.rate / (1 + self.value))

    def sqrt(self):
        value = functions.sqrt(self.value)
        return Dual(value, self.rate / (2 * value))

    def tanh(self):
        value = functions.tanh(self.value)
        return Dual(value, (1 - value * value) * self.rate)

    def __repr__(self):
        return f"{self.value} + {self.rate}ε"


def _dual(number):
    return number if isinstance(number, Dual) else Dual(number)


def dual_array(values, rates):
    """Return the object array values + rates·ε.

    >>> dual_array(np.array([1, 2]), np.array([10, 0]))
    array([1 + 10ε, 2 + 0ε], dtype=object)
    """
    array = np.empty(np.shape(values), object)
    for index in np.ndindex(array.shape):
        array[index] = Dual(values[index], rates[index])
    return array


def rates(array):
    """Return the rates of change in an array of dual numbers; 0 for plain numbers.

    >>> rates(np.array([Dual(3, 7), 5], object))
    array([7, 0], dtype=object)
    """
    rates_of_change = np.empty(np.shape(array), object)
    for index in np.ndindex(rates_of_change.shape):
        rates_of_change[index] = _dual(np.asarray(array, object)[index]).rate
    return rates_of_change
