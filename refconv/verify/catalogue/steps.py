"""Training steps as functions of initial parameters and gradients, for optimisers.

A step must not change the gradients, and an optimiser that restores a state must continue like the one that saved the state.
Two of the parameters are frozen: ``early`` while the optimiser is created, and ``late`` after the first step.
"""

from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st

from refconv.nn import Parameter
from refconv.verify.case import Case
from refconv.verify.operator import Refuted

__all__ = ["NAMES", "definition", "moves", "parameters", "step_cases", "steps", "trained"]

NAMES = ("w", "b", "k", "early", "late")  # the parameters: a matrix, a vector, a convolution kernel and two vectors
SWITCHES = bool | str  # types of options that are not numbers


def parameters(a):
    """Return the parameters of a case, with copies of its arrays."""
    return {name: Parameter(a.arrays[name].copy()) for name in NAMES if name in a.arrays}


def moves(name, step):
    """Return True if this step changes the parameter.

    A parameter that is frozen when the optimiser is created never changes, even though it is unfrozen before the first step.
    """
    return name != "early" and (name != "late" or step == 0)


def settings(a):
    """Return the learning rates and the other options, as symbols if the arrays contain symbols."""
    if a.w.dtype != object:
        return _rates({name: convert(value, float) for name, value in a.options.items()})
    import sympy

    rates, other_options = _rates(a.options)
    numbers = [name for name, value in other_options.items() if not isinstance(value, SWITCHES)]
    symbols = {name: sympy.Symbol(name, positive=True) for name in numbers}
    return [sympy.Symbol(f"lr{step}", positive=True) for step in range(len(rates))], {**other_options, **symbols}


def _rates(options):
    """Return the learning rates and a dict of the other options."""
    return options["lr"], {name: value for name, value in options.items() if name != "lr"}


def convert(value, kind):
    """Convert a number, or each number of a tuple; return a switch unchanged."""
    if isinstance(value, tuple):
        return tuple(map(kind, value))
    return value if isinstance(value, SWITCHES) else kind(value)


def trained(cls, a):
    """Return all parameters, flattened, after one step for each learning rate.

    Raises :class:`Refuted` if the result is different with two optimisers that take turns, each restoring the state of the
    other.
    """
    y, resumed = after_steps(cls, a, 1), after_steps(cls, a, 2)
    if not _equal(y, resumed):
        raise Refuted(
            f"{cls.__name__} with its state restored before each step must give {y.tolist()}, got {resumed.tolist()}"
        )
    return y


def _equal(a, b):
    """Return True if two arrays are equal, where pairs of NaN count as equal."""
    return bool(np.all((a == b) | ((a != a) & (b != b))))  # np.isnan does not accept symbols


def after_steps(cls, a, count):
    """Return all parameters, flattened, after steps in which ``count`` optimisers take turns.

    Raises :class:`Refuted` if a step changes a gradient.
    """
    theta = parameters(a)
    rates, other_options = settings(a)
    floats = {name: convert(value, float) for name, value in a.options.items()}
    freeze(theta, "early")
    optimizers = [cls(theta, **{**floats, "lr": floats["lr"][0]}) for _ in range(count)]
    for optimizer in optimizers if a.w.dtype == object else ():  # the constructor accepts only floats
        vars(optimizer).update(other_options)
    for step, lr in enumerate(rates):
        freeze(theta, "late" if step else None)
        optimizer = optimizers[step % count]
        if count > 1:
            optimizer.restore(optimizers[step % count - 1].state())
        optimizer.lr = lr
        for name, parameter in theta.items():
            parameter.grad[...] = a.arrays[f"d{name}"][step]
        optimizer.step()
        if not all(_equal(parameter.grad, a.arrays[f"d{name}"][step]) for name, parameter in theta.items()):
            raise Refuted(f"step {step + 1} of {cls.__name__} changes the gradients")
    return np.concatenate([parameter.value.ravel() for parameter in theta.values()])


def freeze(theta, frozen):
    """Freeze the parameter of this name and unfreeze all others."""
    for name, parameter in theta.items():
        parameter.frozen = name == frozen


def definition(update, defaults):
    """Return a definition that takes all steps with ``update(theta, g, o, memory)``.

    ``update`` takes one step of one parameter, whose state is in the dict ``memory``. ``defaults`` are the documented defaults
    of options that a case leaves out.
    """

    def defined(a):
        rates, other_options = settings(a)
        other_options = {**defaults, **other_options}
        results = []
        for name in (name for name in NAMES if name in a.arrays):
            theta = a.arrays[name]
            memory = {}
            decay = (
                0 if theta.ndim == 1 and other_options.get("decayed") == "weights" else other_options.get("weight_decay", 0)
            )
            for step, lr in [(step, lr) for step, lr in enumerate(rates) if moves(name, step)]:
                o = SimpleNamespace(**{**other_options, "weight_decay": decay, "lr": lr, "t": step + 1})
                theta = update(theta, a.arrays[f"d{name}"][step], o, memory)
            results.append(theta.ravel())
        return {"y": np.concatenate(results)}

    return defined


def steps(shapes, options):
    """Return the case of parameters of these shapes, with gradients for each learning rate."""
    count = len(options["lr"])
    shapes_by_name = dict(zip(NAMES, shapes, strict=True))
    return Case({**shapes_by_name, **{f"d{name}": (count, *shape) for name, shape in shapes_by_name.items()}}, options)


@st.composite
def step_cases(draw, /, numbers, **switches):
    """Draw parameters of any shape, one to six steps, and options from the lists given."""
    w = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=2, unique=True)))
    k = tuple(draw(st.lists(st.integers(1, 3), min_size=4, max_size=4)))
    rates = tuple(draw(st.lists(st.sampled_from([0.5, 0.125, 0.01]), min_size=1, max_size=6)))
    chosen = {name: draw(st.sampled_from(values)) for name, values in {**numbers, **switches}.items()}
    decay = {"weight_decay": draw(st.sampled_from([0.0, 0.0005, 0.25])), "decayed": draw(st.sampled_from(["all", "weights"]))}
    return steps((w, (draw(st.integers(1, 9)),), k, (2,), (3,)), {"lr": rates, **chosen, **decay})
