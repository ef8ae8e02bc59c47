"""Optimisers: their per-parameter state, and the update that changes parameters with it.

The updates themselves are loops, :mod:`refconv.reference.update`, and kernels of the same names.
"""

import itertools
import operator
from abc import ABC, abstractmethod
from types import MappingProxyType

import numpy as np

from refconv._arguments import choice, flag, real, trainable_parameters
from refconv._errors import ArgumentValueError
from refconv.ops.dispatch import implementation

__all__ = ["SGD", "Adam", "Optimizer", "RMSProp"]

DECAYED = ("all", "weights")


class Optimizer(ABC):
    """Base class for optimisers: parameters, a learning rate and per-parameter state.

    Parameters
    ----------
    model : Layer or dict of Parameter
        A built network, or parameters by name. Parameters that are not trainable are left out. Those that are frozen now
        stay as they are even if they are unfrozen later: then make another optimiser.
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
        If an argument does not fit, or no parameter is trainable; the message names the argument.

    Source: lecture row A12 (SOURCES.md).
    """

    slots: tuple[str, ...] = ()  # names of the state; each is a read-only mapping from a parameter's name to its array

    def __init__(self, model, lr, *, weight_decay=0.0, decayed="all"):
        self.parameters = trainable_parameters(model)
        if not self.parameters:
            raise ArgumentValueError(f"model must have at least one trainable parameter, got none in {type(model).__name__}")
        self.lr, self.weight_decay = real("lr", lr, least=0), real("weight_decay", weight_decay, least=0)
        choice("decayed", decayed, DECAYED)
        self.decayed = decayed
        self.steps = 0
        self._flat, self._places = self._allocate()
        self._make_views()

    def _allocate(self):
        """Return flat arrays of zeros for the state, by slot and dtype, and the dtype and offset of each parameter's part."""
        sizes, places = {}, {}
        for name, parameter in self.parameters.items():
            dtype = parameter.value.dtype
            places[name] = dtype, sizes.get(dtype, 0)
            sizes[dtype] = sizes.get(dtype, 0) + parameter.value.size
        flat = {slot: {dtype: np.zeros(size, dtype) for dtype, size in sizes.items()} for slot in self.slots}
        return flat, places

    def _make_views(self):
        for slot in self.slots:
            views = {name: self._state(slot, name, p.value.size).reshape(p.value.shape) for name, p in self.parameters.items()}
            setattr(self, slot, MappingProxyType(views))
        self._run_inputs, self._found_runs = (), ()

    def _state(self, slot, name, size):
        """Return the state of consecutive parameters that begin with this one, as an array of one axis."""
        dtype, offset = self._places[name]
        return self._flat[slot][dtype][offset : offset + size]

    def check_model(self, model) -> None:
        """Raise ``ValueError`` if a parameter of this optimiser does not belong to the model.

        It would be updated in vain: for instance after ``model.build`` with other shapes, which makes new parameters.

        >>> from refconv import nn
        >>> model = nn.Dense(2)
        >>> _ = model.build((3,), rng=0)
        >>> SGD(model, lr=0.1).check_model(model)
        """
        own = set(map(id, model.named_parameters().values()))
        if not own.issuperset(map(id, self.parameters.values())):
            raise ArgumentValueError(
                "optimizer must hold the parameters of model, got those of another model (or of an earlier build): "
                "make a new optimizer"
            )

    def step(self) -> None:
        """Update each parameter once, except those that have been frozen since the optimiser was made."""
        self.steps += 1
        functions = implementation("update")
        for theta, g, state, decays in self._runs():
            self.update(functions, theta, g, state, self.weight_decay if decays else 0.0)

    @abstractmethod
    def update(self, functions, theta, g, state, decay) -> None:
        """Change parameters and their state in place.

        ``functions`` is the module with the updates, loops or kernels. ``theta`` is one parameter, or several that are
        consecutive in a flat array. ``g`` is ∂L/∂θ, and ``state`` has an array for each slot, all of theta's shape.
        """

    def _runs(self):
        """Return the arrays of each update: runs of consecutive parameters that decay alike, or parameters alone."""
        trained = [(name, p) for name, p in self.parameters.items() if p.trainable]
        inputs = [self.decayed, *itertools.chain.from_iterable((p.value, p.grad) for _, p in trained)]
        if len(inputs) != len(self._run_inputs) or not all(map(operator.is_, inputs, self._run_inputs)):
            self._run_inputs, self._found_runs = inputs, [self._arrays(run) for run in self._find_runs(trained)]
        return self._found_runs

    def _find_runs(self, trained):
        """Group parameters, given with their names, whose values, gradients and state are consecutive in memory."""
        runs = []
        for name, parameter in trained:
            if not parameter.value.flags.c_contiguous:  # the update runs over the array's memory
                raise ArgumentValueError(f"the value of {name} must be C-contiguous, got strides {parameter.value.strides}")
            if runs and self._follows(*runs[-1][-1], name, parameter):
                runs[-1].append((name, parameter))
            else:
                runs.append([(name, parameter)])
        return runs

    def _follows(self, name_before, before, name, parameter):
        dtype, offset = self._places[name_before]
        return (
            parameter.flat is not None
            and parameter.flat is before.flat
            and parameter.offset == before.offset + before.value.size
            and self._places[name] == (dtype, offset + before.value.size)
            and self._decays(parameter) == self._decays(before)
        )

    def _decays(self, parameter):
        return self.decayed == "all" or parameter.value.ndim > 1

    def _arrays(self, run):
        """Return the value, the gradient, the state and the decay of a run, joined if there are several parameters."""
        name, first = run[0]
        if len(run) == 1:
            return first.value, first.grad, [getattr(self, slot)[name] for slot in self.slots], self._decays(first)
        size = sum(parameter.value.size for _, parameter in run)
        part = slice(first.offset, first.offset + size)
        state = [self._state(slot, name, size) for slot in self.slots]
        return first.flat.values[part], first.flat.gradients[part], state, self._decays(first)

    def __getstate__(self):  # without views: copies of them would be arrays of their own
        return {name: value for name, value in vars(self).items() if name not in (*self.slots, "_run_inputs", "_found_runs")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._make_views()

    def state(self) -> dict[str, np.ndarray]:
        """Return the state as named arrays, ``slot.name`` for each parameter, and the number of steps."""
        arrays = {f"{slot}.{name}": a for slot in self.slots for name, a in getattr(self, slot).items()}
        return {"steps": np.array(self.steps), **arrays}

    def restore(self, state) -> None:
        """Set the state to what :meth:`state` returned; ``ValueError`` if it belongs to other parameters."""
        own = self.state()
        different = sorted(
            n for n in own.keys() | state.keys() if n not in own or n not in state or own[n].shape != state[n].shape
        )
        if different:
            expected = f"that of a {type(self).__name__} of the same parameters"
            raise ArgumentValueError(f"state must be {expected}, got others for {different}")
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
    model, lr, weight_decay, decayed
        As for :class:`Optimizer`.
    momentum : float
        μ, from 0 up to but not including 1.
    nesterov : bool
        Whether θ looks one step of the momentum ahead.

    Raises
    ------
    TypeError, ValueError
        If something is not a number or out of its range, or no parameter is trainable.

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

    def __init__(self, model, lr, *, momentum=0.0, weight_decay=0.0, nesterov=False, decayed="all"):
        super().__init__(model, lr, weight_decay=weight_decay, decayed=decayed)
        self.momentum, self.nesterov = real("momentum", momentum, least=0, below=1), flag("nesterov", nesterov)

    def update(self, functions, theta, g, state, decay):
        functions.sgd(theta, *state, g, self.lr, self.momentum, decay, self.nesterov)


class RMSProp(Optimizer):
    r"""Each gradient is divided by the root of a running mean of its squares; with momentum, as Inception was trained.

    .. math:: s \leftarrow \rho s + (1 - \rho) g^2, \qquad
              v \leftarrow \mu v - \alpha \frac{g}{\sqrt{s + \varepsilon}}, \qquad
              \theta \leftarrow \theta + v

    with g = ∂L/∂θ + λθ. Libraries differ in where ε stands, and with the lecture's ε = 1 it matters: inside of the root,
    as here and in TensorFlow, or behind it, √s + ε, as in PyTorch (``eps_inside_sqrt=False``).

    Parameters
    ----------
    model, lr, weight_decay, decayed
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

    def __init__(self, model, lr, *, rho=0.9, momentum=0.9, eps=1.0, eps_inside_sqrt=True, weight_decay=0.0, decayed="all"):
        super().__init__(model, lr, weight_decay=weight_decay, decayed=decayed)
        self.rho, self.momentum = real("rho", rho, least=0, below=1), real("momentum", momentum, least=0, below=1)
        self.eps, self.eps_inside_sqrt = real("eps", eps, above=0), flag("eps_inside_sqrt", eps_inside_sqrt)

    def update(self, functions, theta, g, state, decay):
        functions.rmsprop(
            theta,
            *state,
            g,
            lr=self.lr,
            rho=self.rho,
            momentum=self.momentum,
            eps=self.eps,
            eps_inside_sqrt=self.eps_inside_sqrt,
            decay=decay,
        )


class Adam(Optimizer):
    r"""Running means of the gradient and of its square, freed of their beginning at zero.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \qquad
              \theta \leftarrow \theta - \alpha \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \varepsilon}

    with g = ∂L/∂θ + λθ and t the number of the step.

    Parameters
    ----------
    model, lr, weight_decay, decayed
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

    def __init__(self, model, lr=1e-3, *, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, decayed="all"):
        super().__init__(model, lr, weight_decay=weight_decay, decayed=decayed)
        self.beta1, self.beta2 = real("beta1", beta1, least=0, below=1), real("beta2", beta2, least=0, below=1)
        self.eps = real("eps", eps, above=0)

    def update(self, functions, theta, g, state, decay):
        functions.adam(
            theta, *state, g, lr=self.lr, beta1=self.beta1, beta2=self.beta2, eps=self.eps, t=self.steps, decay=decay
        )
