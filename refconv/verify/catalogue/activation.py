"""Rows of activation functions."""

from fractions import Fraction

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import activation_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["OPERATORS"]


def activation(name, formula, kinks=None, *, ids="B6", factor=None, from_output=False, nature="smooth", **options):
    """Return the row of an activation function.

    ``kinks`` maps the inputs at its kinks to its derivatives there. ``factor`` multiplies the inputs, if the usual ones do not
    reach all kinks. ``from_output`` is True if the derivative is computed from y.
    """

    def dx(function, a):
        saved = {"y": getattr(refconv, name)(a.x)} if from_output else {"x": a.x}
        return function(a.dy, **saved, **a.options)

    factors = {} if factor is None else {"x": factor}
    return Operator(
        name=name,
        family="activation",
        ids=ids,
        formula=formula,
        forward=lambda f, a: f(a.x, **a.options),
        derivatives=(Derivative(f"{name}_dx", ("x",), dx),),
        fixed=tuple(Case({"x": shape}, options, factors=factors) for shape in ((2, 3), (7,), (1, 2, 2, 3))),
        cases=lambda: activation_cases(factors, **options),
        nature=nature,
        slack=16,
        pins=tuple(
            Pin(f"the derivative at {x}", {"x": [x, x or -0.0], "dy": [8.0, 3.0]}, {"x": [8 * slope, 3 * slope]}, options)
            for x, slope in (kinks or {}).items()
        ),
    )


OPERATORS = (
    activation("relu", "y = max(0, x)", {0: 0}, nature="rational"),
    activation("relu6", "y = min(max(0, x), 6)", {0: 0, 6: 0}, ids="M15", factor=3, nature="rational"),
    activation("leaky_relu", "y = x where x > 0, else slope · x", {0: 0.25}, nature="rational", slope=Fraction(1, 4)),
    activation("elu", "y = x where x > 0, else α · (eˣ − 1)", {0: 1.5}, alpha=Fraction(3, 2)),
    activation("sigmoid", "y = 1 / (1 + e⁻ˣ)", from_output=True),
    activation("tanh", "y = tanh x", from_output=True),
)
