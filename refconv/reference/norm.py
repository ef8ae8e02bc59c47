r"""Batch normalisation: forward pass and derivatives as loops.

Each channel c is normalised separately, over its M elements m. After a dense layer these are the M examples of the batch.
After a convolution they are the pixels of all images (lecture row A16): the loops get (N, H, W, C) reshaped to (N·H·W, C).

In training, the mean μ and the variance σ² are computed from the batch, so x[m, c] affects the outputs of its channel in three
ways: directly, through the variance and through the mean. In inference both are constants, and only the direct term remains::

    y [m, c]   =  γ[c]·x̂[m, c] + β[c]                           with x̂ = (x − μ) / std and std = √(σ² + ε)
    dγ[c]     +=  dy[m, c]·x̂[m, c]
    dβ[c]     +=  dy[m, c]
    dx[m, c]   =  dy[m, c]·γ[c] / std                            direct
                  + dvar·2·(x[m, c] − μ[c]) / M  +  dmean / M    through variance and mean, in training only

dvar and dmean are ∂e/∂σ² and ∂e/∂μ; see :func:`batch_norm_grads` for their formulas. The loops are slow because Python
computes each element separately.
"""

import numpy as np

from refconv.reference.functions import sqrt
from refconv.typing import Array

__all__ = [
    "batch_norm",
    "batch_norm_grads",
    "batch_norm_inference",
    "batch_norm_inference_grads",
    "corrected_average",
    "folded_batch_norm",
    "running_average",
]


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    r"""Normalise a batch by its own mean and variance, then scale and shift it (training).

    .. math:: \mu_c = \frac{1}{M} \sum_m x_{m,c}, \quad \sigma^2_c = \frac{1}{M} \sum_m (x_{m,c} - \mu_c)^2, \quad
              \hat{x}_{m,c} = \frac{x_{m,c} - \mu_c}{\sqrt{\sigma^2_c + \varepsilon}}, \quad
              y_{m,c} = \gamma_c \hat{x}_{m,c} + \beta_c

    ``x`` (M, C), ``gamma`` and ``beta`` (C,), ``eps`` a number; returns y (M, C), the mean (C,) and the variance (C,).

    >>> y, mean, var = batch_norm(np.array([[1.0, 5], [3, 13]]), np.array([1.0, 10]), np.array([0.0, 7]), eps=0)
    >>> y, mean, var
    (array([[-1., -3.], [ 1., 17.]]), array([2., 9.]), array([ 1., 16.]))

    Source: lecture rows A13 and A16 (SOURCES.md); Ioffe and Szegedy, "Batch normalization", 2015, algorithm 1.
    """
    M, C = x.shape
    y, mean, var = np.zeros((M, C), x.dtype), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    for c in range(C):
        for m in range(M):
            mean[c] += x[m, c] / M
        for m in range(M):
            var[c] += (x[m, c] - mean[c]) ** 2 / M
        for m in range(M):
            xhat = (x[m, c] - mean[c]) / sqrt(var[c] + eps)
            y[m, c] = gamma[c] * xhat + beta[c]
    return y, mean, var


