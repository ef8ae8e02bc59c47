"""The book: formulas of the lectures as nested loops that match them, one module a family.

The loops use +, −, ×, ÷, whole powers, comparisons and a few named functions only, so they run on float32 and float64 arrays,
and on object arrays of fractions or sympy symbols alike. They check nothing: arguments come checked from :mod:`refconv.ops`.
"""

from refconv.reference import (
    activation,
    avg_pool,
    conv,
    conv_transpose,
    convolve,
    dense,
    dropout,
    loss,
    matrix,
    max_pool,
    norm,
    resize,
    response_norm,
    separable,
    update,
)

__all__ = [
    "activation",
    "avg_pool",
    "conv",
    "conv_transpose",
    "convolve",
    "dense",
    "dropout",
    "loss",
    "matrix",
    "max_pool",
    "norm",
    "resize",
    "response_norm",
    "separable",
    "update",
]
