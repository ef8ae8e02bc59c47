"""Rows of activation functions."""

from fractions import Fraction

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import activation_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["OPERATORS"]


def activation(name, formula, kink=None, *, from_output=False, nature="smooth", **options):
    """Return the row of an activation function.

    ``kink`` is its derivative at 0 if it has a kink there. ``from_output`` is True if the derivative is computed from y.
    """

    def dx(function, a):
        saved = {"y": getattr(refconv, name)(a.x)} if from_output else {"x": a.x}
        return function(a.dy, **saved, **a.options)

    return Operator(
        name=name,
        family="activation",
        ids="B6",
        formula=formula,
        forward=lambda f, a: f(a.x, **a.options),
        derivatives=(Derivative(f"{name}_dx", ("x",), dx),),
        fixed=(Case({"x": (2, 3)}, options), Case({"x": (7,)}, options), Case({"x": (1, 2, 2, 3)}, options)),
        cases=lambda: activation_cases(**options),
        nature=nature,
        slack=16,
        pins=()
        if kink is None
        else (Pin("the derivative at 0", {"x": [0.0, -0.0], "dy": [8.0, 3.0]}, {"x": [8 * kink, 3 * kink]}, options),),
    )


OPERATORS = (
    activation("relu", "y = max(0, x)", 0, nature="rational"),
    activation("leaky_relu", "y = x where x > 0, else slope · x", 0.25, nature="rational", slope=Fraction(1, 4)),
    activation("elu", "y = x where x > 0, else α · (eˣ − 1)", 1.5, alpha=Fraction(3, 2)),
    activation("sigmoid", "y = 1 / (1 + e⁻ˣ)", from_output=True),
    activation("tanh", "y = tanh x", from_output=True),
)
