"""Optimisers: what they remember of each parameter, and the update that is made of it.

The updates themselves are loops, :mod:`refconv.reference.update`, and kernels of the same names.
"""

import operator
from abc import ABC, abstractmethod
from itertools import chain, groupby

import numpy as np

from refconv import neighbours
from refconv._arguments import choice, flag, real, trainable_parameters
from refconv.ops.engine import implementation

__all__ = ["SGD", "Adam", "Optimizer", "RMSProp"]

DECAYED = ("all", "weights")


class Optimizer(ABC):
    """What all optimisers are: parameters, a learning rate, and arrays that remember something of each parameter.

    Parameters
    ----------
    parameters : dict of Parameter
        What ``model.named_parameters()`` returns; those that are not trainable are left alone. Those that are frozen now stay
        as they are even if they are unfrozen later: then make another optimiser.
    lr : float
        α. May be set between steps: ``optimizer.lr = …``.
    weight_decay : float
        λ.
    decayed : str
        "all" parameters, as in the lecture's line, or "weights" alone: arrays of two or more axes, so neither biases nor
        the γ and β of batch normalisation.

    Raises
    ------
    TypeError, ValueError
        If the parameters are none, or another argument does not fit; the message names it.

    Source: A12.
    """

    slots: tuple[str, ...] = ()  # names of what is remembered; each is a dict of arrays, by the parameters' names
    _seen, _found = (), ()  # by _lines

    def __init__(self, parameters, lr, *, weight_decay=0.0, decayed="all"):
        self.parameters = trainable_parameters(parameters)
        self.lr, self.weight_decay = real("lr", lr, least=0), real("weight_decay", weight_decay, least=0)
        choice("decayed", decayed, DECAYED)
        self.decayed = decayed
        self.steps = 0
        for slot in self.slots:
            zeros = neighbours.zeros([p.value for p in self.parameters.values()])
            setattr(self, slot, dict(zip(self.parameters, zeros, strict=True)))

    def step(self) -> None:
        """Move each parameter once; those that were frozen meanwhile stay."""
        self.steps += 1
        room = implementation("update")
        for theta, g, remembered, decays in self._lines():
            self.update(room, theta, g, remembered, self.weight_decay if decays else 0.0)

    @abstractmethod
    def update(self, room, theta, g, remembered, decay) -> None:
        """Change parameters, and what is remembered of them, with the function of the room that computes: loops or kernels.

        ``theta`` is one parameter, or several that lie behind one another as one line of numbers; ``g`` is ∂L/∂θ, and
        ``remembered`` has an array for each of the slots, all of theta's shape.
        """

    def _lines(self):
        """What updates run over: parameters that lie behind one another (neighbours.py) and decay alike are one line."""
        slots = [getattr(self, slot) for slot in self.slots]
        rows = {n: (p.value, p.grad, *(slot[n] for slot in slots)) for n, p in self.parameters.items() if p.trainable}
        seen = [self.decayed, *chain.from_iterable(rows.values())]
        if len(seen) != len(self._seen) or not all(map(operator.is_, seen, self._seen)):
            self._seen, self._found = seen, list(self._find_lines(rows))
        return self._found

    def _find_lines(self, rows):
        for name, (theta, *_) in rows.items():
            if not theta.flags.c_contiguous:  # the update runs over the array's memory
                raise ValueError(f"the value of {name} must be C-contiguous, got strides {theta.strides}")
        for decays, alike in groupby(rows.values(), lambda row: self.decayed == "all" or row[0].ndim > 1):
            for theta, g, *remembered in neighbours.runs(alike):
                yield theta, g, remembered, decays

    def __getstate__(self):  # a copy has arrays of its own, and must not run over the lines of this one
        return {name: value for name, value in vars(self).items() if name not in ("_seen", "_found")}

    def state(self) -> dict[str, np.ndarray]:
        """What is remembered, as named arrays: those of a parameter under ``slot.name``, and the number of steps."""
        arrays = {f"{slot}.{name}": a for slot in self.slots for name, a in getattr(self, slot).items()}
        return {"steps": np.array(self.steps), **arrays}

    def restore(self, state) -> None:
        """Remember again what :meth:`state` gave; a ``ValueError`` if it belongs to other parameters."""
        own = self.state()
        different = sorted(
            n for n in own.keys() | state.keys() if n not in own or n not in state or own[n].shape != state[n].shape
        )
        if different:
            raise ValueError(f"state must be that of a {type(self).__name__} of the same parameters, but {different} differ")
        self.steps = int(state["steps"])
        for name, array in own.items():
            if name != "steps":
                array[...] = state[name]


