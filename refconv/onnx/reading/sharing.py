"""Layers of nodes that share weights.

Nodes that read the same weights and compute the same become one layer with several uses, so training changes the weights in
all of them. Exporters and optimisers of files also merge arrays of equal values. This affects mostly initial values, such as
biases of zeros and scales of ones, so such arrays alone do not make two layers one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from refconv.onnx.reading.reader import Step
from refconv.typing import Array
from refconv.weights.values import as_data

__all__ = ["share_layers"]


def share_layers(steps: Iterable[Step], constants: Mapping[str, Array]) -> dict[str, list[str]]:
    """Replace layers that have all their weights in common by the first of them.

    Parameters
    ----------
    steps : iterable of Step
        The layers of the network. The function changes the attribute ``layer``.
    constants : dict of array
        The constant arrays of the graph by name.

    Returns
    -------
    dict of list of str
        The names of the other steps that have weights in common, by the name of these weights. Their layers differ, so each
        has a copy.
    """
    first: dict[tuple[str, ...], Step] = {}
    users: dict[str, dict[int, str]] = {}  # of each array: the name of the first step of each layer
    is_initial = {}
    for step in steps:
        if not any(spec.trainable for spec in step.layer.specs(step.input_shape).values()):
            continue
        for name in step.constants:
            if name not in is_initial:
                is_initial[name] = _is_initial(constants[name])
        own = [name for name in step.constants if not is_initial[name]]
        key = _key(step) if own else None
        if key is not None:
            earlier = first.setdefault(key, step)
            if _have_equal_weights(step, earlier):
                step.layer = earlier.layer
        for name in own:
            users.setdefault(name, {}).setdefault(id(step.layer), step.name)
    return {name: [*layers.values()] for name, layers in users.items() if len(layers) > 1}


def _is_initial(array: Array) -> bool:
    """Return True for an array of zeros or of ones, as biases and scales are before training."""
    return array.size == 0 or (array.flat[0] in (0, 1) and bool((array == array.flat[0]).all()))


def _key(step: Step) -> tuple[str, ...] | None:
    """Return a key of the arguments and weights of a layer, or None if it is unknown."""
    arguments: Any = step.layer.constructor_arguments()
    data = as_data([list(arguments[0]), arguments[1]])
    return None if data is None else (type(step.layer).__name__, repr(data), *step.constants)


def _have_equal_weights(step: Step, other: Step) -> bool:
    """Return True for equal arrays; the weights after a flattened image may be in another order."""
    return step.weights.keys() == other.weights.keys() and all(
        np.array_equal(array, other.weights[name]) for name, array in step.weights.items()
    )
