r"""Activation functions and their derivatives, one element at a time.

Each function acts on every element separately, so the chain rule is a product, ∂e/∂x = ∂e/∂y · f′(x). Where a function has
two branches, the first is for x > 0::

    relu          y = x  or  0              dx = dy  or  0
    relu6         y = min(x, 6)  or  0      dx = dy  or  0, and 0 for x ≥ 6
    leaky_relu    y = x  or  slope·x        dx = dy  or  dy·slope
    elu           y = x  or  α·(eˣ − 1)     dx = dy  or  dy·α·eˣ
    sigmoid       y = 1 / (1 + e⁻ˣ)         dx = dy·y·(1 − y)
    tanh          y = tanh x                dx = dy·(1 − y²)

Arrays may have any shape. At the kink x = 0 the second branch gives the derivative: 0 for ReLU and ReLU6, the slope for leaky
ReLU and α for ELU. (The ELU on the slide uses the first branch at 0: the output is the same, but the derivative is 1.) At its
second kink x = 6, the derivative of ReLU6 is 0, as in PyTorch.
"""

import numpy as np

from refconv.reference.functions import exp, expm1
from refconv.reference.functions import tanh as tanh_of
from refconv.typing import Array

__all__ = [
    "elu",
    "elu_dx",
    "leaky_relu",
    "leaky_relu_dx",
    "relu",
    "relu6",
    "relu6_dx",
    "relu_dx",
    "sigmoid",
    "sigmoid_dx",
    "tanh",
    "tanh_dx",
]


def relu(x: Array) -> Array:
    r"""Compute the rectified linear unit: negative elements become 0, and a NaN stays a NaN.

    .. math:: y = \max(0, x)

    >>> relu(np.array([-2.0, 0, 3]))
    array([0., 0., 3.])

    Source: lecture row B6 (SOURCES.md).
    """
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = 0 if x.flat[i] < 0 else x.flat[i]
    return y


