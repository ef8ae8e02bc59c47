"""Gradients that are too long, made shorter."""

import math

from refconv.ops.engine import implementation
from refconv.optim.argument import above_zero, trainable

__all__ = ["clip_by_global_norm"]


def clip_by_global_norm(parameters, most=2.0):
    r"""Scale all gradients together so that their common norm is at most this; their direction stays.

    .. math:: \lVert g \rVert = \sqrt{\sum_{\theta} \sum_i g_{\theta,i}^2}, \qquad
              g \leftarrow g \cdot \min \left( 1, \frac{\mathrm{most}}{\lVert g \rVert} \right)

    The sum runs over all parameters; a norm that is no finite number leaves the gradients as they are.

    Parameters
    ----------
    parameters : dict of Parameter
        What ``model.named_parameters()`` returns; those that are not trainable have no part in it.
    most : float
        The longest norm, above 0; the lecture's 2.0 is that of Inception v3.

    Returns
    -------
    float
        The norm before.

    Raises
    ------
    TypeError, ValueError
        If the parameters are none, or ``most`` is no positive number.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.nn import Parameter
    >>> w, b = Parameter(np.zeros((1, 2))), Parameter(np.zeros(1))
    >>> w.grad += [[3.0, -4.0]]
    >>> b.grad += 12.0
    >>> clip_by_global_norm({"w": w, "b": b}, most=6.5), w.grad, b.grad
    (13.0, array([[ 1.5, -2. ]]), array([6.]))

    Source: A20; Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", 2013.
    """
    most = above_zero("most", most, "nothing would move any more")
    gradients = [p.grad for p in trainable(parameters).values()]
    sum_of_squares = implementation("update").sum_of_squares
    norm = math.sqrt(sum(float(sum_of_squares(g)) for g in gradients))
    if most < norm < math.inf:
        for g in gradients:
            g *= most / norm
    return norm
