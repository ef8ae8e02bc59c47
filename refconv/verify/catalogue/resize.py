"""Rows of padding and upsampling."""

from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import pad_cases, upsample_cases
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
)
