"""Row of local response normalisation."""

from fractions import Fraction

from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import response_norm_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]

NUMBERS = {"alpha": Fraction(2, 5), "beta": Fraction(3, 4), "k": Fraction(7, 4)}
FIRST = {"data_format": "channels_first"}

OPERATORS = (
    Operator(
        name="local_response_norm",
        family="response_norm",
        ids="M3, M5",
        formula="y[c] = x[c] / (k + α · Σ_j x[j]²)^β, j from c − ⌊size/2⌋ to c + ⌊(size−1)/2⌋",
        forward=lambda norm, a: norm(a.x, **a.options),
        derivatives=(Derivative("local_response_norm_dx", ("x",), lambda dx, a: dx(a.dy, x=a.x, **a.options)),),
        fixed=(
            Case({"x": (2, 3)}, {**NUMBERS, "size": 2}),
            Case({"x": (1, 4)}, {**NUMBERS, "size": 3, "divide_by_size": True}),
            Case({"x": (1, 2, 1, 3)}, {**NUMBERS, "size": 2, "beta": Fraction(1, 2)}),
            Case({"x": (1, 3, 2)}, {**NUMBERS, "size": 4, "beta": 1, **FIRST}),
        ),
        cases=response_norm_cases,
        nature="smooth",
    ),
)
