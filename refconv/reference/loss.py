r"""Softmax and the cross-entropy loss, with their derivatives, as loops over example b and class k.

Forward and derivative::

    softmax          y [b, k] = exp(x[b, k]) / Σⱼ exp(x[b, j])
                     dx[b, k] = y[b, k]·(dy[b, k] − Σⱼ dy[b, j]·y[b, j])
    log_softmax      y [b, k] = x[b, k] − log Σⱼ exp(x[b, j])
                     dx[b, k] = dy[b, k] − exp(y[b, k])·Σⱼ dy[b, j]
    cross-entropy    loss     = −Σ target[b, k]·log p[b, k] / N
                     dx[b, k] = (p[b, k] − target[b, k]) / N

Exponentials of large logits overflow. Subtracting one number from all logits of an example changes nothing, since it
multiplies numerator and denominator by the same factor. The loops subtract the maximum, so no exponent is positive.

The loops are slow because each exponential is computed separately.
"""

import numpy as np

from refconv.reference.functions import exp, log

__all__ = ["log_softmax", "log_softmax_dx", "softmax", "softmax_cross_entropy", "softmax_dx"]


def softmax(x):
    r"""Softmax: positive numbers that sum to one, in the ratio of the exponentials.

    .. math:: y_{b,k} = \frac{e^{x_{b,k}}}{\sum_j e^{x_{b,j}}}

    ``x`` (N, classes); returns (N, classes).

    >>> softmax(np.log([[1.0, 2, 5]]))
    array([[0.125, 0.25 , 0.625]])

    Source: A19.
    """
    N, K = x.shape
    y = np.zeros((N, K), x.dtype)
    for b in range(N):
        total, largest = 0, shift(x[b])
        for k in range(K):
            y[b, k] = exp(x[b, k] - largest)
            total += y[b, k]
        for k in range(K):
            y[b, k] /= total
    return y


def softmax_dx(dy, *, y):
    r"""∂e/∂x of :func:`softmax`, from its output y.

    .. math:: \frac{\partial e}{\partial x_{b,k}} = y_{b,k} \left( \frac{\partial e}{\partial y_{b,k}}
              - \sum_j \frac{\partial e}{\partial y_{b,j}} \; y_{b,j} \right)

    ``dy`` and ``y`` (N, classes); returns (N, classes).

    >>> softmax_dx(np.array([[0.0, 0, 8]]), y=np.array([[0.125, 0.25, 0.625]]))
    array([[-0.625, -1.25 ,  1.875]])

    Source: A19.
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


def log_softmax(x):
    r"""The logarithm of :func:`softmax`, finite where the softmax itself is too small for a number.

    .. math:: y_{b,k} = x_{b,k} - \log \sum_j e^{x_{b,j}}

    ``x`` (N, classes); returns (N, classes).

    >>> np.exp(log_softmax(1000 + np.log([[1.0, 2, 5]]))).round(6)
    array([[0.125, 0.25 , 0.625]])

    Source: A19.
    """
    N, K = x.shape
    y = np.zeros((N, K), x.dtype)
    for b in range(N):
        total, largest = 0, shift(x[b])
        for k in range(K):
            total += exp(x[b, k] - largest)
        for k in range(K):
            y[b, k] = x[b, k] - largest - log(total)
    return y


def log_softmax_dx(dy, *, y):
    r"""∂e/∂x of :func:`log_softmax`, from its output y.

    .. math:: \frac{\partial e}{\partial x_{b,k}} = \frac{\partial e}{\partial y_{b,k}}
              - e^{y_{b,k}} \sum_j \frac{\partial e}{\partial y_{b,j}}

    ``dy`` and ``y`` (N, classes); returns (N, classes).

    >>> log_softmax_dx(np.array([[0.0, 0, 8]]), y=np.log([[0.125, 0.25, 0.625]]))
    array([[-1., -2.,  3.]])

    Source: A19.
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


def softmax_cross_entropy(logits, labels, alpha):
    r"""Cross-entropy of the softmax against smoothed labels, the mean over the batch; and its derivative.

    .. math:: t_{b,k} = (1 - \alpha) [k = \mathrm{label}_b] + \frac{\alpha}{K}, \quad
              e = -\frac{1}{N} \sum_{b,k} t_{b,k} \log p_{b,k}, \quad
              \frac{\partial e}{\partial \mathrm{logits}_{b,k}} = \frac{p_{b,k} - t_{b,k}}{N}

    with p the softmax of the logits. ``logits`` (N, K), ``labels`` (N,) whole numbers from 0 to K − 1, ``alpha`` a
    number; returns e, a number, and ∂e/∂logits (N, K).

    >>> loss, dlogits = softmax_cross_entropy(np.log([[1.0, 2, 5]]), np.array([2]), alpha=0.375)
    >>> print(loss.round(6), dlogits.round(6))
    0.78572 [[ 0.     0.125 -0.125]]

    Source: A19; Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016, section 7.
    """
    N, K = logits.shape
    loss, dlogits, log_p = np.zeros((), logits.dtype), np.zeros((N, K), logits.dtype), log_softmax(logits)
    for b in range(N):
        for k in range(K):
            one_hot = 1 if k == labels[b] else 0
            target = (1 - alpha) * one_hot + alpha / K
            if target != 0:  # a class that is not asked for costs nothing, though its logit be −∞
                loss[()] -= target * log_p[b, k] / N
            dlogits[b, k] = (exp(log_p[b, k]) - target) / N
    return loss[()], dlogits


def shift(row):
    """The largest logit of a row of floats; 0 for fractions and symbols.

    Symbols cannot be compared, so no maximum is found among them. The shift cancels in the formula and is there against
    overflow alone, so leaving it out is the same function.
    """
    if row.dtype == object:
        return 0
    largest = row[0]
    for logit in row:
        if logit > largest:
            largest = logit
    return largest
