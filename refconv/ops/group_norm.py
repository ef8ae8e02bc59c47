"""Group, layer and instance normalisation, and their derivatives.

All three normalise each example by its own mean and variance, so they do not depend on the batch and are the same in training
and in inference. They accept rows (N, C), signals (N, n, C) and images (N, H, W, C), or channels on axis 1 with
``data_format="channels_first"``.
"""

from typing import Any

import numpy as np

from refconv._arguments import divisor
from refconv._errors import ArgumentValueError
from refconv.ops.check import channels_last, floats, restore, same_shape
from refconv.ops.dispatch import implementation
from refconv.ops.norm import checked
from refconv.typing import Array, ArrayLike, DataFormat

__all__ = ["group_norm", "group_norm_grads", "instance_norm", "layer_norm"]


def group_norm(
    x: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    groups: int,
    *,
    eps: float = 1e-3,
    data_format: DataFormat = "channels_last",
) -> tuple[Array, Array, Array]:
    r"""Normalise each example and each group of channels by its own mean and variance.

    .. math:: \mu_{n,g} = \frac{1}{M K} \sum_{m, c \in g} x_{n,m,c}, \quad
              \sigma^2_{n,g} = \frac{1}{M K} \sum_{m, c \in g} (x_{n,m,c} - \mu_{n,g})^2, \quad
              y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_{n,g}}{\sqrt{\sigma^2_{n,g} + \varepsilon}} + \beta_c

    m are the M positions of an example, and a group g has K = C / groups consecutive channels c. With one group this is
    :func:`layer_norm`, with C groups :func:`instance_norm`. Batch normalisation is the same formula with other axes: it takes
    the mean over n and m, for each channel.

    Parameters
    ----------
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        A batch; (N, C, …) with ``data_format="channels_first"``.
    gamma, beta : array (C,), of x's type
        Scale γ and shift β of each channel.
    groups : int
        Number of groups G, a divisor of C.
    eps : float
        ε, in units of the variance; not negative.
    data_format : str
        "channels_last" or "channels_first".

    Returns
    -------
    y : array of x's shape and type
    mean, var : array (N, G), of x's type
        μ and the biased σ² of each group of each example.

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or not of one type.
    ValueError
        If shapes do not fit, an example is empty, groups does not divide C, or eps is negative.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 3, 10, 30], [5, 5, 2, 0]])
    >>> y, mean, var = group_norm(x, gamma=[1.0, 1, 1, 1], beta=[0.0, 0, 0, 7], groups=2, eps=0.25)
    >>> mean, var
    (array([[ 2., 20.],
           [ 5.,  1.]]), array([[  1., 100.],
           [  0.,   1.]]))
    >>> y.round(3)
    array([[-0.894,  0.894, -0.999,  7.999],
           [ 0.   ,  0.   ,  0.894,  6.106]])

    Source: lecture row D4 (SOURCES.md); Wu and He, "Group normalization", 2018.
    """
    x, gamma, beta, eps = _checked(x, gamma, beta, eps, data_format)
    groups = divisor("groups", groups, channels=x.shape[-1])
    return _restored(implementation("group_norm").group_norm(_examples(x), gamma, beta, groups, eps), x, data_format)


def layer_norm(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, *, eps: float = 1e-3, data_format: DataFormat = "channels_last"
) -> tuple[Array, Array, Array]:
    r"""Normalise each example by its own mean and variance: :func:`group_norm` with one group.

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_n}{\sqrt{\sigma^2_n + \varepsilon}} + \beta_c

    γ and β have one number for each channel. On rows (N, C) this is the layer normalisation of PyTorch and Keras. On images
    PyTorch's ``LayerNorm`` has a γ for each element, and Keras normalises each pixel separately, as does
    ``nn.LayerNorm(each_position=True)``.

    Parameters
    ----------
    x, gamma, beta, eps, data_format
        As in :func:`group_norm`.

    Returns
    -------
    y : array of x's shape and type
    mean, var : array (N, 1), of x's type
        μ and the biased σ² of each example.

    Raises
    ------
    TypeError, ValueError
        As :func:`group_norm`.

    Examples
    --------
    >>> import numpy as np
    >>> y, mean, var = layer_norm(np.array([[1.0, 9], [5, 3]]), gamma=[2.0, 2], beta=[0.0, 7], eps=0)
    >>> y, mean[:, 0], var[:, 0]
    (array([[-2.,  9.],
           [ 2.,  5.]]), array([5., 4.]), array([16.,  1.]))

    Source: lecture row D4 (SOURCES.md); Ba, Kiros and Hinton, "Layer normalization", 2016.
    """
    x, gamma, beta, eps = _checked(x, gamma, beta, eps, data_format)
    return _restored(implementation("group_norm").layer_norm(_examples(x), gamma, beta, eps), x, data_format)


