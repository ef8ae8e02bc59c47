"""Rows of max pooling."""

import numpy as np

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import pool_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["OPERATORS"]

FIRST = {"data_format": "channels_first"}


def max_pool(ndim, formula, fixed, pins):
    def argmax(a):
        return getattr(refconv, f"max_pool{ndim}d_with_argmax")(a.x, a.kernel_size, **a.options)[1]

    def dx(function, a):
        return function(a.dy, argmax(a), a.size, **a.only("data_format"))

    return Operator(
        name=f"max_pool{ndim}d",
        family="max_pool",
        ids="A11, B5, C9, C10",
        formula=formula,
        forward=lambda pool, a: pool(a.x, a.kernel_size, **a.options),
        derivatives=(Derivative(f"max_pool{ndim}d_dx", ("x",), dx),),
        fixed=fixed,
        cases=lambda: pool_cases(ndim),
        refused_cases=lambda: pool_cases(ndim, refused=True),
        nature="rational",
        pins=pins,
        further={"argmax": argmax},
    )


def tied(x, window, dx):
    """Return an example with equal maxima in a single window, where ∂e/∂y is 7."""
    x, dx = np.array(x)[None, ..., None], np.array(dx)[None, ..., None]
    dy = np.full((1,) * x.ndim, 7.0)
    description = "the first of equal values in row-major order gets all of ∂e/∂y"
    return Pin(description, {"x": x, "dy": dy}, {"x": dx}, given={"kernel_size": window})


OPERATORS = (
    max_pool(
        1,
        "y[i,c] = max_m x[i·S+m·D, c]",
        (
            Case({"x": (2, 5, 3)}, dict(stride=2), {"kernel_size": 3}),
            Case({"x": (1, 7, 2)}, dict(stride=3, padding=((2, 1),), dilation=2, ceil_mode=True), {"kernel_size": 3}),
            Case({"x": (1, 2, 6)}, dict(stride=1, padding="same", **FIRST), {"kernel_size": 2}),
            Case({"x": (1, 3, 2)}, dict(ceil_mode=True), {"kernel_size": 4}),
        ),
        (tied([2.0, 5, 5, 1], 4, [0, 7, 0, 0]),),
    ),
    max_pool(
        2,
        "y[i,j,c] = max_{m,n} x[i·S+m·D, j·S+n·D, c]",
        (
            Case({"x": (2, 4, 6, 1)}, {}, {"kernel_size": (2, 3)}),
            Case({"x": (1, 5, 4, 2)}, dict(stride=(1, 2), padding=((1, 0), (0, 1))), {"kernel_size": (3, 2)}),
            Case(
                {"x": (1, 5, 7, 2)}, dict(stride=(2, 3), padding=1, dilation=(2, 1), ceil_mode=True), {"kernel_size": (2, 3)}
            ),
            Case({"x": (1, 2, 4, 5)}, dict(stride=(2, 1), padding="same", **FIRST), {"kernel_size": (3, 2)}),
        ),
        (tied([[1.0, 5, 3], [5, 5, 0]], (2, 3), [[0, 7, 0], [0, 0, 0]]),),
    ),
)
