"""Depthwise and depthwise separable convolution."""

from refconv.verify.case import Case
from refconv.verify.operator import Derivative, Operator
from refconv.verify.strategies import depthwise_cases, separable_cases

__all__ = ["OPERATORS"]

FIRST = {"data_format": "channels_first"}

OPERATORS = (
    Operator(
        name="depthwise_conv2d",
        family="separable",
        ids="C7",
        formula="y[b,i,j,c·Q+q] = bias[c·Q+q] + Σ_{m,n} x[b, i·S + m·D, j·S + n·D, c] · w[m,n,c,q]",
        forward=lambda conv, a: conv(a.x, a.w, a.b, **a.options),
        derivatives=(
            Derivative("depthwise_conv2d_dx", ("x",), lambda dx, a: dx(a.dy, a.w, a.size, **a.options)),
            Derivative("depthwise_conv2d_dw", ("w",), lambda dw, a: dw(a.x, a.dy, a.w.shape[:2], **a.options)),
            Derivative("conv2d_db", ("b",), lambda db, a: db(a.dy, **a.only("data_format"))),
        ),
        fixed=(
            Case({"x": (1, 3, 4, 2), "w": (2, 3, 2, 3), "b": (6,)}),
            Case({"x": (2, 4, 3, 2), "w": (3, 2, 2, 1), "b": (2,)}, dict(stride=(2, 1), padding=((1, 0), (0, 2)))),
            Case({"x": (1, 2, 5, 4), "w": (2, 1, 2, 2), "b": (4,)}, dict(padding="same", dilation=(3, 1), **FIRST)),
        ),
        cases=depthwise_cases,
    ),
    Operator(
        name="separable_conv2d",
        family="separable",
        ids="C7",
        formula="y[b,i,j,o] = bias[o] + Σ_{c,q} p[c·Q+q,o] · Σ_{m,n} x[b, i·S + m·D, j·S + n·D, c] · d[m,n,c,q]",
        forward=lambda conv, a: conv(a.x, a.depthwise, a.pointwise, a.b, **a.options),
        derivatives=(
            Derivative(
                "separable_conv2d_grads",
                ("x", "depthwise", "pointwise"),
                lambda grads, a: grads(a.dy, a.x, a.depthwise, a.pointwise, **a.options),
            ),
            Derivative("conv2d_db", ("b",), lambda db, a: db(a.dy, **a.only("data_format"))),
        ),
        fixed=(
            Case({"x": (1, 3, 4, 2), "depthwise": (2, 3, 2, 1), "pointwise": (1, 1, 2, 3), "b": (3,)}),
            Case(
                {"x": (1, 4, 3, 1), "depthwise": (3, 2, 1, 2), "pointwise": (1, 1, 2, 3), "b": (3,)},
                dict(stride=(2, 1), padding=((1, 0), (0, 2))),
            ),
            Case(
                {"x": (1, 2, 3, 4), "depthwise": (2, 1, 2, 2), "pointwise": (1, 1, 4, 1), "b": (1,)},
                dict(padding="same", dilation=(3, 1), **FIRST),
            ),
        ),
        cases=separable_cases,
    ),
)
