"""Rows of the transposed convolution."""

from dataclasses import replace

import numpy as np

import refconv
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import conv_transpose_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["FORMS", "OPERATORS"]

FIRST = {"data_format": "channels_first"}


def transposed(ndim, formula, ids, fixed):
    name = f"conv_transpose{ndim}d"

    def window(a):
        return {option: number for option, number in a.options.items() if option != "output_padding"}

    def matrix(a):
        """Return Tᵀ of the underlying convolution."""
        if "data_format" in a.options:
            return None
        size = refconv.Window(a.w.shape[:ndim], **a.only("stride", "padding", "dilation")).transposed_output_size(
            a.size, a.options.get("output_padding", 0)
        )
        T = getattr(refconv, f"toeplitz{ndim}d")(a.w, size, **window(a))
        # With an output padding of the stride or more, the convolution has more outputs than x has pixels.
        outputs = refconv.Window(a.w.shape[:ndim], **a.only("stride", "padding", "dilation")).output_size(size)
        T = T.reshape(*outputs, -1, T.shape[-1])[tuple(map(slice, a.size))]
        return T.reshape(-1, T.shape[-1]).T

    return Operator(
        name=name,
        family="conv_transpose",
        ids=ids,
        formula=formula,
        forward=lambda conv, a: conv(a.x, a.w, a.b, **a.options),
        derivatives=(
            Derivative(f"{name}_dx", ("x",), lambda dx, a: dx(a.dy, a.w, **a.options)),
            Derivative(f"{name}_dw", ("w",), lambda dw, a: dw(a.x, a.dy, a.w.shape[:ndim], **a.options)),
            Derivative(f"{name}_db", ("b",), lambda db, a: db(a.dy, **a.only("data_format"))),
        ),
        fixed=fixed,
        cases=lambda: conv_transpose_cases(ndim),
        refused_cases=lambda: conv_transpose_cases(ndim, refused=True),
        matrix=matrix,
    )


OPERATORS = (
    transposed(
        1,
        "y[b,u,o] = bias[o] + Σ_{i,m: i·S + m·D = u} Σ_c x[b,i,c] · w[m,o,c]",
        "C1–C3, C5, C8, D10",
        (
            Case({"x": (2, 3, 1), "w": (2, 3, 1), "b": (3,)}),
            Case(
                {"x": (1, 3, 4), "w": (3, 3, 4), "b": (6,)},
                dict(stride=3, padding=((2, 1),), output_padding=2, dilation=2, groups=2),
            ),
            Case({"x": (1, 4, 2), "w": (2, 3, 2), "b": (3,)}, dict(stride=2, padding=1, output_padding=4, dilation=5)),
            Case(
                {"x": (2, 4, 3), "w": (3, 1, 4), "b": (2,)},
                dict(stride=2, padding="same", output_padding=1, dilation=2, groups=2, **FIRST),
            ),
        ),
    ),
    transposed(
        2,
        "y[b,u,v,o] = bias[o] + Σ_{i,m: i·S + m·D = u; j,n: j·S + n·D = v} Σ_c x[b,i,j,c] · w[m,n,o,c]",
        "C1–C3, C5, D10",
        (
            Case({"x": (2, 2, 3, 1), "w": (3, 2, 2, 1), "b": (2,)}),
            Case({"x": (1, 3, 3, 2), "w": (3, 3, 1, 2), "b": (1,)}, dict(stride=2, padding=1, output_padding=1)),
            Case(
                {"x": (1, 2, 3, 4), "w": (2, 3, 3, 4), "b": (6,)},
                dict(stride=(3, 1), padding=((0, 1), (2, 1)), output_padding=(1, 0), dilation=(2, 1), groups=2),
            ),
            Case(
                {"x": (1, 2, 3, 2), "w": (2, 3, 1, 2), "b": (2,)},
                dict(stride=(1, 2), padding="same", output_padding=(0, 1), dilation=(2, 1), groups=2, **FIRST),
            ),
            Case(
                {"x": (1, 3, 2, 1), "w": (2, 3, 1, 1), "b": (1,)},
                dict(stride=(3, 2), padding="same_lower", output_padding=None),
            ),
        ),
    ),
)


def stuffed(loop, a):
    """Compute the transposed convolution by the loop with zero stuffing, in any data format."""
    channels_first = "data_format" in a.options and a.options["data_format"] == "channels_first"
    window = refconv.Window(a.w.shape[:2], **a.only("stride", "padding", "dilation"))
    size = window.transposed_output_size(a.size, a.options.get("output_padding", 0))
    x = np.moveaxis(a.x, 1, -1) if channels_first else a.x
    y = loop(x, a.w, a.b, size, window, a.options.get("groups", 1))
    return np.moveaxis(y, -1, 1) if channels_first else y


FORMS = (
    replace(
        OPERATORS[1],
        name="zero_stuffed_conv_transpose2d",
        ids="C2",
        formula="y[b,u,v,o] = bias[o] + Σ_{m,n,c} s[b, u − m·D, v − n·D, c] · w[m,n,o,c], s[b, i·S, j·S, c] = x[b,i,j,c]",
        forward=stuffed,
        draws=12,
        worked=(
            Pin(
                "two pixels stamp a 2 × 2 kernel, two columns apart",
                {
                    "x": np.reshape([1, 10], (1, 1, 2, 1)),
                    "w": np.reshape([[1, 2], [3, 5]], (2, 2, 1, 1)),
                    "b": [0.5],
                    "dy": np.reshape([[1, 0, 0, 0], [0, 0, 0, 100]], (1, 2, 4, 1)),
                },
                {
                    "y": np.reshape([[1.5, 2.5, 10.5, 20.5], [3.5, 5.5, 30.5, 50.5]], (1, 2, 4, 1)),
                    "x": np.reshape([1, 500], (1, 1, 2, 1)),
                    "w": np.reshape([[1, 0], [0, 1000]], (2, 2, 1, 1)),
                },
                {"stride": (1, 2)},
            ),
        ),
        definition=OPERATORS[1].results,
        like="conv_transpose2d",
    ),
)