def relu_dx(dy: Array, *, x: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`relu`.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot [x > 0]

    >>> relu_dx(np.array([10.0, 20, 30]), x=np.array([-2.0, 0, 3]))
    array([ 0.,  0., 30.])

    Source: lecture row B6 (SOURCES.md).
    """
    dx = np.empty_like(dy)
    for i in range(x.size):
        # forward: y.flat[i] = 0 if x.flat[i] < 0 else x.flat[i]
        dx.flat[i] = dy.flat[i] if x.flat[i] > 0 else 0
    return dx


def relu6(x: Array) -> Array:
    r"""Compute the rectified linear unit with outputs of at most 6; a NaN stays a NaN.

    .. math:: y = \min(\max(0, x), 6)

    >>> relu6(np.array([-2.0, 3, 8]))
    array([0., 3., 6.])

    Source: lecture row M15 (SOURCES.md).
    """
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = 0 if x.flat[i] < 0 else 6 if x.flat[i] >= 6 else x.flat[i]
    return y


def relu6_dx(dy: Array, *, x: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`relu6`.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot [0 < x < 6]

    >>> relu6_dx(np.array([10.0, 20, 30]), x=np.array([-2.0, 3, 6]))
    array([ 0., 20.,  0.])

    Source: lecture row M15 (SOURCES.md).
    """
    dx = np.empty_like(dy)
    for i in range(x.size):
        # forward: y.flat[i] = 0 if x.flat[i] < 0 else 6 if x.flat[i] >= 6 else x.flat[i]
        dx.flat[i] = dy.flat[i] if x.flat[i] > 0 and x.flat[i] < 6 else 0
    return dx


def leaky_relu(x: Array, slope: float) -> Array:
    r"""Compute the leaky rectified linear unit: negative elements are multiplied by ``slope``.

    .. math:: y = \begin{cases} x & x > 0 \\ \mathrm{slope} \cdot x & \text{else} \end{cases}

    >>> leaky_relu(np.array([-2.0, 0, 3]), 0.25)
    array([-0.5,  0. ,  3. ])

    Source: lecture row B6 (SOURCES.md).
    """
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 else slope * x.flat[i]
    return y


def leaky_relu_dx(dy: Array, *, x: Array, slope: float) -> Array:
    r"""Compute ∂e/∂x of :func:`leaky_relu`.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot
              \begin{cases} 1 & x > 0 \\ \mathrm{slope} & \text{else} \end{cases}

    >>> leaky_relu_dx(np.array([10.0, 20, 30]), x=np.array([-2.0, 0, 3]), slope=0.25)
    array([ 2.5,  5. , 30. ])

    Source: lecture row B6 (SOURCES.md).
    """
    dx = np.empty_like(dy)
    for i in range(x.size):
        # forward: y.flat[i] = x.flat[i] if x.flat[i] > 0 else slope * x.flat[i]
        dx.flat[i] = dy.flat[i] if x.flat[i] > 0 else dy.flat[i] * slope
    return dx


def elu(x: Array, alpha: float) -> Array:
    r"""Compute the exponential linear unit, which approaches −α for very negative x.

    .. math:: y = \begin{cases} x & x > 0 \\ \alpha \, (e^x - 1) & \text{else} \end{cases}

    >>> elu(np.array([np.log(0.25), 0, 3]), 2).round(6)
    array([-1.5,  0. ,  3. ])

    Source: lecture row B6 (SOURCES.md).
    """
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = x.flat[i] if x.flat[i] > 0 else alpha * expm1(x.flat[i])
    return y


def elu_dx(dy: Array, *, x: Array, alpha: float) -> Array:
    r"""Compute ∂e/∂x of :func:`elu`.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot
              \begin{cases} 1 & x > 0 \\ \alpha \, e^x & \text{else} \end{cases}

    >>> elu_dx(np.array([10.0, 20, 30]), x=np.array([np.log(0.25), 0, 3]), alpha=2).round(6)
    array([ 5., 40., 30.])

    Source: lecture row B6 (SOURCES.md).
    """
    dx = np.empty_like(dy)
    for i in range(x.size):
        # forward: y.flat[i] = x.flat[i] if x.flat[i] > 0 else alpha * expm1(x.flat[i])
        dx.flat[i] = dy.flat[i] if x.flat[i] > 0 else dy.flat[i] * (alpha * exp(x.flat[i]))
    return dx


def sigmoid(x: Array) -> Array:
    r"""Compute the logistic function, whose outputs are between 0 and 1.

    .. math:: y = \frac{1}{1 + e^{-x}}

    If e⁻ˣ overflows to ∞, y is 0.

    >>> sigmoid(np.log([1 / 3, 1, 4])).round(6)
    array([0.25, 0.5 , 0.8 ])

    Source: lecture row B6 (SOURCES.md).
    """
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = 1 / (1 + exp(-x.flat[i]))
    return y


def sigmoid_dx(dy: Array, *, y: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`sigmoid` from its output y.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot y \, (1 - y)

    >>> sigmoid_dx(np.array([10.0, 100]), y=np.array([0.5, 0.25]))
    array([ 2.5 , 18.75])

    Source: lecture row B6 (SOURCES.md).
    """
    dx = np.empty_like(dy)
    for i in range(y.size):
        # forward: y.flat[i] = 1 / (1 + exp(-x.flat[i]))
        dx.flat[i] = dy.flat[i] * y.flat[i] * (1 - y.flat[i])
    return dx


def tanh(x: Array) -> Array:
    r"""Compute the hyperbolic tangent, whose outputs are between −1 and 1.

    .. math:: y = \frac{e^x - e^{-x}}{e^x + e^{-x}}

    >>> tanh(np.log([0.5, 1, 3])).round(6)
    array([-0.6,  0. ,  0.8])

    Source: lecture row B6 (SOURCES.md).
    """
    y = np.empty_like(x)
    for i in range(x.size):
        y.flat[i] = tanh_of(x.flat[i])
    return y


def tanh_dx(dy: Array, *, y: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`tanh` from its output y.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot (1 - y^2)

    >>> tanh_dx(np.array([10.0, 100]), y=np.array([0.5, -0.25]))
    array([ 7.5 , 93.75])

    Source: lecture row B6 (SOURCES.md).
    """
    dx = np.empty_like(dy)
    for i in range(y.size):
        # forward: y.flat[i] = tanh_of(x.flat[i])
        dx.flat[i] = dy.flat[i] * (1 - y.flat[i] * y.flat[i])
    return dx
