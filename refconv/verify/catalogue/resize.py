"""Rows of padding, upsampling and adaptive pooling."""

from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import adaptive_pool_cases, pad_cases, upsample_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]

FIRST = {"data_format": "channels_first"}

OPERATORS = (
    Operator(
        name="pad",
        family="resize",
        ids="A9, M17",
        formula="y[u,v,c] = x[u−top, v−left, c] inside, and 0, the mirror image or the edge's pixel outside",
        forward=lambda pad, a: pad(a.x, a.padding, **a.options),
        derivatives=(Derivative("pad_dx", ("x",), lambda dx, a: dx(a.dy, a.padding, **a.options)),),
        fixed=(
            Case({"x": (1, 3, 4, 2)}, {}, {"padding": ((1, 0), (0, 2))}),
            Case({"x": (2, 3, 4, 1)}, dict(mode="reflect"), {"padding": ((2, 1), (1, 3))}),
            Case({"x": (2, 3, 1, 2)}, dict(mode="edge", **FIRST), {"padding": ((2, 1), (1, 3))}),
            Case({"x": (2, 4, 3)}, dict(mode="reflect"), {"padding": ((3, 1),)}),
        ),
        cases=pad_cases,
    ),
    Operator(
        name="upsample2d",
        family="resize",
        ids="M17",
        formula="y[u,v,c] = x[⌊u/S⌋, ⌊v/S⌋, c], or between the four pixels nearest to ((u+½)/S − ½, (v+½)/S − ½)",
        forward=lambda upsample, a: upsample(a.x, a.scale, **a.options),
        derivatives=(Derivative("upsample2d_dx", ("x",), lambda dx, a: dx(a.dy, a.scale, **a.options)),),
        fixed=(
            Case({"x": (1, 2, 3, 2)}, {}, {"scale": (3, 2)}),
            Case({"x": (2, 3, 2, 1)}, dict(mode="bilinear"), {"scale": (2, 3)}),
            Case({"x": (1, 3, 1, 4)}, dict(mode="bilinear", **FIRST), {"scale": (4, 2)}),
        ),
        cases=upsample_cases,
        nature="rational",
    ),
    Operator(
        name="adaptive_avg_pool2d",
        family="resize",
        ids="A11",
        formula="y[i,j,c] = mean of x[u,v,c] for ⌊i·H/K⌋ ≤ u < ⌈(i+1)·H/K⌉ and ⌊j·W/L⌋ ≤ v < ⌈(j+1)·W/L⌉",
        forward=lambda pool, a: pool(a.x, a.output_size, **a.options),
        derivatives=(Derivative("adaptive_avg_pool2d_dx", ("x",), lambda dx, a: dx(a.dy, a.size, **a.options)),),
        fixed=(
            Case({"x": (1, 5, 4, 2)}, {}, {"output_size": (2, 3)}),
            Case({"x": (2, 3, 4, 1)}, {}, {"output_size": (5, 2)}),
            Case({"x": (1, 2, 7, 3)}, FIRST, {"output_size": (4, 1)}),
        ),
        cases=adaptive_pool_cases,
        nature="rational",
    ),
)