def instance_norm(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, *, eps: float = 1e-3, data_format: DataFormat = "channels_last"
) -> tuple[Array, Array, Array]:
    r"""Normalise each channel of each example: :func:`group_norm` with a group for each channel.

    .. math:: y_{n,m,c} = \gamma_c \frac{x_{n,m,c} - \mu_{n,c}}{\sqrt{\sigma^2_{n,c} + \varepsilon}} + \beta_c

    The mean is over the positions m of one example, so rows (N, C), with one position, become β.

    Parameters
    ----------
    x, gamma, beta, eps, data_format
        As in :func:`group_norm`.

    Returns
    -------
    y : array of x's shape and type
    mean, var : array (N, C), of x's type
        μ and the biased σ² of each channel of each example.

    Raises
    ------
    TypeError, ValueError
        As :func:`group_norm`.

    Examples
    --------
    >>> import numpy as np
    >>> y, mean, var = instance_norm(np.array([[[1.0, 5], [3, 13]]]), gamma=[1.0, 10], beta=[0.0, 7], eps=0)
    >>> y, mean, var
    (array([[[-1., -3.],
            [ 1., 17.]]]), array([[2., 9.]]), array([[ 1., 16.]]))

    Source: lecture row D4 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.
    """
    x, gamma, beta, eps = _checked(x, gamma, beta, eps, data_format)
    return _restored(implementation("group_norm").instance_norm(_examples(x), gamma, beta, eps), x, data_format)


def group_norm_grads(
    dy: ArrayLike,
    *,
    x: ArrayLike,
    gamma: ArrayLike,
    mean: ArrayLike,
    var: ArrayLike,
    eps: float = 1e-3,
    data_format: DataFormat = "channels_last",
) -> tuple[Array, Array, Array]:
    r"""Compute ∂e/∂x, ∂e/∂γ and ∂e/∂β of group, layer or instance normalisation.

    .. math:: \frac{\partial e}{\partial x_{n,m,c}} = \frac{1}{\sqrt{\sigma^2_{n,g} + \varepsilon}} \left(
              \gamma_c \frac{\partial e}{\partial y_{n,m,c}} - a_{n,g} - \hat{x}_{n,m,c} \, b_{n,g} \right), \quad
              a_{n,g} = \frac{1}{M K} \sum_{m, c \in g} \gamma_c \frac{\partial e}{\partial y_{n,m,c}}, \quad
              b_{n,g} = \frac{1}{M K} \sum_{m, c \in g} \gamma_c \frac{\partial e}{\partial y_{n,m,c}} \hat{x}_{n,m,c}

    Parameters
    ----------
    dy : array of x's shape and type
        ∂e/∂y.
    x : array (N, C), (N, n, C) or (N, H, W, C), float32 or float64
        The input of the forward pass.
    gamma : array (C,), of x's type
        Scale γ.
    mean, var : array (N, G), of x's type
        μ and σ², as the forward pass returned them for this x; G is the number of groups.
    eps, data_format
        As in the forward pass.

    Returns
    -------
    dx : array of x's shape and type
    dgamma, dbeta : array (C,), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`group_norm`; also if dy has another shape than x, or a variance is negative.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.array([[[1.0], [0], [4]]]), np.array([[[5.0], [-1], [2]]])
    >>> dx, dgamma, dbeta = group_norm_grads(dy, x=x, gamma=[6.0], mean=[[2.0]], var=[[6.0]], eps=3)
    >>> dx[0, :, 0], dgamma, dbeta
    (array([-2.        , -2.66666667,  4.66666667]), array([1.]), array([5.]))

    Source: lecture row D4 (SOURCES.md); Wu and He, "Group normalization", 2018.
    """
    dy, x, gamma, mean, var = floats(dy=dy, x=x, gamma=gamma, mean=mean, var=var)
    same_shape("dy", dy, x.shape, "the shape of x")
    dy, x = channels_last("dy", dy, None, data_format), channels_last("x", x, None, data_format)
    eps = checked(eps, x.shape[-1], gamma=gamma)
    if mean.ndim != 2 or len(mean) != len(x):
        raise ArgumentValueError(f"mean must have shape ({len(x)}, groups), got shape {mean.shape}")
    divisor("the number of groups in mean", mean.shape[1], channels=x.shape[-1])
    same_shape("var", var, mean.shape, "the shape of mean")
    if (var < 0).any():
        raise ArgumentValueError(f"var must not be negative, got {var[var < 0][0]}")
    dx, dgamma, dbeta = implementation("group_norm").group_norm_grads(
        _examples(dy), x=_examples(x), gamma=gamma, mean=mean, var=var, eps=eps
    )
    return restore(dx.reshape(x.shape), data_format), dgamma, dbeta


def _checked(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, eps: float, data_format: DataFormat
) -> tuple[Array, Array, Array, Any]:
    """Return x with channels last, gamma, beta and eps."""
    x, gamma, beta = floats(x=x, gamma=gamma, beta=beta)
    x = channels_last("x", x, None, data_format)
    return x, gamma, beta, checked(eps, x.shape[-1], gamma=gamma, beta=beta)


def _examples(array: Array) -> Array:
    """Return (N, …, C) as (N, M, C)."""
    return array.reshape(len(array), int(np.prod(array.shape[1:-1])), array.shape[-1])


def _restored(results: tuple[Array, Array, Array], x: Array, data_format: DataFormat) -> tuple[Array, Array, Array]:
    y, mean, var = results
    return restore(y.reshape(x.shape), data_format), mean, var
