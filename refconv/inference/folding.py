"""The algebra that folds a batch normalisation into a convolution or a dense layer.

Everything is computed in float64 and rounded once, when the weights are packed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv.typing import Array

__all__ = ["batch_norm_as_affine", "fold_affine", "scaled"]


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


def fold_affine(scale: Array | None, b: Array | None, factor: Array, shift: Array) -> tuple[Array, Array]:
    r"""Return the scale and the bias of a convolution with an affine function of its outputs.

    A scale or a bias of None is 1 or 0.

    .. math:: a_o \Bigl(b_o + \sigma_o \sum_k x_k w_{k,o}\Bigr) + s_o = (a_o b_o + s_o) + a_o \sigma_o \sum_k x_k w_{k,o}

    >>> fold_affine(None, np.array([0.5, 7.0]), np.array([2.0, 10.0]), np.array([1.0, -1.0]))
    (array([ 2., 10.]), array([ 2., 69.]))
    """
    return factor if scale is None else scale * factor, shift if b is None else b * factor + shift


def scaled(w: Array, factors: Array | None, dtype: np.dtype[Any]) -> Array:
    """Return w, multiplied with factors in float64 and rounded to a type.

    Without factors, it is w itself if w has this type.

    >>> w = np.array([[1.0, 3.0]], np.float32)
    >>> scaled(w, np.array([2.0, 10.0]), np.dtype(np.float32)), scaled(w, None, w.dtype) is w
    (array([[ 2., 30.]], dtype=float32), True)
    """
    if factors is None:
        return np.asarray(w, dtype, order="C")
    result = np.empty(w.shape, dtype)
    # With an output, NumPy converts small blocks to float64, not the whole array.
    np.multiply(w, factors, out=result, dtype=np.float64, casting="same_kind")
    return result
