"""Rows of group, layer and instance normalisation."""

from fractions import Fraction

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import group_norm_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]

EPS = {"eps": Fraction(1, 7)}
FIRST = {"data_format": "channels_first"}


def shapes(*x, channel=-1):
    """Return the shapes of x and of gamma and beta, which have one number for each channel."""
    return {"x": x, "gamma": (x[channel],), "beta": (x[channel],)}


def options_of(a):
    """Return the options without the number of groups, which only group_norm has."""
    return {name: value for name, value in a.options.items() if name != "groups"}


def derivative(name):
    """Return the derivative of one of the three operators."""

    def call(grads, a):
        _, mean, var = getattr(refconv, name)(a.x, a.gamma, a.beta, **a.options)
        return grads(a.dy, x=a.x, gamma=a.gamma, mean=mean, var=var, **options_of(a))

    return (Derivative("group_norm_grads", ("x", "gamma", "beta"), call),)


def row(name, formula, fixed, cases):
    """Return the row of one of the three operators."""
    return Operator(
        name=name,
        family="group_norm",
        ids="D4",
        formula=f"y = γ · (x − μ) / √(σ² + ε) + β, with μ and σ² of {formula}",
        forward=lambda norm, a: norm(a.x, a.gamma, a.beta, **a.options)[0],
        derivatives=derivative(name),
        fixed=fixed,
        cases=cases,
        nature="smooth",
        slack=2000,
    )


OPERATORS = (
    row(
        "group_norm",
        "each example and group of channels",
        (
            Case(shapes(2, 4), {**EPS, "groups": 2}),
            Case(shapes(1, 2, 1, 2), {**EPS, "groups": 1}),
            Case(shapes(1, 3, 2, channel=1), {**EPS, **FIRST, "groups": 3}),
        ),
        lambda: group_norm_cases(groups=True),
    ),
    row(
        "layer_norm",
        "each example",
        (Case(shapes(2, 3), EPS), Case(shapes(1, 1, 2, 2), EPS), Case(shapes(1, 2, 2, channel=1), {**EPS, **FIRST})),
        group_norm_cases,
    ),
    row(
        "instance_norm",
        "each example and channel",
        (Case(shapes(2, 2, 1), EPS), Case(shapes(1, 2, 1, 2), EPS), Case(shapes(1, 2, 3, channel=1), {**EPS, **FIRST})),
        group_norm_cases,
    ),
)
