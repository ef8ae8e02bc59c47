"""Batch normalisation."""

from fractions import Fraction

import refconv
from refconv.verify.case import Case
from refconv.verify.operator import Derivative, Operator
from refconv.verify.strategies import norm_cases

__all__ = ["OPERATORS"]


def shapes(*x, channel=-1, given=False):
    """x, and its vectors of one number a channel; with a mean and a variance where they are given."""
    vectors = ("gamma", "beta", "mean", "var") if given else ("gamma", "beta")
    return {"x": x, **dict.fromkeys(vectors, (x[channel],))}


def grads(function, a):
    _, mean, var = refconv.batch_norm(a.x, a.gamma, a.beta, **a.options)
    return function(a.dy, a.x, a.gamma, mean, var, **a.options)


EPS = {"eps": Fraction(1, 7)}
FIRST = {"data_format": "channels_first"}

OPERATORS = (
    Operator(
        name="batch_norm",
        family="norm",
        ids="A13, A14, A16, A17",
        formula="y = γ · (x − μ) / √(σ² + ε) + β, with μ and σ² of the batch",
        forward=lambda norm, a: norm(a.x, a.gamma, a.beta, **a.options)[0],
        derivatives=(Derivative("batch_norm_grads", ("x", "gamma", "beta"), grads),),
        fixed=(
            Case(shapes(3, 1), EPS),
            Case(shapes(2, 2), EPS),
            Case(shapes(1, 2, 1, 2), EPS),
            Case(shapes(2, 2, 1, channel=1), {**EPS, **FIRST}),
        ),
        cases=norm_cases,
        nature="smooth",
        slack=2000,
    ),
    Operator(
        name="batch_norm_inference",
        family="norm",
        ids="A15, A16",
        formula="y = γ · (x − μ̂) / √(σ̂² + ε) + β",
        forward=lambda norm, a: norm(a.x, a.gamma, a.beta, a.mean, a.var, **a.options),
        derivatives=(
            Derivative(
                "batch_norm_inference_grads",
                ("x", "gamma", "beta"),
                lambda grads, a: grads(a.dy, a.x, a.gamma, a.mean, a.var, **a.options),
            ),
        ),
        fixed=(
            Case(shapes(3, 2, given=True), EPS, positive=("var",)),
            Case(shapes(1, 2, 3, 2, given=True), EPS, positive=("var",)),
            Case(shapes(2, 3, 2, channel=1, given=True), {**EPS, **FIRST}, positive=("var",)),
        ),
        cases=lambda: norm_cases(given=True),
        nature="smooth",
        slack=500,
    ),
)
