"""Rows of depthwise and depthwise separable convolution."""

import numpy as np
from hypothesis import strategies as st

from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import depthwise_cases, separable_cases
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["FORMS", "OPERATORS"]

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
            Derivative("depthwise_conv2d_db", ("b",), lambda db, a: db(a.dy, **a.only("data_format"))),
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
                lambda grads, a: grads(a.dy, x=a.x, depthwise=a.depthwise, pointwise=a.pointwise, **a.options),
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


def kernel_of(a):
    """Return the kernel of a case, or the product of its column u and its row v."""
    return a.kernel if "kernel" in a.arrays else np.outer(a.u, a.v)


def factors(a):
    """Return column and row, read from the first nonzero column and row of the kernel."""
    kernel = kernel_of(a)
    if not kernel.any():
        return {"y": np.zeros(sum(kernel.shape), kernel.dtype)}
    i, j = np.argwhere(kernel)[0][0], np.flatnonzero(kernel.any(0))[0]
    return {"y": np.concatenate([kernel[:, j], kernel[i] / kernel[i, j]])}


def concatenated_factors(separate, a):
    """Return the column and the row, concatenated."""
    return np.concatenate(separate(kernel_of(a)))


def outer(kh, kw):
    """Return the case of a kernel that is the product of a column u and a row v."""
    return Case({"u": (kh,), "v": (kw,)}, positive=("v",))


FORMS = (
    Operator(
        name="separate_rank1",
        family="separable",
        ids="C6",
        formula="K[m,n] = column[m] · row[n]",
        forward=concatenated_factors,
        derivatives=(),
        fixed=(outer(3, 2), outer(1, 4), outer(5, 3)),
        cases=lambda: st.builds(outer, st.integers(1, 6), st.integers(1, 6)),
        nature="smooth",
        draws=20,
        worked=(
            Pin("the slide's kernel", {"kernel": [[3, 6, 9], [4, 8, 12], [5, 10, 15]]}, {"y": [3, 4, 5, 1, 2, 3]}),
            Pin("a first column of zeros", {"kernel": [[0, -10, 20], [0, 15, -30]]}, {"y": [-10, 15, 0, 1, -2]}),
            Pin("the zero kernel", {"kernel": [[0, 0, 0], [0, 0, 0]]}, {"y": [0, 0, 0, 0, 0]}),
            Pin(
                "one changed entry, so the rank is not one",
                {"kernel": [[3, 6, 9], [4, 8, 12], [5, 10, 14]]},
                refused="kernel must be of rank 1, got numerical rank 2",
            ),
        ),
        definition=factors,
        without=("symbolic",),  # the loop computes singular vectors, which is impossible with symbols
    ),
)
