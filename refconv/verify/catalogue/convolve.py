"""Rows of plain convolution and cross-correlation; the derivative of each is the other."""

import numpy as np

from refconv.geometry import mode_window
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import convolve_cases
from refconv.verify.operator import Derivative, Operator

__all__ = ["OPERATORS"]


def from_full(function, a):
    """Compute ∂e/∂x: pad ∂e/∂y to the size of the full output, then apply the adjoint "valid"."""
    pads = mode_window(a.w.shape, a.options["mode"]).pads(a.x.shape)
    widths = [(k - 1 - before, k - 1 - after) for k, (before, after) in zip(a.w.shape, pads, strict=True)]
    return function(np.pad(a.dy, widths), a.w, "valid")


def sliding(name, transposed, ids, formula, fixed, **changes):
    """Return the row of an operator whose ∂e/∂x is the operator ``transposed``."""
    ndim = int(name[-2])
    return Operator(
        name=name,
        family="convolve",
        ids=ids,
        formula=formula,
        forward=lambda convolve, a: convolve(a.x, a.w, **a.options),
        derivatives=(Derivative(transposed, ("x",), from_full),),
        fixed=fixed,
        cases=lambda: convolve_cases(ndim),
        **changes,
    )


SIGNAL_CASES = (
    Case({"x": (5,), "w": (2,)}, dict(mode="valid")),
    Case({"x": (4,), "w": (2,)}, dict(mode="same")),
    Case({"x": (3,), "w": (4,)}, dict(mode="full")),
)
IMAGE_CASES = (
    Case({"x": (4, 3), "w": (3, 2)}, dict(mode="valid")),
    Case({"x": (4, 2), "w": (1, 3)}, dict(mode="same")),
    Case({"x": (2, 3), "w": (3, 2)}, dict(mode="full")),
)

# The FFT has length 2 or 4 here, for which sympy simplifies the roots of unity.
FFT_SIGNAL_CASES = (Case({"x": (3,), "w": (2,)}, dict(mode="full")), Case({"x": (3,), "w": (2,)}, dict(mode="valid")))
FFT_IMAGE_CASES = (Case({"x": (3, 2), "w": (2, 1)}, dict(mode="full")), Case({"x": (2, 3), "w": (1, 2)}, dict(mode="valid")))
# Fractions and dual numbers cannot represent roots of unity.
FFT_CHANGES = {"nature": "smooth", "slack": 400, "without": ("adjoint",)}

OPERATORS = (
    sliding("convolve1d", "cross_correlate1d", "A2, C8", "(w * x)[t] = Σ_i x[t−i] · w[i]", SIGNAL_CASES),
    sliding("convolve2d", "cross_correlate2d", "A3", "(K * I)[i,j] = Σ_{m,n} I[i−m, j−n] · K[m,n]", IMAGE_CASES),
    sliding("fft_convolve1d", "cross_correlate1d", "A2", "w * x = F⁻¹(F(w) · F(x))", FFT_SIGNAL_CASES, **FFT_CHANGES),
    sliding("fft_convolve2d", "cross_correlate2d", "A2, A3", "K * I = F⁻¹(F(K) · F(I))", FFT_IMAGE_CASES, **FFT_CHANGES),
    sliding("cross_correlate1d", "convolve1d", "A4", "(w ⋆ x)[t] = Σ_i x[t+i] · w[i]", SIGNAL_CASES),
    sliding("cross_correlate2d", "convolve2d", "A4", "(K ⋆ I)[i,j] = Σ_{m,n} I[i+m, j+n] · K[m,n]", IMAGE_CASES),
)
