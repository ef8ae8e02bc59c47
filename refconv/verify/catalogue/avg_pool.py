"""Rows of average pooling."""

from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import global_pool_cases, pool_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]

FIRST = {"data_format": "channels_first"}
BORDER = {"padding": 1, "ceil_mode": True, "count_include_pad": True}


def avg_pool(ndim, formula, fixed):
    return Operator(
        name=f"avg_pool{ndim}d",
        family="avg_pool",
        ids="A11, C9, C10",
        formula=formula,
        forward=lambda pool, a: pool(a.x, a.kernel_size, **a.options),
        derivatives=(Derivative(f"avg_pool{ndim}d_dx", ("x",), lambda dx, a: dx(a.dy, a.kernel_size, a.size, **a.options)),),
        fixed=fixed,
        cases=lambda: pool_cases(ndim, average=True),
        refused_cases=lambda: pool_cases(ndim, average=True, refused=True),
        nature="rational",
    )


def global_avg_pool(ndim, formula, fixed):
    def dx(function, a):
        return function(a.dy, a.size, **a.options)

    return Operator(
        name=f"global_avg_pool{ndim}d",
        family="avg_pool",
        ids="A11, M6",
        formula=formula,
        forward=lambda pool, a: pool(a.x, **a.options),
        derivatives=(Derivative(f"global_avg_pool{ndim}d_dx", ("x",), dx),),
        fixed=fixed,
        cases=lambda: global_pool_cases(ndim),
        nature="rational",
    )


OPERATORS = (
    avg_pool(
        1,
        "y[i,c] = Σ_m x[i·S+m·D, c] / count[i]",
        (
            Case({"x": (2, 5, 3)}, dict(stride=2), {"kernel_size": 3}),
            Case(
                {"x": (1, 6, 2)}, dict(stride=2, padding=((2, 1),), ceil_mode=True, count_include_pad=True), {"kernel_size": 3}
            ),
            Case({"x": (1, 2, 6)}, dict(stride=1, padding="same", **FIRST), {"kernel_size": 4}),
            Case({"x": (1, 3, 2)}, dict(padding=((1, 0),), ceil_mode=True), {"kernel_size": 6}),
            Case({"x": (1, 7, 2)}, dict(stride=2, padding=1, dilation=3), {"kernel_size": 2}),
        ),
    ),
    avg_pool(
        2,
        "y[i,j,c] = Σ_{m,n} x[i·S+m·D, j·S+n·D, c] / count[i,j]",
        (
            Case({"x": (2, 4, 6, 1)}, {}, {"kernel_size": (2, 3)}),
            Case({"x": (1, 5, 4, 2)}, dict(stride=(1, 2), padding=((1, 0), (0, 1))), {"kernel_size": (3, 2)}),
            Case({"x": (1, 4, 5, 2)}, {**BORDER, "stride": (3, 2)}, {"kernel_size": (2, 3)}),
            Case({"x": (1, 2, 4, 5)}, dict(stride=(2, 1), padding="same", **FIRST), {"kernel_size": (3, 2)}),
        ),
    ),
    global_avg_pool(
        1,
        "y[c] = Σ_u x[u, c] / n",
        (Case({"x": (2, 5, 3)}), Case({"x": (1, 2, 6)}, FIRST)),
    ),
    global_avg_pool(
        2,
        "y[c] = Σ_{u,v} x[u, v, c] / (H·W)",
        (Case({"x": (2, 4, 3, 1)}), Case({"x": (1, 2, 4, 3)}, FIRST)),
    ),
)
