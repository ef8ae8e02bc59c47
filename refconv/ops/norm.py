"""Batch normalisation, in training and in inference, and the derivatives.

The functions accept rows (N, C), signals (N, n, C) and images (N, H, W, C), or arrays whose channels follow the batch axis
with ``data_format="channels_first"``. Each channel is normalised separately, over all other axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv._errors import ArgumentValueError
from refconv.ops.check import channels_last, floats, restore, same_shape, scalar
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, DataFormat

__all__ = ["batch_norm", "batch_norm_grads", "batch_norm_inference", "batch_norm_inference_grads"]


def batch_norm(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, *, eps: float = 1e-3, data_format: DataFormat = "channels_last"
) -> tuple[Array, Array, Array]:
    r"""Normalise a batch by its own mean and variance, then scale and shift it (training).

    .. math:: \mu_c = \frac{1}{M} \sum_m x_{m,c}, \quad \sigma^2_c = \frac{1}{M} \sum_m (x_{m,c} - \mu_c)^2, \quad
              y_{m,c} = \gamma_c \frac{x_{m,c} - \mu_c}{\sqrt{\sigma^2_c + \varepsilon}} + \beta_c

    m runs over the M elements of a channel: over the batch and, for signals and images, over all positions (lecture row A16).

    If σ² overflows the type of x (deviations around 1e19 in float32, 1e154 in float64), it is ∞. Then all y of the channel are
    β, and :func:`batch_norm_grads` returns 0 for x and γ.

    Parameters
    ----------
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        A batch of at least one example; (N, C, …) with ``data_format="channels_first"``.
    gamma, beta : array (C,), of x's type
        Scale γ and shift β.
    eps : float
        ε, which is added to the variance; not negative.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    y : array of x's shape and type
    mean, var : array (C,), of x's type
        μ and σ² of the batch; σ² is the biased variance, divided by M.

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If shapes do not fit, the batch is empty, or eps is negative; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> y, mean, var = batch_norm(np.array([[1.0, 5], [3, 13]]), gamma=[1.0, 10], beta=[0.0, 7], eps=0)
    >>> y, mean, var
    (array([[-1., -3.], [ 1., 17.]]), array([2., 9.]), array([ 1., 16.]))

    Source: lecture rows A13 and A16 (SOURCES.md); Ioffe and Szegedy, "Batch normalization", 2015.
    """
    x, gamma, beta = floats(x=x, gamma=gamma, beta=beta)
    x = not_empty(channels_last("x", x, None, data_format))
    eps = checked(eps, x.shape[-1], gamma=gamma, beta=beta)
    y, mean, var = implementation("norm").batch_norm(_rows(x), gamma, beta, eps)
    return restore(y.reshape(x.shape), data_format), mean, var


def batch_norm_grads(
    dy: ArrayLike,
    *,
    x: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    eps: float = 1e-3,
    data_format: DataFormat = "channels_last",
) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of :func:`batch_norm`, where mean and variance depend on x.

    .. math:: \frac{\partial e}{\partial x_{m,c}} = \frac{\gamma_c}{\sqrt{\sigma^2_c + \varepsilon}} \left(
              \frac{\partial e}{\partial y_{m,c}} - \frac{1}{M} \frac{\partial e}{\partial \beta_c}
              - \frac{\hat{x}_{m,c}}{M} \frac{\partial e}{\partial \gamma_c} \right), \quad
              \frac{\partial e}{\partial \gamma_c} = \sum_m \frac{\partial e}{\partial y_{m,c}} \hat{x}_{m,c}, \quad
              \frac{\partial e}{\partial \beta_c} = \sum_m \frac{\partial e}{\partial y_{m,c}}

    Parameters
    ----------
    dy : array of x's shape and type
        ∂e/∂y.
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        The input of the forward pass.
    gamma : array (C,), of x's type
        Scale γ.
    mean, var : array (C,), of x's type
        μ and σ², as :func:`batch_norm` returned them for this x.
    eps, data_format
        As in the forward pass.

    Returns
    -------
    dx : array of x's shape and type
    dgamma, dbeta : array (C,), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`batch_norm`; also if dy does not have the shape of x, or a variance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[1.0], [0], [4]]), np.array([[5.0], [-1], [2]])
    >>> dx, dgamma, dbeta = batch_norm_grads(dy, x=x, gamma=[6.0], mean=[2.0], var=[6.0], eps=3)
    >>> dx[:, 0], dgamma, dbeta
    (array([-2.        , -2.66666667,  4.66666667]), array([1.]), array([5.]))

    Source: lecture rows A13 and A16 (SOURCES.md); Ioffe and Szegedy, 2015, section 3.
    """
    dy, x, gamma, mean, var, eps = _checked_grads(dy, x, gamma, mean, var, eps, data_format)
    not_empty(x)
    dx, dgamma, dbeta = implementation("norm").batch_norm_grads(
        _rows(dy), x=_rows(x), gamma=gamma, mean=mean, var=var, eps=eps
    )
    return restore(dx.reshape(x.shape), data_format), dgamma, dbeta


