r"""Initial values of parameters.

Random weights are scaled so that signals neither vanish nor grow from layer to layer. The variance depends on the fan-in and
the fan-out. The fan-in of a kernel (kh, kw, C / groups, O) is the number of products in one output, kh·kw·C / groups. Its
fan-out is kh·kw·O.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from refconv.typing import Array, Shape

__all__ = ["Initializer", "fans", "glorot_uniform", "he_normal", "ones", "zeros"]

Initializer: TypeAlias = Callable[[np.random.Generator, Shape], Array]  # initializer(rng, shape) returns the initial values


def fans(shape: Shape) -> tuple[int, int]:
    """Return fan-in and fan-out of a kernel or a dense layer's matrix.

    >>> fans((5, 5, 6, 16)), fans((400, 120))
    ((150, 400), (400, 120))
    """
    *window, inputs, outputs = shape
    return math.prod(window) * inputs, math.prod(window) * outputs


def glorot_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    r"""Draw weights uniformly between −a and a, with a = √(6 / (fan-in + fan-out)).

    This preserves the variance of outputs and gradients if the units are nearly linear.

    .. math:: w \sim U(-a, a), \quad a = \sqrt{\frac{6}{\text{fan-in} + \text{fan-out}}}

    Parameters: ``rng``, a numpy Generator; ``shape``, the shape of a kernel. Returns a float64 array.

    >>> w = glorot_uniform(np.random.default_rng(1), (5, 5, 6, 16))
    >>> bool(abs(w).max() <= (6 / 550) ** 0.5), w.shape
    (True, (5, 5, 6, 16))

    Source: lecture row M2 (SOURCES.md); Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010.
    """
    limit = math.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-limit, limit, shape)


def he_normal(rng: np.random.Generator, shape: Shape, fan_in: float | None = None) -> Array:
    r"""Draw weights from a normal distribution with variance 2 / fan-in.

    This preserves the variance of activations through ReLUs, which halve it.

    .. math:: w \sim N\left(0, \frac{2}{\text{fan-in}}\right)

    Parameters: ``rng``, a numpy Generator; ``shape``, the shape of a kernel; ``fan_in``, the number of products in one output
    if it does not follow from the shape. Returns a float64 array.

    >>> w = he_normal(np.random.default_rng(1), (400, 120))
    >>> bool(abs(w.var() - 2 / 400) < 1e-4)
    True

    Source: lecture row M9 (SOURCES.md); He et al., "Delving deep into rectifiers", 2015.
    """
    return rng.normal(0, math.sqrt(2 / (fan_in or fans(shape)[0])), shape)


def zeros(rng: np.random.Generator, shape: Shape) -> Array:
    """Return zeros: for biases, and β of batch normalisation (lecture row A13)."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: Shape) -> Array:
    """Return ones: for γ of batch normalisation (lecture row A13)."""
    return np.ones(shape)
