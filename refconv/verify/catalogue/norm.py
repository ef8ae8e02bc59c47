"""Batch normalisation."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

import refconv
from refconv.ops.check import scalar
from refconv.verify.case import Case
from refconv.verify.layers import prepare
from refconv.verify.operator import Derivative, Operator, Pin
from refconv.verify.strategies import norm_cases

__all__ = ["FORMS", "OPERATORS"]


def shapes(*x, channel=-1, given=False):
    """x, and its vectors of one number a channel; with a mean and a variance where they are given."""
    vectors = ("gamma", "beta", "mean", "var") if given else ("gamma", "beta")
    return {"x": x, **dict.fromkeys(vectors, (x[channel],))}


def grads(function, a):
    _, mean, var = refconv.batch_norm(a.x, a.gamma, a.beta, **a.options)
    return function(a.dy, a.x, a.gamma, mean, var, **a.options)


def averages(average, a):
    """Return the averages of mean and biased variance after the batches x and next; both statistics are written as sums."""
    mean, var, momentum = a.mean, a.var, scalar("momentum", a.momentum, a.x)
    for x in (a.x, a.next):
        mu = sum(x) / len(x)
        mean = average(mean, mu, momentum)
        var = average(var, sum((x - mu) ** 2) / len(x), momentum)
    return np.stack([mean, var])


def averages_of_the_layer(a):
    """Return the averages that :class:`refconv.nn.BatchNorm` keeps after the two batches."""
    layer = refconv.nn.BatchNorm(momentum=float(a.momentum))
    prepare(layer, a)
    layer.momentum = scalar("momentum", a.momentum, a.x)
    for x in (a.x, a.next):
        layer.forward(x, train=True)
    return {"y": np.stack([layer["mean"].value, layer["var"].value])}


def two_batches(N, C, momentum):
    """Return the case of two batches of N examples with C channels."""
    shapes = {"x": (N, C), "next": (N, C), "mean": (C,), "var": (C,)}
    return Case(shapes, given={"momentum": momentum}, positive=("var",))


# μ is 3 and 3 in the first batch, 5 and 3 in the second; the biased σ² is 4 and 1, then 9 and 9.
SLIDE = Pin(
    "τ = 0.99, two batches of two examples",
    {"x": [[1, 2], [5, 4]], "next": [[2, 0], [8, 6]], "mean": [0, 10], "var": [1, 4]},
    {"y": [[0.0797, 9.8607], [1.1097, 4.0203]]},
    given={"momentum": 0.99},
)

EPS = {"eps": Fraction(1, 7)}
FIRST = {"data_format": "channels_first"}

OPERATORS = (
    Operator(
        name="batch_norm",
        family="norm",
        ids="A13, A16, A17",
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

FORMS = (
    Operator(
        name="running_average",
        family="norm",
        ids="A14",
        formula="μ̂[c] ← τ · μ̂[c] + (1 − τ) · μ[c], and the same for σ²",
        forward=averages,
        derivatives=(),
        fixed=(two_batches(2, 2, Fraction(99, 100)), two_batches(3, 1, Fraction(2, 7))),
        cases=lambda: st.builds(two_batches, st.integers(1, 5), st.integers(1, 6), st.sampled_from([0.99, 0.25, 0.0, 1.0])),
        nature="smooth",
        slack=256,
        draws=20,
        worked=(SLIDE,),
        definition=averages_of_the_layer,
    ),
)
