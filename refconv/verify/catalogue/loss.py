"""Softmax and cross-entropy."""

from fractions import Fraction

import numpy as np

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import loss_cases, score_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]


def from_output(name, formula):
    """A function whose derivative is made from its output y."""
    return Operator(
        name=name,
        family="loss",
        ids="A19",
        formula=formula,
        forward=lambda f, a: f(a.x),
        derivatives=(Derivative(f"{name}_dx", ("x",), lambda dx, a: dx(a.dy, y=getattr(refconv, name)(a.x))),),
        fixed=(Case({"x": (2, 3)}), Case({"x": (1, 4)}), Case({"x": (3, 1, 2)})),
        cases=score_cases,
        nature="smooth",
    )


def smoothed(labels, alpha, classes):
    labels = np.array(labels)
    return Case({"logits": (len(labels), classes)}, {"label_smoothing": alpha}, {"labels": labels})


OPERATORS = (
    from_output("softmax", "y[k] = e^x[k] / Σ_j e^x[j]"),
    from_output("log_softmax", "y[k] = x[k] − log Σ_j e^x[j]"),
    Operator(
        name="softmax_cross_entropy",
        family="loss",
        ids="A19",
        formula="e = −1/N Σ_{b,k} t[b,k] · log p[b,k], t = (1 − α)·[k = label] + α/K",
        forward=lambda loss, a: loss(a.logits, a.labels, **a.options)[0],
        # The loss is one number, and its derivative comes with it: for dy = 1.
        derivatives=(
            Derivative("softmax_cross_entropy", ("logits",), lambda loss, a: a.dy * loss(a.logits, a.labels, **a.options)[1]),
        ),
        fixed=(smoothed([1, 0], 0, 3), smoothed([2], Fraction(1, 10), 3), smoothed([1, 0, 1], Fraction(1, 5), 2)),
        cases=loss_cases,
        nature="smooth",
    ),
)
