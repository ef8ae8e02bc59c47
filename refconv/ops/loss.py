"""Softmax and the losses, with their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from refconv._arguments import class_labels, contiguous
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.ops.check import as_float, floats, same_shape, scalar
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, Shape

__all__ = [
    "binary_cross_entropy",
    "log_softmax",
    "log_softmax_dx",
    "mean_squared_error",
    "softmax",
    "softmax_cross_entropy",
    "softmax_dx",
]


def softmax(x: ArrayLike) -> Array:
    r"""Compute the softmax over the last axis: the exponentials, divided by their sum.

    .. math:: y_k = \frac{e^{x_k}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array (…, classes), float32 or float64
        The logits. They may be large, since their maximum is subtracted first.

    Returns
    -------
    array (…, classes), of x's type
        Probabilities.

    Raises
    ------
    TypeError
        If x is not an array of float32, float64 or integers.
    ValueError
        If x has no class on its last axis.

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.log([[1.0, 2, 5]]))
    array([[0.125, 0.25 , 0.625]])

    Source: lecture row A19 (SOURCES.md).
    """
    x = _logits("x", x, as_float("x", x))
    return implementation("loss").softmax(_rows(x)).reshape(x.shape)


def softmax_dx(dy: ArrayLike, *, y: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`softmax` from ∂e/∂y and the output y.

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
        As :func:`softmax`; also if dy does not have the shape of y.

    Examples
    --------
    >>> import numpy as np
    >>> softmax_dx(np.array([[0.0, 0, 8]]), y=np.array([[0.125, 0.25, 0.625]]))
    array([[-0.625, -1.25 ,  1.875]])

    Source: lecture row A19 (SOURCES.md).
    """
    dy, y = _outputs(dy, y)
    return implementation("loss").softmax_dx(_rows(dy), y=_rows(y)).reshape(y.shape)


def log_softmax(x: ArrayLike) -> Array:
    r"""Compute the logarithm of :func:`softmax`, finite even where the softmax underflows to 0.

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

    Source: lecture row A19 (SOURCES.md).
    """
    x = _logits("x", x, as_float("x", x))
    return implementation("loss").log_softmax(_rows(x)).reshape(x.shape)


def log_softmax_dx(dy: ArrayLike, *, y: ArrayLike) -> Array:
    r"""Compute ∂e/∂x of :func:`log_softmax` from ∂e/∂y and the output y.

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

    Source: lecture row A19 (SOURCES.md).
    """
    dy, y = _outputs(dy, y)
    return implementation("loss").log_softmax_dx(_rows(dy), y=_rows(y)).reshape(y.shape)


