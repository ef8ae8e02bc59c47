"""exp, log, sqrt, tanh, powers and roots of unity, for whatever kind of number the loops hold.

NumPy's functions refuse a sympy expression; these pass it on to sympy, where it stays exact. A float32 or float64 keeps
its type, and where a result leaves the range of numbers it is IEEE's (exp 1000 = ∞, log 0 = −∞, √−1 = NaN) without a
warning, as in the kernels.
"""

import sys
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

__all__ = ["exp", "expm1", "is_symbolic", "log", "log1p", "power", "root_of_unity", "sqrt", "tanh"]


def exp(v: Any) -> Any:
    """e to the power v.

    >>> float(exp(0.0)), float(exp(np.float32(1000)))
    (1.0, inf)
    """
    return _evaluate("exp", v)


def expm1(v: Any) -> Any:
    """e to the power v, less 1: near v = 0 without the cancellation of 1.000… − 1.

    >>> float(expm1(1e-20))
    1e-20
    """
    return exp(v) - 1 if is_symbolic(v) else _evaluate("expm1", v)


def log(v: Any) -> Any:
    """Natural logarithm.

    >>> float(log(1.0))
    0.0
    """
    return _evaluate("log", v)


def log1p(v: Any) -> Any:
    """Natural logarithm of 1 + v: near v = 0 without the rounding of 1 + v.

    >>> float(log1p(1e-20))
    1e-20
    """
    return log(1 + v) if is_symbolic(v) else _evaluate("log1p", v)


def power(v: Any, exponent: Any) -> Any:
    """v to a power. A fraction has whole powers only, since of the others most are no fractions.

    >>> float(power(np.float32(16), 0.75)), power(Fraction(2, 3), -2.0)
    (8.0, Fraction(9, 4))
    """
    if isinstance(v, np.floating | float):
        with np.errstate(all="ignore"):
            return np.power(v, np.result_type(v).type(exponent))
    if isinstance(v, Fraction):
        if exponent % 1 != 0:
            raise TypeError(f"a fraction has whole powers only, but the exponent is {exponent!r}")
        exponent = int(exponent)
    return v**exponent


def root_of_unity(k: int, n: int, dtype: Any) -> Any:
    """e to the power 2πi·k/n, the point at k n-ths of the unit circle: complex64 beside float32, complex128 beside float64.

    Beside objects it is a sympy expression.

    >>> complex(root_of_unity(1, 8, np.float64).round(6))
    (0.707107+0.707107j)
    """
    if np.dtype(dtype).hasobject:
        sympy = sys.modules["sympy"]
        return sympy.exp(2 * sympy.pi * sympy.I * sympy.Rational(k, n))
    return np.result_type(dtype, np.complex64).type(np.exp(2j * np.pi * (k % n) / n))


def sqrt(v: Any) -> Any:
    """Square root.

    >>> float(sqrt(np.float32(6.25)))
    2.5
    """
    return _evaluate("sqrt", v)


def tanh(v: Any) -> Any:
    """Hyperbolic tangent.

    >>> float(tanh(0.0))
    0.0
    """
    return _evaluate("tanh", v)


def _evaluate(name: str, v: Any) -> Any:
    if is_symbolic(v):
        return getattr(sys.modules["sympy"], name)(v)
    if isinstance(v, Fraction):
        raise TypeError(f"{name} of a fraction is no fraction: compute with floats or with sympy's numbers")
    with np.errstate(all="ignore"):
        return getattr(np, name)(v)


def is_symbolic(v: Any) -> bool:
    """Whether v is a sympy expression.

    >>> is_symbolic(1.5)
    False
    """
    return _is_of_sympy(v.__class__)


@cache  # called for each element of an array
def _is_of_sympy(kind: type) -> bool:
    # An object of sympy exists only if sympy is imported: no need to import it here, nor even to have it.
    return any(base.__module__.partition(".")[0] == "sympy" for base in kind.__mro__)
