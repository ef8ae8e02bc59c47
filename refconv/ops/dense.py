"""The dense (fully connected) layer and its derivatives."""

from __future__ import annotations

from refconv.ops.check import as_float, axes, floats, same_shape
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike

__all__ = ["dense", "dense_db", "dense_dw", "dense_dx"]


def dense(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> Array:
    r"""Compute a dense layer: each output is its bias plus the weighted sum of all inputs.

    .. math:: y_o = \mathrm{bias}_o + \sum_c x_c \; w_{c,o}

    A convolution with a 1×1 kernel applies this layer to every pixel, with the same weights (lecture row A8).

    Parameters
    ----------
    x : array (N, C), float32 or float64
        A batch of examples.
    w : array (C, O), of x's type
        The weights.
    b : array (O,), of x's type, optional
        The bias, one for each output.

    Returns
    -------
    array (N, O), of x's type

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If shapes do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> dense(np.array([[1.0, 2]]), np.array([[1.0, 10, 100], [3, 5, 7]]), b=[0.5, 0, 0])
    array([[  7.5,  20. , 114. ]])

    Source: lecture row A8 (SOURCES.md).
    """
    x, w, b = floats(x=x, w=w, b=b)
    _batch("x", x)
    _weights(w)
    same_shape("x", x, (len(x), len(w)), "with a channel for each row of w")
    same_shape("b", b, w.shape[1:], "one for each column of w")
    return implementation("dense").dense(x, w, b)


def dense_dx(dy: ArrayLike, w: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`dense` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_c} = \sum_o \frac{\partial e}{\partial y_o} \; w_{c,o}

    Parameters
    ----------
    dy : array (N, O), float32 or float64
        ∂e/∂y.
    w : array (C, O), of dy's type
        The weights of the forward pass.

    Returns
    -------
    array (N, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`dense`.

    Examples
    --------
    >>> import numpy as np
    >>> dense_dx(np.array([[1.0, 10, 100]]), np.array([[1.0, 2, 3], [5, 7, 9]]))
    array([[321., 975.]])

    Source: lecture rows A8 and B4 (SOURCES.md).
    """
    dy, w = floats(dy=dy, w=w)
    _batch("dy", dy)
    _weights(w)
    same_shape("dy", dy, (len(dy), w.shape[1]), "with a channel for each column of w")
    return implementation("dense").dense_dx(dy, w)


def dense_dw(x: ArrayLike, dy: ArrayLike) -> Array:
    r"""Compute ∂e/∂w of :func:`dense` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{c,o}} = \sum_b x_{b,c} \; \frac{\partial e}{\partial y_{b,o}}

    Parameters
    ----------
    x : array (N, C), float32 or float64
        The input of the forward pass.
    dy : array (N, O), of x's type
        ∂e/∂y.

    Returns
    -------
    array (C, O), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`dense`; also if dy and x differ in the number of examples.

    Examples
    --------
    >>> import numpy as np
    >>> dense_dw(np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 10, 0], [0, 1, 100]]))
    array([[  1.,  13., 300.],
           [  2.,  25., 500.]])

    Source: lecture rows A8 and B3 (SOURCES.md).
    """
    x, dy = floats(x=x, dy=dy)
    _batch("x", x)
    _batch("dy", dy)
    same_shape("dy", dy, (len(x), dy.shape[1]), "with the batch size of x")
    return implementation("dense").dense_dw(x, dy)


def dense_db(dy: ArrayLike) -> Array:
    r"""Compute ∂e/∂b of :func:`dense`: the sum of ∂e/∂y over the examples.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_b \frac{\partial e}{\partial y_{b,o}}

    Parameters
    ----------
    dy : array (N, O), float32 or float64
        ∂e/∂y.

    Returns
    -------
    array (O,), of dy's type

    Raises
    ------
    TypeError, ValueError
        If dy is not a batch of examples of float32, float64 or integers.

    Examples
    --------
    >>> import numpy as np
    >>> dense_db(np.array([[1.0, 2], [3, 5]]))
    array([4., 7.])

    Source: lecture row A8 (SOURCES.md).
    """
    return implementation("dense").dense_db(_batch("dy", as_float("dy", dy)))


def _batch(name: str, array: Array) -> Array:
    return axes(name, array, "batch", "channels")


def _weights(w: Array) -> Array:
    return axes("w", w, "inputs", "outputs")