def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, *, label_smoothing: float = 0.0, class_weights: ArrayLike | None = None
) -> tuple[Any, Array]:
    r"""Compute the mean cross-entropy of softmax and labels, and its derivative.

    .. math:: t_{b,k} = (1 - \alpha) [k = \mathrm{label}_b] + \frac{\alpha}{K}, \quad
              u_b = \frac{w_{\mathrm{label}_b}}{\sum_i w_{\mathrm{label}_i}}, \quad
              e = -\sum_{b,k} u_b \; t_{b,k} \log p_{b,k}, \quad
              \frac{\partial e}{\partial \mathrm{logits}_{b,k}} = u_b \; (p_{b,k} - t_{b,k})

    Here p is the softmax of the logits, and u is the weight of an example in the mean. Without class weights u is 1/N for each
    of the N examples. An example is an image, or a pixel if the logits have more axes. Loss and derivative use the same
    exponentials, so they are computed together.

    Parameters
    ----------
    logits : array (…, K), float32 or float64
        Scores of K classes, before any softmax: (N, K), or (N, H, W, K) for a class of each pixel. At least one example.
    labels : array (…), of integers
        The correct classes, from 0 to K − 1, in the shape of the logits without their last axis.
    label_smoothing : float
        α, from 0 to 1: the part of the target that is distributed equally over all classes.
    class_weights : array (K,), optional
        w, the weight of an example of each class, at least 0. A class of weight 0 is ignored, and larger weights compensate
        for rare classes. With label smoothing, PyTorch weights each term of the sum over k instead.

    Returns
    -------
    loss : number of the logits' type
        e, in nats.
    dlogits : array (…, K), of the logits' type
        ∂e/∂logits.

    Raises
    ------
    TypeError
        If the logits are not float32, float64 or integers, or the labels are not integers.
    ValueError
        If shapes do not fit, the batch is empty, all examples have the weight 0, or a label is not a class; the message
        names the first such label.

    Examples
    --------
    >>> import numpy as np
    >>> loss, dlogits = softmax_cross_entropy(np.log([[1.0, 2, 5]]), [2], label_smoothing=0.375)
    >>> print(loss.round(6), dlogits.round(6))
    0.78572 [[ 0.     0.125 -0.125]]
    >>> pixels = np.log([[[[1.0, 3], [1, 1], [4, 1]]]])  # one image of one row and three columns
    >>> loss, dlogits = softmax_cross_entropy(pixels, [[[0, 1, 0]]], class_weights=[1, 2])
    >>> print(loss.round(6), dlogits.round(6).tolist())  # (log 4 + 2·log 2 + log 5/4) / 4
    0.748933 [[[[-0.1875, 0.1875], [0.25, -0.25], [-0.05, 0.05]]]]

    Source: lecture row A19 (SOURCES.md); Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016,
    section 7; Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation", 2015, section 3.
    """
    logits = _not_empty("logits", as_float("logits", logits))
    if logits.ndim < 2:
        raise ArgumentValueError(f"logits must have at least 2 axes (examples, classes), got shape {logits.shape}")
    labels = class_labels(
        labels, logits.shape[:-1], logits.shape[-1], why="the shape of logits without its last axis"
    ).reshape(-1)
    alpha = scalar("label_smoothing", label_smoothing, logits, least=0, most=1)
    weights = None if class_weights is None else weights_of_classes(class_weights, labels, logits.shape[-1], logits.dtype)
    loss, dlogits = implementation("loss").softmax_cross_entropy(_rows(logits), labels, alpha, weights)
    return loss, dlogits.reshape(logits.shape)


def mean_squared_error(predictions: ArrayLike, targets: ArrayLike) -> tuple[Any, Array]:
    r"""Compute the mean of the squared differences over all elements, and its derivative.

    .. math:: e = \frac{1}{M} \sum_i (p_i - t_i)^2, \qquad
              \frac{\partial e}{\partial p_i} = \frac{2}{M} \, (p_i - t_i)

    Parameters
    ----------
    predictions : array, float32 or float64
        p, with any number of axes and at least one element.
    targets : array of numbers
        t, in the same shape as the predictions: there is no broadcasting. They are converted to the type of the predictions.

    Returns
    -------
    loss : number of the predictions' type
        e.
    dpredictions : array, of the predictions' shape and type
        ∂e/∂p.

    Raises
    ------
    TypeError
        If the predictions are not float32, float64 or integers, or the targets are not numbers.
    ValueError
        If the shapes differ, or the arrays are empty.

    Examples
    --------
    >>> import numpy as np
    >>> loss, dpredictions = mean_squared_error(np.array([[3.0], [-1.0]]), [[2], [4]])
    >>> print(loss, dpredictions.ravel())
    13.0 [ 1. -5.]
    >>> mean_squared_error(np.array([[3.0], [-1.0]]), [2, 4])
    Traceback (most recent call last):
        ...
    refconv.ArgumentValueError: targets must have shape (2, 1), the shape of predictions, got shape (2,)

    Source: lecture row M17 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2018, section 2.
    """
    shape = np.shape(predictions)
    predictions = _not_empty("predictions", as_float("predictions", predictions)).reshape(-1)
    targets = _targets(targets, predictions.dtype, shape, "predictions")
    loss, dpredictions = implementation("loss").mean_squared_error(predictions, targets)
    return loss, dpredictions.reshape(shape)


