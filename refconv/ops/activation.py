"""Activation functions and their derivatives, on arrays of any shape.

The derivatives of sigmoid and tanh are computed from the output y, since they are polynomials in y. The other derivatives are
computed from the input x. At the kink x = 0 they use the branch for x ≤ 0; at its second kink x = 6, the
derivative of ReLU6 is 0.
"""

from __future__ import annotations

import numpy as np

from refconv.ops.check import as_float, floats, same_shape, scalar
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike

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


def relu(x: ArrayLike) -> Array:
    r"""Compute the rectified linear unit: negative elements become 0.

    .. math:: y = \max(0, x)

    A NaN stays a NaN.

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.

    Examples
    --------
    >>> relu([-2, 0, 3])
    array([0., 0., 3.])

    Source: lecture row B6 (SOURCES.md); Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
    """
    return implementation("activation").relu(as_float("x", x)).reshape(np.shape(x))


def relu_dx(dy: ArrayLike, *, x: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`relu` from ∂e/∂y and the input.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot [x > 0]

    The derivative at 0 is 0.

    Parameters
    ----------
    dy : array, float32 or float64
        ∂e/∂y.
    x : array of dy's shape and type
        The input of the forward pass.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        If dy and x are not float32, float64 or integers, or differ in type or shape.

    Examples
    --------
    >>> relu_dx([10, 20, 30], x=[-2, 0, 3])
    array([ 0.,  0., 30.])

    Source: lecture row B6 (SOURCES.md).
    """
    dy, a = _checked(dy, x=x)
    return implementation("activation").relu_dx(dy, x=a).reshape(np.shape(x))


def relu6(x: ArrayLike) -> Array:
    r"""Compute the rectified linear unit with outputs of at most 6.

    .. math:: y = \min(\max(0, x), 6)

    A NaN stays a NaN. The published code of MobileNet uses this function, because the upper limit helps arithmetic with few
    bits; the paper's text says ReLU.

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.

    Examples
    --------
    >>> relu6([-2, 3, 8])
    array([0., 3., 6.])

    Source: lecture row M15 (SOURCES.md); Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
    """
    return implementation("activation").relu6(as_float("x", x)).reshape(np.shape(x))


def relu6_dx(dy: ArrayLike, *, x: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`relu6` from ∂e/∂y and the input.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot [0 < x < 6]

    The derivatives at 0 and at 6 are 0, as in PyTorch.

    Parameters
    ----------
    dy : array, float32 or float64
        ∂e/∂y.
    x : array of dy's shape and type
        The input of the forward pass.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        If dy and x are not float32, float64 or integers, or differ in type or shape.

    Examples
    --------
    >>> relu6_dx([10, 20, 30], x=[-2, 3, 6])
    array([ 0., 20.,  0.])

    Source: lecture row M15 (SOURCES.md).
    """
    dy, a = _checked(dy, x=x)
    return implementation("activation").relu6_dx(dy, x=a).reshape(np.shape(x))


def leaky_relu(x: ArrayLike, slope: float = 0.1) -> Array:
    r"""Compute the leaky rectified linear unit: negative elements are multiplied by ``slope``.

    .. math:: y = \begin{cases} x & x > 0 \\ \mathrm{slope} \cdot x & \text{else} \end{cases}

    For slopes from 0 to 1 this is max(slope · x, x).

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.
    slope : float
        Factor of negative elements.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        If x is not an array of float32, float64 or integers, or slope is not a finite number.

    Examples
    --------
    >>> leaky_relu([-2, 0, 3], slope=0.25)
    array([-0.5,  0. ,  3. ])

    Source: lecture row B6 (SOURCES.md); Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic
    models", 2013.
    """
    a = as_float("x", x)
    return implementation("activation").leaky_relu(a, scalar("slope", slope, a)).reshape(np.shape(x))


def leaky_relu_dx(dy: ArrayLike, *, x: ArrayLike, slope: float = 0.1) -> Array:
    r"""Compute ∂e/∂x of :func:`leaky_relu` from ∂e/∂y and the input.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot
              \begin{cases} 1 & x > 0 \\ \mathrm{slope} & \text{else} \end{cases}

    Parameters
    ----------
    dy : array, float32 or float64
        ∂e/∂y.
    x : array of dy's shape and type
        The input of the forward pass.
    slope : float
        As in the forward pass.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        As :func:`leaky_relu`; also if dy and x differ in type or shape.

    Examples
    --------
    >>> leaky_relu_dx([10, 20, 30], x=[-2, 0, 3], slope=0.25)
    array([ 2.5,  5. , 30. ])

    Source: lecture row B6 (SOURCES.md).
    """
    dy, a = _checked(dy, x=x)
    return implementation("activation").leaky_relu_dx(dy, x=a, slope=scalar("slope", slope, a)).reshape(np.shape(x))


def elu(x: ArrayLike, alpha: float = 1) -> Array:
    r"""Compute the exponential linear unit, which approaches −α for very negative x.

    .. math:: y = \begin{cases} x & x > 0 \\ \alpha \, (e^x - 1) & \text{else} \end{cases}

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.
    alpha : float
        α of the formula. With α = 1 the derivative has no jump at 0.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        If x is not an array of float32, float64 or integers, or alpha is not a finite number.

    Examples
    --------
    >>> elu(np.array([np.log(0.25), 0, 3]), alpha=2).round(6)
    array([-1.5,  0. ,  3. ])

    Source: lecture row B6 (SOURCES.md); Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
    exponential linear units", 2016.
    """
    a = as_float("x", x)
    return implementation("activation").elu(a, scalar("alpha", alpha, a)).reshape(np.shape(x))


def elu_dx(dy: ArrayLike, *, x: ArrayLike, alpha: float = 1) -> Array:
    r"""Compute ∂e/∂x of :func:`elu` from ∂e/∂y and the input.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot
              \begin{cases} 1 & x > 0 \\ \alpha \, e^x & \text{else} \end{cases}

    Parameters
    ----------
    dy : array, float32 or float64
        ∂e/∂y.
    x : array of dy's shape and type
        The input of the forward pass.
    alpha : float
        As in the forward pass.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError, ValueError
        As :func:`elu`; also if dy and x differ in type or shape.

    Examples
    --------
    >>> elu_dx(np.array([10.0, 20, 30]), x=np.array([np.log(0.25), 0, 3]), alpha=2).round(6)
    array([ 5., 40., 30.])

    Source: lecture row B6 (SOURCES.md).
    """
    dy, a = _checked(dy, x=x)
    return implementation("activation").elu_dx(dy, x=a, alpha=scalar("alpha", alpha, a)).reshape(np.shape(x))


def sigmoid(x: ArrayLike) -> Array:
    r"""Compute the logistic function, whose outputs are between 0 and 1.

    .. math:: y = \frac{1}{1 + e^{-x}}

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.

    Examples
    --------
    >>> sigmoid(np.log([1 / 3, 1, 4])).round(6)
    array([0.25, 0.5 , 0.8 ])

    Source: lecture row B6 (SOURCES.md).
    """
    return implementation("activation").sigmoid(as_float("x", x)).reshape(np.shape(x))


def sigmoid_dx(dy: ArrayLike, *, y: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`sigmoid` from ∂e/∂y and the output.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot y \, (1 - y)

    Parameters
    ----------
    dy : array, float32 or float64
        ∂e/∂y.
    y : array of dy's shape and type
        The output of the forward pass, not its input.

    Returns
    -------
    array of y's shape and type

    Raises
    ------
    TypeError, ValueError
        If dy and y are not float32, float64 or integers, or differ in type or shape.

    Examples
    --------
    >>> sigmoid_dx([10.0, 100], y=[0.5, 0.25])
    array([ 2.5 , 18.75])

    Source: lecture row B6 (SOURCES.md).
    """
    dy, a = _checked(dy, y=y)
    return implementation("activation").sigmoid_dx(dy, y=a).reshape(np.shape(y))


def tanh(x: ArrayLike) -> Array:
    r"""Compute the hyperbolic tangent, whose outputs are between −1 and 1.

    .. math:: y = \frac{e^x - e^{-x}}{e^x + e^{-x}}

    Parameters
    ----------
    x : array, float32 or float64
        Any shape.

    Returns
    -------
    array of x's shape and type

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.

    Examples
    --------
    >>> tanh(np.log([0.5, 1, 3])).round(6)
    array([-0.6,  0. ,  0.8])

    Source: lecture row B6 (SOURCES.md).
    """
    return implementation("activation").tanh(as_float("x", x)).reshape(np.shape(x))


def tanh_dx(dy: ArrayLike, *, y: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`tanh` from ∂e/∂y and the output.

    .. math:: \frac{\partial e}{\partial x} = \frac{\partial e}{\partial y} \cdot (1 - y^2)

    Parameters
    ----------
    dy : array, float32 or float64
        ∂e/∂y.
    y : array of dy's shape and type
        The output of the forward pass, not its input.

    Returns
    -------
    array of y's shape and type

    Raises
    ------
    TypeError, ValueError
        If dy and y are not float32, float64 or integers, or differ in type or shape.

    Examples
    --------
    >>> tanh_dx([10.0, 100], y=[0.5, -0.25])
    array([ 7.5 , 93.75])

    Source: lecture row B6 (SOURCES.md).
    """
    dy, a = _checked(dy, y=y)
    return implementation("activation").tanh_dx(dy, y=a).reshape(np.shape(y))


def _checked(dy: ArrayLike, **array: ArrayLike) -> tuple[Array, Array]:
    """Return the checked arrays dy and x, or dy and y.

    A single number becomes an array with one axis.
    """
    (name,) = array
    dy, a = floats(dy=dy, **array)
    same_shape("dy", dy, a.shape, f"the shape of {name}")
    return dy, a