class SGD(Optimizer):
    r"""Stochastic gradient descent with momentum and weight decay, as AlexNet was trained.

    .. math:: v \leftarrow \mu v - \alpha \left( \frac{\partial L}{\partial \theta} + \lambda \theta \right), \qquad
              \theta \leftarrow \theta + v

    The learning rate is inside the velocity: a change of α acts on new gradients only. PyTorch keeps v without it.
    Nesterov's form adds :math:`\mu v - \alpha (\partial L / \partial \theta + \lambda \theta)` to θ, with the new v.

    Parameters
    ----------
    parameters, lr, weight_decay, decayed
        As for :class:`Optimizer`.
    momentum : float
        μ, from 0 up to but not including 1.
    nesterov : bool
        Whether θ looks one step of the momentum ahead.

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

    slots = ("velocity",)

    def __init__(self, parameters, lr, *, momentum=0.0, weight_decay=0.0, nesterov=False, decayed="all"):
        super().__init__(parameters, lr, weight_decay=weight_decay, decayed=decayed)
        self.momentum, self.nesterov = real("momentum", momentum, least=0, below=1), flag("nesterov", nesterov)

    def update(self, room, theta, g, remembered, decay):
        room.sgd(theta, *remembered, g, self.lr, self.momentum, decay, self.nesterov)


class RMSProp(Optimizer):
    r"""Each gradient is divided by the root of a running mean of its squares; with momentum, as Inception was trained.

    .. math:: s \leftarrow \rho s + (1 - \rho) g^2, \qquad
              v \leftarrow \mu v - \alpha \frac{g}{\sqrt{s + \varepsilon}}, \qquad
              \theta \leftarrow \theta + v

    with g = ∂L/∂θ + λθ. Libraries differ in where ε stands, and with the lecture's ε = 1 it matters: inside of the root,
    as here and in TensorFlow, or behind it, √s + ε, as in PyTorch (``eps_inside_sqrt=False``).

    Parameters
    ----------
    parameters, lr, weight_decay, decayed
        As for :class:`Optimizer`.
    rho : float
        ρ, the weight of the old mean, from 0 up to but not including 1.
    momentum : float
        μ, from 0 up to but not including 1.
    eps : float
        ε, above 0.
    eps_inside_sqrt : bool
        Whether ε stands inside of the root.

    Raises
    ------
    TypeError, ValueError
        As :class:`SGD`.

    Examples
    --------
    >>> from refconv.nn import Parameter
    >>> theta = Parameter(np.array([1.0, -2.0]))
    >>> theta.grad += [4.0, -2.0]
    >>> RMSProp({"theta": theta}, lr=0.5, rho=0.5, eps=1.0).step()
    >>> theta.value.round(6)
    array([ 0.333333, -1.42265 ])

    Source: A20; Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016, section 8.
    """

    slots = ("mean_square", "velocity")

    def __init__(
        self, parameters, lr, *, rho=0.9, momentum=0.9, eps=1.0, eps_inside_sqrt=True, weight_decay=0.0, decayed="all"
    ):
        super().__init__(parameters, lr, weight_decay=weight_decay, decayed=decayed)
        self.rho, self.momentum = real("rho", rho, least=0, below=1), real("momentum", momentum, least=0, below=1)
        self.eps, self.eps_inside_sqrt = real("eps", eps, above=0), flag("eps_inside_sqrt", eps_inside_sqrt)

    def update(self, room, theta, g, remembered, decay):
        room.rmsprop(theta, *remembered, g, self.lr, self.rho, self.momentum, self.eps, self.eps_inside_sqrt, decay)


class Adam(Optimizer):
    r"""Running means of the gradient and of its square, freed of their beginning at zero.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \qquad
              \theta \leftarrow \theta - \alpha \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \varepsilon}

    with g = ∂L/∂θ + λθ and t the number of the step.

    Parameters
    ----------
    parameters, lr, weight_decay, decayed
        As for :class:`Optimizer`.
    beta1, beta2 : float
        The weights of the old means, from 0 up to but not including 1.
    eps : float
        ε, above 0.

    Raises
    ------
    TypeError, ValueError
        As :class:`SGD`.

    Examples
    --------
    >>> from refconv.nn import Parameter
    >>> theta = Parameter(np.array([1.0, -2.0]))
    >>> theta.grad += [40.0, -0.02]
    >>> Adam({"theta": theta}, lr=0.5).step()
    >>> theta.value.round(6)  # the first step is α, whatever the gradient's size
    array([ 0.5, -1.5])

    Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2014.
    """

    slots = ("mean", "mean_square")

    def __init__(self, parameters, lr=1e-3, *, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, decayed="all"):
        super().__init__(parameters, lr, weight_decay=weight_decay, decayed=decayed)
        self.beta1, self.beta2 = real("beta1", beta1, least=0, below=1), real("beta2", beta2, least=0, below=1)
        self.eps = real("eps", eps, above=0)

    def update(self, room, theta, g, remembered, decay):
        room.adam(theta, *remembered, g, self.lr, self.beta1, self.beta2, self.eps, self.steps, decay)
