"""Rows of im2col, col2im, Toeplitz matrices and zero stuffing.

The Toeplitz matrices are also evidence for the derivatives of convolutions, as T and Tᵀ.
"""

import numpy as np

import refconv
from refconv._arguments import per_axis
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import col2im_cases, im2col_cases, toeplitz_cases, zero_stuff_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]

FIRST = {"data_format": "channels_first"}


def toeplitz(ndim, formula, fixed):
    def dw(function, a):
        """Compute ∂e/∂w as a sum over unit inputs: column k of T is the output for unit input k."""
        size = per_axis("input_size", a.input_size, ndim)
        inputs = a.w.shape[-2] * a.options.get("groups", 1)
        units = np.eye(a.dy.shape[1], dtype=a.dy.dtype).reshape(-1, *size, inputs)
        window = refconv.Window(a.w.shape[:ndim], **a.only("stride", "padding", "dilation"))
        dy = a.dy.T.reshape(-1, *window.output_size(size), a.w.shape[-1])
        return function(units, dy, a.w.shape[:ndim], **a.options)

    return Operator(
        name=f"toeplitz{ndim}d",
        family="matrix",
        ids="C2, C8",
        formula=formula,
        forward=lambda toeplitz, a: toeplitz(a.w, a.input_size, **a.options),
        derivatives=(Derivative(f"conv{ndim}d_dw", ("w",), dw),),
        fixed=fixed,
        cases=lambda: toeplitz_cases(ndim),
    )


def skip_zeros(_, a):
    """Compute ∂e/∂x of zero stuffing: select every S-th pixel by a 1×1 convolution."""
    channels = a.x.shape[1 if a.options.get("data_format") == "channels_first" else -1]
    unit = np.eye(channels, dtype=a.dy.dtype)
    if a.x.ndim == 3:
        return refconv.conv1d(a.dy, unit[None], stride=a.stride, **a.options)
    return refconv.conv2d(a.dy, unit[None, None], stride=a.stride, **a.options)


OPERATORS = (
    Operator(
        name="im2col",
        family="matrix",
        ids="B2",
        formula="M[(m,n,c), (b,i,j)] = x[b, i·S+m·D, j·S+n·D, c]",
        forward=lambda im2col, a: im2col(a.x, a.kernel_size, **a.options),
        derivatives=(Derivative("col2im", ("x",), lambda dx, a: dx(a.dy, a.size, a.kernel_size, **a.options)),),
        fixed=(
            Case({"x": (2, 3, 4, 1)}, {}, {"kernel_size": (2, 3)}),
            Case({"x": (1, 5, 4, 2)}, dict(stride=(2, 1), padding=((1, 0), (0, 2))), {"kernel_size": (3, 2)}),
            Case({"x": (1, 2, 5, 4)}, dict(padding="same", dilation=(2, 1), **FIRST), {"kernel_size": (2, 4)}),
        ),
        cases=im2col_cases,
    ),
    Operator(
        name="col2im",
        family="matrix",
        ids="B2",
        formula="x[b,u,v,c] = Σ_{i,m: i·S+m·D=u; j,n: j·S+n·D=v} M[(m,n,c), (b,i,j)]",
        forward=lambda col2im, a: col2im(a.x, a.input_size, a.kernel_size, **a.options),
        derivatives=(Derivative("im2col", ("x",), lambda dx, a: dx(a.dy, a.kernel_size, **a.options)),),
        fixed=(
            Case({"x": (6, 8)}, {}, {"kernel_size": (2, 3), "input_size": (3, 4)}),
            Case(
                {"x": (12, 8)},
                dict(stride=(2, 1), padding=((1, 0), (0, 2))),
                {"kernel_size": (3, 2), "input_size": (4, 3)},
            ),
            Case({"x": (4, 6)}, dict(stride=(1, 2), dilation=(2, 1), **FIRST), {"kernel_size": (2, 1), "input_size": (4, 5)}),
        ),
        cases=col2im_cases,
    ),
    toeplitz(
        1,
        "T[(i,o), (i·S+m·D, c)] = w[m,c,o]",
        (
            Case({"w": (3, 1, 2)}, {}, {"input_size": 5}),
            Case({"w": (2, 2, 6)}, dict(stride=2, padding="same", dilation=2, groups=2), {"input_size": 8}),
        ),
    ),
    toeplitz(
        2,
        "T[(i,j,o), (i·S+m·D, j·S+n·D, c)] = w[m,n,c,o]",
        (
            Case({"w": (2, 3, 1, 2)}, {}, {"input_size": (3, 4)}),
            Case({"w": (3, 1, 2, 6)}, dict(stride=(2, 1), padding=1, dilation=(1, 2), groups=2), {"input_size": (4, 2)}),
        ),
    ),
    Operator(
        name="zero_stuff",
        family="matrix",
        ids="C2",
        formula="y[i·S, j·S, c] = x[i,j,c], zero elsewhere",
        forward=lambda zero_stuff, a: zero_stuff(a.x, a.stride, **a.options),
        derivatives=(Derivative("conv2d", ("x",), skip_zeros),),
        fixed=(Case({"x": (2, 3, 4)}, {}, {"stride": 3}), Case({"x": (1, 3, 2, 4)}, FIRST, {"stride": (2, 3)})),
        cases=zero_stuff_cases,
    ),
)
