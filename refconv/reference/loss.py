r"""Softmax and the losses, with their derivatives, as loops.

For example b and class k, these are the functions and their derivatives::

    softmax          y [b, k] = exp(x[b, k]) / Σⱼ exp(x[b, j])
                     dx[b, k] = y[b, k]·(dy[b, k] − Σⱼ dy[b, j]·y[b, j])
    log_softmax      y [b, k] = x[b, k] − log Σⱼ exp(x[b, j])
                     dx[b, k] = dy[b, k] − exp(y[b, k])·Σⱼ dy[b, j]
    cross-entropy    loss     = −Σ target[b, k]·log p[b, k] / N              with p = softmax(x)
                     dx[b, k] = (p[b, k] − target[b, k]) / N

For element i of M predictions p, or logits x, and targets t::

    squared error    loss     = Σ (p[i] − t[i])² / M
                     dp[i]    = 2·(p[i] − t[i]) / M
    binary           loss     = Σ (t[i]·log(1 + exp(−x[i])) + (1 − t[i])·log(1 + exp(x[i]))) / M
    cross-entropy    dx[i]    = (σ(x[i]) − t[i]) / M

Both cross-entropies are shown without class weights.

Exponentials of large logits overflow. Subtracting the same number from all logits of an example does not change the softmax,
since it divides numerator and denominator by the same factor. The loops subtract the maximum, so no exponent is positive.

The loops are slow because Python computes each exponential separately.
"""

from typing import Any

import numpy as np

from refconv.reference.functions import exp, is_symbolic, log, log1p
from refconv.typing import Array

__all__ = [
    "binary_cross_entropy",
    "log_softmax",
    "log_softmax_dx",
    "mean_squared_error",
    "softmax",
    "softmax_cross_entropy",
    "softmax_dx",
]


def softmax(x: Array) -> Array:
    r"""Compute the softmax: the exponentials of the logits, divided by their sum.

    .. math:: y_{b,k} = \frac{e^{x_{b,k}}}{\sum_j e^{x_{b,j}}}

    ``x`` (N, classes); returns (N, classes).

    >>> softmax(np.log([[1.0, 2, 5]]))
    array([[0.125, 0.25 , 0.625]])

    Source: lecture row A19 (SOURCES.md).
    """
    N, K = x.shape
    y = np.zeros((N, K), x.dtype)
    for b in range(N):
        largest = shift(x[b])
        total = 0
        for k in range(K):
            y[b, k] = exp(x[b, k] - largest)
            total += y[b, k]
        for k in range(K):
            y[b, k] /= total
    return y


