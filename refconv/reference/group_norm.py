r"""Loops of group, layer and instance normalisation: batch normalisation over other axes.

An array has N examples with M positions (the pixels of an image) and C channels. Batch normalisation computes a mean and a
variance for each channel, over the examples and positions. Group normalisation computes them for each example n and each group
g of K = C / G consecutive channels, over the positions and the channels of the group. It does not depend on the batch, so it
is the same in training and in inference::

    y [n, m, c]   =  γ[c]·x̂[n, m, c] + β[c]              with x̂ = (x − μ[n, g]) / std[n, g] and std = √(σ²[n, g] + ε)
    dγ[c]        +=  dy[n, m, c]·x̂[n, m, c]
    dβ[c]        +=  dy[n, m, c]
    dx[n, m, c]   =  (dy[n, m, c]·γ[c] − dmean[n, g] − x̂[n, m, c]·dstd[n, g]) / std[n, g]

dmean is the mean of dy·γ over the group, and dstd is the mean of dy·γ·x̂. Layer normalisation has one group, and instance
normalisation has one group for each channel.
"""

import numpy as np

from refconv.reference.functions import sqrt
from refconv.typing import Array

__all__ = ["group_norm", "group_norm_grads", "instance_norm", "layer_norm"]


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, eps: float) -> tuple[Array, Array, Array]:
    r"""Normalise each example and each group of channels by its own mean and variance.

    .. math:: \mu_{n,g} = \frac{1}{M K} \sum_{m, c \in g} x_{n,m,c}, \quad
              \sigma^2_{n,g} = \frac{1}{M K} \sum_{m, c \in g} (x_{n,m,c} - \mu_{n,g})^2, \quad
              y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_{n,g}}{\sqrt{\sigma^2_{n,g} + \varepsilon}} + \beta_c

    ``x`` (N, M, C), ``gamma`` and ``beta`` (C,), ``groups`` is G, ``eps`` a number; returns y (N, M, C), the mean (N, G) and
    the variance (N, G).

    >>> x = np.array([[[1.0, 3, 10, 30]], [[5, 5, 2, 0]]])
    >>> y, mean, var = group_norm(x, np.ones(4), np.array([0.0, 0, 0, 7]), groups=2, eps=0.25)
    >>> mean, var
    (array([[ 2., 20.],
           [ 5.,  1.]]), array([[  1., 100.],
           [  0.,   1.]]))
    >>> y[:, 0].round(3)
    array([[-0.894,  0.894, -0.999,  7.999],
           [ 0.   ,  0.   ,  0.894,  6.106]])

    Source: lecture row D4 (SOURCES.md); Wu and He, "Group normalization", 2018, section 3.
    """
    N, M, C = x.shape
    y, mean, var = np.zeros((N, M, C), x.dtype), np.zeros((N, groups), x.dtype), np.zeros((N, groups), x.dtype)
    for n in range(N):
        for g in range(groups):
            members = [(m, c) for m in range(M) for c in range(g * C // groups, (g + 1) * C // groups)]
            for m, c in members:
                mean[n, g] += x[n, m, c] / len(members)
            for m, c in members:
                var[n, g] += (x[n, m, c] - mean[n, g]) ** 2 / len(members)
            for m, c in members:
                xhat = (x[n, m, c] - mean[n, g]) / sqrt(var[n, g] + eps)
                y[n, m, c] = gamma[c] * xhat + beta[c]
    return y, mean, var


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    r"""Normalise each example by its own mean and variance: :func:`group_norm` with one group.

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_n}{\sqrt{\sigma^2_n + \varepsilon}} + \beta_c

    ``x`` (N, M, C), ``gamma`` and ``beta`` (C,), ``eps`` a number; returns y (N, M, C), the mean (N, 1) and the
    variance (N, 1).

    >>> y, mean, var = layer_norm(np.array([[[1.0], [9]], [[5], [3]]]), np.array([2.0]), np.array([7.0]), eps=0)
    >>> y[..., 0], mean[:, 0], var[:, 0]
    (array([[5., 9.],
           [9., 5.]]), array([5., 4.]), array([16.,  1.]))

    Source: lecture row D4 (SOURCES.md); Ba, Kiros and Hinton, "Layer normalization", 2016.
    """
    return group_norm(x, gamma, beta, 1, eps)


def instance_norm(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    r"""Normalise each channel of each example: :func:`group_norm` with a group for each channel.

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_{n,c}}{\sqrt{\sigma^2_{n,c} + \varepsilon}} + \beta_c

    ``x`` (N, M, C), ``gamma`` and ``beta`` (C,), ``eps`` a number; returns y (N, M, C), the mean (N, C) and the
    variance (N, C).

    >>> y, mean, var = instance_norm(np.array([[[1.0, 5], [3, 13]]]), np.array([1.0, 10]), np.array([0.0, 7]), eps=0)
    >>> y, mean, var
    (array([[[-1., -3.],
            [ 1., 17.]]]), array([[2., 9.]]), array([[ 1., 16.]]))

    Source: lecture row D4 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.
    """
    return group_norm(x, gamma, beta, x.shape[-1], eps)


def group_norm_grads(dy: Array, *, x: Array, gamma: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of :func:`group_norm`, where mean and variance depend on x.

    .. math:: \frac{\partial e}{\partial x_{n,m,c}} = \frac{1}{\sqrt{\sigma^2_{n,g} + \varepsilon}} \left(
              \gamma_c \frac{\partial e}{\partial y_{n,m,c}}
              - \frac{1}{M K} \sum_{m', c' \in g} \gamma_{c'} \frac{\partial e}{\partial y_{n,m',c'}}
              - \frac{\hat{x}_{n,m,c}}{M K} \sum_{m', c' \in g}
              \gamma_{c'} \frac{\partial e}{\partial y_{n,m',c'}} \hat{x}_{n,m',c'} \right)

    ``dy`` and ``x`` (N, M, C), ``gamma`` (C,), ``mean`` and ``var`` (N, G) of the same x, ``eps`` a number; returns dx
    (N, M, C), dgamma (C,) and dbeta (C,).

    >>> dy, x = np.array([[[1.0], [0], [4]]]), np.array([[[5.0], [-1], [2]]])
    >>> mean, var = np.array([[2.0]]), np.array([[6.0]])
    >>> dx, dgamma, dbeta = group_norm_grads(dy, x=x, gamma=np.array([6.0]), mean=mean, var=var, eps=3)
    >>> dx[0, :, 0], dgamma, dbeta
    (array([-2.        , -2.66666667,  4.66666667]), array([1.]), array([5.]))

    Source: lecture row D4 (SOURCES.md); Wu and He, "Group normalization", 2018.
    """
    (N, M, C), groups = x.shape, mean.shape[1]
    dx, dgamma, dbeta = np.zeros((N, M, C), x.dtype), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    for n in range(N):
        for g in range(groups):
            members = [(m, c) for m in range(M) for c in range(g * C // groups, (g + 1) * C // groups)]
            std, dmean, dstd = sqrt(var[n, g] + eps), 0, 0
            for m, c in members:
                xhat = (x[n, m, c] - mean[n, g]) / std
                # forward: y[n, m, c] = gamma[c] * xhat + beta[c]
                dgamma[c] += dy[n, m, c] * xhat
                dbeta[c] += dy[n, m, c]
                dmean += dy[n, m, c] * gamma[c] / len(members)
                dstd += dy[n, m, c] * gamma[c] * xhat / len(members)
            for m, c in members:
                xhat = (x[n, m, c] - mean[n, g]) / std
                dx[n, m, c] = (dy[n, m, c] * gamma[c] - dmean - xhat * dstd) / std
    return dx, dgamma, dbeta