def batch_norm_grads(dy: Array, *, x: Array, gamma: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of :func:`batch_norm`, where mean and variance depend on x.

    .. math:: \frac{\partial e}{\partial x_{m,c}} =
              \frac{\gamma_c}{\sqrt{\sigma^2_c + \varepsilon}} \frac{\partial e}{\partial y_{m,c}}
              + \frac{\partial e}{\partial \sigma^2_c} \frac{2 (x_{m,c} - \mu_c)}{M}
              + \frac{\partial e}{\partial \mu_c} \frac{1}{M}
    .. math:: \frac{\partial e}{\partial \sigma^2_c} = -\sum_m \frac{\partial e}{\partial y_{m,c}}
              \frac{\gamma_c (x_{m,c} - \mu_c)}{2 (\sigma^2_c + \varepsilon)^{3/2}}, \quad
              \frac{\partial e}{\partial \mu_c} = -\sum_m \frac{\partial e}{\partial y_{m,c}}
              \frac{\gamma_c}{\sqrt{\sigma^2_c + \varepsilon}}, \quad
              \frac{\partial e}{\partial \gamma_c} = \sum_m \frac{\partial e}{\partial y_{m,c}} \hat{x}_{m,c}, \quad
              \frac{\partial e}{\partial \beta_c} = \sum_m \frac{\partial e}{\partial y_{m,c}}

    ``dy`` and ``x`` (M, C), ``gamma`` (C,), ``mean`` and ``var`` (C,) of the same batch, ``eps`` a number; returns dx (M, C),
    dgamma (C,) and dbeta (C,).

    >>> dy, x = np.array([[1.0], [0], [4]]), np.array([[5.0], [-1], [2]])
    >>> dx, dgamma, dbeta = batch_norm_grads(dy, x=x, gamma=np.array([6.0]), mean=np.array([2.0]), var=np.array([6.0]), eps=3)
    >>> dx[:, 0], dgamma, dbeta
    (array([-2.        , -2.66666667,  4.66666667]), array([1.]), array([5.]))

    Source: lecture row A13 (SOURCES.md); Ioffe and Szegedy, "Batch normalization", 2015, section 3.
    """
    M, C = x.shape
    dx, dgamma, dbeta = np.zeros((M, C), x.dtype), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    for c in range(C):
        std = sqrt(var[c] + eps)
        dmean, dvar = 0, 0
        for m in range(M):
            dxhat = dy[m, c] * gamma[c]
            # forward: y[m, c] = gamma[c] * (x[m, c] - mean[c]) / std + beta[c]
            dgamma[c] += dy[m, c] * (x[m, c] - mean[c]) / std
            dbeta[c] += dy[m, c]
            dvar -= dxhat * (x[m, c] - mean[c]) / (2 * std**3)
            dmean -= dxhat / std  # μ also enters σ², but ∂σ²/∂μ = Σ 2 (μ − x) / M = 0
        for m in range(M):
            dx[m, c] = dy[m, c] * gamma[c] / std + dvar * 2 * (x[m, c] - mean[c]) / M + dmean / M
    return dx, dgamma, dbeta


def batch_norm_inference(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, eps: float) -> Array:
    r"""Normalise a batch by running averages of mean and variance (inference).

    The averages are constants: they do not depend on x.

    .. math:: y_{m,c} = \gamma_c \frac{x_{m,c} - \hat{\mu}_c}{\sqrt{\hat{\sigma}^2_c + \varepsilon}} + \beta_c

    ``x`` (M, C), ``gamma``, ``beta``, ``mean`` and ``var`` (C,), ``eps`` a number; returns y (M, C).

    >>> mean, var = np.array([2.0]), np.array([3.0])
    >>> batch_norm_inference(np.array([[4.0], [8]]), np.array([10.0]), np.array([0.5]), mean, var, eps=1)[:, 0]
    array([10.5, 30.5])

    Source: lecture row A15 (SOURCES.md).
    """
    M, C = x.shape
    y = np.zeros((M, C), x.dtype)
    for c in range(C):
        for m in range(M):
            xhat = (x[m, c] - mean[c]) / sqrt(var[c] + eps)
            y[m, c] = gamma[c] * xhat + beta[c]
    return y


def batch_norm_inference_grads(
    dy: Array, *, x: Array, gamma: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of :func:`batch_norm_inference`.

    Mean and variance are constants here, so only the direct term of ∂e/∂x remains.

    .. math:: \frac{\partial e}{\partial x_{m,c}} =
              \frac{\gamma_c}{\sqrt{\hat{\sigma}^2_c + \varepsilon}} \frac{\partial e}{\partial y_{m,c}}

    ``dy`` and ``x`` (M, C), ``gamma``, ``mean`` and ``var`` (C,), ``eps`` a number; returns dx (M, C), dgamma (C,) and
    dbeta (C,).

    >>> dy, x, mean, var = np.array([[1.0], [3]]), np.array([[4.0], [8]]), np.array([2.0]), np.array([3.0])
    >>> dx, dgamma, dbeta = batch_norm_inference_grads(dy, x=x, gamma=np.array([10.0]), mean=mean, var=var, eps=1)
    >>> dx[:, 0], dgamma, dbeta
    (array([ 5., 15.]), array([10.]), array([4.]))

    Source: lecture row A15 (SOURCES.md).
    """
    M, C = x.shape
    dx, dgamma, dbeta = np.zeros((M, C), x.dtype), np.zeros(C, x.dtype), np.zeros(C, x.dtype)
    for c in range(C):
        std = sqrt(var[c] + eps)
        for m in range(M):
            # forward: y[m, c] = gamma[c] * (x[m, c] - mean[c]) / std + beta[c]
            dgamma[c] += dy[m, c] * (x[m, c] - mean[c]) / std
            dbeta[c] += dy[m, c]
            dx[m, c] = dy[m, c] * gamma[c] / std
    return dx, dgamma, dbeta


def folded_batch_norm(
    w: Array, b: Array, *, gamma: Array, beta: Array, mean: Array, var: Array, eps: float
) -> tuple[Array, Array]:
    r"""Compute the weights of a layer that includes :func:`batch_norm_inference` after it.

    .. math:: a_o = \frac{\gamma_o}{\sqrt{\hat\sigma^2_o + \varepsilon}}, \quad w'_{k,o} = a_o w_{k,o}, \quad
              b'_o = \beta_o + a_o (b_o - \hat\mu_o)

    .. math:: \gamma_o \frac{\bigl(b_o + \sum_k x_k w_{k,o}\bigr) - \hat\mu_o}{\sqrt{\hat\sigma^2_o + \varepsilon}} + \beta_o
              = b'_o + \sum_k x_k w'_{k,o}

    k runs over the inputs of a dense layer, or over the taps and input channels of a convolution. Compiled networks use the
    folded weights, so that inference does not read and write each output once more. :func:`refconv.compile_model` computes
    them in NumPy, so there is no kernel.

    ``w`` (K, O), ``b``, ``gamma``, ``beta``, ``mean`` and ``var`` (O,), ``eps`` a number; returns w' (K, O) and b' (O,).

    >>> w, b = np.array([[1.0, 3], [2, 5]]), np.array([7.0, 0])
    >>> gamma, beta, mean, var = np.array([6.0, 1]), np.array([1.0, 4]), np.array([5.0, 2]), np.array([8.0, 3])
    >>> folded_batch_norm(w, b, gamma=gamma, beta=beta, mean=mean, var=var, eps=1)
    (array([[2. , 1.5],
           [4. , 2.5]]), array([5., 3.]))

    Source: lecture rows A15 and A16 (SOURCES.md).
    """
    K, O = w.shape
    folded_w, folded_b = np.zeros((K, O), w.dtype), np.zeros(O, w.dtype)
    for o in range(O):
        a = gamma[o] / sqrt(var[o] + eps)
        folded_b[o] = beta[o] + a * (b[o] - mean[o])
        for k in range(K):
            folded_w[k, o] = a * w[k, o]
    return folded_w, folded_b


def running_average(average: Array, batch: Array, momentum: float) -> Array:
    r"""Update the running average of a mean or a variance with the mean or variance of one batch.

    .. math:: \hat{\mu}_c' = \tau \, \hat{\mu}_c + (1 - \tau) \, \mu_c

    τ is the weight of the old average, 0.99 in the lecture. The variance σ² of the batch is biased: it divides by M, not by
    M − 1. :class:`refconv.nn.BatchNorm` computes the average in NumPy with both engines, so there is no kernel.

    ``average`` (C,) is the old average, ``batch`` (C,) the mean or variance of the batch, ``momentum`` is τ; returns the new
    average (C,).

    >>> running_average(np.array([2.0, -1.0]), np.array([10.0, 3.0]), momentum=0.75)
    array([4., 0.])

    Source: lecture row A14 (SOURCES.md); Ioffe and Szegedy, "Batch normalization", 2015, section 3.1.
    """
    (C,) = average.shape
    new = np.zeros(C, average.dtype)
    for c in range(C):
        new[c] = momentum * average[c] + (1 - momentum) * batch[c]
    return new


def corrected_average(average: Array, batch: Array, momentum: float, update: int) -> Array:
    r"""Update a running average that does not depend on its initial value, as in Adam.

    .. math:: \hat{\mu}_c' = \hat{\mu}_c + \frac{\mu_c - \hat{\mu}_c}{1 + \tau + \dots + \tau^{t-1}}

    The first update (t = 1) replaces the average by the mean or variance of the batch. The sum of powers is
    (1 − τᵗ) / (1 − τ). So after t updates the average equals the output of :func:`running_average` with the initial value 0,
    divided by 1 − τᵗ. Adam corrects its moments in the same way. For τ = 1 it is the mean over all batches.
    :class:`refconv.nn.BatchNorm` computes it in NumPy with both engines, so there is no kernel.

    ``average`` (C,) is the old average, ``batch`` (C,) the mean or variance of the batch, ``momentum`` is τ, ``update`` is t,
    counted from 1; returns the new average (C,).

    >>> first = corrected_average(np.array([7.0, 7.0]), np.array([10.0, 3.0]), momentum=0.5, update=1)
    >>> first, corrected_average(first, np.array([4.0, 0.0]), momentum=0.5, update=2)
    (array([10.,  3.]), array([6., 1.]))

    Source: lecture row A14 (SOURCES.md); the correction: Kingma and Ba, "Adam", 2015, section 3.
    """
    (C,) = average.shape
    new = np.zeros(C, average.dtype)
    total: float = 0
    for k in range(update):
        total += momentum**k
    for c in range(C):
        new[c] = average[c] + (batch[c] - average[c]) / total
    return new
