"""Rows of batch normalisation."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

import refconv
from refconv.ops.check import scalar
from refconv.verify.case import Case
from refconv.verify.catalogue.layer_functions import prepare
from refconv.verify.catalogue.strategies import FORMATS, norm_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["FORMS", "OPERATORS"]


def shapes(*x, channel=-1, given=False):
    """Return the shapes of x and of the vectors for its channels.

    If ``given`` is True, these include a mean and a variance.
    """
    vectors = ("gamma", "beta", "mean", "var") if given else ("gamma", "beta")
    return {"x": x, **dict.fromkeys(vectors, (x[channel],))}


def grads(function, a):
    _, mean, var = refconv.batch_norm(a.x, a.gamma, a.beta, **a.options)
    return function(a.dy, x=a.x, gamma=a.gamma, mean=mean, var=var, **a.options)


def rows(x, data_format):
    """Return x as a matrix with a column for each channel and a row for each example or pixel."""
    channels_last = np.moveaxis(x, 1, -1) if data_format == "channels_first" else x
    return channels_last.reshape(-1, channels_last.shape[-1])


def averages(average, a):
    """Return the running averages of mean and biased variance after the batches x and next.

    ``average(old, batch, momentum, t)`` returns an average after its t-th update. Mean and variance of a batch are computed as
    sums.
    """
    mean = a.mean
    var = a.var
    momentum = scalar("momentum", a.given.get("momentum", 0.99), a.x)
    for t, batch in enumerate((a.x, a.next), 1 + a.given.get("updates", 0)):
        x = rows(batch, a.options.get("data_format"))
        mu = sum(x) / len(x)
        mean = average(mean, mu, momentum, t)
        var = average(var, sum((x - mu) ** 2) / len(x), momentum, t)
    return np.stack([mean, var])


def averages_of_the_layer(formula):
    """Return a function that computes running averages of ``nn.BatchNorm`` after two batches.

    The backward function updates the averages. It is called twice for each batch, and must update them only once.
    """

    def definition(a):
        momentum = {"momentum": float(a.given["momentum"])} if "momentum" in a.given else {}
        layer = refconv.nn.BatchNorm(averages=formula, **a.options, **momentum)
        prepare(layer, a)
        layer.momentum = scalar("momentum", a.given.get("momentum", layer.momentum), a.x)
        layer.parameters["updates"].value = np.array(a.given.get("updates", 0), a.x.dtype)
        for x in (a.x, a.next):
            y, backward = layer.forward(x, train=True)
            backward(y)
            backward(y)
        return {"y": np.stack([layer.parameters["mean"].value, layer.parameters["var"].value])}

    return definition


def two_batches(shape, momentum, data_format="channels_last", **given):
    """Return the case of two batches of this shape, in either data format."""
    channels = (shape[1 if data_format == "channels_first" else -1],)
    shapes = {"x": shape, "next": shape, "mean": channels, "var": channels}
    return Case(shapes, {"data_format": data_format}, {"momentum": momentum, **given}, positive=("var",))


def batch_shapes():
    """Return the strategy for shapes of batches of at least two rows, signals or images."""
    return st.builds(lambda n, shape: (n, *shape), st.integers(2, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3))


# μ is 3 and 3 in the first batch, 5 and 3 in the second; the biased σ² is 4 and 1, then 9 and 9.
BATCHES = np.array([[1, 2], [5, 4]]), np.array([[2, 0], [8, 6]])


# By hand: w₁ = 1, so the first averages equal the first batch, and w₂ = 0.5 / (1 − 0.25) = 2/3 for τ = 0.5.
CORRECTED = [[3 + 2 / 3 * (5 - 3), 3], [4 + 2 / 3 * (9 - 4), 1 + 2 / 3 * (9 - 1)]]


def slide(description, shape, momentum=True, **options):
    """Return the worked example with batches of this shape and the options' data format."""
    x, following = (batch.T if options else batch for batch in BATCHES)
    return Pin(
        description,
        {"x": x.reshape(shape), "next": following.reshape(shape), "mean": [0, 10], "var": [1, 4]},
        {"y": [[0.0797, 9.8607], [1.1097, 4.0203]]},
        options,
        {"momentum": 0.99} if momentum else {},
    )


FIRST = {"data_format": "channels_first"}
SLIDES = (
    slide("τ = 0.99, two batches of two examples", (2, 2)),
    slide("τ is 0.99 by default", (2, 2), momentum=False),
    slide("two batches of an image with two pixels", (1, 2, 1, 2)),
    slide("the same image with channels first", (1, 2, 1, 2), **FIRST),
)

