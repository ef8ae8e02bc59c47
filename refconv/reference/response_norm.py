r"""Local response normalisation across channels and its derivative, as loops.

Each element is divided by a power of the sum of squares over neighbouring channels j of the same pixel m. Rows (N, C), signals
(N, n, C) and images (N, H, W, C) are all reshaped to (M, C), since pixels and examples are independent::

    y [m, c]   =  x[m, c] / d[m, c]^β                          with d[m, c] = k + Σⱼ α·x[m, j]²
    dx[m, c]   =  dy[m, c] / d[m, c]^β                         through the numerator
    dx[m, c]  −=  2αβ·x[m, c]·dy[m, j]·y[m, j] / d[m, j]       through the denominator of each channel j near c

The sum over j in d[m, c] runs over ``size`` channels, from c − ⌊size / 2⌋ to c + ⌊(size − 1) / 2⌋, as far as these channels
exist. The sum over j in the derivative runs over the channels whose denominator contains x[m, c]: from c − ⌊(size − 1) / 2⌋
to c + ⌊size / 2⌋. For even sizes these are different channels.
"""

import numpy as np

from refconv.reference.functions import power
from refconv.typing import Array

__all__ = ["denominators", "local_response_norm", "local_response_norm_dx"]


def local_response_norm(x: Array, size: int, alpha: float, beta: float, k: float) -> Array:
    r"""Divide each element by a power of a sum of squares over neighbouring channels.

    .. math:: y_{m,c} = \frac{x_{m,c}}{d_{m,c}^{\,\beta}}

    ``x`` (M, C), the other arguments are numbers; returns (M, C). :func:`denominators` computes d.

    >>> local_response_norm(np.array([[3.0, 1, 2]]), size=2, alpha=0.5, beta=1, k=0.5)
    array([[0.6       , 0.18181818, 0.66666667]])

    Source: lecture row M3 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012.
    """
    M, C = x.shape
    d = denominators(x, size, alpha, k)
    y = np.zeros((M, C), x.dtype)
    for m in range(M):
        for c in range(C):
            y[m, c] = x[m, c] / power(d[m, c], beta)
    return y


def denominators(x: Array, size: int, alpha: float, k: float) -> Array:
    r"""Compute d, the base of the power: k plus α times the squares of neighbouring channels.

    .. math:: d_{m,c} = k + \alpha \sum_{j = \max(0,\; c - \lfloor size / 2 \rfloor)}^
              {\min(C - 1,\; c + \lfloor (size - 1) / 2 \rfloor)} x_{m,j}^2

    ``x`` (M, C), the other arguments are numbers; returns (M, C).

    >>> denominators(np.array([[3.0, 1, 2]]), size=2, alpha=0.5, k=0.5)
    array([[5. , 5.5, 3. ]])

    Source: lecture row M3 (SOURCES.md); Krizhevsky, Sutskever and Hinton, 2012, section 3.3.
    """
    M, C = x.shape
    d = np.full((M, C), k, x.dtype)
    for m in range(M):
        for c in range(C):
            for j in range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)):
                d[m, c] += alpha * x[m, j] ** 2
    return d


def local_response_norm_dx(dy: Array, size: int, alpha: float, beta: float, k: float, *, x: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`local_response_norm`, through numerator and denominators.

    .. math:: \frac{\partial e}{\partial x_{m,c}} = \frac{1}{d_{m,c}^{\,\beta}} \frac{\partial e}{\partial y_{m,c}}
              - 2 \alpha \beta \, x_{m,c} \sum_{j = \max(0,\; c - \lfloor (size - 1) / 2 \rfloor)}^
              {\min(C - 1,\; c + \lfloor size / 2 \rfloor)}
              \frac{\partial e}{\partial y_{m,j}} \frac{x_{m,j}}{d_{m,j}^{\,\beta + 1}}

    ``dy`` and ``x`` (M, C), the other arguments are numbers; returns (M, C).

    >>> dy, x = np.array([[0.0, 121, 0]]), np.array([[3.0, 1, 2]])
    >>> local_response_norm_dx(dy, x=x, size=2, alpha=0.5, beta=1, k=0.5)
    array([[-12.,  18.,   0.]])

    Source: lecture row M3 (SOURCES.md); the chain rule.
    """
    M, C = x.shape
    d = denominators(x, size, alpha, k)
    dx = np.zeros((M, C), x.dtype)
    for m in range(M):
        for c in range(C):
            # forward: y[m, c] = x[m, c] / power(d[m, c], beta)
            dx[m, c] = dy[m, c] / power(d[m, c], beta)
            for j in range(max(0, c - (size - 1) // 2), min(C, c + size // 2 + 1)):
                y = x[m, j] / power(d[m, j], beta)
                # forward: d[m, j] += alpha * x[m, c] ** 2
                dx[m, c] -= 2 * alpha * beta * x[m, c] * (dy[m, j] * y / d[m, j])
    return dx
