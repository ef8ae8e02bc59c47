"""Softmax and the cross-entropy loss, with their derivatives."""

import numpy as np

from refconv._arguments import class_labels
from refconv._errors import ArgumentValueError
from refconv.ops.check import axes, floats, same_shape, scalar
from refconv.ops.dispatch import implementation

__all__ = ["log_softmax", "log_softmax_dx", "softmax", "softmax_cross_entropy", "softmax_dx"]


def softmax(x):
    r"""Softmax over the last axis: positive numbers that sum to one, in the ratio of the exponentials.

    .. math:: y_k = \frac{e^{x_k}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array (…, classes), float32 or float64
        The logits; any size is safe, since their maximum is subtracted first.

    Returns
    -------
    array (…, classes), of x's type
        Probabilities.

    Raises
    ------
    TypeError
        If x does not hold float32, float64 or integers.
    ValueError
        If x has no class on its last axis.

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.log([[1.0, 2, 5]]))
    array([[0.125, 0.25 , 0.625]])

    Source: A19.
    """
    x = _logits("x", x, floats(x=x))
    return implementation("loss").softmax(_rows(x)).reshape(x.shape)


def softmax_dx(dy, *, y):
    r"""∂e/∂x of :func:`softmax`, from ∂e/∂y and the output y.

    .. math:: \frac{\partial e}{\partial x_k} = y_k \left( \frac{\partial e}{\partial y_k}
              - \sum_j \frac{\partial e}{\partial y_j} \; y_j \right)

    Parameters
    ----------
    dy : array (…, classes), float32 or float64
        ∂e/∂y.
    y : array (…, classes), of dy's type
        The output of the forward pass.

    Returns
    -------
    array (…, classes), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`softmax`; also if dy has not the shape of y.

    Examples
    --------
    >>> import numpy as np
    >>> softmax_dx(np.array([[0.0, 0, 8]]), y=np.array([[0.125, 0.25, 0.625]]))
    array([[-0.625, -1.25 ,  1.875]])

    Source: A19.
    """
    dy, y = _outputs(dy, y)
    return implementation("loss").softmax_dx(_rows(dy), y=_rows(y)).reshape(y.shape)


def log_softmax(x):
    r"""The logarithm of :func:`softmax`, finite where the softmax itself is too small for a number.

    .. math:: y_k = x_k - \log \sum_j e^{x_j}

    Parameters
    ----------
    x : array (…, classes), float32 or float64
        The logits.

    Returns
    -------
    array (…, classes), of x's type
        Logarithms of probabilities.

    Raises
    ------
    TypeError, ValueError
        As :func:`softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> np.exp(log_softmax(1000 + np.log([[1.0, 2, 5]]))).round(6)
    array([[0.125, 0.25 , 0.625]])

    Source: A19.
    """
    x = _logits("x", x, floats(x=x))
    return implementation("loss").log_softmax(_rows(x)).reshape(x.shape)


def log_softmax_dx(dy, *, y):
    r"""∂e/∂x of :func:`log_softmax`, from ∂e/∂y and the output y.

    .. math:: \frac{\partial e}{\partial x_k} = \frac{\partial e}{\partial y_k}
              - e^{y_k} \sum_j \frac{\partial e}{\partial y_j}

    Parameters
    ----------
    dy : array (…, classes), float32 or float64
        ∂e/∂y.
    y : array (…, classes), of dy's type
        The output of the forward pass.

    Returns
    -------
    array (…, classes), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`softmax_dx`.

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax_dx(np.array([[0.0, 0, 8]]), y=np.log([[0.125, 0.25, 0.625]]))
    array([[-1., -2.,  3.]])

    Source: A19.
    """
    dy, y = _outputs(dy, y)
    return implementation("loss").log_softmax_dx(_rows(dy), y=_rows(y)).reshape(y.shape)


def softmax_cross_entropy(logits, labels, *, label_smoothing=0.0):
    r"""Cross-entropy of the softmax against the labels, the mean over the batch; and its derivative.

    .. math:: t_{b,k} = (1 - \alpha) [k = \mathrm{label}_b] + \frac{\alpha}{K}, \quad
              e = -\frac{1}{N} \sum_{b,k} t_{b,k} \log p_{b,k}, \quad
              \frac{\partial e}{\partial \mathrm{logits}_{b,k}} = \frac{p_{b,k} - t_{b,k}}{N}

    with p the softmax of the logits. Both come from the same exponentials, so they are computed together.

    Parameters
    ----------
    logits : array (N, K), float32 or float64
        Scores of K classes, before any softmax; at least one example.
    labels : array (N,), of integers
        The right classes, from 0 to K − 1.
    label_smoothing : float
        α, from 0 to 1: how much of the target is spread evenly over all classes.

    Returns
    -------
    loss : number of the logits' type
        e, in nats.
    dlogits : array (N, K), of the logits' type
        ∂e/∂logits.

    Raises
    ------
    TypeError
        If the logits are not float32, float64 or integers, or the labels not integers.
    ValueError
        If shapes do not fit, the batch is empty, or a label is no class; the message names the first such label.

    Examples
    --------
    >>> import numpy as np
    >>> loss, dlogits = softmax_cross_entropy(np.log([[1.0, 2, 5]]), [2], label_smoothing=0.375)
    >>> print(loss.round(6), dlogits.round(6))
    0.78572 [[ 0.     0.125 -0.125]]

    Source: A19; Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016, section 7.
    """
    # "examples", not "batch": a mean over no examples is not a number, so an empty batch is refused.
    logits = axes("logits", floats(logits=logits), "examples", "classes")
    labels = class_labels(labels, *logits.shape)
    alpha = scalar("label_smoothing", label_smoothing, logits, least=0, most=1)
    return implementation("loss").softmax_cross_entropy(logits, labels, alpha)


def _logits(name, value, array):
    # floats() gives a single number an axis, and a class of its own; so the shape that came is asked.
    if not np.ndim(value) or not array.shape[-1]:
        raise ArgumentValueError(f"{name} must have at least one class on its last axis, got shape {np.shape(value)}")
    return array


def _outputs(dy, y):
    dy_array, y_array = floats(dy=dy, y=y)
    _logits("y", y, y_array)
    return same_shape("dy", dy_array, y_array.shape, "that of y"), y_array


def _rows(array):
    return array.reshape(-1, array.shape[-1])