def binary_cross_entropy(logits: ArrayLike, targets: ArrayLike, *, pos_weight: float = 1.0) -> tuple[Any, Array]:
    r"""Compute the mean cross-entropy of binary predictions σ(logits), and its derivative.

    .. math:: e = -\frac{1}{M} \sum_i w \, t_i \log \sigma(x_i) + (1 - t_i) \log (1 - \sigma(x_i)), \qquad
              \frac{\partial e}{\partial x_i} = \frac{1}{M} \big( (1 - t_i) \, \sigma(x_i) - w \, t_i \, \sigma(-x_i) \big)

    The function takes logits, not sigmoids: a sigmoid may round to 0 or 1, and then its logarithm is −∞ or its derivative 0.

    Parameters
    ----------
    logits : array, float32 or float64
        x, with any number of axes and at least one element. They may be large.
    targets : array of numbers or booleans
        t, from 0 (no) to 1 (yes), in the same shape as the logits: there is no broadcasting. They are converted to the type of
        the logits.
    pos_weight : float
        w, above 0: the weight of the positive targets. Larger weights compensate for rare positive targets.

    Returns
    -------
    loss : number of the logits' type
        e, in nats.
    dlogits : array, of the logits' shape and type
        ∂e/∂logits.

    Raises
    ------
    TypeError
        If the logits are not float32, float64 or integers, or the targets are not numbers.
    ValueError
        If the shapes differ, the arrays are empty, or a target is not from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> loss, dlogits = binary_cross_entropy(np.log([3.0, 0.25]), [1, 0], pos_weight=2)
    >>> print(loss.round(6), dlogits)  # (2·log 4/3 + log 5/4) / 2
    0.399254 [-0.25  0.1 ]

    Source: lecture row B6 (SOURCES.md) for the sigmoid; Bishop, "Pattern recognition and machine learning", 2006, section 4.3.
    """
    shape = np.shape(logits)
    logits = _not_empty("logits", as_float("logits", logits)).reshape(-1)
    targets = _targets(targets, logits.dtype, shape, "logits")
    if logits.dtype != object and not (targets.min() >= 0 and targets.max() <= 1):
        wrong = targets[~((targets >= 0) & (targets <= 1))][0]
        raise ArgumentValueError(f"targets must be from 0 to 1, got {wrong}")
    pos_weight = scalar("pos_weight", pos_weight, logits, above=0)
    loss, dlogits = implementation("loss").binary_cross_entropy(logits, targets, pos_weight)
    return loss, dlogits.reshape(shape)


def _not_empty(name: str, array: Array) -> Array:
    """Return the array; raise an error if it is empty, since the mean over no examples is NaN."""
    if not array.size:
        raise ArgumentValueError(f"{name} must not be empty, got shape {array.shape}")
    return array


def weights_of_classes(weights: ArrayLike, labels: Array, classes: int, dtype: np.dtype[Any]) -> Array:
    """Return class weights as an array of this dtype.

    Raise an error if they do not fit the classes, or if all labels have weight 0.
    """
    weights = _numbers("class_weights", weights, dtype)
    same_shape("class_weights", weights, (classes,), "one weight for each class")
    if dtype.kind == "f" and not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ArgumentValueError(f"class_weights must be finite and at least 0, got {weights.tolist()}")
    if not weights[labels].any():
        raise ArgumentValueError("class_weights must be above 0 for the class of at least one label, got 0 for all")
    return weights


def _targets(targets: ArrayLike, dtype: np.dtype[Any], shape: Shape, name: str) -> Array:
    """Return the targets as an array with one axis and this dtype, after checking their shape.

    ``name`` is the name of the array that they are compared with, for the error message.
    """
    return same_shape("targets", _numbers("targets", targets, dtype), shape, f"the shape of {name}").reshape(-1)


def _numbers(name: str, values: ArrayLike, dtype: np.dtype[Any]) -> Array:
    """Return an array of numbers converted to a dtype: floats, or objects for exact numbers."""
    if isinstance(values, np.ma.MaskedArray):
        raise ArgumentTypeError(f"{name} must be a plain array, got a masked array, whose mask would be lost")
    if np.iscomplexobj(values):  # NumPy would drop the imaginary part
        raise ArgumentTypeError(f"{name} must be an array of real numbers, got complex numbers")
    try:
        return contiguous(np.asarray(values), dtype).reshape(np.shape(values))
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{name} must be an array of real numbers, got {values!r}") from None


def _logits(name: str, value: ArrayLike, array: Array) -> Array:
    # floats() makes an array with one class of a single number, so the shape of the argument itself is checked.
    if not np.ndim(value) or not array.shape[-1]:
        raise ArgumentValueError(f"{name} must have at least one class on its last axis, got shape {np.shape(value)}")
    return array


def _outputs(dy: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    dy_array, y_array = floats(dy=dy, y=y)
    _logits("y", y, y_array)
    return same_shape("dy", dy_array, y_array.shape, "the shape of y"), y_array


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])
