"""Row of dropout."""

from fractions import Fraction

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import dropout_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]


def dx(function, a):
    """Compute ∂e/∂x with the mask that the seed of the case gives."""
    _, mask = refconv.dropout(a.x, a.rate, a.seed)
    return function(a.dy, mask=mask)


OPERATORS = (
    Operator(
        name="dropout",
        family="dropout",
        ids="A18",
        formula="y = x · mask, mask = 1/(1 − rate) where u ≥ rate, else 0",
        forward=lambda dropout, a: dropout(a.x, a.rate, a.seed)[0],
        derivatives=(Derivative("dropout_dx", ("x",), dx),),
        fixed=(
            Case({"x": (3, 5)}, given={"rate": Fraction(1, 2), "seed": 3}),
            Case({"x": (2, 3, 4)}, given={"rate": Fraction(2, 5), "seed": 4}),
            Case({"x": (6,)}, given={"rate": Fraction(0), "seed": 5}),
        ),
        cases=dropout_cases,
        nature="rational",
    ),
)
