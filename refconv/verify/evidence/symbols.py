"""Symbols that a loop can compare, and a test whether an expression is zero.

A piecewise function, such as max pooling, compares inputs, which plain symbols do not support. A located symbol has a number
for comparisons, which selects one piece of the function. The derivative is then proved for the whole piece, since the result
does not depend on this number within the piece.
"""

from __future__ import annotations

import numpy as np
import sympy

from refconv.verify.case import spread

__all__ = ["Located", "symbols", "vanishes"]

FAR_FROM_ZERO = 1e-8  # floats in an expression may be rounded, so an expression that is zero can evaluate to some 1e-16


class Located(sympy.Symbol):
    """A real symbol that compares like a number.

    >>> x, y = Located("x", 3.0), Located("y", -1.0)
    >>> x > y, y > 0, x + y
    (True, False, x + y)
    """

    __slots__ = ("at",)

    def __new__(cls, name, at, positive=False):
        assumptions = {"positive": True} if positive else {"real": True}
        symbol = sympy.Symbol.__xnew__(cls, name, **assumptions)
        symbol.at = at
        return symbol

    def moved(self, factor):
        """Return the symbol at another location, at a multiple of its own."""
        return Located(self.name, self.at * factor, self.is_positive)

    def __gt__(self, other):
        return bool(self.at > _location(other))

    def __lt__(self, other):
        return bool(self.at < _location(other))

    def __ge__(self, other):
        return bool(self.at >= _location(other))

    def __le__(self, other):
        return bool(self.at <= _location(other))


def _location(other):
    return getattr(other, "at", other)


def symbols(name, shape, rng, positive):
    """Return an object array of located symbols; a loop that runs on them returns its formula."""
    positions = spread(name, shape, rng, positive)
    array = np.empty(shape, object)
    for index in np.ndindex(array.shape):
        array[index] = Located(f"{name}{'_'.join(map(str, index))}", positions[index], positive)
    return array


def vanishes(expression) -> bool:
    """Return True if an expression is zero for all values of its symbols.

    A polynomial is expanded. Other expressions are first evaluated at one point: if the result is clearly not 0, the
    expression is not zero. Otherwise, each root and each exponential is replaced by a new symbol. The result is a fraction of
    polynomials. It is zero if its numerator is zero after the powers of each root have been reduced by the definition of the
    root.

    >>> x = sympy.Symbol("x", positive=True)
    >>> vanishes((x + 1) ** 2 - x**2 - 2 * x - 1), vanishes(sympy.sqrt(x + 1) ** 3 / (x + 1) - sympy.sqrt(x + 1))
    (True, True)
    >>> vanishes(x**2 - x)
    False
    """
    expression = sympy.sympify(expression)
    if sympy.expand(expression) == 0:
        return True
    if expression.is_polynomial() or _differs_from_zero(expression):
        return False
    rational, roots = _without_roots(expression.rewrite(sympy.exp))
    numerator = sympy.expand(sympy.fraction(sympy.together(rational))[0])
    for symbol, (base, degree) in roots.items():
        numerator = sympy.rem(numerator, symbol**degree - base, symbol)
        numerator = sympy.expand(sympy.fraction(sympy.together(numerator))[0])
    return numerator == 0 or sympy.simplify(expression) == 0


def _differs_from_zero(expression):
    """Return True if an expression is clearly not zero at one point with symbols from ½ to 3/2.

    This takes milliseconds, while the algebra in :func:`vanishes` may take minutes for the same result.
    """
    symbols = sorted(expression.free_symbols, key=str)
    point = {symbol: sympy.Rational(50 + (37 * k * k + 11 * k) % 97, 97) for k, symbol in enumerate(symbols)}
    value = expression.subs(point).evalf(30)
    return bool(value.is_finite and abs(value) > FAR_FROM_ZERO)


def _without_roots(expression):
    """Replace each root b^(1/q) and each e^x by a symbol; also return b and q of each root."""
    roots, known_symbols = {}, {}

    def named_symbol(key, base, degree):
        if key not in known_symbols:
            known_symbols[key] = sympy.Dummy(positive=True)
            if degree > 1:
                roots[known_symbols[key]] = (base, degree)
        return known_symbols[key]

    def rational(power):
        base, exponent = power.as_base_exp()
        if base == sympy.E:
            return sympy.prod(
                named_symbol(("exp", term), None, 1) ** coefficient
                for coefficient, term in (part.as_coeff_Mul() for part in sympy.Add.make_args(sympy.expand(exponent)))
            )
        base = sympy.factor(base)
        degree = exponent.q
        return named_symbol((base, degree), base, degree) ** exponent.p

    def is_root_or_exponential(part):
        if isinstance(part, sympy.exp):
            return True
        return part.is_Pow and (part.base == sympy.E or (part.exp.is_Rational and part.exp.q > 1 and not part.base.is_number))

    return expression.replace(is_root_or_exponential, rational), roots
