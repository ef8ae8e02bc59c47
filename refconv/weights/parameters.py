"""Saving and loading of a network's parameters by dotted name, without the architecture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from refconv._errors import ArgumentValueError
from refconv.nn import Layer
from refconv.typing import Array
from refconv.weights.counters import with_counters
from refconv.weights.foreign import refuse_other_endings
from refconv.weights.safetensors import read_safetensors
from refconv.weights.tensors import CHECKPOINT, WEIGHTS, refuse_newer, write_tensors

__all__ = ["differences", "kinds", "load_weights", "put", "save_weights", "weights_among"]

ARRAYS = "arrays/"  # prefix of arrays that are arguments or settings of layers
GROUP = "model/"  # prefix of a network's parameters in a checkpoint
MAX_LISTED_NAMES = 3  # for each kind of difference in an error message

Path = str | os.PathLike[str]


def save_weights(path: Path, model: Layer) -> None:
    """Save all parameters; called by :meth:`refconv.nn.Layer.save_weights`."""
    refuse_other_endings(path)
    write_tensors(path, {name: parameter.value for name, parameter in model.named_parameters().items()}, WEIGHTS, {})


def load_weights(path: Path, model: Layer, *, strict: bool = True) -> list[str]:
    """Copy parameters from a file; called by :meth:`refconv.nn.Layer.load_weights`."""
    tensors, metadata = read_safetensors(path)
    refuse_newer(path, metadata)
    weights = weights_among(tensors, metadata)
    if model.input_shape is not None:
        weights = with_counters(model, model.input_shape, weights)
    expected = kinds({name: parameter.value for name, parameter in model.named_parameters().items()})
    common = {name: a for name, a in weights.items() if name in expected}
    if not strict and not common:
        raise ArgumentValueError(f"{path} must contain a parameter of the network, got {_first_of(weights) or 'none'}")
    if difference := differences(expected, kinds(weights) if strict else {**expected, **kinds(common)}):
        raise ArgumentValueError(f"{path} must contain the parameters of the network, got {difference}")
    put(model, common)
    return [name for name in expected if name not in common]


def weights_among(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> dict[str, Array]:
    """Return the tensors of a file that are parameters of the network, by their dotted names."""
    if CHECKPOINT in metadata:
        return {name.removeprefix(GROUP): a for name, a in tensors.items() if name.startswith(GROUP)}
    return {name: a for name, a in tensors.items() if not name.startswith(ARRAYS)}


def put(model: Layer, weights: Mapping[str, Array]) -> None:
    """Copy named arrays into the parameters with these names."""
    parameters = model.named_parameters()
    for name, a in weights.items():
        parameters[name].value[...] = a


def kinds(arrays: Mapping[str, Array]) -> dict[str, str]:
    """Return the shape and dtype of each named array as text."""
    return {name: f"{a.shape} {a.dtype}" for name, a in arrays.items()}


def differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> str:
    """Describe how names, shapes and dtypes differ; return "" if they do not.

    The arguments are results of :func:`kinds`.

    >>> expected = {"w": "(3, 2) float32", "b": "(2,) float32"}
    >>> differences(expected, {"w": "(3, 4) float32", "c": "(2,) float32"})
    '1 missing (b); 1 unexpected (c); 1 of another shape or type (w: (3, 4) float32, expected (3, 2) float32)'
    """
    groups = {
        "missing": [name for name in expected if name not in actual],
        "unexpected": [name for name in actual if name not in expected],
        "of another shape or type": [
            f"{name}: {actual[name]}, expected {kind}" for name, kind in expected.items() if actual.get(name, kind) != kind
        ],
    }
    return "; ".join(f"{len(names)} {difference} ({_first_of(names)})" for difference, names in groups.items() if names)


def _first_of(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:MAX_LISTED_NAMES]) + (", …" if len(listed) > MAX_LISTED_NAMES else "")
