"""Dropout and its derivative, on arrays of any shape."""

from typing import Any

import numpy as np

from refconv._arguments import generator
from refconv.ops.check import as_float, floats, same_shape, scalar
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, Generator

__all__ = ["dropout", "dropout_dx", "dropout_rate"]


def dropout(x: ArrayLike, rate: float, rng: Generator) -> tuple[Array, Array]:
    r"""Dropout: units are set to zero at random, and the others enlarged, so that the expected value stays (inverted dropout).

    .. math:: y = x \cdot \mathrm{mask}, \qquad \mathrm{mask} = \begin{cases} 0 & \text{with probability rate} \\
              1 / (1 - \mathrm{rate}) & \text{else} \end{cases}

    A dropped unit is 0 even if x is infinite or NaN.

    In inference nothing is done. The random numbers are float64 whatever x is, so a seed gives one mask for both types.

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.
    rate : float
        Probability with which a unit is dropped, from 0 up to but not including 1.
    rng : numpy.random.Generator or int
        Where the random numbers come from: a generator, which moves on, or a seed.

    Returns
    -------
    y : array of x's shape and type
    mask : array of x's shape and type
        What :func:`dropout_dx` needs.

    Raises
    ------
    TypeError
        If x holds neither float32, float64 nor integers, rate is no number, or rng neither a generator nor a seed.
    ValueError
        If rate or the seed lies outside of its range.

    Examples
    --------
    >>> dropout([1, 2, 3, 4, 5], rate=0.75, rng=4)
    (array([ 4.,  0., 12.,  0.,  0.]), array([4., 0., 4., 0., 0.]))

    Source: lecture row A18 (SOURCES.md); Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", 2014.
    """
    # The kernels want at least one axis, and floats() makes one; a single number goes back without.
    single, x = x, as_float("x", x)
    shape = np.shape(single)
    u = generator("rng", rng).random(x.shape)
    y, mask = implementation("dropout").dropout(x, u, dropout_rate(rate, x))
    return y.reshape(shape), mask.reshape(shape)


def dropout_dx(dy: ArrayLike, *, mask: ArrayLike) -> Array:
    r"""∂e/∂x of :func:`dropout`, from ∂e/∂y and the mask.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot \mathrm{mask}

    A dropped unit, where the mask is 0, gets 0 even if ∂e/∂y is infinite or NaN.

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
        If the arrays are not of one type or not of one shape.

    Examples
    --------
    >>> dropout_dx([10, 20, 30], mask=[0, 4, 4])
    array([  0.,  80., 120.])

    Source: lecture row A18 (SOURCES.md).
    """
    single = mask
    dy, mask = floats(dy=dy, mask=mask)
    shape = np.shape(single)
    same_shape("dy", dy, mask.shape, "the shape of mask")
    return implementation("dropout").dropout_dx(dy, mask=mask).reshape(shape)


def dropout_rate(rate: float, like: Array) -> Any:
    """The rate, checked: at least 0 and below 1."""
    return scalar("rate", rate, like, least=0, below=1)
