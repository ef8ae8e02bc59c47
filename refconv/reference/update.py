r"""How parameters follow their gradients, one parameter θ_i at a time.

In each update g is ∂L/∂θ, a prime marks what is new, α is the learning rate and λ the weight decay, which pulls every
parameter towards zero as if λ/2 · θ² had been added to the loss. Parameters and what the optimiser remembers of them change
in place: these are the only functions of the book that change what they are given.

The loops are slow because they run in Python; the kernel does the same in one pass over memory.
"""

from typing import Any

from refconv.reference.functions import sqrt
from refconv.typing import Array

__all__ = ["adam", "adamw", "rmsprop", "sgd", "sum_of_squares"]


def sgd(theta: Array, v: Array, g: Array, lr: float, momentum: float, decay: float, nesterov: bool) -> None:
    r"""Stochastic gradient descent with momentum μ: θ moves with the velocity v, which each gradient changes a little.

    .. math:: v'_i = \mu \cdot v_i - \alpha \cdot \left( g_i + \lambda \cdot \theta_i \right), \qquad
              \theta'_i = \theta_i + v'_i

    Nesterov's form looks one step of the momentum ahead: θ′ = θ + μ·v′ − α·(g + λ·θ).

    ``theta``, ``v``, ``g`` of one shape; ``lr`` is α, ``momentum`` μ, ``decay`` λ. Changes θ and v.

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
    r"""RMSProp: each gradient is divided by the root of a running mean of its squares, s.

    .. math:: h_i = g_i + \lambda \cdot \theta_i, \quad s'_i = \rho \cdot s_i + (1 - \rho) \cdot h_i^2, \quad
              v'_i = \mu \cdot v_i - \alpha \cdot \frac{h_i}{\sqrt{s'_i + \varepsilon}}, \quad
              \theta'_i = \theta_i + v'_i

    With ``eps_inside_sqrt=False`` the divisor is √s′ + ε. All arrays of one shape; ``rho`` is ρ. Changes θ, s and v.

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
    r"""Adam: running means of the gradient, m, and of its square, s, freed of their beginning at zero.

    .. math:: h_i = g_i + \lambda \cdot \theta_i, \quad m'_i = \beta_1 \cdot m_i + (1 - \beta_1) \cdot h_i, \quad
              s'_i = \beta_2 \cdot s_i + (1 - \beta_2) \cdot h_i^2, \quad
              \theta'_i = \theta_i - \alpha \cdot \frac{m'_i / (1 - \beta_1^t)}{\sqrt{s'_i / (1 - \beta_2^t)} + \varepsilon}

    All arrays of one shape; ``t`` is the number of this step, from 1 on. Changes θ, m and s.

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
    r"""Adam with decoupled weight decay: θ shrinks by itself, and the running means hold the gradient of the loss alone.

    .. math:: m'_i = \beta_1 \cdot m_i + (1 - \beta_1) \cdot g_i, \quad
              s'_i = \beta_2 \cdot s_i + (1 - \beta_2) \cdot g_i^2, \quad
              \theta'_i = \theta_i - \alpha \cdot \left( \frac{m'_i / (1 - \beta_1^t)}{\sqrt{s'_i / (1 - \beta_2^t)}
              + \varepsilon} + \lambda \cdot \theta_i \right)

    In :func:`adam` the decay is part of g, so the division by √s′ makes it almost independent of θ's size. All arrays of one
    shape; ``t`` is the number of this step, from 1 on. Changes θ, m and s.

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
    r"""The sum of the squares of all elements: of all gradients together, the square of their global norm.

    .. math:: n = \sum_i (s \cdot g_i)^2

    ``g`` of any shape; ``scale`` is s, which keeps the squares of very large or very small numbers in range; returns n.

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
