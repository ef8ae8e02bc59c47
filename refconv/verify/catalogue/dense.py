"""Row of the dense layer."""

from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import dense_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]

OPERATORS = (
    Operator(
        name="dense",
        family="dense",
        ids="A8",
        formula="y[b,o] = bias[o] + Σ_c x[b,c] · w[c,o]",
        forward=lambda dense, a: dense(a.x, a.w, a.b),
        derivatives=(
            Derivative("dense_dx", ("x",), lambda dx, a: dx(a.dy, a.w)),
            Derivative("dense_dw", ("w",), lambda dw, a: dw(a.x, a.dy)),
            Derivative("dense_db", ("b",), lambda db, a: db(a.dy)),
        ),
        fixed=(
            Case({"x": (2, 3), "w": (3, 4), "b": (4,)}),
            Case({"x": (3, 1), "w": (1, 2), "b": (2,)}),
            Case({"x": (1, 5), "w": (5, 2), "b": (2,)}),
        ),
        cases=dense_cases,
    ),
)
