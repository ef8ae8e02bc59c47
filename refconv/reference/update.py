r"""Update rules of the optimisers as loops, one parameter θ_i at a time.

In each update, g is ∂L/∂θ, a prime marks a new value, α is the learning rate and λ the weight decay. Weight decay pulls every
parameter towards zero, as if λ/2 · θ² had been added to the loss. The functions modify the parameters and the state of the
optimiser in place; no other function of ``refconv.reference`` modifies its arguments.

The loops are slow because they run in Python. The kernel computes the same update in one pass over memory.
"""

from typing import Any

from refconv.reference.functions import sqrt
from refconv.typing import Array

__all__ = ["adam", "adamw", "rmsprop", "sgd", "sum_of_squares"]


def sgd(theta: Array, v: Array, g: Array, lr: float, momentum: float, decay: float, nesterov: bool) -> None:
    r"""Update θ by stochastic gradient descent with momentum μ.

    Each gradient changes the velocity v, and v is added to θ.

    .. math:: v'_i = \mu \cdot v_i - \alpha \cdot \left( g_i + \lambda \cdot \theta_i \right), \qquad
              \theta'_i = \theta_i + v'_i

    Nesterov's form looks one step of the momentum ahead: θ′ = θ + μ·v′ − α·(g + λ·θ).

    ``theta``, ``v`` and ``g`` have the same shape; ``lr`` is α, ``momentum`` μ, ``decay`` λ. Modifies θ and v in place.

    >>> import numpy as np
    >>> theta, v = np.array([3.0, -1.0]), np.array([0.5, 0.25])
    >>> sgd(theta, v, np.array([2.0, 4.0]), lr=0.125, momentum=0.5, decay=0.0, nesterov=False)
    >>> theta, v
    (array([ 3.   , -1.375]), array([ 0.   , -0.375]))

    Source: lecture row A12 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012; Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
    """
    for i in range(theta.size):
        fall = lr * (g.flat[i] + decay * theta.flat[i])
        v.flat[i] = momentum * v.flat[i] - fall
        theta.flat[i] += momentum * v.flat[i] - fall if nesterov else v.flat[i]


def rmsprop(
    theta: Array,
    s: Array,
    v: Array,
    g: Array,
    *,
    lr: float,
    rho: float,
    momentum: float,
    eps: float,
    eps_inside_sqrt: bool,
    decay: float,
) -> None:
    r"""Update θ by RMSProp: each gradient is divided by the root of s, a running mean of squares.

    .. math:: h_i = g_i + \lambda \cdot \theta_i, \quad s'_i = \rho \cdot s_i + (1 - \rho) \cdot h_i^2, \quad
              v'_i = \mu \cdot v_i - \alpha \cdot \frac{h_i}{\sqrt{s'_i + \varepsilon}}, \quad
              \theta'_i = \theta_i + v'_i

    With ``eps_inside_sqrt=False`` the divisor is √s′ + ε. All arrays have the same shape; ``rho`` is ρ. Modifies θ, s and v in
    place.

    >>> import numpy as np
    >>> theta, s, v = np.array([3.0]), np.array([14.0]), np.array([0.5])
    >>> rmsprop(
    ...     theta, s, v, np.array([4.0]), lr=0.125, rho=0.5, momentum=0.5, eps=1.0, eps_inside_sqrt=True, decay=0.0
    ... )
    >>> theta, s, v
    (array([3.125]), array([15.]), array([0.125]))

    Source: lecture row A20 (SOURCES.md); Tieleman and Hinton, "Lecture 6.5: rmsprop", 2012; Szegedy et al., "Rethinking the
    Inception architecture", 2016, section 8.
    """
    for i in range(theta.size):
        h = g.flat[i] + decay * theta.flat[i]
        s.flat[i] = rho * s.flat[i] + (1 - rho) * h * h
        root = sqrt(s.flat[i] + eps) if eps_inside_sqrt else sqrt(s.flat[i]) + eps
        v.flat[i] = momentum * v.flat[i] - lr * h / root
        theta.flat[i] += v.flat[i]


