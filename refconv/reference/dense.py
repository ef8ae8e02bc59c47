r"""The dense (fully connected) layer: forward pass and derivatives as loops.

The forward pass and both derivatives run the same loops over example b, output o and input channel c. Only the innermost line
differs::

    y [b, o]  +=  x[b, c] · w[c, o]
    dw[c, o]  +=  x[b, c] · dy[b, o]
    dx[b, c]  +=  dy[b, o] · w[c, o]

The dense layer is the convolution of :mod:`refconv.reference.conv` with a 1×1 kernel on a 1×1 image, without the loops over
(i, j) and (m, n) (lecture row A8). The loops are slow because Python computes each product separately.
"""

import numpy as np

from refconv.typing import Array

__all__ = ["dense", "dense_db", "dense_dw", "dense_dx"]


def dense(x: Array, w: Array, bias: Array | None) -> Array:
    r"""Compute a dense layer: each output is its bias plus the weighted sum of all inputs.

    .. math:: y_{b,o} = \mathrm{bias}_o + \sum_c x_{b,c} \; w_{c,o}

    ``x`` (N, C), ``w`` (C, O), ``bias`` (O,) or None; returns (N, O).

    >>> dense(np.array([[1.0, 2]]), np.array([[1.0, 10, 100], [3, 5, 7]]), np.array([0.5, 0, 0]))
    array([[  7.5,  20. , 114. ]])

    Source: lecture row A8 (SOURCES.md).
    """
    (N, C), O = x.shape, w.shape[1]
    y = np.zeros((N, O), x.dtype)
    for b in range(N):
        for o in range(O):
            y[b, o] = 0 if bias is None else bias[o]
            for c in range(C):
                y[b, o] += x[b, c] * w[c, o]
    return y


def dense_dw(x: Array, dy: Array) -> Array:
    r"""Compute ∂e/∂w of :func:`dense`: the sum of input times ∂e/∂y over all examples.

    .. math:: \frac{\partial e}{\partial w_{c,o}} = \sum_b x_{b,c} \; \frac{\partial e}{\partial y_{b,o}}

    ``x`` (N, C), ``dy`` (N, O); returns (C, O).

    >>> dense_dw(np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 10, 0], [0, 1, 100]]))
    array([[  1.,  13., 300.],
           [  2.,  25., 500.]])

    Source: lecture rows A8 and B3 (SOURCES.md).
    """
    (N, C), O = x.shape, dy.shape[1]
    dw = np.zeros((C, O), x.dtype)
    for b in range(N):
        for o in range(O):
            for c in range(C):
                # forward: y[b, o] += x[b, c] * w[c, o]
                dw[c, o] += x[b, c] * dy[b, o]
    return dw


def dense_dx(dy: Array, w: Array) -> Array:
    r"""Compute ∂e/∂x of :func:`dense`: the sum of ∂e/∂y times weight over all outputs.

    .. math:: \frac{\partial e}{\partial x_{b,c}} = \sum_o \frac{\partial e}{\partial y_{b,o}} \; w_{c,o}

    ``dy`` (N, O), ``w`` (C, O); returns (N, C).

    >>> dense_dx(np.array([[1.0, 10, 100]]), np.array([[1.0, 2, 3], [5, 7, 9]]))
    array([[321., 975.]])

    Source: lecture rows A8 and B4 (SOURCES.md).
    """
    (N, O), C = dy.shape, w.shape[0]
    dx = np.zeros((N, C), dy.dtype)
    for b in range(N):
        for o in range(O):
            for c in range(C):
                # forward: y[b, o] += x[b, c] * w[c, o]
                dx[b, c] += dy[b, o] * w[c, o]
    return dx


def dense_db(dy: Array) -> Array:
    r"""Compute ∂e/∂bias of :func:`dense`: the sum of ∂e/∂y over all examples.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_b \frac{\partial e}{\partial y_{b,o}}

    ``dy`` (N, O); returns (O,).

    >>> dense_db(np.array([[1.0, 2], [3, 5]]))
    array([4., 7.])

    Source: lecture row A8 (SOURCES.md).
    """
    N, O = dy.shape
    db = np.zeros(O, dy.dtype)
    for b in range(N):
        for o in range(O):
            # forward: y[b, o] += bias[o]
            db[o] += dy[b, o]
    return db
