"""Optimisers: SGD, RMSProp, Adam and AdamW.

The update rules are loops in :mod:`refconv.reference.update`, and kernels of the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from refconv._arguments import flag, real
from refconv.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from refconv.nn import Layer, Parameter
    from refconv.typing import Array

    Model: TypeAlias = Layer | Mapping[str, Parameter]
    Groups: TypeAlias = Mapping[str, Mapping[str, float]] | None

__all__ = ["SGD", "Adam", "AdamW", "RMSProp"]


class SGD(Optimizer):
    r"""Stochastic gradient descent with momentum and weight decay, as used to train AlexNet.

    .. math:: v \leftarrow \mu v - \alpha \left( \frac{\partial L}{\partial \theta} + \lambda \theta \right), \qquad
              \theta \leftarrow \theta + v

    The velocity v includes the learning rate, so a change of α affects new gradients only. In PyTorch, v does not include it.
    Nesterov's form adds :math:`\mu v - \alpha (\partial L / \partial \theta + \lambda \theta)` to θ, with the new v.

    Parameters
    ----------
    model, lr, weight_decay, decayed, groups
        As for :class:`Optimizer`.
    momentum : float
        μ, from 0 up to but not including 1.
    nesterov : bool
        True for Nesterov's form, which looks one step of the momentum ahead.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type or is out of range, or no parameter is trainable.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.nn import Parameter
    >>> theta = Parameter(np.array([1.0, -2.0]))
    >>> theta.grad += [0.5, 3.0]
    >>> optimizer = SGD({"theta": theta}, lr=0.1, momentum=0.5)
    >>> optimizer.step()
    >>> optimizer.lr = 0.2
    >>> optimizer.step()
    >>> theta.value.round(6)
    array([ 0.825, -3.05 ])

    Source: lecture row A12 (SOURCES.md); Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012.
    """

    slots = ("velocity",)

    options = ("momentum", "nesterov")

    def __init__(
        self,
        model: Model,
        lr: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        decayed: str = "all",
        groups: Groups = None,
    ) -> None:
        super().__init__(model, lr, weight_decay=weight_decay, decayed=decayed, groups=groups)
        self.momentum, self.nesterov = real("momentum", momentum, least=0, below=1), flag("nesterov", nesterov)

    def update(self, functions: ModuleType, theta: Array, g: Array, state: list[Array], lr: float, decay: float) -> None:
        functions.sgd(theta, *state, g, lr, self.momentum, decay, self.nesterov)


class RMSProp(Optimizer):
    r"""RMSProp: gradient descent with gradients divided by the root of a running mean of squares.

    .. math:: s \leftarrow \rho s + (1 - \rho) g^2, \qquad
              v \leftarrow \mu v - \alpha \frac{g}{\sqrt{s + \varepsilon}}, \qquad
              \theta \leftarrow \theta + v

    with g = ∂L/∂θ + λθ. ε is inside the root, as in Keras, or outside, √s + ε, as in PyTorch (``eps_inside_sqrt=False``). The
    defaults of ρ, μ and ε are the same as in Keras, so each step has about the size of α. The lecture trains Inception with
    ``momentum=0.9, eps=1.0``. Such an ε is larger than most s, so the division has little effect: with the usual α of 0.001,
    LeNet on 3000 drawn digits reaches 77 % after three epochs with ε = 10⁻⁷ and 24 % with ε = 1. With ε = 1, α must be about
    as large as for :class:`SGD`.

    Parameters
    ----------
    model, lr, weight_decay, decayed, groups
        As for :class:`Optimizer`.
    rho : float
        ρ, the weight of the previous mean, from 0 up to but not including 1.
    momentum : float
        μ, from 0 up to but not including 1.
    eps : float
        ε, above 0.
    eps_inside_sqrt : bool
        True if ε is inside the root.

    Raises
    ------
    TypeError, ValueError
        As :class:`SGD`.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.nn import Parameter
    >>> theta = Parameter(np.array([1.0, -2.0]))
    >>> theta.grad += [4.0, -2.0]
    >>> RMSProp({"theta": theta}, lr=0.5, rho=0.5, eps=1.0).step()
    >>> theta.value.round(6)
    array([ 0.333333, -1.42265 ])

    Source: lecture row A20 (SOURCES.md); Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016,
    section 8.
    """

    slots = ("mean_square", "velocity")
    options = ("rho", "momentum", "eps", "eps_inside_sqrt")

    def __init__(
        self,
        model: Model,
        lr: float,
        *,
        rho: float = 0.9,
        momentum: float = 0.0,
        eps: float = 1e-7,
        eps_inside_sqrt: bool = True,
        weight_decay: float = 0.0,
        decayed: str = "all",
        groups: Groups = None,
    ) -> None:
        super().__init__(model, lr, weight_decay=weight_decay, decayed=decayed, groups=groups)
        self.rho, self.momentum = real("rho", rho, least=0, below=1), real("momentum", momentum, least=0, below=1)
        self.eps, self.eps_inside_sqrt = real("eps", eps, above=0), flag("eps_inside_sqrt", eps_inside_sqrt)

    def update(self, functions: ModuleType, theta: Array, g: Array, state: list[Array], lr: float, decay: float) -> None:
        functions.rmsprop(theta, *state, g, lr=lr, decay=decay, **self.own_options())


class Adam(Optimizer):
    r"""Adam: gradient descent with running means of the gradient and of its square.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \qquad
              \theta \leftarrow \theta - \alpha \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \varepsilon}

    with g = ∂L/∂θ + λθ and t the number of the step. The running means start at 0; dividing by 1 − βᵗ corrects for this.

    Parameters
    ----------
    model, lr, weight_decay, decayed, groups
        As for :class:`Optimizer`.
    beta1, beta2 : float
        The weights of the previous means, from 0 up to but not including 1.
    eps : float
        ε, above 0.

    Raises
    ------
    TypeError, ValueError
        As :class:`SGD`.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.nn import Parameter
    >>> theta = Parameter(np.array([1.0, -2.0]))
    >>> theta.grad += [40.0, -0.02]
    >>> Adam({"theta": theta}, lr=0.5).step()
    >>> theta.value.round(6)  # the first step is α, whatever the gradient's size
    array([ 0.5, -1.5])

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2014.
    """

    slots = ("mean", "mean_square")

    options = ("beta1", "beta2", "eps")

    def __init__(
        self,
        model: Model,
        lr: float = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decayed: str = "all",
        groups: Groups = None,
    ) -> None:
        super().__init__(model, lr, weight_decay=weight_decay, decayed=decayed, groups=groups)
        self.beta1, self.beta2 = real("beta1", beta1, least=0, below=1), real("beta2", beta2, least=0, below=1)
        self.eps = real("eps", eps, above=0)

    def update(self, functions: ModuleType, theta: Array, g: Array, state: list[Array], lr: float, decay: float) -> None:
        functions.adam(theta, *state, g, lr=lr, t=self.steps, decay=decay, **self.own_options())


class AdamW(Adam):
    r"""Adam with decoupled weight decay: every parameter shrinks by the same factor.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \qquad
              \theta \leftarrow \theta - \alpha \left( \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \varepsilon}
              + \lambda \theta \right)

    with g = ∂L/∂θ. In :class:`Adam` λθ is part of g, and the division by the root of s cancels much of its effect.

    Parameters
    ----------
    model, lr, weight_decay, decayed, groups
        As for :class:`Optimizer`. The default of weight_decay is the same as in PyTorch.
    beta1, beta2, eps
        As for :class:`Adam`.

    Raises
    ------
    TypeError, ValueError
        As :class:`SGD`.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv.nn import Parameter
    >>> theta = Parameter(np.array([1.0, -2.0]))
    >>> theta.grad += [40.0, -0.02]
    >>> AdamW({"theta": theta}, lr=0.5, weight_decay=0.25).step()
    >>> theta.value.round(6)  # from 0.875 and −1.75, a step of α
    array([ 0.375, -1.25 ])

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    """

    def __init__(
        self,
        model: Model,
        lr: float = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        decayed: str = "all",
        groups: Groups = None,
    ) -> None:
        betas = {"beta1": beta1, "beta2": beta2}
        super().__init__(model, lr, **betas, eps=eps, weight_decay=weight_decay, decayed=decayed, groups=groups)

    def update(self, functions: ModuleType, theta: Array, g: Array, state: list[Array], lr: float, decay: float) -> None:
        functions.adamw(theta, *state, g, lr=lr, t=self.steps, decay=decay, **self.own_options())
