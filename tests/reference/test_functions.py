"""Tests of the scalar functions of the loops: types of arguments and results."""

from fractions import Fraction

import numpy as np
import pytest

from refconv.reference.functions import power, sqrt, tanh


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_power_of_a_float_keeps_its_dtype_for_any_exponent(dtype):
    for exponent in (0.75, 3, Fraction(3, 4), np.float64(0.75)):
        assert power(dtype(16), exponent).dtype == dtype
    assert power(dtype(16), -0.75) == 0.125
    assert power(dtype(-1), 0.5) != power(dtype(-1), 0.5)  # NaN, without a warning
    assert (power(dtype(0), -1), power(dtype(1e30), 20)) == (np.inf, np.inf)
    assert power(16.0, 0.75) == 8


def test_a_power_of_a_fraction_is_exact_or_raises():
    assert power(Fraction(2, 3), 2) == power(Fraction(2, 3), 2.0) == power(Fraction(2, 3), Fraction(2)) == Fraction(4, 9)
    assert isinstance(power(Fraction(2, 3), -1.0), Fraction)
    with pytest.raises(TypeError, match=r"exponent of a fraction must be an integer, got 0\.5"):
        power(Fraction(4, 9), 0.5)


@pytest.mark.parametrize("function", [sqrt, tanh])
def test_functions_of_fractions_raise_instead_of_rounding(function):
    with pytest.raises(TypeError, match=f"argument of {function.__name__} must be a float or a sympy number, got fraction"):
        function(Fraction(4, 9))


def test_functions_accept_symbols():
    sympy = pytest.importorskip("sympy")
    x, b = sympy.symbols("x b", positive=True)
    assert power(x, sympy.Rational(3, 4)) == x ** sympy.Rational(3, 4)
    assert power(x, b) == x**b
    assert power(Fraction(1, 2), sympy.Integer(3)) == Fraction(1, 8)
    with pytest.raises(TypeError, match="exponent of a fraction must be an integer, got b"):
        power(Fraction(1, 2), b)