def softmax_dx(dy: Array, *, y: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`softmax` from its output y.

    .. math:: \frac{\partial e}{\partial x_{b,k}} = y_{b,k} \left( \frac{\partial e}{\partial y_{b,k}}
              - \sum_j \frac{\partial e}{\partial y_{b,j}} \; y_{b,j} \right)

    ``dy`` and ``y`` (N, classes); returns (N, classes).

    >>> softmax_dx(np.array([[0.0, 0, 8]]), y=np.array([[0.125, 0.25, 0.625]]))
    array([[-0.625, -1.25 ,  1.875]])

    Source: lecture row A19 (SOURCES.md).
    """
    N, K = y.shape
    dx = np.zeros((N, K), y.dtype)
    for b in range(N):
        mean = 0
        for k in range(K):
            mean += dy[b, k] * y[b, k]
        for k in range(K):
            # forward: y[b, k] = exp(x[b, k] - largest) / total
            dx[b, k] = y[b, k] * (dy[b, k] - mean)
    return dx


def log_softmax(x: Array) -> Array:
    r"""Compute the logarithm of :func:`softmax`, finite even where the softmax underflows to 0.

    .. math:: y_{b,k} = x_{b,k} - \log \sum_j e^{x_{b,j}}

    ``x`` (N, classes); returns (N, classes).

    >>> np.exp(log_softmax(1000 + np.log([[1.0, 2, 5]]))).round(6)
    array([[0.125, 0.25 , 0.625]])

    Source: lecture row A19 (SOURCES.md).
    """
    N, K = x.shape
    y = np.zeros((N, K), x.dtype)
    for b in range(N):
        largest = shift(x[b])
        total = 0
        for k in range(K):
            total += exp(x[b, k] - largest)
        for k in range(K):
            y[b, k] = x[b, k] - largest - log(total)
    return y


def log_softmax_dx(dy: Array, *, y: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`log_softmax` from its output y.

    .. math:: \frac{\partial e}{\partial x_{b,k}} = \frac{\partial e}{\partial y_{b,k}}
              - e^{y_{b,k}} \sum_j \frac{\partial e}{\partial y_{b,j}}

    ``dy`` and ``y`` (N, classes); returns (N, classes).

    >>> log_softmax_dx(np.array([[0.0, 0, 8]]), y=np.log([[0.125, 0.25, 0.625]]))
    array([[-1., -2.,  3.]])

    Source: lecture row A19 (SOURCES.md).
    """
    N, K = y.shape
    dx = np.zeros((N, K), y.dtype)
    for b in range(N):
        total = 0
        for k in range(K):
            total += dy[b, k]
        for k in range(K):
            # forward: y[b, k] = x[b, k] - largest - log(total)
            dx[b, k] = dy[b, k] - exp(y[b, k]) * total
    return dx


def softmax_cross_entropy(logits: Array, labels: Array, alpha: float, class_weights: Array | None = None) -> tuple[Any, Array]:
    r"""Compute the mean cross-entropy of softmax and smoothed labels, and its derivative.

    .. math:: t_{b,k} = (1 - \alpha) [k = \mathrm{label}_b] + \frac{\alpha}{K}, \quad
              u_b = \frac{w_{\mathrm{label}_b}}{\sum_i w_{\mathrm{label}_i}}, \quad
              e = -\sum_{b,k} u_b \; t_{b,k} \log p_{b,k}, \quad
              \frac{\partial e}{\partial \mathrm{logits}_{b,k}} = u_b \; (p_{b,k} - t_{b,k})

    Here p is the softmax of the logits and t the smoothed label; [k = label] is 1 for the correct class, else 0. w is the
    weight of a class, and u is the weight of an example in the mean. Without class weights u = 1 / N.

    ``logits`` (N, K), ``labels`` (N,) integers from 0 to K − 1, ``alpha`` a number, ``class_weights`` (K,) or None; returns
    the loss e, a number, and ∂e/∂logits (N, K).

    >>> loss, dlogits = softmax_cross_entropy(np.log([[1.0, 2, 5]]), np.array([2]), alpha=0.375)
    >>> print(loss.round(6), dlogits.round(6))
    0.78572 [[ 0.     0.125 -0.125]]

    Source: lecture row A19 (SOURCES.md); Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016,
    section 7.
    """
    N, K = logits.shape
    loss, dlogits = np.zeros((), logits.dtype), np.zeros((N, K), logits.dtype)
    log_p = log_softmax(logits)
    weights = [1] * N if class_weights is None else class_weights[labels]
    total = sum(weights)
    for b in range(N):
        for k in range(K):
            one_hot = 1 if k == labels[b] else 0
            target = (1 - alpha) * one_hot + alpha / K
            if weights[b] * target != 0:  # 0 · log 0 counts as 0, but is NaN in floating point
                loss[()] -= weights[b] * target * log_p[b, k] / total
            dlogits[b, k] = weights[b] * (exp(log_p[b, k]) - target) / total
    return loss[()], dlogits


def mean_squared_error(predictions: Array, targets: Array) -> tuple[Any, Array]:
    r"""Compute the mean of the squared differences over all elements, and its derivative.

    .. math:: e = \frac{1}{M} \sum_i (p_i - t_i)^2, \qquad
              \frac{\partial e}{\partial p_i} = \frac{2}{M} \, (p_i - t_i)

    ``predictions`` p (M,) and ``targets`` t (M,); returns the loss e, a number, and ∂e/∂p (M,).

    >>> loss, dpredictions = mean_squared_error(np.array([3.0, -1.0]), np.array([2.0, 4.0]))
    >>> print(loss, dpredictions)
    13.0 [ 1. -5.]

    Source: lecture row M17 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2018, section 2.
    """
    M = predictions.size
    loss, dpredictions = np.zeros((), predictions.dtype), np.zeros(M, predictions.dtype)
    for i in range(M):
        error = predictions[i] - targets[i]
        loss[()] += error * error / M
        dpredictions[i] = 2 * error / M
    return loss[()], dpredictions


def binary_cross_entropy(logits: Array, targets: Array, pos_weight: float) -> tuple[Any, Array]:
    r"""Compute the mean cross-entropy of binary predictions σ(logits), and its derivative.

    .. math:: e = -\frac{1}{M} \sum_i \big( w \, t_i \log \sigma(x_i) + (1 - t_i) \log (1 - \sigma(x_i)) \big), \qquad
              \frac{\partial e}{\partial x_i} = \frac{1}{M} \big( (1 - t_i) \, \sigma(x_i) - w \, t_i \, \sigma(-x_i) \big)

    w is the weight of a positive target. The loop computes −log σ(x) as softplus(−x), and −log(1 − σ(x)) as softplus(x), since
    these are finite for any finite x.

    ``logits`` x (M,), ``targets`` t (M,) from 0 to 1, ``pos_weight`` w, a number; returns the loss e, a number, and
    ∂e/∂x (M,).

    >>> loss, dlogits = binary_cross_entropy(np.log([3.0, 0.25]), np.array([1.0, 0.0]), pos_weight=2)
    >>> print(loss.round(6), dlogits)  # (2·log 4/3 + log 5/4) / 2
    0.399254 [-0.25  0.1 ]

    Source: lecture row B6 (SOURCES.md) for the sigmoid; Bishop, "Pattern recognition and machine learning", 2006, section 4.3.
    """
    M = logits.size
    loss, dlogits = np.zeros((), logits.dtype), np.zeros(M, logits.dtype)
    for i in range(M):
        positive, negative = pos_weight * targets[i], 1 - targets[i]
        if positive != 0:  # 0 · ∞ counts as 0, but is NaN in floating point
            loss[()] += positive * softplus(-logits[i]) / M
        if negative != 0:
            loss[()] += negative * softplus(logits[i]) / M
        dlogits[i] = (negative * sigmoid(logits[i]) - positive * sigmoid(-logits[i])) / M
    return loss[()], dlogits


def softplus(v: Any) -> Any:
    """Return the logarithm of 1 + eᵛ, finite even where eᵛ overflows.

    >>> float(softplus(0.0).round(6)), float(softplus(1000.0)), float(softplus(-40.0)) > 0
    (0.693147, 1000.0, True)
    """
    return log(1 + exp(v)) if is_symbolic(v) else max(v, 0) + log1p(exp(-abs(v)))


def sigmoid(v: Any) -> Any:
    """Return 1 / (1 + e⁻ᵛ) of one number.

    :func:`refconv.reference.activation.sigmoid` is the same function for arrays.
    """
    return 1 / (1 + exp(-v))


def shift(row: Array) -> Any:
    """Return the number to subtract from a row of logits: the maximum, or 0 for exact numbers.

    Symbols cannot be compared, so they have no maximum. The shift only prevents overflow: it cancels in the formula, so the
    softmax is the same without it.
    """
    if row.dtype == object:
        return 0
    largest = row[0]
    for logit in row:
        if logit > largest:
            largest = logit
    return largest
