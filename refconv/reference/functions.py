"""Elementary functions and roots of unity, for floats and sympy expressions.

NumPy's functions do not accept sympy expressions. These functions call sympy for them, so the output is exact. A float32 or
float64 keeps its type. Overflow and undefined operations have the IEEE results (exp 1000 = ∞, log 0 = −∞, √−1 = NaN) and cause
no warning, as in the kernels.
"""

import sys
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

__all__ = ["exp", "expm1", "is_symbolic", "log", "log1p", "power", "root_of_unity", "sqrt", "tanh"]


def exp(v: Any) -> Any:
    """Return e to the power v.

    >>> float(exp(0.0)), float(exp(np.float32(1000)))
    (1.0, inf)
    """
    return _evaluate("exp", v)


def expm1(v: Any) -> Any:
    """Return eᵛ − 1, accurate even near v = 0, where the subtraction would cancel.

    >>> float(expm1(1e-20))
    1e-20
    """
    return exp(v) - 1 if is_symbolic(v) else _evaluate("expm1", v)


def log(v: Any) -> Any:
    """Return the natural logarithm of v.

    >>> float(log(1.0))
    0.0
    """
    return _evaluate("log", v)


def log1p(v: Any) -> Any:
    """Return the natural logarithm of 1 + v, accurate even near v = 0, where 1 + v would round.

    >>> float(log1p(1e-20))
    1e-20
    """
    return log(1 + v) if is_symbolic(v) else _evaluate("log1p", v)


def power(v: Any, exponent: Any) -> Any:
    """Return v to the power ``exponent``.

    The exponent of a fraction must be an integer, because most other powers of fractions are irrational.

    >>> float(power(np.float32(16), 0.75)), power(Fraction(2, 3), -2.0)
    (8.0, Fraction(9, 4))
    """
    if isinstance(v, np.floating | float):
        with np.errstate(all="ignore"):
            return np.power(v, np.result_type(v).type(exponent))
    if isinstance(v, Fraction):
        if exponent % 1 != 0:
            raise TypeError(f"exponent of a fraction must be an integer, got {exponent!r}")
        exponent = int(exponent)
    return v**exponent


def root_of_unity(k: int, n: int, dtype: Any) -> Any:
    """Return the root of unity e^(2πi·k/n) in the complex type that matches ``dtype``.

    The type is complex64 for float32 and complex128 for float64. For object arrays it is a sympy expression.

    >>> complex(root_of_unity(1, 8, np.float64).round(6))
    (0.707107+0.707107j)
    """
    if np.dtype(dtype).hasobject:
        sympy = sys.modules["sympy"]
        return sympy.exp(2 * sympy.pi * sympy.I * sympy.Rational(k, n))
    return np.result_type(dtype, np.complex64).type(np.exp(2j * np.pi * (k % n) / n))


def sqrt(v: Any) -> Any:
    """Return the square root of v.

    >>> float(sqrt(np.float32(6.25)))
    2.5
    """
    return _evaluate("sqrt", v)


def tanh(v: Any) -> Any:
    """Return the hyperbolic tangent of v.

    >>> float(tanh(0.0))
    0.0
    """
    return _evaluate("tanh", v)


def _evaluate(name: str, v: Any) -> Any:
    if is_symbolic(v):
        return getattr(sys.modules["sympy"], name)(v)
    if isinstance(v, Fraction):
        raise TypeError(f"argument of {name} must be a float or a sympy number, got fraction {v}")
    with np.errstate(all="ignore"):
        return getattr(np, name)(v)


def is_symbolic(v: Any) -> bool:
    """Return True if v is a sympy expression.

    >>> is_symbolic(1.5)
    False
    """
    return _is_of_sympy(v.__class__)


@cache  # called for each element of an array
def _is_of_sympy(kind: type) -> bool:
    # An instance of a sympy class can exist only after sympy was imported, so this module never imports sympy itself.
    return any(base.__module__.partition(".")[0] == "sympy" for base in kind.__mro__)