def batch_norm_inference(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    *,
    eps: float = 1e-3,
    data_format: DataFormat = "channels_last",
) -> Array:
    r"""Normalise a batch by a given mean and variance, then scale and shift it (inference).

    .. math:: y_{m,c} = \gamma_c \frac{x_{m,c} - \hat{\mu}_c}{\sqrt{\hat{\sigma}^2_c + \varepsilon}} + \beta_c

    So the output of an example does not depend on the other examples of its batch.

    Parameters
    ----------
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        A batch, which may be empty; (N, C, …) with ``data_format="channels_first"``.
    gamma, beta : array (C,), of x's type
        Scale γ and shift β.
    mean, var : array (C,), of x's type
        The running averages of μ and σ² from training.
    eps, data_format
        As in :func:`batch_norm`.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        As :func:`batch_norm`; also if a variance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> batch_norm_inference([[4.0], [8]], gamma=[10.0], beta=[0.5], mean=[2.0], var=[3.0], eps=1)[:, 0]
    array([10.5, 30.5])

    Source: lecture row A15 (SOURCES.md).
    """
    x, gamma, beta, mean, var = floats(x=x, gamma=gamma, beta=beta, mean=mean, var=var)
    x = channels_last("x", x, None, data_format)
    eps = checked(eps, x.shape[-1], gamma=gamma, beta=beta, mean=mean, var=var)
    y = implementation("norm").batch_norm_inference(_rows(x), gamma, beta, mean, var, eps)
    return restore(y.reshape(x.shape), data_format)


def batch_norm_inference_grads(
    dy: ArrayLike,
    *,
    x: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    eps: float = 1e-3,
    data_format: DataFormat = "channels_last",
) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of :func:`batch_norm_inference`.

    .. math:: \frac{\partial e}{\partial x_{m,c}} =
              \frac{\gamma_c}{\sqrt{\hat{\sigma}^2_c + \varepsilon}} \frac{\partial e}{\partial y_{m,c}}

    The mean and the variance are constants here. ∂e/∂γ and ∂e/∂β are the same sums as in :func:`batch_norm_grads`.

    Parameters
    ----------
    dy, x, gamma, mean, var, eps, data_format
        As in :func:`batch_norm_grads`, with the mean and the variance of the forward pass.

    Returns
    -------
    dx : array of x's shape and type
    dgamma, dbeta : array (C,), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`batch_norm_grads`.

    Examples
    --------
    >>> import numpy as np
    >>> arrays = {"x": [[4.0], [8]], "gamma": [10.0], "mean": [2.0], "var": [3.0]}
    >>> dx, dgamma, dbeta = batch_norm_inference_grads([[1.0], [3]], **arrays, eps=1)
    >>> dx[:, 0], dgamma, dbeta
    (array([ 5., 15.]), array([10.]), array([4.]))

    Source: lecture row A15 (SOURCES.md).
    """
    dy, x, gamma, mean, var, eps = _checked_grads(dy, x, gamma, mean, var, eps, data_format)
    dx, dgamma, dbeta = implementation("norm").batch_norm_inference_grads(
        _rows(dy), x=_rows(x), gamma=gamma, mean=mean, var=var, eps=eps
    )
    return restore(dx.reshape(x.shape), data_format), dgamma, dbeta


def _checked_grads(
    dy: ArrayLike, x: ArrayLike, gamma: ArrayLike, mean: ArrayLike, var: ArrayLike, eps: float, data_format: DataFormat
) -> tuple[Array, Array, Array, Array, Array, Any]:
    dy, x, gamma, mean, var = floats(dy=dy, x=x, gamma=gamma, mean=mean, var=var)
    same_shape("dy", dy, x.shape, "the shape of x")
    dy, x = channels_last("dy", dy, None, data_format), channels_last("x", x, None, data_format)
    return dy, x, gamma, mean, var, checked(eps, x.shape[-1], gamma=gamma, mean=mean, var=var)


def not_empty(x: Array) -> Array:
    """Check that a batch contains at least one example, and return it."""
    if not len(x):
        raise ArgumentValueError(f"x must contain at least one example, got shape {x.shape}")
    return x


def checked(eps: Any, channels: int, **vectors: Array) -> Any:
    """Check eps and the vectors, which must have one number for each channel, and return eps."""
    for name, vector in vectors.items():
        same_shape(name, vector, (channels,), "one for each channel of x")
    var = vectors.get("var")
    if var is not None and (var < 0).any():
        c = np.flatnonzero(var < 0)[0]
        raise ArgumentValueError(f"var must not be negative, got {var[c]} for channel {c}")
    return scalar("eps", eps, vectors["gamma"], least=0)


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
