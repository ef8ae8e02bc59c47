"""Rows of the convolution layer."""

import numpy as np
from hypothesis import strategies as st

import refconv
from refconv.verify.case import Arguments, Case
from refconv.verify.catalogue.strategies import conv_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["FORMS", "OPERATORS"]


def layer(ndim, formula, ids, fixed):
    def kernel(a):
        return a.w.shape[:ndim]

    def matrix(a):
        return None if "data_format" in a.options else getattr(refconv, f"toeplitz{ndim}d")(a.w, a.size, **a.options)

    return Operator(
        name=f"conv{ndim}d",
        family="conv",
        ids=ids,
        formula=formula,
        forward=lambda conv, a: conv(a.x, a.w, a.b, **a.options),
        derivatives=(
            Derivative(f"conv{ndim}d_dx", ("x",), lambda dx, a: dx(a.dy, a.w, a.size, **a.options)),
            Derivative(f"conv{ndim}d_dw", ("w",), lambda dw, a: dw(a.x, a.dy, kernel(a), **a.options)),
            Derivative(f"conv{ndim}d_db", ("b",), lambda db, a: db(a.dy, **a.only("data_format"))),
        ),
        fixed=fixed,
        cases=lambda: conv_cases(ndim),
        matrix=matrix,
    )


FIRST = {"data_format": "channels_first"}

OPERATORS = (
    layer(
        1,
        "y[b,i,o] = bias[o] + Σ_{m,c} x[b, i·S + m·D, c] · w[m,c,o]",
        "A7, A9, A10, B3, B4, C4, C5, C8",
        (
            Case({"x": (2, 5, 1), "w": (3, 1, 2), "b": (2,)}),
            Case({"x": (1, 8, 4), "w": (3, 2, 6), "b": (6,)}, dict(stride=2, padding=((2, 1),), dilation=2, groups=2)),
            Case({"x": (2, 3, 5), "w": (3, 3, 2), "b": (2,)}, dict(stride=3, padding="same", **FIRST)),
        ),
    ),
    layer(
        2,
        "y[b,i,j,o] = bias[o] + Σ_{m,n,c} x[b, i·S + m·D, j·S + n·D, c] · w[m,n,c,o]",
        "A5–A7, A9, A10, B3, B4, C4, C5",
        (
            Case({"x": (2, 3, 4, 1), "w": (2, 3, 1, 1), "b": (1,)}),
            Case({"x": (1, 5, 4, 2), "w": (2, 3, 2, 3), "b": (3,)}, dict(stride=(2, 1), padding=((0, 1), (2, 0)))),
            Case({"x": (1, 4, 5, 2), "w": (3, 2, 2, 1), "b": (1,)}, dict(stride=(3, 2), padding="same", dilation=(1, 2))),
            Case({"x": (1, 4, 3, 4), "w": (1, 2, 2, 6), "b": (6,)}, dict(padding="full", groups=2, dilation=(1, 2))),
            Case({"x": (1, 4, 4, 2), "w": (2, 1, 2, 6), "b": (6,)}, dict(groups=2, stride=(2, 1), **FIRST)),
            Case({"x": (1, 5, 4, 2), "w": (3, 2, 2, 1), "b": (1,)}, dict(stride=(3, 2), padding="same", dilation=(1, 2))),
        ),
    ),
)


def as_layer(a):
    """Return conv2d of one image with one channel and padding f, and both derivatives."""
    arrays = {"x": a.x[None, ..., None], "w": a.w[..., None, None], "b": np.zeros(1, a.x.dtype), "dy": a.dy[None, ..., None]}
    results = OPERATORS[1].results(Arguments(arrays, {"padding": a.w.shape[0] // 2}, {}))
    return {"y": results["y"][0, ..., 0], "x": results["x"][0, ..., 0], "w": results["w"][..., 0, 0]}


def one_channel(size, reach):
    """Return the case of one image and a filter with indices from −reach to reach."""
    return Case({"x": tuple(size), "w": (2 * reach + 1,) * 2})


FORMS = (
    Operator(
        name="centred_correlation",
        family="conv",
        ids="B3, B4",
        formula="z[k,l] = Σ_{i,j=−f}^f w[i,j] · x[k+i, l+j]",
        forward=lambda correlate, a: correlate(a.x, a.w),
        derivatives=(
            Derivative("centred_correlation_dw", ("w",), lambda dw, a: dw(a.x, a.dy, a.w.shape[0] // 2)),
            Derivative("centred_correlation_dx", ("x",), lambda dx, a: dx(a.dy, a.w)),
        ),
        fixed=(one_channel((3, 4), 1), one_channel((2, 5), 2), one_channel((4, 2), 0)),
        cases=lambda: st.builds(
            one_channel, st.lists(st.integers(1, 6), min_size=2, max_size=2, unique=True), st.integers(0, 2)
        ),
        draws=20,
        worked=(
            Pin(
                "a 2 × 2 image and a filter of three weights",
                {"x": [[1, 2], [3, 4]], "w": [[0, 0, 0], [0, 1, 10], [0, 100, 0]], "dy": [[1, 10], [0, 0]]},
                {
                    "y": [[321, 402], [43, 4]],
                    "w": [[0, 0, 0], [10, 21, 2], [30, 43, 4]],
                    "x": [[1, 20], [100, 1000]],
                },
            ),
        ),
        definition=as_layer,
    ),
)
