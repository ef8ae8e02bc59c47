"""Rows of softmax and the losses."""

from fractions import Fraction

import numpy as np

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import answer_cases, loss_cases, score_cases, squared_error_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["OPERATORS"]


def from_output(name, formula):
    """Return the row of a function whose derivative is computed from its output y."""
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


def with_labels(shape, labels, alpha, class_weights=None):
    """Return the case of logits of this shape with these labels."""
    options = {"label_smoothing": alpha, "class_weights": class_weights}
    return Case({"logits": shape}, options, {"labels": np.array(labels)})


def with_gradient(name, array, formula, ids, forward, **details):
    """Return the row of a loss that also returns its derivative by its first argument."""
    return Operator(
        name=name,
        family="loss",
        ids=ids,
        formula=formula,
        forward=lambda loss, a: forward(loss, a)[0],
        derivatives=(Derivative(name, (array,), lambda loss, a: a.dy * forward(loss, a)[1]),),
        nature="smooth",
        **details,
    )


def with_targets(shape, targets, pos_weight):
    """Return the case of logits of this shape with these targets."""
    return Case({"logits": shape}, {"pos_weight": pos_weight}, {"targets": np.array(targets)})


HALF = Fraction(1, 2)

OPERATORS = (
    from_output("softmax", "y[k] = e^x[k] / Σ_j e^x[j]"),
    from_output("log_softmax", "y[k] = x[k] − log Σ_j e^x[j]"),
    with_gradient(
        "softmax_cross_entropy",
        "logits",
        "e = −Σ_{b,k} u[b] · t[b,k] · log p[b,k], t = (1 − α)·[k = label] + α/K, u = 1/N or w[label] / Σ w[label]",
        "A19",
        lambda loss, a: loss(a.logits, a.labels, **a.options),
        fixed=(
            with_labels((2, 3), [1, 0], 0),
            with_labels((1, 3), [2], Fraction(1, 10)),
            with_labels((3, 2), [1, 0, 1], Fraction(1, 5), (Fraction(3, 7), 2)),
            with_labels((1, 2, 1, 3), [[[2], [0]]], 0, (HALF, 5, Fraction(2, 3))),
        ),
        cases=loss_cases,
        worked=(
            # The probabilities of the classes are ¼ and ¾ once, then twice ½ and ½ with the double weight.
            Pin(
                "log 4 and twice 2·log 2, divided by 5",
                {"logits": np.log([[1, 3], [1, 1], [1, 1]]), "dy": 1},
                {"y": np.log(64) / 5, "logits": [[-0.15, 0.15], [0.2, -0.2], [0.2, -0.2]]},
                {"class_weights": (1, 2)},
                {"labels": np.array([0, 1, 1])},
            ),
        ),
    ),
    with_gradient(
        "mean_squared_error",
        "predictions",
        "e = 1/M Σ_i (p[i] − t[i])²",
        "M17",
        lambda loss, a: loss(a.predictions, a.targets),
        fixed=(
            Case({"predictions": (2, 3), "targets": (2, 3)}),
            Case({"predictions": (4,), "targets": (4,)}),
            Case({"predictions": (1, 2, 1, 3), "targets": (1, 2, 1, 3)}),
        ),
        cases=squared_error_cases,
        worked=(
            Pin(
                "1 and 25, divided by 2",
                {"predictions": [[3], [-1]], "targets": [[2], [4]], "dy": 1},
                {"y": 13, "predictions": [[1], [-5]]},
            ),
        ),
    ),
    with_gradient(
        "binary_cross_entropy",
        "logits",
        "e = −1/M Σ_i w·t[i]·log σ(x[i]) + (1 − t[i])·log(1 − σ(x[i]))",
        "B6",
        lambda loss, a: loss(a.logits, a.targets, **a.options),
        fixed=(
            with_targets((2, 2), [[1, 0], [0, 1]], Fraction(5, 2)),
            with_targets((3,), [1, 0.5, 0.25], 1),
            with_targets((1, 1, 2, 1), [[[[0], [0.75]]]], Fraction(2, 7)),
        ),
        cases=answer_cases,
        worked=(
            # σ(log 3) is ¾, and σ(−log 4) is ⅕.
            Pin(
                "twice log 4/3, and log 5/4",
                {"logits": np.log([3, 0.25]), "dy": 1},
                {"y": np.log(20 / 9) / 2, "logits": [-0.25, 0.1]},
                {"pos_weight": 2},
                {"targets": np.array([1, 0])},
            ),
        ),
    ),
)
