"""Dropout and its derivative, on arrays of any shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv._arguments import generator
from refconv.ops.check import as_float, floats, same_shape, scalar
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, Generator

__all__ = ["dropout", "dropout_dx", "dropout_rate"]


def dropout(x: ArrayLike, rate: float, rng: Generator) -> tuple[Array, Array]:
    r"""Set randomly chosen units to zero and scale the others up (inverted dropout).

    .. math:: y = x \cdot \mathrm{mask}, \qquad \mathrm{mask} = \begin{cases} 0 & \text{with probability rate} \\
              1 / (1 - \mathrm{rate}) & \text{else} \end{cases}

    The expected value of each unit stays the same, so inference needs no dropout and no correction. A dropped unit is 0 even
    if its x is infinite or NaN. The random numbers are float64 for any type of x, so a seed gives the same mask in float32 and
    float64.

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.
    rate : float
        Probability with which a unit is dropped, from 0 up to but not including 1.
    rng : numpy.random.Generator or int
        Generator of the random numbers, whose state advances, or a seed.

    Returns
    -------
    y : array of x's shape and type
    mask : array of x's shape and type
        0 for dropped units and 1 / (1 − rate) for the others; an argument of :func:`dropout_dx`.

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers, rate is not a number, or rng is neither a generator
        nor an integer.
    ValueError
        If rate or the seed is out of range.

    Examples
    --------
    >>> dropout([1, 2, 3, 4, 5], rate=0.75, rng=4)
    (array([ 4.,  0., 12.,  0.,  0.]), array([4., 0., 4., 0., 0.]))

    Source: lecture row A18 (SOURCES.md); Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", 2014.
    """
    # The kernels need at least one axis, so as_float() gives a single number one. It is removed at the end.
    given, x = x, as_float("x", x)
    shape = np.shape(given)
    u = generator("rng", rng).random(x.shape)
    y, mask = implementation("dropout").dropout(x, u, dropout_rate(rate, x))
    return y.reshape(shape), mask.reshape(shape)


def dropout_dx(dy: ArrayLike, *, mask: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`dropout` from ∂e/∂y and the mask.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot \mathrm{mask}

    For a dropped unit, whose mask is 0, ∂e/∂x is 0 even if ∂e/∂y is infinite or NaN.

    Parameters
    ----------
    dy : array of the mask's shape and type, float32 or float64
        ∂e/∂y.
    mask : array
        The mask that the forward pass returned.

    Returns
    -------
    array of dy's shape and type

    Raises
    ------
    TypeError, ValueError
        If the arrays differ in type or shape.

    Examples
    --------
    >>> dropout_dx([10, 20, 30], mask=[0, 4, 4])
    array([  0.,  80., 120.])

    Source: lecture row A18 (SOURCES.md).
    """
    given = mask
    dy, mask = floats(dy=dy, mask=mask)
    shape = np.shape(given)
    same_shape("dy", dy, mask.shape, "the shape of mask")
    return implementation("dropout").dropout_dx(dy, mask=mask).reshape(shape)


def dropout_rate(rate: float, like: Array) -> Any:
    """Check that the rate is at least 0 and below 1, and return it."""
    return scalar("rate", rate, like, least=0, below=1)