CORRECTED_SLIDE = replace(
    slide("τ = 0.5: the first batch replaces the initial averages, the second has the weight 2/3", (2, 2)),
    expected={"y": CORRECTED},
    given={"momentum": 0.5},
)

EPS = {"eps": Fraction(1, 7)}


def layer(a, w, b):
    """Return the output of a dense layer or, for images, of a convolution layer."""
    return refconv.dense(a.x, w, b) if a.x.ndim == 2 else refconv.conv2d(a.x, w.reshape(a.w.shape), b)


def folded(fold, a):
    """Return the output of the layer with folded weights."""
    vectors = {name: a.arrays[name] for name in ("gamma", "beta", "mean", "var")}
    return layer(a, *fold(a.w.reshape(-1, len(a.b)), a.b, **vectors, eps=scalar("eps", a.given["eps"], a.x)))


def separate(a):
    """Return the output of the layer and of the batch normalisation after it."""
    y = layer(a, a.w, a.b)
    return {"y": refconv.batch_norm_inference(y, a.gamma, a.beta, a.mean, a.var, eps=scalar("eps", a.given["eps"], a.x))}


def folded_case(x, w, eps=Fraction(1, 7)):
    """Return the case of a layer with inputs x and weights of these shapes."""
    vectors = dict.fromkeys(("b", "gamma", "beta", "mean", "var"), w[-1:])
    return Case({"x": x, "w": w, **vectors}, {}, {"eps": eps}, positive=("var",))


FOLDED = Pin(
    "two inputs, γ = 6 and σ̂² + ε = 9",
    {"x": [[1, 10]], "w": [[1], [2]], "b": [7], "gamma": [6], "beta": [1], "mean": [5], "var": [8]},
    {"y": [[2 * (21 + 7 - 5) + 1]]},
    {},
    {"eps": 1},
)

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
                lambda grads, a: grads(a.dy, x=a.x, gamma=a.gamma, mean=a.mean, var=a.var, **a.options),
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
        forward=lambda average, a: averages(lambda old, batch, momentum, t: average(old, batch, momentum), a),
        derivatives=(),
        fixed=(
            two_batches((2, 2), Fraction(99, 100)),
            two_batches((1, 2, 3, 1), Fraction(2, 7), **FIRST),
            two_batches((1, 3, 1, 2), Fraction(2, 7)),
        ),
        cases=lambda: st.builds(
            two_batches, batch_shapes(), st.sampled_from([0.99, 0.25, 0.0, 1.0]), st.sampled_from(FORMATS)
        ),
        nature="smooth",
        slack=256,
        draws=20,
        worked=SLIDES,
        definition=averages_of_the_layer("lecture"),
    ),
    Operator(
        name="corrected_average",
        family="norm",
        ids="A14",
        formula="μ̂[c] ← μ̂[c] + (μ[c] − μ̂[c]) / (1 + τ + … + τᵗ⁻¹), and the same for σ²",
        forward=averages,
        derivatives=(),
        fixed=(
            two_batches((2, 2), Fraction(99, 100)),
            two_batches((3, 2), Fraction(1), updates=2),
            two_batches((1, 2, 3, 1), Fraction(2, 7), **FIRST, updates=3),
            two_batches((1, 3, 1, 2), Fraction(2, 7)),
        ),
        cases=lambda: st.builds(
            two_batches,
            batch_shapes(),
            st.sampled_from([0.99, 0.25, 0.0, 1.0]),
            st.sampled_from(FORMATS),
            updates=st.integers(0, 5),
        ),
        nature="smooth",
        slack=256,
        draws=20,
        worked=(CORRECTED_SLIDE,),
        definition=averages_of_the_layer("corrected"),
    ),
    Operator(
        name="folded_batch_norm",
        family="norm",
        ids="A15, A16",
        formula="w′[k,o] = a[o] · w[k,o], b′[o] = β[o] + a[o] · (b[o] − μ̂[o]), with a = γ / √(σ̂² + ε)",
        forward=folded,
        derivatives=(),
        fixed=(folded_case((2, 3), (3, 2)), folded_case((1, 2, 3, 2), (2, 1, 2, 3))),
        cases=lambda: st.one_of(
            st.builds(lambda n, k, o: folded_case((n, k), (k, o), 0.25), *[st.integers(1, 5)] * 3),
            st.builds(lambda c, o: folded_case((2, 4, 5, c), (3, 2, c, o), 0.001), *[st.integers(1, 4)] * 2),
        ),
        nature="smooth",
        slack=500,
        draws=20,
        worked=(FOLDED,),
        definition=separate,
    ),
)
