"""Base class for optimisers, which updates all parameters in flat arrays."""

from __future__ import annotations

import inspect
import itertools
import operator
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from refconv._arguments import choice, real, trainable_parameters, updatable
from refconv._errors import ArgumentValueError
from refconv.nn.calls import CheckedCall
from refconv.nn.layer import all_layers
from refconv.ops.dispatch import implementation
from refconv.optim.groups import COMMON, Group, assigned, groups_of

if TYPE_CHECKING:
    from refconv.nn import Layer, Parameter
    from refconv.typing import Array

    Named = tuple[str, Parameter]

__all__ = ["Optimizer"]

DECAYED = ("all", "weights")


class Update(NamedTuple):
    """Arrays of one update, for one parameter or for consecutive parameters of the same group."""

    theta: Array
    g: Array
    state: list[Array]  # one array for each slot
    group: Group


class Optimizer(metaclass=CheckedCall):
    """Base class for optimisers: parameters, learning rates and per-parameter state.

    Parameters
    ----------
    model : Layer or dict of Parameter
        A built network, or parameters by name. Parameters that are not trainable or that are frozen are left out. If frozen
        parameters are unfrozen later, training raises an error and a new optimiser must be made.
    lr : float
        α, the common learning rate. It may be changed between steps, ``optimizer.lr = …``, as schedules do.
    weight_decay : float
        λ, the factor of the weights in the update.
    decayed : str
        The parameters to which weight decay applies: "all", as in the formula of the lecture, or "weights", the arrays with
        two or more axes. Biases and the γ and β of batch normalisation have one axis.
    groups : dict, optional
        Other values of ``lr`` or ``weight_decay`` for the parameters whose dotted name matches a pattern, in which ``*``
        matches any characters: ``{"*.b": {"weight_decay": 0.0}, "scores.*": {"lr": 1.0}}``. The first pattern that
        matches is used. A change of ``optimizer.lr`` scales the rates of all groups by the same factor. The ``weight_decay``
        of a group applies to all its parameters, whatever ``decayed`` is.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, no parameter is trainable, or a pattern matches no parameter. The message names the
        argument.

    Source: lecture row A12 (SOURCES.md).
    """

    slots: tuple[str, ...] = ()  # attributes with the state; each is a read-only mapping from a parameter name to an array
    options: tuple[str, ...] = ()  # attributes of the subclass that affect the update

    def __init__(
        self,
        model: Layer | Mapping[str, Parameter],
        lr: float,
        *,
        weight_decay: float = 0.0,
        decayed: str = "all",
        groups: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self.parameters: dict[str, Parameter] = trainable_parameters(model)
        if not self.parameters:
            # The parameters dict of a container is empty, since only its inner layers have parameters.
            is_dict = isinstance(model, Mapping)
            advice = "pass the model itself, as in SGD(model, lr=0.01)" if is_dict else "are all parameters frozen?"
            got = f"got none in {type(model).__name__}: {advice}"
            raise ArgumentValueError(f"model must have at least one trainable parameter, {got}")
        self.lr, self.weight_decay = real("lr", lr, least=0), real("weight_decay", weight_decay, least=0)
        choice("decayed", decayed, DECAYED)
        self.decayed = decayed
        named = model if isinstance(model, Mapping) else model.named_parameters()
        self._initially_frozen = {name: parameter for name, parameter in named.items() if parameter.frozen}
        self.groups = groups_of(groups or {}, self.lr)
        self.steps = 0
        self._unscaled_lr = self.lr  # the common rate for which the rates of the groups were given
        self._group_of = assigned(self.groups, self.parameters)
        self._flat, self._locations = self._allocate()
        self._make_views()

    def _allocate(self) -> tuple[dict[str, dict[Any, Array]], dict[str, tuple[Any, int]]]:
        """Return flat zero arrays for the state, and the dtype and offset of each parameter in them.

        The arrays are indexed by slot and dtype.
        """
        sizes: dict[Any, int] = {}
        locations = {}
        for name, parameter in self.parameters.items():
            dtype = parameter.value.dtype
            locations[name] = dtype, sizes.get(dtype, 0)
            sizes[dtype] = sizes.get(dtype, 0) + parameter.value.size
        flat = {slot: {dtype: np.zeros(size, dtype) for dtype, size in sizes.items()} for slot in self.slots}
        return flat, locations

    def _make_views(self) -> None:
        for slot in self.slots:
            views = {name: self._state(slot, name, p.value.size).reshape(p.value.shape) for name, p in self.parameters.items()}
            setattr(self, slot, MappingProxyType(views))
        self._run_inputs: list[Any] = []
        self._cached_runs: list[Update] = []

    def _state(self, slot: str, name: str, size: int) -> Array:
        """Return the state of ``size`` elements from this parameter on, as an array with one axis."""
        dtype, offset = self._locations[name]
        return self._flat[slot][dtype][offset : offset + size]

    def check_model(self, model: Layer) -> None:
        """Raise ``ValueError`` if a step would not train the trainable parameters of the model.

        This is the case if a parameter of the optimiser does not belong to the model: for instance, ``model.build`` with other
        shapes makes new parameters. It is also the case if a parameter was frozen when the optimiser was made but is not
        frozen any more, or if all parameters are frozen now.

        >>> from refconv import nn, optim
        >>> model = nn.Dense(2)
        >>> _ = model.build((3,), rng=0)
        >>> optim.SGD(model, lr=0.1).check_model(model)
        """
        own = {id(parameter) for layer in all_layers(model) for parameter in layer.parameters.values()}
        if not own.issuperset(map(id, self.parameters.values())):
            raise ArgumentValueError(
                "optimizer must be made for the parameters of model, got parameters of another model or an earlier build: "
                "make a new optimizer"
            )
        unfrozen = [name for name, p in self._initially_frozen.items() if p.trainable and id(p) in own]
        if unfrozen:
            raise ArgumentValueError(
                f"optimizer must include the parameters that were unfrozen, got one without {len(unfrozen)} of them, "
                f"such as {unfrozen[0]}: make a new optimizer"
            )
        if not any(p.trainable for p in self.parameters.values()):
            raise ArgumentValueError(
                "model must have at least one trainable parameter, got a model whose parameters are frozen"
            )

    def step(self) -> None:
        """Update each parameter once, except parameters that are frozen."""
        self.steps += 1
        functions = implementation("update")
        for theta, g, state, group in self._runs():
            lr = self.lr if group.lr is None else group.lr * (self.lr / self._unscaled_lr)
            decay = self.weight_decay if group.weight_decay is None else group.weight_decay
            self.update(functions, theta, g, state, lr, decay)

    @abstractmethod
    def update(self, functions: ModuleType, theta: Array, g: Array, state: list[Array], lr: float, decay: float) -> None:
        """Update parameters and their state in place.

        ``functions`` is the module with the update rules, as loops or kernels. ``theta`` is one parameter, or several
        consecutive parameters in a flat array. ``g`` is ∂L/∂θ, and ``state`` has an array for each slot. All arrays have the
        shape of theta. ``lr`` and ``decay`` are the values of the parameters' group.
        """

    def _runs(self) -> list[Update]:
        """Return the arrays of each update, for runs of consecutive parameters of the same group."""
        trained = [(name, p) for name, p in self.parameters.items() if p.trainable]
        inputs = [self.decayed, *itertools.chain.from_iterable((p.value, p.grad) for _, p in trained)]
        if len(inputs) != len(self._run_inputs) or not all(map(operator.is_, inputs, self._run_inputs)):
            self._run_inputs, self._cached_runs = inputs, [self._arrays(run) for run in self._find_runs(trained)]
        return self._cached_runs

    def _find_runs(self, trained: Sequence[Named]) -> list[list[Named]]:
        """Collect named parameters into runs with consecutive values, gradients and state."""
        runs: list[list[Named]] = []
        for name, parameter in trained:
            updatable(f"the value of {name}", parameter.value)
            if runs and self._follows(*runs[-1][-1], name, parameter):
                runs[-1].append((name, parameter))
            else:
                runs.append([(name, parameter)])
        return runs

    def _follows(self, name_before: str, before: Parameter, name: str, parameter: Parameter) -> bool:
        dtype, offset = self._locations[name_before]
        return (
            parameter.flat is not None
            and parameter.flat is before.flat
            and parameter.offset == before.offset + before.value.size
            and self._locations[name] == (dtype, offset + before.value.size)
            and self._group(name, parameter) == self._group(name_before, before)
        )

    def _group(self, name: str, parameter: Parameter) -> Group:
        """Return the rate and decay of a parameter, where they differ from the common ones."""
        group = self._group_of.get(name, COMMON)
        if group.weight_decay is None and self.decayed == "weights" and parameter.value.ndim == 1:
            return Group(group.lr, 0.0)
        return group

    def _arrays(self, run: Sequence[Named]) -> Update:
        """Return the arrays of a run, as slices of flat arrays if there are several parameters."""
        name, first = run[0]
        group = self._group(name, first)
        flat = first.flat
        if flat is None or len(run) == 1:
            return Update(first.value, first.grad, [getattr(self, slot)[name] for slot in self.slots], group)
        size = sum(parameter.value.size for _, parameter in run)
        part = slice(first.offset, first.offset + size)
        state = [self._state(slot, name, size) for slot in self.slots]
        return Update(flat.values[part], flat.gradients[part], state, group)

    def __getstate__(self) -> dict[str, Any]:  # without the views, since copies of them would be separate arrays
        return {name: value for name, value in vars(self).items() if name not in (*self.slots, "_run_inputs", "_cached_runs")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._make_views()

    def settings(self) -> dict[str, Any]:
        """Return rates, decay and options as JSON-serialisable data.

        Together with the state, these settings determine the result of a step.

        >>> from refconv import nn, optim
        >>> theta = {"w": nn.Parameter(np.zeros((2, 3))), "b": nn.Parameter(np.zeros(3))}
        >>> settings = optim.SGD(theta, lr=0.1, momentum=0.9, groups={"b": {"weight_decay": 0}}).settings()
        >>> settings["momentum"], settings["groups"]
        (0.9, [{'names': 'b', 'weight_decay': 0.0}])
        """
        # A list, because the order counts: the first pattern that matches is used.
        groups = [{"names": pattern, **group.settings()} for pattern, group in self.groups.items()]
        common = {"lr": self.lr, "weight_decay": self.weight_decay, "decayed": self.decayed, "groups": groups}
        return {**common, **self.own_options()}

    def own_options(self) -> dict[str, Any]:
        """Return the arguments that only this type of optimiser has, such as the momentum of SGD."""
        return {name: getattr(self, name) for name in self.options}

    def __repr__(self) -> str:
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        options = {name: value for name, value in self.settings().items() if name != "groups" and value != defaults.get(name)}
        shown = {"lr": self.lr, **options, **({"groups": len(self.groups)} if self.groups else {})}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def state(self) -> dict[str, Array]:
        """Return the number of steps and the state, as arrays named ``slot.name``."""
        arrays = {f"{slot}.{name}": a for slot in self.slots for name, a in getattr(self, slot).items()}
        return {"steps": np.array(self.steps), **arrays}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Restore a state that :meth:`state` returned.

        If it belongs to other parameters, raise ``ValueError`` and change nothing.
        """
        own = self.state()
        different = sorted(name for name in own.keys() | state.keys() if _kind(own, name) != _kind(state, name))
        if different:
            expected = f"the state of {type(self).__name__} for the same parameters"
            raise ArgumentValueError(f"state must be {expected}, got other entries for {different}")
        self.steps = int(state["steps"])
        for name, array in own.items():
            if name != "steps":
                array[...] = state[name]


def _kind(state: Mapping[str, Array], name: str) -> tuple[Any, ...] | None:
    """Return shape and dtype of an entry of a state, or None if there is no such entry.

    The dtype of the number of steps is replaced by None, since it does not matter.
    """
    if name not in state:
        return None
    array = state[name]
    return np.shape(array), None if name == "steps" else array.dtype
