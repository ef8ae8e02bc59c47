"""The algebra that folds a batch normalisation into a convolution or a dense layer.

Everything is computed in float64 and rounded once, when the weights are packed.
"""

from __future__ import annotations

import numpy as np

from refconv.typing import Array

__all__ = ["batch_norm_as_affine", "fold_affine"]


def batch_norm_as_affine(gamma: Array, beta: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array]:
    r"""Return the affine function of each channel that batch normalisation is in inference.

    .. math:: \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta = a x + b, \qquad
              a = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}, \quad b = \beta - a \mu

    >>> batch_norm_as_affine(np.array([6.0]), np.array([1.0]), np.array([5.0]), np.array([8.0]), 1.0)
    (array([2.]), array([-9.]))
    """
    gamma, beta, mean, var = (array.astype(np.float64) for array in (gamma, beta, mean, var))
    scale = gamma / np.sqrt(var + eps)
    return scale, beta - scale * mean


def fold_affine(w: Array, b: Array | None, scale: Array, shift: Array) -> tuple[Array, Array]:
    r"""Return weights and bias of a convolution with an affine function of its outputs.

    .. math:: a_o \Bigl(b_o + \sum_k x_k w_{k,o}\Bigr) + s_o = (a_o b_o + s_o) + \sum_k x_k (a_o w_{k,o})

    >>> fold_affine(np.array([[1.0, 3.0]]), np.array([0.5, 7.0]), np.array([2.0, 10.0]), np.array([1.0, -1.0]))
    (array([[ 2., 30.]]), array([ 2., 69.]))
    """
    return w * scale, shift if b is None else b * scale + shift
