r"""Dropout and its derivative, one element at a time.

In training each unit is dropped with probability ``rate``. The others are divided by 1 − rate, so the expected value of each
unit stays the same, and inference needs no correction (inverted dropout)::

    y  = x · mask          with mask = 0 or 1 / (1 − rate)
    dx = dy · mask

The argument ``u`` contains uniform random numbers. The loops and the kernels get the same ones, so they drop the same units.
"""

import numpy as np

from refconv.typing import Array

__all__ = ["dropout", "dropout_dx"]


def dropout(x: Array, u: Array, rate: float) -> tuple[Array, Array]:
    r"""Set units whose random number is below the rate to 0, and scale the others up.

    .. math:: y = x \cdot \mathrm{mask}, \qquad
              \mathrm{mask} = \begin{cases} 0 & u < \mathrm{rate} \\ 1 / (1 - \mathrm{rate}) & \text{else} \end{cases}

    A dropped unit is 0 even if its x is infinite or NaN.

    ``x`` has any shape, ``u`` has the same shape and is uniform in [0, 1); returns y and mask.

    >>> dropout(np.array([1.0, 2, 3]), np.array([0.1, 0.75, 0.8]), 0.75)
    (array([ 0.,  8., 12.]), array([0., 4., 4.]))

    Source: lecture row A18 (SOURCES.md).
    """
    y, mask = np.empty_like(x), np.empty_like(x)
    for i in range(x.size):
        mask.flat[i] = 0 if u.flat[i] < rate else 1 / (1 - rate)
        y.flat[i] = x.flat[i] * mask.flat[i] if mask.flat[i] != 0 else 0
    return y, mask


def dropout_dx(dy: Array, *, mask: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`dropout`: ∂e/∂y times the mask.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot \mathrm{mask}

    ∂e/∂x of a dropped unit is 0 even if its ∂e/∂y is infinite or NaN.

    ``dy`` has the shape of x, ``mask`` is the one that the forward pass returned; returns dx.

    >>> dropout_dx(np.array([10.0, 20, 30]), mask=np.array([0.0, 4, 4]))
    array([  0.,  80., 120.])

    Source: lecture row A18 (SOURCES.md).
    """
    dx = np.empty_like(dy)
    for i in range(dy.size):
        # forward: y.flat[i] = x.flat[i] * mask.flat[i] if mask.flat[i] != 0 else 0
        dx.flat[i] = dy.flat[i] * mask.flat[i] if mask.flat[i] != 0 else 0
    return dx
