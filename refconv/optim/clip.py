"""Gradient clipping by the global norm."""

import math
from collections.abc import Mapping

import numpy as np

from refconv._arguments import real, trainable_parameters, updatable
from refconv.nn.layer import Layer, Parameter
from refconv.ops.dispatch import implementation

__all__ = ["clip_by_global_norm"]

MOST_EXPONENT = 1022  # largest exponent of a power of two whose inverse is a normal float64


def clip_by_global_norm(model: Layer | Mapping[str, Parameter], max_norm: float = 2.0) -> float:
    r"""Scale all gradients by the same factor so that their global norm is at most ``max_norm``.

    .. math:: \lVert g \rVert = \sqrt{\sum_{\theta} \sum_i g_{\theta,i}^2}, \qquad
              g \leftarrow g \cdot \min \left( 1, \frac{\mathrm{max\_norm}}{\lVert g \rVert} \right)

    The sum runs over all parameters. The direction of the gradient does not change. Before they are squared, the elements are
    divided by a power of two close to the largest one, so very large gradients do not overflow and very small ones do not
    underflow. If an element is infinite or NaN, the gradients do not change.

    Parameters
    ----------
    model : Layer or dict of Parameter
        A built network, or parameters by name. Parameters that are not trainable are ignored.
    max_norm : float
        Maximum of the norm, above 0. The default 2.0 is from the lecture, for Inception v3.

    Returns
    -------
    float
        The norm before clipping. It is ∞ or NaN if an element is ∞ or NaN, and ∞ if it overflows float64.

    Raises
    ------
    TypeError, ValueError
        If ``model`` is not a built network or a dict of parameters, or ``max_norm`` is not a positive number.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.nn import Parameter
    >>> w, b = Parameter(np.zeros((1, 2))), Parameter(np.zeros(1))
    >>> w.grad += [[3.0, -4.0]]
    >>> b.grad += 12.0
    >>> clip_by_global_norm({"w": w, "b": b}, max_norm=6.5), w.grad, b.grad
    (13.0, array([[ 1.5, -2. ]]), array([6.]))

    Source: lecture row A20 (SOURCES.md); Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks", 2013.
    """
    max_norm = real("max_norm", max_norm, above=0)
    trained = trainable_parameters(model)
    gradients = [p.grad for p in trained.values()]
    for name, g in zip(trained, gradients, strict=True):
        updatable(f"the gradient of {name}", g)
    largest = float(np.max([np.max(np.abs([g.min(), g.max()])) for g in gradients if g.size], initial=0.0))
    if largest == 0 or not math.isfinite(largest):
        return largest
    # The largest scaled element is between ½ and 1, so squares do not overflow. Scaling by a power of two does not round.
    exponent = max(math.frexp(largest)[1], -MOST_EXPONENT)
    scale = np.ldexp(1.0, -exponent)  # a NumPy float64, so that the loops also compute in float64
    sum_of_squares = implementation("update").sum_of_squares
    scaled_norm = math.sqrt(math.fsum(float(sum_of_squares(g, scale)) for g in gradients))
    norm = scaled_norm / float(scale)  # ∞ if it overflows float64
    if norm > max_norm:
        fraction, power = math.frexp(max_norm / scaled_norm)
        for g in gradients:  # max_norm / norm itself may be too small for the gradients' type
            np.ldexp(np.multiply(g, fraction, out=g), power - exponent, out=g)
    return norm
