"""How parameters follow their gradients."""

import math
from collections.abc import Mapping
from numbers import Real

import numpy as np

__all__ = ["SGD", "constant", "cosine"]


class SGD:
    r"""Stochastic gradient descent with momentum and weight decay, as AlexNet was trained.

    .. math:: v \leftarrow \mu v - \alpha \left( \frac{\partial L}{\partial \theta} + \lambda \theta \right), \qquad
              \theta \leftarrow \theta + v

    The learning rate is inside the velocity: a change of α acts on new gradients only. PyTorch keeps v without it.

    Parameters
    ----------
    parameters : dict of Parameter
        What ``model.named_parameters()`` returns; those that are not trainable are left alone.
    lr : float
        α. May be set between steps: ``optimizer.lr = …``.
    momentum : float
        μ, from 0 up to but not including 1.
    weight_decay : float
        λ.

    Raises
    ------
    TypeError, ValueError
        If something is no number or out of its range; the message names it. If the parameters are none.

    Examples
    --------
    >>> from refconv.nn import Parameter
    >>> theta = Parameter(np.array([1.0, -2.0]))
    >>> theta.grad += [0.5, 3.0]
    >>> optimizer = SGD({"theta": theta}, lr=0.1, momentum=0.5)
    >>> optimizer.step()
    >>> optimizer.lr = 0.2
    >>> optimizer.step()
    >>> theta.value.round(6)
    array([ 0.825, -3.05 ])

    Source: A12; Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012.
    """

    def __init__(self, parameters, lr, *, momentum=0.0, weight_decay=0.0):
        if not isinstance(parameters, Mapping) or not all(hasattr(p, "trainable") for p in parameters.values()):
            expected = "what model.named_parameters() returns, names with a Parameter each"
            raise TypeError(f"parameters must be {expected}, but are {parameters!r}")
        self.parameters = {name: p for name, p in parameters.items() if p.trainable}
        self.lr = _number("lr", lr, 0, math.inf)
        self.momentum = _number("momentum", momentum, 0, 1)
        self.weight_decay = _number("weight_decay", weight_decay, 0, math.inf)
        self.velocity = {name: np.zeros_like(p.value) for name, p in self.parameters.items()}

    def step(self) -> None:
        """Move each parameter once."""
        for name, theta in self.parameters.items():
            v = self.velocity[name]
            v *= self.momentum
            v -= self.lr * (theta.grad + self.weight_decay * theta.value if self.weight_decay else theta.grad)
            theta.value += v


def constant(progress: float) -> float:
    """A schedule: the share of the learning rate after this share of the run. Here all of it, always."""
    return 1.0


def cosine(progress: float) -> float:
    r"""A schedule: the learning rate falls from all of it to nothing along half a wave of the cosine.

    .. math:: \tfrac{1}{2} (1 + \cos(\pi \, \mathrm{progress}))

    ``progress`` is the share of the run that is done, from 0 to 1.

    >>> [round(cosine(progress), 3) for progress in (0, 0.25, 0.5, 1)]
    [1.0, 0.854, 0.5, 0.0]

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2016.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def _number(name, value, least, below):
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, but is {value!r}")
    if not least <= value < below:
        raise ValueError(f"{name} must be at least {least} and below {below}, but is {value!r}")
    return float(value)