def adam(
    theta: Array, m: Array, s: Array, g: Array, *, lr: float, beta1: float, beta2: float, eps: float, t: int, decay: float
) -> None:
    r"""Update θ by Adam: a mean of gradients is divided by the root of a mean of squares.

    .. math:: h_i = g_i + \lambda \cdot \theta_i, \quad m'_i = \beta_1 \cdot m_i + (1 - \beta_1) \cdot h_i, \quad
              s'_i = \beta_2 \cdot s_i + (1 - \beta_2) \cdot h_i^2, \quad
              \theta'_i = \theta_i - \alpha \cdot \frac{m'_i / (1 - \beta_1^t)}{\sqrt{s'_i / (1 - \beta_2^t)} + \varepsilon}

    m is the running mean of the gradient and s the running mean of its square. Both start at 0; dividing by 1 − βᵗ corrects
    for this. All arrays have the same shape; ``t`` is the number of this step, counted from 1. Modifies θ, m and s in place.

    >>> import numpy as np
    >>> theta, m, s = np.array([3.0]), np.array([0.0]), np.array([0.0])
    >>> adam(theta, m, s, np.array([-4.0]), lr=0.5, beta1=0.75, beta2=0.5, eps=0.0, t=1, decay=0.0)
    >>> theta, m, s
    (array([3.5]), array([-1.]), array([8.]))

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2014.
    """
    for i in range(theta.size):
        h = g.flat[i] + decay * theta.flat[i]
        m.flat[i] = beta1 * m.flat[i] + (1 - beta1) * h
        s.flat[i] = beta2 * s.flat[i] + (1 - beta2) * h * h
        mean, square = m.flat[i] / (1 - beta1**t), s.flat[i] / (1 - beta2**t)
        theta.flat[i] -= lr * mean / (sqrt(square) + eps)


def adamw(
    theta: Array, m: Array, s: Array, g: Array, *, lr: float, beta1: float, beta2: float, eps: float, t: int, decay: float
) -> None:
    r"""Update θ by Adam with decoupled weight decay: the decay is not part of the gradient.

    .. math:: m'_i = \beta_1 \cdot m_i + (1 - \beta_1) \cdot g_i, \quad
              s'_i = \beta_2 \cdot s_i + (1 - \beta_2) \cdot g_i^2, \quad
              \theta'_i = \theta_i - \alpha \cdot \left( \frac{m'_i / (1 - \beta_1^t)}{\sqrt{s'_i / (1 - \beta_2^t)}
              + \varepsilon} + \lambda \cdot \theta_i \right)

    In :func:`adam` the decay is part of the gradient, so the division by √s′ makes it almost independent of the size of θ.
    Here the running means contain the gradient of the loss alone, and every θ shrinks by the factor 1 − α·λ. All arrays have
    the same shape; ``t`` is the number of this step, counted from 1. Modifies θ, m and s in place.

    >>> import numpy as np
    >>> theta, m, s = np.array([3.0]), np.array([0.0]), np.array([0.0])
    >>> adamw(theta, m, s, np.array([-4.0]), lr=0.5, beta1=0.75, beta2=0.5, eps=0.0, t=1, decay=0.25)
    >>> theta, m, s
    (array([3.125]), array([-1.]), array([8.]))

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    """
    for i in range(theta.size):
        m.flat[i] = beta1 * m.flat[i] + (1 - beta1) * g.flat[i]
        s.flat[i] = beta2 * s.flat[i] + (1 - beta2) * g.flat[i] * g.flat[i]
        mean, square = m.flat[i] / (1 - beta1**t), s.flat[i] / (1 - beta2**t)
        theta.flat[i] -= lr * (mean / (sqrt(square) + eps) + decay * theta.flat[i])


def sum_of_squares(g: Array, scale: float = 1) -> Any:
    r"""Compute the sum of the squares of all elements of a gradient.

    .. math:: n = \sum_i (s \cdot g_i)^2

    Summed over all gradients and with s = 1, this is the square of their global norm. ``g`` has any shape; ``scale`` is s,
    which keeps the squares of very large or very small numbers in range; returns n.

    >>> import numpy as np
    >>> float(sum_of_squares(np.array([[3.0, -4.0], [12.0, 0.0]])))
    169.0

    Source: lecture row A20 (SOURCES.md); Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
    networks", 2013.
    """
    total = 0
    for i in range(g.size):
        scaled = scale * g.flat[i]
        total += scaled * scaled
    return total
